"""How late the event loop is: the first sign of a server that does too much in one thread."""

from __future__ import annotations

import asyncio

from .metrics import Metrics

EVERY_S = 0.25


class LoopLag:
    def __init__(self, metrics: Metrics) -> None:
        self._seconds = metrics.histogram(
            "event_loop_lag_seconds",
            "How late a timer of the event loop fired.",
            (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
        )

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + EVERY_S
            await asyncio.sleep(EVERY_S)
            self._seconds.observe(max(0.0, loop.time() - due))
