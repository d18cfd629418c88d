"""A pull against a WHEP server on loopback and an engine that only pretends: what is asked, kept and given back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from streamserver.ids import RoomId, SessionId
from streamserver.media import pull
from streamserver.media.errors import BadAnswer, Unreachable
from streamserver.media.pull import Call, start_pull

ROOM = RoomId("demo")


@dataclass
class Dialler:
    """`end` says why the newest session ended."""

    refuse: bool = False
    dialled: int = 0
    closed: list[SessionId] = field(default_factory=list)
    waiting: dict[SessionId, asyncio.Future[str]] = field(default_factory=dict)

    def call(self, room: RoomId) -> Call:
        assert room == ROOM
        return Call("the offer", self._accept)

    def _accept(self, answer: str) -> SessionId:
        if self.refuse or answer != "the answer":
            raise BadAnswer("of no use", "line 1")
        self.dialled += 1
        session = SessionId(f"s{self.dialled}")
        self.waiting[session] = asyncio.get_running_loop().create_future()
        return session

    def ended(self, session: SessionId) -> asyncio.Future[str]:
        return self.waiting[session]

    async def close(self, session: SessionId, reason: str = "deleted") -> None:
        self.closed.append(session)

    def end(self, reason: str) -> None:
        self.waiting[SessionId(f"s{self.dialled}")].set_result(reason)


@dataclass
class Server:
    url: str = ""
    status: int = 201
    answer: str = "the answer"
    headers: dict[str, str] = field(default_factory=lambda: {"Location": "/whep/demo/1"})
    posts: list[tuple[str, str | None]] = field(default_factory=list)
    deleted: list[tuple[str, str | None]] = field(default_factory=list)

    async def post(self, request: web.Request) -> web.Response:
        self.posts.append((await request.text(), request.headers.get("Authorization")))
        return web.Response(status=self.status, text=self.answer, headers=self.headers)

    async def delete(self, request: web.Request) -> web.Response:
        self.deleted.append((request.path, request.headers.get("Authorization")))
        return web.Response()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    whep = Server()
    app = web.Application()
    app.router.add_post("/whep/demo", whep.post)
    app.router.add_delete("/whep/demo/{id}", whep.delete)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    whep.url = f"http://127.0.0.1:{runner.addresses[0][1]}/whep/demo"
    yield whep
    await runner.cleanup()


async def until(true: object) -> None:
    async with asyncio.timeout(10):
        while not true():  # type: ignore[operator]
            await asyncio.sleep(0.01)


async def test_it_offers_with_the_token_and_says_goodbye(server: Server) -> None:
    dialler = Dialler()
    pulled = await start_pull(dialler, ROOM, server.url, "secret")
    assert server.posts == [("the offer", "Bearer secret")]
    await until(lambda: pulled.session == "s1")
    await pulled.close()
    await pulled.close()
    assert dialler.closed == ["s1"]
    assert server.deleted == [("/whep/demo/1", "Bearer secret")]
    assert pulled.session is None


async def test_a_lost_session_is_dialled_again(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pull, "FIRST_WAIT_S", 0.01)
    dialler = Dialler()
    pulled = await start_pull(dialler, ROOM, server.url, None)
    await until(lambda: pulled.session == "s1")
    server.status = 503
    dialler.end("lost")
    await until(lambda: len(server.posts) >= 3)  # the other server is down for a while
    server.status = 201
    await until(lambda: pulled.session == "s2")
    await pulled.close()
    assert len(server.deleted) == 2


@pytest.mark.parametrize("reason", ["deleted", "replaced", "room_ended", "shutdown"])
async def test_what_somebody_here_ended_is_not_dialled_again(server: Server, reason: str) -> None:
    dialler = Dialler()
    pulled = await start_pull(dialler, ROOM, server.url, None)
    await until(lambda: pulled.session == "s1")
    dialler.end(reason)
    await until(lambda: pulled.closed)
    assert len(server.posts) == len(server.deleted) == 1
    await pulled.close()
    assert dialler.closed == []


@pytest.mark.parametrize(
    ("status", "headers", "answer", "error", "said"),
    [
        (404, {}, "", Unreachable, "404"),
        (503, {"Retry-After": "7"}, "", Unreachable, "503"),
        (307, {"Location": "http://192.0.2.1/whep"}, "", Unreachable, "another host"),
        (307, {"Location": "/whep/demo"}, "", Unreachable, "too often"),
        (201, {}, "x" * 70_000, BadAnswer, "64 KiB"),
        (201, {}, "nonsense", BadAnswer, "of no use"),
    ],
)
async def test_the_first_refusal_is_told(
    server: Server, status: int, headers: dict[str, str], answer: str, error: type[Exception], said: str
) -> None:
    server.status, server.headers, server.answer = status, headers, answer
    with pytest.raises(error, match=said) as refused:
        await start_pull(Dialler(), ROOM, server.url, None)
    if status == 503:
        assert refused.value.retry_after == 7  # type: ignore[attr-defined]


async def test_an_answer_that_cannot_be_used_frees_the_other_servers_session(server: Server) -> None:
    with pytest.raises(BadAnswer):
        await start_pull(Dialler(refuse=True), ROOM, server.url, None)
    assert len(server.deleted) == 1


async def test_a_location_elsewhere_is_never_shown_the_token(server: Server) -> None:
    server.headers = {"Location": "http://192.0.2.1/whep/demo/1"}
    dialler = Dialler()
    pulled = await start_pull(dialler, ROOM, server.url, "secret")
    await pulled.close()  # at once
    assert dialler.closed == ["s1"]
    assert server.deleted == []


@pytest.mark.parametrize("url", ["ftp://example.test/x", "whep", "http://127.0.0.1:1/whep"])
async def test_an_address_that_leads_nowhere(url: str) -> None:
    with pytest.raises(Unreachable):
        await start_pull(Dialler(), ROOM, url, None)
