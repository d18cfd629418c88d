"""Which hosts a picture may be fetched from, and that the fetcher keeps to it against a real server."""

from __future__ import annotations

import ssl
from collections.abc import Sequence

import pytest
from aiohttp import web

from commerce_overlay import image_fetch
from commerce_overlay.addresses import is_public, split_https
from streamserver.errors import BadRequest, StreamServerError


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254",
        "100.64.0.1", "192.0.0.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1",
        "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00::1", "fec0::1", "ff02::1", "2001:db8::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1", "2002:7f00:1::", "2002:a00:1::1", "", "example.com", "2130706433", "0x7f.1", "127.1",
    ],
)  # fmt: skip
def test_an_address_inside_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111"])
def test_an_address_outside_is(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/a.png", "ftp://example.com/", "file:///etc/passwd", "https://", "//example.com/a",
        "https://user@example.com/", "https://user:pw@example.com/", "https://example.com:8443/",
        "https://example.com:22/", "https://exa mple.com/", "https://example.com/\r\nHost: x", "https://[::1/",
        "https://example.com\\@evil.test/", "https://example.com:99999/", "javascript:alert(1)", "x" * 3000,
    ],
)  # fmt: skip
def test_only_plain_https_addresses_are_fetched(url: str) -> None:
    with pytest.raises(ValueError):
        split_https(url)


def found(*addresses: str):
    async def find(_host: str, _port: int) -> Sequence[str]:
        return addresses

    return find


async def refusal(url: str, *addresses: str) -> StreamServerError:
    with pytest.raises(StreamServerError) as caught:
        await image_fetch.fetch(url, find=found(*addresses))
    return caught.value


@pytest.mark.parametrize("addresses", [("127.0.0.1",), ("169.254.169.254",), ("1.1.1.1", "10.0.0.1"), ()])
async def test_a_name_that_leads_inside_is_refused_before_connecting(addresses: tuple[str, ...]) -> None:
    error = await refusal("https://cdn.example.com/a.png", *addresses)
    assert isinstance(error, BadRequest) and error.code == "bad_url"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "2130706433", "0x7f000001", "127.1", "[::1]", "[::ffff:127.0.0.1]", "localhost"]
)
async def test_the_system_s_own_resolver_is_judged_too(host: str) -> None:
    with pytest.raises(BadRequest):
        await image_fetch.fetch(f"https://{host}/a.png")


async def test_the_pinned_address_is_the_one_that_was_judged() -> None:
    """The connector asks `Pinned`, never the system: a name that changes in between leads nowhere else."""
    pinned = image_fetch.Pinned(["203.0.113.9"])
    answers = await pinned.resolve("rebind.example.com", 443)
    assert [answer["host"] for answer in answers] == ["203.0.113.9"]


@pytest.fixture
async def host(monkeypatch: pytest.MonkeyPatch, tls: ssl.SSLContext):
    """A real https server on loopback; only the two rules that would refuse it are lifted."""

    async def redirect(_request: web.Request) -> web.Response:
        raise web.HTTPFound("https://169.254.169.254/latest/meta-data")

    async def plain(_request: web.Request) -> web.Response:
        return web.Response(body=b"bytes")

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(200):
            await response.write(b"x" * 65536)
        return response

    app = web.Application()
    app.router.add_get("/redirect", redirect)
    app.router.add_get("/endless", endless)
    app.router.add_get("/ok", plain)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    monkeypatch.setattr(image_fetch, "is_public", lambda address: address == "127.0.0.1")
    monkeypatch.setattr(image_fetch, "split_https", lambda url: ("cdn.example.test", port))
    yield f"https://cdn.example.test:{port}"
    await runner.cleanup()


@pytest.fixture
def tls(tmp_path) -> ssl.SSLContext:
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "cdn.example.test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "tls.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


async def test_redirects_are_not_followed_and_size_is_bounded(host: str) -> None:
    async def fetch(path: str) -> bytes:
        return await image_fetch.fetch(host + path, find=found("127.0.0.1"), ssl=False)

    assert await fetch("/ok") == b"bytes"
    with pytest.raises(BadRequest, match="302"):
        await fetch("/redirect")
    with pytest.raises(StreamServerError) as caught:
        await fetch("/endless")
    assert caught.value.code == "too_large"


async def test_a_certificate_that_nobody_vouches_for_is_refused(host: str) -> None:
    with pytest.raises(BadRequest, match="Certificate"):
        await image_fetch.fetch(host + "/ok", find=found("127.0.0.1"))
