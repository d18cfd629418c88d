"""Adding an account from the command line, for the first operator and for brands."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import sqlalchemy as sa

from config.settings import Settings

from .auth import Auth, Role
from .clock import SystemClock
from .errors import StreamServerError
from .ids import AccountId, SellerId, new_id
from .store import open_store
from .store.tables.platform import sellers


async def add_account(
    settings: Settings, email: str, password: str, role: str, seller: str, name: str
) -> int:
    """Exit status 0 when the account is there, 1 with the reason on stderr when it is not."""
    clock = SystemClock()
    if (role == Role.OPERATOR) == bool(seller.strip()):
        print("account: every role but operator needs --seller, and an operator takes none", file=sys.stderr)
        return 2
    store = await open_store(Path(settings.data))
    now = clock.now_ms()
    fresh = SellerId(new_id(now, os.urandom(10)))

    def seller_id(conn: sa.Connection) -> SellerId:
        found = conn.scalar(sa.select(sellers.c.id).where(sellers.c.name == seller.strip()))
        if found is None:
            conn.execute(sellers.insert().values(id=fresh, name=seller.strip()[:120], created_ms=now))
        return SellerId(found or fresh)

    try:
        owner = await store.write(seller_id) if seller.strip() else None
        await Auth(store, clock, secure=True).add_account(
            AccountId(new_id(now, os.urandom(10))),
            email,
            password,
            name or email.partition("@")[0],
            Role(role),
            owner,
        )
    except StreamServerError as exc:
        print(f"account: {exc.detail} ({exc.where or exc.code})", file=sys.stderr)
        return 1
    finally:
        await store.close()
    print(f"added {email} as {role}" + (f" of {seller.strip()}" if owner else ""))
    return 0
