"""WHIP and WHEP as HTTP: statuses, headers and bodies of RFC 9725 and the WHEP draft, good and bad requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from streamserver import http
from tests.support import engines
from tests.support.whip_server import ICE_SERVERS, KEY, WhipServer, whip_server

OFFERS = Path(__file__).parents[1] / "unit" / "media" / "offers"
WHIP = (OFFERS / "chromium_whip.sdp").read_bytes()
WHEP = (OFFERS / "chromium_whep.sdp").read_bytes()
SDP = {"Content-Type": "application/sdp"}
FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}
BEARER = {"Authorization": f"Bearer {KEY}"}
RESTART = "a=ice-ufrag:fresh1\r\na=ice-pwd:" + "p" * 24 + "\r\n"
TRICKLE = "a=mid:0\r\na=candidate:1 1 udp 2130706431 192.0.2.9 5000 typ host\r\n"


@pytest.fixture(params=engines.NAMES)
def engine(request: pytest.FixtureRequest) -> str:
    return engines.need(request.param)


@pytest.fixture
async def server(engine: str) -> AsyncIterator[WhipServer]:
    async with whip_server(engine_name=engine) as running:
        yield running


@pytest.fixture
async def client(server: WhipServer) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(server.url, timeout=aiohttp.ClientTimeout(total=30)) as session:
        yield session


async def published(client: aiohttp.ClientSession) -> tuple[str, str]:
    async with client.post("/whip/demo", data=WHIP, headers={**SDP, **BEARER}) as answer:
        assert answer.status == 201, await answer.text()
        return answer.headers["Location"], answer.headers["ETag"]


async def test_a_session_from_post_to_delete(server: WhipServer, client: aiohttp.ClientSession) -> None:
    async with client.post("/whip/demo", data=WHIP, headers={**SDP, **BEARER}) as answer:
        assert answer.status == 201
        assert answer.content_type == "application/sdp"
        assert (await answer.text()).startswith("v=0\r\n")
        location, etag = answer.headers["Location"], answer.headers["ETag"]
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert {"Location", "ETag", "Link"} <= set(answer.headers["Access-Control-Expose-Headers"].split(", "))
        assert answer.headers["Link"] == f'<{ICE_SERVERS[0]}>; rel="ice-server"'
        assert answer.headers["Accept-Patch"] == FRAGMENT["Content-Type"]
    assert location.startswith("/whip/demo/")
    assert len(location.removeprefix("/whip/demo/")) >= 22, "128 bits nobody can guess"
    assert etag.startswith('"') and etag.endswith('"')
    async with client.patch(location, data=TRICKLE, headers={**FRAGMENT, **BEARER, "If-Match": etag}) as answer:
        assert answer.status == 204
    async with client.patch(location, data=RESTART, headers={**FRAGMENT, **BEARER, "If-Match": "*"}) as answer:
        assert answer.status == 200
        assert answer.content_type == FRAGMENT["Content-Type"]
        assert answer.headers["ETag"] != etag
        assert "a=ice-ufrag:" in await answer.text()
    async with client.patch(location, data=TRICKLE, headers={**FRAGMENT, **BEARER, "If-Match": etag}) as answer:
        assert answer.status == 412
    async with client.delete(location, headers=BEARER) as answer:
        assert answer.status == 200
    async with client.delete(location, headers=BEARER) as answer:
        assert answer.status == 404
    assert not any(server.engine.stats().gauges.values())


async def test_a_viewer_needs_no_token_in_a_public_room(client: aiohttp.ClientSession) -> None:
    await published(client)
    async with client.post("/whep/demo", data=WHEP, headers=SDP) as answer:
        assert answer.status == 201
        location = answer.headers["Location"]
    assert location.startswith("/whep/demo/")
    async with client.delete(location.replace("/whep/", "/whip/"), headers=BEARER) as answer:
        assert answer.status == 404, "a viewer's session is none of WHIP's"
    async with client.delete(location.replace("/demo/", "/private/"), headers=BEARER) as answer:
        assert answer.status == 404, "and none of another room's"
    async with client.delete(location) as answer:
        assert answer.status == 200


BAD_POSTS = {
    "no bearer": ("/whip/demo", WHIP, SDP, 401),
    "another scheme": ("/whip/demo", WHIP, {**SDP, "Authorization": "Basic eDp5"}, 401),
    "an empty bearer": ("/whip/demo", WHIP, {**SDP, "Authorization": "Bearer "}, 401),
    "a wrong bearer": ("/whip/demo", WHIP, {**SDP, "Authorization": "Bearer nope"}, 403),
    "an unknown room": ("/whip/none", WHIP, {**SDP, **BEARER}, 404),
    "no content type": ("/whip/demo", WHIP, {**BEARER, "Content-Type": ""}, 415),
    "json": ("/whip/demo", b"{}", {**BEARER, "Content-Type": "application/json"}, 415),
    "a body too large": ("/whip/demo", WHIP + b"a=x\r\n" * 20_000, {**SDP, **BEARER}, 413),
    "no body": ("/whip/demo", b"", {**SDP, **BEARER}, 400),
    "not UTF-8": ("/whip/demo", b"v=0\r\n\xff\xfe", {**SDP, **BEARER}, 400),
    "not SDP": ("/whip/demo", b"hello", {**SDP, **BEARER}, 400),
    "an offer that only receives": ("/whip/demo", WHEP, {**SDP, **BEARER}, 406),
    "nothing live": ("/whep/demo", WHEP, SDP, 409),
    "an unknown room to watch": ("/whep/none", WHEP, SDP, 404),
    "a private room": ("/whep/private", WHEP, SDP, 403),
    "a broken offer to watch": ("/whep/demo", b"v=0\r\nm=video\r\n", SDP, 400),
}


@pytest.mark.parametrize("name", BAD_POSTS)
async def test_a_bad_post_changes_nothing(server: WhipServer, client: aiohttp.ClientSession, name: str) -> None:
    url, body, headers, status = BAD_POSTS[name]
    async with client.post(url, data=body, headers=headers) as answer:
        problem = await answer.json()
        assert answer.status == status, problem
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert ("Retry-After" in answer.headers) is (status == 409)
    assert set(problem) >= {"code"}
    if name == "a broken offer to watch":
        assert "line 2" in str(problem)
    assert not any(server.engine.stats().gauges.values())


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"Authorization": ""}, 401),
        ({"Authorization": "Bearer nope"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"If-Match": '"stale"'}, 412),
        ({"If-Match": None}, 428),
    ],
)
async def test_a_bad_patch(client: aiohttp.ClientSession, change: dict[str, str | None], status: int) -> None:
    location, etag = await published(client)
    headers = {**FRAGMENT, **BEARER, "If-Match": etag, **change}
    headers = {name: value for name, value in headers.items() if value is not None}
    async with client.patch(location, data=TRICKLE, headers=headers) as answer:
        assert answer.status == status
    async with client.delete(location, headers=BEARER) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer nope"}])
async def test_delete_needs_the_key(server: WhipServer, client: aiohttp.ClientSession, header: dict[str, str]) -> None:
    location, _ = await published(client)
    async with client.delete(location, headers=header) as answer:
        assert answer.status == (403 if header else 401)
    assert server.engine.stats().gauges["media_sessions_pending"] == 1


async def test_options_say_what_is_taken(client: aiohttp.ClientSession) -> None:
    async with client.options("/whip/demo", headers={"Origin": "https://studio.example"}) as answer:
        assert answer.status == 204
        assert answer.headers["Accept-Post"] == "application/sdp"
        assert answer.headers["Link"] == f'<{ICE_SERVERS[0]}>; rel="ice-server"'
        assert "POST" in answer.headers["Access-Control-Allow-Methods"]
        assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
    async with client.options("/whep/demo/anything") as answer:
        assert answer.headers["Accept-Patch"] == FRAGMENT["Content-Type"]
        assert {"PATCH", "DELETE"} <= set(answer.headers["Access-Control-Allow-Methods"].split(", "))


async def test_a_full_server_says_when_to_come_back(engine: str) -> None:
    async with (
        whip_server(engine_name=engine, max_sessions=1) as server,
        aiohttp.ClientSession(server.url, timeout=aiohttp.ClientTimeout(total=30)) as client,
    ):
        await published(client)
        async with client.post("/whep/demo", data=WHEP, headers=SDP) as answer:
            assert answer.status == 503
            assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize("path", ["/whip/demo", "/whep/demo"])
async def test_an_offer_that_does_not_arrive_is_given_up(
    server: WhipServer, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(http, "BODY_S", 0.05)
    done = asyncio.Event()

    async def drip() -> AsyncIterator[bytes]:
        yield WHIP[:100]
        await done.wait()

    try:
        async with client.post(path, data=drip(), headers={**SDP, **BEARER}) as answer:
            assert (answer.status, (await answer.json())["code"]) == (408, "request_timeout")
    finally:
        done.set()
    assert server.engine.stats().gauges["media_sessions_pending"] == 0


async def test_a_missing_token_names_its_scheme(client: aiohttp.ClientSession) -> None:
    async with client.post("/whip/demo", data=WHIP, headers=SDP) as answer:
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
