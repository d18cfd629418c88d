"""Stands where the Rust threads do: it keeps what it was told, and reports what a test makes it report."""

from __future__ import annotations

import os
from typing import Any


class FakeCore:
    """As `streamserver_native.Core`. `told` is every command in order; `report` queues an event."""

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.fingerprint = "sha-256 " + ":".join(["AB"] * 32)
        self.ports = {4: 7000}
        self.tcp_port: int | None = 7000
        self.shards: int = options["threads"]
        self.told: list[tuple[Any, ...]] = []
        self.frames: list[tuple[Any, ...]] = []
        self.figures: dict[str, float] = {}
        self.timelines: dict[int, tuple[int, int, int | None]] = {}
        self.time_us = 0
        self.stopped = False
        self._events: list[tuple[Any, ...]] = []
        self._fd = os.eventfd(0, os.EFD_NONBLOCK)

    def report(self, *event: Any) -> None:
        self._events.append(event)
        os.eventfd_write(self._fd, 1)

    def event_fd(self) -> int:
        return self._fd

    def drain(self) -> list[tuple[Any, ...]]:
        try:
            os.eventfd_read(self._fd)
        except BlockingIOError:
            pass
        events, self._events = self._events, []
        return events

    def drain_frames(self) -> list[tuple[Any, ...]]:
        frames, self.frames = self.frames, []
        return frames

    def timeline(self, room: int) -> tuple[int, int, int | None] | None:
        return self.timelines.get(room)

    def snapshot(self) -> dict[str, float]:
        return dict(self.figures)

    def set_time(self, us: int) -> None:
        self.time_us = us

    def now_us(self) -> int:
        return self.time_us

    def barrier(self) -> None:
        pass

    def stop(self) -> None:
        if not self.stopped:
            self.stopped = True
            os.close(self._fd)

    def add_peer(self, shard: int, **facts: Any) -> None:
        self.told.append(("add_peer", shard, facts))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *facts: self.told.append((name, *facts))

    def last(self, name: str) -> tuple[Any, ...]:
        """The newest command of a name, without the name."""
        return next(told[1:] for told in reversed(self.told) if told[0] == name)
