"""Many askers, few reads: whoever asks while a read is running shares the next one.
It knows nothing of what is read. Each answer was read after its asker asked, so it is never older than the
question."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Coalesced(Generic[K, V]):
    """At most one read per key is running and one is waiting, however many ask."""

    def __init__(self, read: Callable[[K], Awaitable[V]]) -> None:
        self._read = read
        self._running: dict[K, asyncio.Task[V]] = {}
        self._next: dict[K, asyncio.Task[V]] = {}

    async def get(self, key: K) -> V:
        """Raises what the read raises."""
        running = self._running.get(key)
        if running is None:
            task = self._running[key] = asyncio.ensure_future(self._run(key, None))
        else:
            task = self._next.get(key)
            if task is None:
                task = self._next[key] = asyncio.ensure_future(self._run(key, running))
        # An asker that goes away must not take the answer from the others.
        return await asyncio.shield(task)

    async def _run(self, key: K, before: asyncio.Task[V] | None) -> V:
        if before is not None:
            await asyncio.wait([before])
            self._running[key] = self._next.pop(key)
        try:
            return await self._read(key)
        finally:
            self._running.pop(key, None)
