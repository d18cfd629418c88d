"""Signing keys by purpose, with rotation: the newest signs, older ones still verify. Loaded once at start."""

from __future__ import annotations

import os
from collections.abc import Iterable

import sqlalchemy as sa

from .clock import Clock
from .ids import new_id
from .store import Store
from .store.tables.platform import signing_keys

PURPOSES = ("viewer", "publish", "click", "payments:sandbox")


class Keys:
    """`current` and `find` never wait: all keys are in memory after `load`."""

    def __init__(self) -> None:
        self._keys: dict[str, dict[str, bytes]] = {}

    async def load(self, store: Store, clock: Clock, purposes: Iterable[str] = PURPOSES) -> None:
        """Reads the keys and makes those that are missing."""
        now = clock.now_ms()
        fresh = [(new_id(now, os.urandom(10)), purpose, os.urandom(32)) for purpose in purposes]

        def unit(conn: sa.Connection) -> list[tuple[str, str, bytes]]:
            have = set(conn.scalars(sa.select(signing_keys.c.purpose)))
            for kid, purpose, secret in fresh:
                if purpose not in have:
                    conn.execute(
                        signing_keys.insert().values(kid=kid, purpose=purpose, secret=secret, created_ms=now)
                    )
            rows = conn.execute(
                sa.select(signing_keys.c.kid, signing_keys.c.purpose, signing_keys.c.secret).order_by(
                    signing_keys.c.created_ms, signing_keys.c.kid
                )
            )
            return [(row.kid, row.purpose, row.secret) for row in rows]

        for kid, purpose, secret in await store.write(unit):
            self._keys.setdefault(purpose, {})[kid] = bytes(secret)

    def current(self, purpose: str) -> tuple[str, bytes]:
        """(kid, secret) of the newest key. Raises KeyError for a purpose that was never loaded."""
        return next(reversed(self._keys[purpose].items()))

    def find(self, purpose: str, kid: str) -> bytes | None:
        return self._keys.get(purpose, {}).get(kid)

    def all(self, purpose: str) -> list[bytes]:
        """Every secret of a purpose, newest first."""
        return list(reversed(self._keys[purpose].values()))
