"""Fetches a picture by URL on a stranger's word: https, public addresses, one host resolved once and pinned,
no redirects, bounded in size and time. Knows nothing of pictures; the bytes are judged by `images.py`."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from streamserver.errors import BadRequest, TooLarge

from .addresses import is_public, split_https

MAX_BYTES = 8 * 1024 * 1024
TOTAL_S = 15.0
RESOLVE_S = 5.0

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


async def resolve(host: str, port: int) -> Sequence[str]:
    """Every address of a host, as the system's resolver has them (numeric forms such as 2130706433
    included)."""
    loop = asyncio.get_running_loop()
    found = await asyncio.wait_for(loop.getaddrinfo(host, port, type=socket.SOCK_STREAM), RESOLVE_S)
    return list(dict.fromkeys(str(info[4][0]) for info in found))


class Pinned(AbstractResolver):
    """Answers the addresses that were judged, whatever the name says a moment later (DNS rebinding)."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        return None


def refused(reason: str) -> BadRequest:
    return BadRequest(f"the picture was not fetched: {reason}", code="bad_url", where="url")


async def fetch(url: str, *, find: Resolve = resolve, ssl: Any = True) -> bytes:
    """The bytes behind an https address. Raises BadRequest `bad_url` or TooLarge.

    `find` and `ssl` exist for operators with their own resolver or certificates; they loosen no rule."""
    try:
        host, port = split_https(url)
    except ValueError as exc:
        raise refused(str(exc)) from None
    try:
        addresses = await find(host, port)
    except (OSError, TimeoutError, UnicodeError):
        raise refused("the host name has no address") from None
    # One private address among public ones is a trap, not a choice.
    if not addresses or not all(is_public(address) for address in addresses):
        raise refused("the host is not a public one")
    connector = aiohttp.TCPConnector(resolver=Pinned(addresses), ssl=ssl, use_dns_cache=False, force_close=True)
    timeout = aiohttp.ClientTimeout(total=TOTAL_S, connect=5.0, sock_read=10.0)
    headers = {"Accept": "image/webp,image/png,image/jpeg", "Accept-Encoding": "identity"}
    try:
        async with (
            aiohttp.ClientSession(
                connector=connector, timeout=timeout, trust_env=False, cookie_jar=aiohttp.DummyCookieJar()
            ) as session,
            session.get(url, headers=headers, allow_redirects=False) as response,
        ):
            if response.status != 200:
                raise refused(f"the host answered {response.status}")
            if (response.content_length or 0) > MAX_BYTES:
                raise TooLarge(f"a picture has at most {MAX_BYTES} bytes", where="url")
            body = bytearray()
            async for chunk in response.content.iter_chunked(65536):
                body += chunk
                if len(body) > MAX_BYTES:
                    raise TooLarge(f"a picture has at most {MAX_BYTES} bytes", where="url")
            return bytes(body)
    except (aiohttp.ClientError, TimeoutError, ValueError) as exc:
        raise refused(type(exc).__name__) from None
