"""Signing in, rooms, pages and health over real HTTP against a real server with the demo seeded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from signaling.media_events import pump
from streamserver.auth import CHECKING, Role
from streamserver.errors import TooMany, Unauthorized
from streamserver.ids import RoomId, SessionId
from streamserver.media.engine import EngineEvent, PublisherStarted, PublisherStopped
from tests.support.server import Running, running_server


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    async with running_server(tmp_path) as srv:
        yield srv


async def test_health_metrics_and_a_missing_page(running: Running) -> None:
    async with running.client.get("/livez") as answer:
        assert answer.status == 200
    async with running.client.get("/readyz") as answer:
        assert (answer.status, await answer.json()) == (200, {"ready": True, "reasons": []})
    async with running.client.get("/metrics") as answer:
        assert "streamserver_event_loop_lag_seconds_bucket" in await answer.text()
    async with running.client.get("/metrics", headers={"X-Forwarded-For": "203.0.113.9"}) as answer:
        assert answer.status == 404
    async with running.client.get("/nowhere") as answer:
        body = await answer.json()
        assert answer.status == 404
        assert answer.content_type == "application/problem+json"
        assert (body["status"], body["code"]) == (404, "not_found")
    browsing = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Accept-Language": "zh-CN"}
    async with running.client.get("/nowhere", headers=browsing) as answer:
        assert (answer.status, answer.content_type) == (404, "text/html")
        assert "页面不存在" in await answer.text()
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    async with running.client.get("/api/nowhere", headers=browsing) as answer:
        assert answer.content_type == "application/problem+json"


async def test_draining_is_not_ready(running: Running) -> None:
    await running.server.drain()
    async with running.client.get("/readyz") as answer:
        assert answer.status == 503
        assert (await answer.json())["reasons"] == ["draining"]


async def test_a_crashed_task_turns_readiness_red(running: Running) -> None:
    async def crash() -> None:
        raise RuntimeError("on purpose")

    task = running.server.spawn(crash(), name="doomed")
    with pytest.raises(RuntimeError):
        await task
    async with running.client.get("/readyz") as answer:
        assert answer.status == 503
        assert "task crashed: doomed" in (await answer.json())["reasons"]


@pytest.mark.parametrize(
    ("body", "status", "code", "where"),
    [
        (b'{"email": "demo@streamserver.example", "password": "wrong one"}', 401, "wrong_credentials", None),
        (b'{"email": "nobody@example.test", "password": "wrong one"}', 401, "wrong_credentials", None),
        (b'{"email": "a@b.c"}', 400, "bad_field", "body"),
        (b'{"email": 5, "password": "x"}', 400, "bad_field", "email"),
        (b'{"email": "a@b.c", "password": "x", "role": "operator"}', 400, "unknown_field", "role"),
        (b"{", 400, "bad_json", "body"),
        (b"[" * 100_000, 400, "bad_field", "body"),
        (b'{"email": "not an address", "password": "x"}', 400, "bad_field", "email"),
    ],
)
async def test_signing_in_badly(
    running: Running, body: bytes, status: int, code: str, where: str | None
) -> None:
    async with running.client.post(
        "/api/auth/sign-in", data=body, headers={"Content-Type": "application/json"}
    ) as answer:
        problem = await answer.json()
        assert (answer.status, problem["code"], problem.get("where")) == (status, code, where)


async def test_guessing_passwords_is_limited(running: Running) -> None:
    guess = {"email": "demo@streamserver.example", "password": "guess"}
    seen = []
    for _ in range(12):
        async with running.client.post("/api/auth/sign-in", json=guess) as answer:
            seen.append(answer.status)
            wait = answer.headers.get("Retry-After")
    assert seen == [401] * 10 + [429] * 2
    assert wait is not None and int(wait) > 0


async def test_signing_out_ends_the_session(running: Running) -> None:
    async with running.brand_client.get("/api/me") as answer:
        me = await answer.json()
        assert me["account"]["role"] == "brand"
        assert me["demo"]["room"] == "demo"
    async with running.brand_client.post("/api/auth/sign-out") as answer:
        assert answer.status == 204
    async with running.brand_client.get("/api/studio/rooms") as answer:
        assert answer.status == 401


async def test_a_room_is_made_changed_and_hidden_from_other_sellers(running: Running) -> None:
    async with running.brand_client.post(
        "/api/rooms", json={"title": "  Tea   time ", "currency": "EUR"}
    ) as answer:
        made = await answer.json()
        assert answer.status == 201
    room = made["room"]["id"]
    assert made["room"]["title"] == "Tea time"
    assert made["stream_key"].startswith("sk_")
    async with running.brand_client.patch(f"/api/rooms/{room}", json={"title": ""}) as answer:
        assert (answer.status, (await answer.json())["where"]) == (400, "title")
    other = await running.add_seller("Other brand")
    async with other:
        for method, path in (
            ("PATCH", f"/api/rooms/{room}"),
            ("POST", f"/api/rooms/{room}/stream-key"),
            ("POST", f"/api/rooms/{room}/publish-token"),
            ("POST", f"/api/rooms/{room}/end"),
        ):
            async with other.request(method, path, json={}) as answer:
                assert answer.status == 404, path
        async with other.get("/api/studio/rooms") as answer:
            assert (await answer.json())["rooms"] == []
    operator = await running.add_seller("Operator", Role.OPERATOR)
    async with operator, operator.patch(f"/api/rooms/{room}", json={"title": "Changed"}) as answer:
        assert (answer.status, (await answer.json())["title"]) == (200, "Changed")


async def test_a_cover_is_an_uploaded_image_and_nothing_else(running: Running) -> None:
    async with running.client.get("/api/rooms/demo") as answer:
        poster = (await answer.json())["poster"]
    async with running.client.get(poster) as answer:
        assert (answer.status, answer.content_type) == (200, "image/webp")
    for bad in ("https://evil.example/x.webp", "/images/../x.webp", "javascript:alert(1)", "/images/x.svg", ""):
        async with running.brand_client.patch("/api/rooms/demo", json={"poster": bad}) as answer:
            assert (answer.status, (await answer.json())["where"]) == (400, "poster"), bad
    for good in (None, poster):
        async with running.brand_client.patch("/api/rooms/demo", json={"poster": good}) as answer:
            assert (await answer.json())["poster"] == good


async def test_a_foreign_origin_is_refused(running: Running) -> None:
    async with running.brand_client.post(
        "/api/rooms", json={"title": "x"}, headers={"Origin": "https://evil.example"}
    ) as answer:
        assert (answer.status, (await answer.json())["code"]) == (403, "cross_site")


async def test_a_show_survives_an_interruption_and_ends(running: Running) -> None:
    rooms, demo = running.server.rooms, RoomId("demo")
    await rooms.publisher_started(demo, SessionId("a"))
    first = await rooms.get(demo)
    await rooms.publisher_stopped(demo, SessionId("a"), "lost")
    assert (await rooms.get(demo)).state == "interrupted"
    await rooms.publisher_started(demo, SessionId("b"))
    await rooms.publisher_stopped(demo, SessionId("a"), "lost")  # late news of the session before
    again = await rooms.get(demo)
    assert (again.state, again.show_id) == ("live", first.show_id)
    async with running.client.get("/api/rooms") as answer:
        assert [room["id"] for room in (await answer.json())["live"]] == ["demo"]
    await rooms.end(demo)
    async with running.client.get("/api/rooms") as answer:
        past = (await answer.json())["past"]
        assert past[0]["show"]["ended_ms"] >= past[0]["show"]["started_ms"]


async def test_a_takeover_is_no_interruption_and_the_successors_end_is_one(running: Running) -> None:
    rooms, demo = running.server.rooms, RoomId("demo")
    old, new = SessionId("old"), SessionId("new")
    await rooms.publisher_started(demo, old)
    before = running.server.bus.position(demo)

    async def events(*told: EngineEvent) -> AsyncIterator[EngineEvent]:
        for event in told:
            yield event

    await pump(running.server, events(PublisherStopped(demo, old, "replaced"), PublisherStarted(demo, new)))
    assert (await rooms.get(demo)).state == "live"
    assert running.server.bus.position(demo) == before  # nobody was told of anything
    await pump(running.server, events(PublisherStopped(demo, new, "lost")))
    assert (await rooms.get(demo)).state == "interrupted"


async def test_stream_keys_and_publish_tokens(running: Running) -> None:
    from streamserver import errors

    rooms, demo = running.server.rooms, RoomId("demo")
    await rooms.authorize_publisher(demo, running.demo.stream_key)
    async with running.brand_client.post("/api/rooms/demo/publish-token") as answer:
        token = (await answer.json())["token"]
    await rooms.authorize_publisher(demo, token)
    for bearer, error in (
        ("", errors.Unauthorized),
        ("nope", errors.Forbidden),
        (token[:-1] + "A" * 2, errors.Forbidden),
    ):
        with pytest.raises(error):
            await rooms.authorize_publisher(demo, bearer)
    made, key = await rooms.create((await rooms.get(demo)).seller_id, None, title="Second")
    with pytest.raises(errors.Forbidden):
        await rooms.authorize_publisher(made.id, token)
    fresh = await rooms.set_stream_key(made.id)
    await rooms.authorize_publisher(made.id, fresh)
    with pytest.raises(errors.Forbidden):
        await rooms.authorize_publisher(made.id, key)


async def test_a_second_start_keeps_the_demo(tmp_path: Path) -> None:
    async with running_server(tmp_path) as first:
        demo = first.demo
    async with running_server(tmp_path, demo_key="sk_named") as second:
        assert (second.demo.password, second.demo.stream_key) == (demo.password, "sk_named")
        await second.server.rooms.authorize_publisher(RoomId("demo"), "sk_named")


async def test_a_crash_leaves_the_room_interrupted(tmp_path: Path) -> None:
    async with running_server(tmp_path) as first:
        await first.server.rooms.publisher_started(RoomId("demo"), SessionId("a"))
    async with running_server(tmp_path) as second:
        assert (await second.server.rooms.get(RoomId("demo"))).state == "interrupted"


async def test_hostile_bytes_are_refused_and_not_a_server_error(running: Running) -> None:
    token = next(cookie.value for cookie in running.brand_client.cookie_jar)
    signed_in = f"\r\nCookie: session={token}".encode()
    cases = {
        b"GET /api/me HTTP/1.1\r\nCookie: session=\xff\xfe": 200,
        b"GET /api/rooms/demo/cards HTTP/1.1\r\nCookie: session=\xff; viewer=a.\xff": 200,
        b"POST /whip/demo HTTP/1.1\r\nContent-Length: 0\r\nAuthorization: Bearer \xff": 403,
        b"POST /api/auth/sign-out HTTP/1.1\r\nContent-Length: 0\r\nOrigin: http://[bad": 403,
        b"GET /ws/demo HTTP/1.1\r\nOrigin: http://[bad": 403,
        b"GET /assets/%00 HTTP/1.1": 404,
        b"GET /assets/" + b"a" * 3000 + b" HTTP/1.1": 404,
        b"GET /api/pool/products?limit=" + b"9" * 5000 + b" HTTP/1.1" + signed_in: 400,
    }
    got: dict[bytes, int] = {}
    for head in cases:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.server.port)
        writer.write(head + b"\r\nHost: here\r\nConnection: close\r\n\r\n")
        got[head] = int((await asyncio.wait_for(reader.read(), 20)).split()[1])
        writer.close()
    assert got == cases


async def test_a_burst_of_guesses_is_refused(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    auth = running.server.auth
    monkeypatch.setattr(auth, "_verify", lambda _hashed, _password: False)
    guesses = (auth.sign_in(running.demo.email, str(n), "192.0.2.1") for n in range(CHECKING + 14))
    outcomes = [type(error) for error in await asyncio.gather(*guesses, return_exceptions=True)]
    assert outcomes == [Unauthorized] * CHECKING + [TooMany] * 14
    with pytest.raises(TooMany, match="failed attempts"):
        await auth.sign_in(running.demo.email, running.demo.password, "192.0.2.1")
