"""Accounts, passwords and sessions: who is asking, and whether they may.

Passwords are hashed by argon2-cffi with its defaults (RFC 9106, low-memory profile), in a thread because a hash takes
tens of milliseconds. A session is a random bearer in a cookie, stored hashed.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa
from aiohttp import web
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from . import errors
from .clock import Clock
from .ids import AccountId, RoomId, SellerId, encode_secret
from .limits import AttemptLimit
from .room_rows import RoomRow, load_room
from .store import Store
from .store.tables.platform import accounts, sellers, sessions
from .tokens import hash_secret
from .wire_shapes import Account as AccountShape
from .wire_shapes import SellerRef

SESSION_MS = 30 * 24 * 3600 * 1000
CHECKING = 16
"""Passwords looked at or waiting at once (policy: refuse): each costs tens of milliseconds of a core, and those of
one burst all begin before the first of them is known to be wrong."""


class Role(StrEnum):
    OPERATOR = "operator"
    BRAND = "brand"
    INFLUENCER = "influencer"
    MODERATOR = "moderator"
    VIEWER = "viewer"


@dataclass(frozen=True, slots=True)
class Account:
    id: AccountId
    email: str
    name: str
    role: Role
    seller_id: SellerId | None
    seller_name: str | None

    def shape(self) -> AccountShape:
        seller = SellerRef(id=self.seller_id, name=self.seller_name or "") if self.seller_id else None
        return AccountShape(id=self.id, email=self.email, name=self.name, role=self.role.value, seller=seller)


account_key: web.RequestKey[Account | None] = web.RequestKey("account", object)  # type: ignore[arg-type]


def normal_email(email: str) -> str:
    """How an address is compared and stored. Raises BadRequest when it cannot be one."""
    email = email.strip().casefold()
    local, at, domain = email.rpartition("@")
    if not at or not local or "." not in domain + "." or len(email) > 254 or any(c.isspace() for c in email):
        raise errors.BadRequest("this is not an e-mail address", code="bad_field", where="email")
    return email


class Auth:
    def __init__(self, store: Store, clock: Clock, *, secure: bool) -> None:
        self._store = store
        self._clock = clock
        self._secure = secure
        self._hasher = PasswordHasher()
        self._nobody: str | None = None
        self._checking = 0
        self._attempts = AttemptLimit(most=10, window_s=300, keys=10_000)
        self.cookie = "__Host-session" if secure else "session"

    async def add_account(
        self,
        account_id: AccountId,
        email: str,
        password: str,
        name: str,
        role: Role,
        seller_id: SellerId | None,
    ) -> None:
        """Raises Conflict when the address is taken, BadRequest for an unusable address or password."""
        email = normal_email(email)
        if not 8 <= len(password) <= 1024:
            raise errors.BadRequest(
                "a password needs 8 to 1024 characters", code="bad_field", where="password"
            )
        hashed = await asyncio.to_thread(self._hasher.hash, password)
        now = self._clock.now_ms()

        def unit(conn: sa.Connection) -> None:
            if conn.scalar(sa.select(accounts.c.id).where(accounts.c.email == email)) is not None:
                raise errors.Conflict(
                    "an account has this address already", code="email_taken", where="email"
                )
            conn.execute(
                accounts.insert().values(
                    id=account_id,
                    seller_id=seller_id,
                    email=email,
                    name=name,
                    role=role.value,
                    password_hash=hashed,
                    created_ms=now,
                )
            )

        await self._store.write(unit)

    async def sign_in(self, email: str, password: str, address: str) -> tuple[Account, str]:
        """(account, session token). Raises Unauthorized, or TooMany after ten failures in five minutes."""
        email = normal_email(email)
        keys = (f"email:{email}", f"address:{address}")
        wait = max(self._attempts.wait_s(key, self._clock.monotonic()) for key in keys)
        if wait > 0:
            raise errors.TooMany("too many failed attempts", retry_after=int(wait) + 1)

        def find(conn: sa.Connection) -> sa.Row[str, str] | None:
            return conn.execute(
                sa.select(accounts.c.id, accounts.c.password_hash).where(
                    accounts.c.email == email, accounts.c.disabled_ms.is_(None)
                )
            ).first()

        if self._checking >= CHECKING:
            raise errors.TooMany("too many people are signing in at once", retry_after=1)
        self._checking += 1
        try:
            row = await self._store.read(find)
            good = await asyncio.to_thread(self._verify, row.password_hash if row else None, password)
        finally:
            self._checking -= 1
        if row is None or not good:
            for key in keys:
                self._attempts.failed(key, self._clock.monotonic())
            raise errors.Unauthorized("wrong e-mail address or password", code="wrong_credentials")
        token = await self.open_session(row.id)
        account = await self._by_token(token)
        assert account is not None
        return account, token

    async def open_session(self, account_id: AccountId) -> str:
        """A session token for somebody who has proved who they are."""
        token = encode_secret(os.urandom(24))
        now = self._clock.now_ms()

        def unit(conn: sa.Connection) -> None:
            conn.execute(sessions.delete().where(sessions.c.expires_ms < now))
            conn.execute(
                sessions.insert().values(
                    token_hash=hash_secret(token),
                    account_id=account_id,
                    created_ms=now,
                    expires_ms=now + SESSION_MS,
                )
            )

        await self._store.write(unit)
        return token

    def _verify(self, hashed: str | None, password: str) -> bool:
        if hashed is None:
            # Nobody's password, so that an unknown address takes as long as a wrong password.
            if self._nobody is None:
                self._nobody = self._hasher.hash(os.urandom(16).hex())
            hashed = self._nobody
        try:
            return self._hasher.verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return False

    async def sign_out(self, request: web.Request) -> None:
        token = request.cookies.get(self.cookie, "")

        def unit(conn: sa.Connection) -> None:
            conn.execute(sessions.delete().where(sessions.c.token_hash == hash_secret(token)))

        await self._store.write(unit)

    def set_cookie(self, response: web.StreamResponse, token: str) -> None:
        response.set_cookie(
            self.cookie,
            token,
            max_age=SESSION_MS // 1000,
            httponly=True,
            samesite="Lax",
            secure=self._secure,
            path="/",
        )

    def clear_cookie(self, response: web.StreamResponse) -> None:
        response.del_cookie(self.cookie, path="/", secure=self._secure, httponly=True, samesite="Lax")

    async def account(self, request: web.Request) -> Account | None:
        """Whoever is signed in, or None; asked once per request."""
        if account_key not in request:
            token = request.cookies.get(self.cookie)
            request[account_key] = await self._by_token(token) if token and len(token) <= 128 else None
        return request[account_key]

    async def _by_token(self, token: str) -> Account | None:
        now = self._clock.now_ms()

        def unit(conn: sa.Connection) -> Account | None:
            row = conn.execute(
                sa.select(accounts, sellers.c.name.label("seller_name"))
                .join(sessions, sessions.c.account_id == accounts.c.id)
                .outerjoin(sellers, sellers.c.id == accounts.c.seller_id)
                .where(
                    sessions.c.token_hash == hash_secret(token),
                    sessions.c.expires_ms > now,
                    accounts.c.disabled_ms.is_(None),
                )
            ).first()
            if row is None:
                return None
            return Account(
                id=row.id,
                email=row.email,
                name=row.name,
                role=Role(row.role),
                seller_id=row.seller_id,
                seller_name=row.seller_name,
            )

        return await self._store.read(unit)

    async def require(self, request: web.Request, *roles: Role) -> Account:
        """The account. Raises Unauthorized when nobody is signed in, Forbidden for another role."""
        account = await self.account(request)
        if account is None:
            raise errors.Unauthorized("sign in first")
        if roles and account.role not in roles:
            raise errors.Forbidden("this account may not do that", code="wrong_role")
        return account

    async def require_room(
        self, request: web.Request, room_id: RoomId, *roles: Role
    ) -> tuple[Account, RoomRow]:
        """The account and a room of its seller (an operator has every room). Another seller's room is not found."""
        account = await self.require(request, *(roles or (Role.OPERATOR, Role.BRAND, Role.INFLUENCER)))
        room = await self._store.read(lambda conn: load_room(conn, room_id))
        if room is None or (account.role is not Role.OPERATOR and account.seller_id != room.seller_id):
            raise errors.NotFound("no such room", code="unknown_room", where="room")
        if account.role is Role.INFLUENCER and room.host_id != account.id:
            raise errors.NotFound("no such room", code="unknown_room", where="room")
        return account, room
