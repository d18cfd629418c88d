"""The demo brand and its room, made on the first start of an empty database so that there is something to see.

Knows the platform only: features fill the room through `on_seed`.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import msgspec
import sqlalchemy as sa

from .auth import Role
from .ids import AccountId, RoomId, SellerId
from .room_service import new_stream_key
from .store.tables.platform import accounts, rooms, sellers

if TYPE_CHECKING:
    from .server import Server

DEMO_ROOM = RoomId("demo")
DEMO_EMAIL = "demo@streamserver.example"

Seed = Callable[["Server", SellerId, RoomId], Awaitable[None]]


class DemoSecrets(msgspec.Struct, frozen=True):
    """What the start-up text prints; kept in `demo.json` of the data folder, readable by the owner only."""

    email: str
    password: str
    room: str
    stream_key: str


class Demo:
    def __init__(self, server: Server) -> None:
        self._server = server
        self.hint: DemoSecrets | None = None
        """None on a server without the demo."""
        self.on_seed: list[Seed] = []

    @property
    def _path(self) -> str:
        return str(self._server.data / "demo.json")

    async def seed(self, progress: Callable[[str], None]) -> None:
        """Makes the demo in an empty database; afterwards only reads what it made, and keeps a named key valid."""
        settings = self._server.settings
        if not settings.demo:
            return
        kept = self._load()
        empty = await self._server.store.read(
            lambda conn: conn.scalar(sa.select(accounts.c.id).limit(1)) is None
        )
        if empty:
            progress("demo brand: products, pictures and the room `demo`")
            kept = DemoSecrets(
                email=DEMO_EMAIL,
                password=settings.demo_password or secrets.token_urlsafe(9),
                room=DEMO_ROOM,
                stream_key=settings.demo_key or new_stream_key(),
            )
            await self._make(kept)
        elif kept is not None and settings.demo_key and settings.demo_key != kept.stream_key:
            kept = msgspec.structs.replace(kept, stream_key=settings.demo_key)
            await self._server.rooms.set_stream_key(DEMO_ROOM, kept.stream_key)
            self._save(kept)
        self.hint = kept

    async def _make(self, kept: DemoSecrets) -> None:
        server = self._server
        # Saved first: a crash half way leaves a password that fits the account or an account that is not there.
        self._save(kept)
        seller = SellerId(server.new_id())
        account = AccountId(server.new_id())
        now = server.clock.now_ms()

        def unit(conn: sa.Connection) -> None:
            conn.execute(sellers.insert().values(id=seller, name="Moonlight Goods", created_ms=now))

        await server.store.write(unit)
        await server.rooms.create(
            seller,
            None,
            title="Moonlight Goods: the evening show",
            description="A demo show: a test picture, real chat, real cards, sandbox payments.",
            room_id=DEMO_ROOM,
            stream_key=kept.stream_key,
        )
        for seed in self.on_seed:
            await seed(server, seller, DEMO_ROOM)
        # Last, because the account is what marks the database as seeded.
        await server.auth.add_account(
            account, kept.email, kept.password, "Moonlight host", Role.BRAND, seller
        )

        def host(conn: sa.Connection) -> None:
            conn.execute(rooms.update().where(rooms.c.id == DEMO_ROOM).values(host_id=account))

        await server.store.write(host)

    def _load(self) -> DemoSecrets | None:
        try:
            with open(self._path, "rb") as file:
                return msgspec.json.decode(file.read(), type=DemoSecrets)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def _save(self, kept: DemoSecrets) -> None:
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.encode(kept))
