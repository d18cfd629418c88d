"""Who a viewer is: a bearer kept in a cookie (or by a script), and the pseudonym it has in each room."""

from __future__ import annotations

import os

import sqlalchemy as sa
from aiohttp import web

from .clock import Clock
from .errors import Unauthorized
from .ids import AccountId, RoomId, ViewerId
from .keys import Keys
from .store import Store, insert_ignore
from .store.tables.platform import room_viewers
from .tokens import check_viewer_token, viewer_id, viewer_token

_MAX_AGE_S = 400 * 24 * 3600
"""Browsers keep a cookie for at most 400 days."""

fresh_token_key: web.RequestKey[str] = web.RequestKey("fresh_viewer_token", str)


class Viewers:
    def __init__(self, keys: Keys, store: Store, clock: Clock, *, secure: bool) -> None:
        self._keys = keys
        self._store = store
        self._clock = clock
        self._secure = secure
        self.cookie = "__Host-viewer" if secure else "viewer"

    def new_token(self) -> str:
        return viewer_token(self._keys.current("viewer")[1], os.urandom(18))

    def check(self, token: str) -> str:
        """The token itself. Raises Unauthorized when no key of ours made it."""
        if not any(check_viewer_token(secret, token) for secret in self._keys.all("viewer")):
            raise Unauthorized("this viewer token was not made here", code="bad_viewer_token", where="viewer")
        return token

    def token_of(self, request: web.Request) -> str:
        """The token of the request's cookie, or a new one, which the answer will carry."""
        token = request.get(fresh_token_key) or request.cookies.get(self.cookie)
        if token is not None:
            try:
                return self.check(token)
            except Unauthorized:
                pass  # made by a database that is gone, or tampered with: start afresh
        token = self.new_token()
        request[fresh_token_key] = token
        return token

    def viewer_id(self, token: str, room_id: RoomId) -> ViewerId:
        """The pseudonym in a room. The oldest key makes it, so that rotation does not change who one is."""
        return viewer_id(self._keys.all("viewer")[-1], token, room_id)

    def set_cookie(self, request: web.Request, response: web.StreamResponse) -> None:
        token = request.get(fresh_token_key)
        if token is not None and not response.prepared:
            response.set_cookie(
                self.cookie,
                token,
                max_age=_MAX_AGE_S,
                httponly=True,
                samesite="Lax",
                secure=self._secure,
                path="/",
            )

    async def remember(
        self, room_id: RoomId, viewer: ViewerId, *, account: AccountId | None = None, excluded: str = ""
    ) -> None:
        """Writes that a viewer was in a room. `excluded` only ever grows: once staff or load test, always so."""
        now = self._clock.now_ms()

        def unit(conn: sa.Connection) -> None:
            key = (room_viewers.c.room_id == room_id) & (room_viewers.c.viewer_id == viewer)
            new = insert_ignore(
                conn,
                room_viewers,
                {
                    "room_id": room_id,
                    "viewer_id": viewer,
                    "account_id": account,
                    "excluded": excluded,
                    "first_ms": now,
                },
            )
            if not new and excluded:
                conn.execute(room_viewers.update().where(key).values(excluded=excluded))
            if not new and account:
                conn.execute(room_viewers.update().where(key).values(account_id=account))

        await self._store.write(unit)
