"""Carries what the media engine tells to the rooms: who publishes, and who stopped and why.

Knows both sides' words and decides nothing.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

from streamserver.media.engine import (
    EngineEvent,
    MediaStarted,
    PublisherResumed,
    PublisherStalled,
    PublisherStopped,
)

log = logging.getLogger(__name__)


async def pump(server: Any, events: AsyncIterator[EngineEvent] | None = None) -> None:
    """Run until the engine stops.

    Call `server.engine.events()` before the first session may open and hand it in, or let this do it. A room that
    fails to take an event is logged and does not stop the others' events.
    """
    async for event in events if events is not None else server.engine.events():
        try:
            # A room is live while media flows: not before the first packet, nor while a publisher is silent.
            if isinstance(event, MediaStarted | PublisherResumed):
                await server.rooms.publisher_started(event.room, event.session)
            elif isinstance(event, PublisherStalled):
                await server.rooms.publisher_stopped(event.room, event.session, "stalled")
            elif isinstance(event, PublisherStopped):
                await server.rooms.publisher_stopped(event.room, event.session, event.reason)
        except Exception:
            log.exception("room %s did not take %s", getattr(event, "room", "?"), type(event).__name__)
