"""Nothing is lost, told twice or told out of order, however publishing, losing and resuming interleave.

The real hub and the real bus on virtual time; the members' sockets are byte buffers that are read as a browser
would. Passes go member by member, so that joining and publishing fall between any two writes.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any
from unittest.mock import patch

from hypothesis import example, given, settings
from hypothesis import strategies as st

from signaling import hub as hub_module
from signaling.connection import Connection
from signaling.hub import Hub, raw_state
from streamserver import wire
from streamserver.bus import History, Lane, LocalBus
from streamserver.ids import RoomId, ViewerId
from streamserver.positions import Position
from streamserver.wire import Line, PinnedLineFrame, RoomState, TickFrame
from tests.support.virtual_loop import run_virtual

ROOM = RoomId("r")
STATE = RoomState(id="r", title="R", state="live", show=None, started_ms=None)

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.integers(1, 4)),
        st.tuples(st.just("pin"), st.just(0)),
        st.tuples(st.just("wait"), st.integers(0, 200)),
        st.tuples(st.just("turn"), st.integers(1, 3)),
        st.tuples(st.just("join"), st.just(0)),
        st.tuples(st.just("cut"), st.integers(0, 5)),
        st.tuples(st.just("resume"), st.integers(0, 5)),
    ),
    max_size=50,
)


class Buffer:
    """A transport that takes everything at once."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> None:
        self.data += data

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None: ...


class Browser:
    """A client as the protocol describes one. It checks every frame and remembers lines over connections."""

    def __init__(self, number: int) -> None:
        self.viewer = ViewerId(f"v{number}")
        self.transport = Buffer()
        self.connection: Connection | None = None
        self.lines: list[str] = []
        self.pinned: str | None = None
        self.pos: Position | None = None
        self.recoveries = 0

    def read(self) -> None:
        data, self.transport.data = self.transport.data, b""
        at = 0
        while at < len(data):
            assert data[at] == 0x81
            length, at = data[at + 1], at + 2
            if length == 126:
                length, at = int.from_bytes(data[at : at + 2], "big"), at + 2
            self.take(json.loads(data[at : at + length]))
            at += length

    def take(self, frame: dict[str, Any]) -> None:
        pos = Position(*frame["pos"])
        if frame["t"] == "welcome":
            if frame["recovered"]:
                assert self.pos == pos
                self.recoveries += 1
            else:
                state = frame["state"]
                self.lines = [line["id"] for line in state["chat"]]
                self.pinned = state["pinned_line"]["id"] if state["pinned_line"] else None
        else:
            assert self.pos is not None
            assert pos.follows(self.pos), f"{pos} after {self.pos}"
            self.lines += [line["id"] for line in frame.get("chat", ())]
            if frame["t"] == "pinned_line":
                self.pinned = frame["line"]["id"]
        self.pos = pos
        assert len(set(self.lines)) == len(self.lines), "a line came twice"


class Show:
    """The room, what was said in it, and its browsers."""

    def __init__(self, history: int) -> None:
        loop = asyncio.get_running_loop()
        epochs = itertools.count()
        self.bus = LocalBus(new_epoch=lambda: f"e{next(epochs)}", monotonic=loop.time, history=History(events=history))
        self.said: list[Line] = []
        self.pinned: Line | None = None
        self.browsers: list[Browser] = []
        self.joining: set[asyncio.Task[None]] = set()
        self.hub = Hub(ROOM, STATE, self.bus, self.collect, tick_s=0.08)

    async def collect(self, _room_id: RoomId) -> dict[str, Any]:
        await asyncio.sleep(0)
        chat = list(self.said)
        await asyncio.sleep(0.005)  # another part of the state takes its time
        return {"chat": chat, "pinned_line": self.pinned}

    async def say(self) -> None:
        line = Line(id=f"l{len(self.said)}", viewer="v", name="n", role="viewer", text="t", at_ms=0)
        self.said.append(line)
        await self.bus.publish(ROOM, TickFrame(chat=[line]))

    async def pin(self) -> None:
        line = Line(id=f"p{len(self.said)}", viewer="v", name="n", role="viewer", text="t", at_ms=0)
        self.pinned = line
        await self.bus.publish(ROOM, PinnedLineFrame(line=line), lane=Lane.NOW)

    def enter(self, browser: Browser, asked: Position | None) -> None:
        browser.transport = Buffer()
        member = Connection(ROOM, browser.transport, asyncio.get_running_loop().time)
        member.viewer_id = browser.viewer
        member.on_close = self.hub.leave
        browser.connection = member

        def welcome(pos: Position, state: bytes | None) -> bytes:
            return wire.encode(
                wire.WelcomeFrame(
                    v=1, room=STATE, you=wire.You(viewer=browser.viewer, name="n", role="viewer", staff=False),
                    token="t", pos=pos, recovered=state is None, now_ms=0, state=raw_state(state),
                )
            )  # fmt: skip

        async def admit() -> None:
            await self.hub.admit(member, asked, welcome)

        task = asyncio.get_running_loop().create_task(admit())
        self.joining.add(task)
        task.add_done_callback(self.joining.discard)

    def cut(self, browser: Browser) -> None:
        if browser.connection is not None:
            browser.connection.lost(1006)
            browser.connection = None
            browser.read()

    async def end(self) -> None:
        """Everybody still here has read everything."""
        if self.joining:
            await asyncio.gather(*self.joining)
        await asyncio.sleep(1)
        assert self.hub.resting()
        for browser in self.browsers:
            if browser.connection is not None:
                browser.read()
                assert browser.lines == [line.id for line in self.said]
                assert browser.pinned == (self.pinned.id if self.pinned else None)
                assert browser.pos == self.bus.position(ROOM)
        self.hub.close()


async def play(steps: list[tuple[str, int]], history: int) -> int:
    show = Show(history)
    for step, number in steps:
        if step == "say":
            for _ in range(number):
                await show.say()
        elif step == "pin":
            await show.pin()
        elif step == "wait":
            await asyncio.sleep(number / 1000)
        elif step == "turn":
            for _ in range(number):
                await asyncio.sleep(0)
        elif step == "join":
            show.browsers.append(Browser(len(show.browsers)))
            show.enter(show.browsers[-1], None)
        elif number < len(show.browsers):
            browser = show.browsers[number]
            show.cut(browser)
            if step == "resume":
                show.enter(browser, browser.pos)
    await show.end()
    return sum(browser.recoveries for browser in show.browsers)


# Somebody leaves, and somebody comes, in the middle of a pass.
LEAVE = [*[("join", 0)] * 3, ("wait", 200), ("pin", 0), ("turn", 2), ("cut", 0), ("wait", 100)]
COME = [*[("join", 0)] * 3, ("wait", 200), ("resume", 0), ("pin", 0), ("turn", 2), ("resume", 1), ("wait", 100)]


@settings(max_examples=300)
@example(steps=LEAVE, history=1000)
@example(steps=COME, history=1000)
@given(steps=STEPS, history=st.sampled_from([3, 20, 1000]))
def test_every_member_has_the_whole_room_in_order(steps: list[tuple[str, int]], history: int) -> None:
    with patch.object(hub_module, "CHUNK", 1):
        run_virtual(play(steps, history))


def test_the_play_above_does_recover() -> None:
    # Otherwise the property would hold by never resuming anything.
    steps = [("join", 0), ("wait", 100), ("say", 2), ("cut", 0), ("say", 3), ("wait", 100), ("resume", 0)]
    assert run_virtual(play([*steps, ("wait", 100)], 1000)) == 1
    assert run_virtual(play([*steps, ("wait", 100)], 3)) == 0
