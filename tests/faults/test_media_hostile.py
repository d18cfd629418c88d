"""Garbage, forgeries, replays and a flood (faults 30, 31 and 48) leave a canary viewer's picture alone, are counted by
reason, and get no answer that is larger than the question."""

from __future__ import annotations

import asyncio
import random
import socket

import pytest
from aioice import stun

from loadtest.light import LightPeer
from streamserver.ids import RoomId
from streamserver.media.engine import EngineConfig
from tests.support.engines import make_engine, need
from tests.support.hostile import CLIENT_HELLO, FLOOD, NORMAL_PER_S, garbage, hostile
from tests.support.watching import ROOM, show

ATTACK_S = 10.0
FLOODED = RoomId("flooded")


@pytest.mark.browser
async def test_a_canary_sees_nothing_of_an_attack(chromium: str) -> None:
    need("native")
    async with show("native") as room:
        page = await room.browse(chromium)
        canary = await room.watch(page)
        await canary.watches(60)

        async def admit(viewer: str, publisher: str) -> tuple[str, str]:
            answers = await room.engine.subscribe(ROOM, viewer), await room.engine.publish(FLOODED, publisher)
            return answers[0].answer_sdp, answers[1].answer_sdp

        async with hostile(room.engine.candidates[0][1], ATTACK_S, admit) as attackers:
            quiet = await canary.watch(5)
            before = room.dropped()
            attack = asyncio.create_task(attackers.attack())
            seen = await canary.watch(ATTACK_S)
            sent = await attack
            after = room.dropped()
        rose = {
            reason: count - before.get(reason, 0) for reason, count in after.items() if count > before.get(reason, 0)
        }
        print(
            f"attack: sent {sent}; canary frozen {seen.frozen_s:.2f} of {seen.seconds:.1f} s, before it "
            f"{quiet.frozen_s:.2f}; frames {len(seen.frames)}, lost {seen.grew('packetsLost')}; dropped {rose}"
        )
        assert sent["flood"] >= NORMAL_PER_S * FLOOD * ATTACK_S * 0.5, "the attackers were too slow to show anything"
        assert seen.frozen_s == 0
        assert seen.grew("packetsLost") <= 0
        for reason in ("unvalidated", "stun", "srtcp", "srtp", "replay", "policed"):
            assert rose.get(reason, 0) > 0, f"nothing counted as {reason}"
        unaccounted = (
            sent["strange"] - rose["unvalidated"] - rose["stun"] - rose.get("unknown", 0) - rose.get("unexpected", 0)
        )
        assert unaccounted <= sent["strange"] * 0.1, "garbage is counted where it is dropped"


def _questions(ufrag: str, port: int) -> list[bytes]:
    """What a stranger who spoofs another's address could ask: each must not be answered at length."""
    dice = random.Random(3)
    plain = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    named = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, attributes={"USERNAME": f"{ufrag}:abcd"})
    forged = stun.Message(
        stun.Method.BINDING, stun.Class.REQUEST, attributes={"USERNAME": f"{ufrag}:abcd", "PRIORITY": 1}
    )
    forged.add_message_integrity(b"wrong")
    unknown = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, attributes={"USERNAME": "nobody:abcd"})
    unknown.add_message_integrity(b"wrong")
    allocate = stun.Message(stun.Method.ALLOCATE, stun.Class.REQUEST)
    del port
    return [
        *(bytes(message) for message in (plain, named, forged, unknown, allocate)),
        CLIENT_HELLO,
        *(garbage(dice) for _ in range(200)),
    ]


@pytest.mark.parametrize("name", ["aiortc", "native"])
async def test_no_stranger_gets_more_bytes_than_it_sent(name: str) -> None:
    engine = make_engine(need(name), EngineConfig(announce=("127.0.0.1",)))
    await engine.start()
    peer = LightPeer("sendonly", ("H264",))
    try:
        session = await engine.publish(ROOM, peer.offer)
        await peer.connect(session.answer_sdp)
        ufrag = session.answer_sdp.partition("a=ice-ufrag:")[2].partition("\r\n")[0]
        address = engine.candidates[0]
        loop = asyncio.get_running_loop()
        asked = answered = 0
        for question in _questions(ufrag, address[1]):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                stranger.setblocking(False)
                stranger.bind(("127.0.0.1", 0))
                stranger.sendto(question, address)
                got = 0
                try:
                    async with asyncio.timeout(0.01 if asked > 2000 else 0.1):
                        while True:
                            got += len(await loop.sock_recv(stranger, 4096))
                except TimeoutError:
                    pass  # silence is the best answer
            asked += len(question)
            answered += got
            assert got <= len(question), question.hex()
        print(f"reflection on {name}: {answered} bytes for {asked}")
    finally:
        peer.close()
        await engine.stop()
