"""The chat over real sockets: said once, moderated by staff, there after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import sqlalchemy as sa

import chat.feature
import signaling.feature
from loadtest.member import Member, Refused
from streamserver.auth import Role
from streamserver.ids import AccountId, RoomId, SellerId
from streamserver.store.tables.chat import chat_lines, chat_rooms
from streamserver.store.tables.platform import rooms
from tests.support.server import Running, running_server, sign_in

# Commerce is left out: what is tested here stands without it.
FEATURES = (signaling.feature.setup, chat.feature.setup)


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    async with running_server(tmp_path, features=FEATURES, chat_words=("scam",)) as srv:
        yield srv


def address(srv: Running) -> str:
    return f"ws://127.0.0.1:{srv.server.port}/ws/demo"


def signed_in(srv: Running, session: aiohttp.ClientSession, **hello: Any) -> Member:
    """A member whose connection carries the session's cookies but no viewer of its own."""
    cookies = session.cookie_jar.filter_cookies(session._base_url)  # type: ignore[arg-type]
    return Member(address(srv), headers={"Cookie": f"session={cookies['session'].value}"}, **hello)


async def account(srv: Running, role: Role, seller: SellerId | None) -> aiohttp.ClientSession:
    email = f"{srv.server.new_id()}@example.test"
    await srv.server.auth.add_account(AccountId(srv.server.new_id()), email, "correct horse", "Somebody", role, seller)
    return await sign_in(srv.url, email, "correct horse")


async def refusal(member: Member, frame: dict[str, Any]) -> dict[str, Any]:
    with pytest.raises(Refused) as refused:
        await member.ask(frame)
    return refused.value.frame


async def test_a_repeated_line_is_one_line_also_after_reconnecting(running: Running) -> None:
    async with Member(address(running)) as bob, Member(address(running)) as ada:
        first = await ada.chat("once", id="mine")
        assert await ada.chat("once", id="mine") == first
        ada.cut()
        await ada.closed()
        await ada.connect()
        assert await ada.chat("once, changed", id="mine") == first
        # Another viewer's same id is another line.
        second = await bob.chat("mine too", id="mine")
        await bob.until_line(second)
        assert [line["text"] for line in bob.lines.values()] == ["once", "mine too"]


async def test_the_first_of_two_at_the_same_moment_is_said(running: Running) -> None:
    async with Member(address(running)) as ada, Member(address(running)) as bob:
        tab = Member(address(running), viewer=ada.token)
        async with tab:
            answers = await asyncio.gather(*(one.chat("hi", id="same") for one in (ada, tab)))
            assert len(set(answers)) == 1
            await bob.until_line(answers[0])
            await bob.ask({"t": "ping"})
            assert list(bob.lines) == [answers[0]]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("see http://example.test", "link_refused"),
        ("a SCAM", "word_refused"),
        ("\u200b \u202e", "empty"),
    ],
)
async def test_what_is_not_said_is_refused_and_changes_nothing(running: Running, text: str, code: str) -> None:
    async with Member(address(running)) as ada:
        refused = await refusal(ada, {"t": "chat", "text": text})
        assert (refused["code"], refused["where"]) == (code, "text")
        count = await running.server.store.read(
            lambda conn: conn.scalar(sa.select(sa.func.count()).select_from(chat_lines))
        )
        assert count == 0


async def test_a_text_is_plain_text_without_tricks(running: Running) -> None:
    async with Member(address(running), name="<b>\u202eeve</b>") as eve:
        line = await eve.until_line(await eve.chat("<img src=x onerror=alert(1)>\u202e\n\tend"))
        assert line["text"] == "<img src=x onerror=alert(1)> end"
        assert line["name"] == "<b>eve</b>"


async def test_who_writes_too_fast_is_told_when_to_try_again(running: Running) -> None:
    async with Member(address(running)) as ada:
        for number in range(5):
            await ada.chat(f"line {number}")
        refused = await refusal(ada, {"t": "chat", "text": "one more"})
        assert refused["code"] == "too_fast"
        assert 0 < refused["retry_ms"] <= 1_100


async def test_a_name_reaches_the_next_line_and_the_next_visit(running: Running) -> None:
    async with Member(address(running)) as ada:
        assert ada.welcome["you"]["name"].startswith("Guest-")
        await ada.ask({"t": "name", "name": "  Ada   Lovelace "})
        line = await ada.until_line(await ada.chat("hello"))
        assert line["name"] == "Ada Lovelace"
        assert (await refusal(ada, {"t": "name", "name": "scam"}))["code"] == "name_refused"
        assert (await refusal(ada, {"t": "name", "name": "\u200b"}))["code"] == "name_refused"
        async with Member(address(running), viewer=ada.token) as again:
            assert again.welcome["you"]["name"] == "Ada Lovelace"
    async with Member(address(running), name="a scam") as eve:
        assert eve.welcome["you"]["name"].startswith("Guest-")


async def test_staff_wears_its_role_and_may_link(running: Running) -> None:
    async with signed_in(running, running.brand_client) as host, Member(address(running)) as ada:
        line = await ada.until_line(await host.chat("sizes: https://example.test/sizes"))
        assert line["role"] == "brand"
        assert ada.welcome["you"]["role"] == "viewer"


async def test_a_deleted_line_is_gone_for_everybody(running: Running) -> None:
    async with signed_in(running, running.brand_client) as host, Member(address(running)) as ada:
        line = await ada.chat("regrettable")
        kept = await ada.chat("fine")
        await ada.until_line(kept)
        await host.ask({"t": "moderate", "action": "pin", "line": line})
        await host.ask({"t": "moderate", "action": "delete", "line": line})
        await ada.until(lambda frame: line in frame.get("deleted", ()))
        assert list(ada.lines) == [kept]
        async with Member(address(running)) as late:
            assert list(late.lines) == [kept]
            assert late.welcome["state"]["pinned_line"] is None
        again = await refusal(host, {"t": "moderate", "action": "delete", "line": line})
        assert (again["code"], again["where"]) == ("unknown_line", "line")


async def test_a_pinned_line_stands_for_late_joiners(running: Running) -> None:
    async with signed_in(running, running.brand_client) as host, Member(address(running)) as ada:
        line = await host.chat("free shipping today")
        await host.ask({"t": "moderate", "action": "pin", "line": line})
        pinned = await ada.until(lambda frame: frame["t"] == "pinned_line")
        assert pinned["line"]["text"] == "free shipping today"
        async with Member(address(running)) as late:
            assert late.welcome["state"]["pinned_line"]["id"] == line
        begun = len(ada.frames)
        await host.ask({"t": "moderate", "action": "unpin"})
        unpinned = await ada.until(lambda frame: frame["t"] == "pinned_line", begun)
        assert unpinned["line"] is None


async def test_a_mute_silences_until_it_is_lifted(running: Running) -> None:
    async with signed_in(running, running.brand_client) as host, Member(address(running)) as eve:
        viewer = eve.welcome["you"]["viewer"]
        await host.ask({"t": "moderate", "action": "mute", "viewer": viewer, "seconds": 60})
        refused = await refusal(eve, {"t": "chat", "text": "hello?"})
        assert refused["code"] == "muted"
        assert 0 < refused["retry_ms"] <= 60_000
        assert (await refusal(eve, {"t": "name", "name": "Innocent"}))["code"] == "muted"
        await host.ask({"t": "moderate", "action": "unmute", "viewer": viewer})
        await eve.chat("sorry")


async def test_a_ban_outlives_a_rename_a_new_browser_and_the_server(tmp_path: Path) -> None:
    async with running_server(tmp_path, features=FEATURES) as srv:
        seller = await srv.server.store.read(
            lambda conn: conn.scalar(sa.select(rooms.c.seller_id).where(rooms.c.id == "demo"))
        )
        guest = await account(srv, Role.VIEWER, None)
        async with guest, signed_in(srv, srv.brand_client) as host, signed_in(srv, guest) as eve:
            assert eve.welcome["you"]["staff"] is False
            await eve.ask({"t": "name", "name": "Somebody else"})
            viewer = eve.welcome["you"]["viewer"]
            await host.ask({"t": "moderate", "action": "ban", "viewer": viewer})
            assert await eve.closed() == 4403
            for member in (Member(address(srv), viewer=eve.token), signed_in(srv, guest)):
                with pytest.raises(Exception, match="4403"):
                    await member.connect()
            # Anybody else still comes in.
            async with Member(address(srv)):
                pass
        assert seller is not None
    async with running_server(tmp_path, features=FEATURES) as srv:
        with pytest.raises(Exception, match="4403"):
            await Member(address(srv), viewer=eve.token).connect()
        async with signed_in(srv, srv.brand_client) as host:
            await host.ask({"t": "moderate", "action": "unban", "viewer": viewer})
        async with Member(address(srv), viewer=eve.token):
            pass


async def test_only_staff_of_the_room_moderates_and_never_staff_itself(running: Running) -> None:
    seller = await running.server.store.read(
        lambda conn: conn.scalar(sa.select(rooms.c.seller_id).where(rooms.c.id == "demo"))
    )
    stranger = await running.add_seller("Another brand")
    moderator = await account(running, Role.MODERATOR, seller)
    influencer = await account(running, Role.INFLUENCER, seller)
    async with stranger, moderator, influencer, Member(address(running)) as ada:
        for session in (stranger, influencer):
            async with signed_in(running, session) as other:
                assert other.welcome["you"] | {"staff": False, "role": "viewer"} == other.welcome["you"]
                refused = await refusal(other, {"t": "moderate", "action": "unpin"})
                assert refused["code"] == "not_staff"
        assert (await refusal(ada, {"t": "moderate", "action": "unpin"}))["code"] == "not_staff"
        async with signed_in(running, moderator) as mod, signed_in(running, running.brand_client) as host:
            assert mod.welcome["you"]["role"] == "moderator"
            for action in ("mute", "ban"):
                frame = {"t": "moderate", "action": action, "viewer": host.welcome["you"]["viewer"]}
                assert (await refusal(mod, frame))["code"] == "is_staff"
            unknown = await refusal(mod, {"t": "moderate", "action": "ban", "viewer": "vNobody"})
            assert (unknown["code"], unknown["where"]) == ("unknown_viewer", "viewer")
            missing = await refusal(mod, {"t": "moderate", "action": "ban"})
            assert (missing["code"], missing["where"]) == ("bad_frame", "viewer")


async def test_likes_are_summed_told_and_kept(tmp_path: Path) -> None:
    async with (
        running_server(tmp_path, features=FEATURES) as srv,
        Member(address(srv)) as ada,
        Member(address(srv)) as bob,
    ):
        for _ in range(10):
            await ada.send({"t": "like", "n": 5})
        await bob.until(lambda frame: frame.get("likes") == 50)
        ticks = [frame for frame in bob.frames if "likes" in frame]
        assert len(ticks) <= 10
        async with Member(address(srv)) as late:
            assert late.welcome["state"]["likes"] == 50
    async with running_server(tmp_path, features=FEATURES) as srv, Member(address(srv)) as ada:
        assert ada.welcome["state"]["likes"] == 50
        stored = await srv.server.store.read(
            lambda conn: conn.scalar(sa.select(chat_rooms.c.likes).where(chat_rooms.c.room_id == "demo"))
        )
        assert stored == 50


async def test_the_last_fifty_lines_are_there_after_a_restart(tmp_path: Path) -> None:
    said: list[str] = []
    async with running_server(tmp_path, features=FEATURES) as srv, signed_in(srv, srv.brand_client) as host:
        for number in range(20):
            said.append(await host.chat(f"line {number}"))
        epoch = host.pos[0] if host.pos else ""
    async with running_server(tmp_path, features=FEATURES) as srv, Member(address(srv), pos=[epoch, 5]) as ada:
        # The history went with the process, the lines did not.
        assert ada.welcome["recovered"] is False
        assert [line["id"] for line in ada.welcome["state"]["chat"]] == said


async def test_more_than_fifty_lines_are_fifty_for_a_joiner(running: Running) -> None:
    members = [Member(address(running)) for _ in range(12)]
    for member in members:
        await member.connect()
    said = [await member.chat(f"{number}") for number in range(5) for member in members]
    async with Member(address(running)) as late:
        assert list(late.lines) == said[-50:]
    for member in members:
        await member.close()


async def test_old_lines_are_purged(running: Running) -> None:
    async with Member(address(running)) as ada:
        old, young = await ada.chat("old"), await ada.chat("young")
        await running.server.store.write(
            lambda conn: conn.execute(chat_lines.update().where(chat_lines.c.id == old).values(at_ms=1))
        )
        from chat import store

        assert await running.server.store.write(store.purge(2, 100)) == 1
        left = await running.server.store.read(
            lambda conn: list(conn.scalars(sa.select(chat_lines.c.id).where(chat_lines.c.room_id == RoomId("demo"))))
        )
        assert left == [young]
