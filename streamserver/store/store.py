"""What a store guarantees. Features hold a `Store` and never an engine or a session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

import sqlalchemy as sa

T = TypeVar("T")

Unit = Callable[[sa.Connection], T]


class Store(Protocol):
    """A unit is a synchronous function of one connection. It runs outside the event loop's thread and touches
    nothing but the connection and its own values, because it may be run again where the database asks for it.

    Guarantees
    - `write` returns after the unit's effects are on disk (fsync). If it raises, the unit changed nothing.
    - Units see each other's effects in the order in which they committed; each is atomic by itself, although many
      may share one commit.
    - `read` sees one committed state for the whole unit and cannot write.
    - Both wait in bounded queues; when one is full they raise `Unavailable` at once (policy: refuse).
    """

    async def write(self, unit: Unit[T]) -> T: ...

    async def read(self, unit: Unit[T]) -> T: ...

    async def writable(self) -> str | None:
        """None when a write would be durable now, otherwise the reason why not. Takes at most a second or two."""
        ...

    async def close(self) -> None:
        """Finishes the units already taken, then closes."""
        ...
