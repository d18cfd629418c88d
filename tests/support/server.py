"""A real server in this process on a free port, and clients that are signed in to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import sqlalchemy as sa
from yarl import URL

from config.settings import Settings
from streamserver.auth import Role
from streamserver.clock import Clock
from streamserver.demo import DemoSecrets
from streamserver.ids import AccountId, SellerId
from streamserver.server import Server
from streamserver.store.tables.platform import accounts, sellers


@dataclass
class Running:
    """`client` is nobody; `brand_client` is signed in as the demo brand. Both have `url` as their base."""

    url: str
    server: Server
    client: aiohttp.ClientSession
    brand_client: aiohttp.ClientSession
    demo: DemoSecrets

    async def add_seller(self, name: str, role: Role = Role.BRAND) -> aiohttp.ClientSession:
        """A session of a new account of a new seller; the caller closes it."""
        seller = SellerId(self.server.new_id())
        now = self.server.clock.now_ms()
        await self.server.store.write(
            lambda conn: conn.execute(sellers.insert().values(id=seller, name=name, created_ms=now))
        )
        account = AccountId(self.server.new_id())
        owner = None if role is Role.OPERATOR else seller
        await self.server.auth.add_account(account, f"{seller}@example.test", "correct horse", name, role, owner)
        return await signed_in(self.url, self.server, account)


async def sign_in(url: str, email: str, password: str) -> aiohttp.ClientSession:
    session = client_session(url)
    async with session.post("/api/auth/sign-in", json={"email": email, "password": password}) as answer:
        assert answer.status == 200, await answer.text()
    return session


async def signed_in(url: str, server: Server, account: AccountId) -> aiohttp.ClientSession:
    """A session without the third of a second that checking a password takes; `sign_in` is tested for itself."""
    session = client_session(url)
    session.cookie_jar.update_cookies({server.auth.cookie: await server.auth.open_session(account)}, URL(url))
    return session


async def _account_of(server: Server, email: str) -> AccountId:
    query = sa.select(accounts.c.id).where(accounts.c.email == email)
    return await server.store.read(lambda conn: AccountId(conn.execute(query).scalar_one()))


def client_session(url: str) -> aiohttp.ClientSession:
    # Cookies of a server at an IP address are refused by aiohttp's jar unless it is told otherwise.
    return aiohttp.ClientSession(
        url, cookie_jar=aiohttp.CookieJar(unsafe=True), timeout=aiohttp.ClientTimeout(total=30)
    )


def all_features() -> Sequence[Callable[[Server], None]]:
    from streamserver.__main__ import features

    return features()


@asynccontextmanager
async def running_server(
    tmp_path: Path,
    *,
    features: Sequence[Callable[[Server], None]] | None = None,
    clock: Clock | None = None,
    **settings: Any,
) -> AsyncIterator[Running]:
    """Started with the demo seeded; stopped, with every task finished, when the block ends."""
    chosen = Settings(
        **{"host": "127.0.0.1", "port": 0, "udp_ports": "0-0", "announce": ("127.0.0.1",), "drain_s": 2.0}
        | {"data": str(tmp_path / "data")}
        | settings
    )
    server = await Server.create(chosen, all_features() if features is None else features, clock=clock)
    await server.start()
    assert server.demo.hint is not None
    url = f"http://127.0.0.1:{server.port}"
    try:
        async with client_session(url) as client:
            brand = await signed_in(url, server, await _account_of(server, server.demo.hint.email))
            async with brand:
                yield Running(
                    url=url, server=server, client=client, brand_client=brand, demo=server.demo.hint
                )
    finally:
        await server.drain()
        await server.stop()
