"""Carries what the media engine tells to the rooms: who publishes, and who stopped and why.

Knows both sides' words and decides nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any, Final

from streamserver.errors import Unavailable
from streamserver.media.engine import (
    EngineEvent,
    MediaStarted,
    PublisherResumed,
    PublisherStalled,
    PublisherStarted,
    PublisherStopped,
)

log = logging.getLogger(__name__)

ATTEMPTS: Final = 5
RETRY_S: Final = 0.5
"""First wait before an event that the store could not take is carried again; it doubles."""


async def pump(server: Any, events: AsyncIterator[EngineEvent] | None = None) -> None:
    """Run until the engine stops.

    Call `server.engine.events()` before the first session may open and hand it in, or let this do it. A room that
    fails to take an event is logged and does not stop the others' events.
    """
    async for event in events if events is not None else server.engine.events():
        for attempt in range(ATTEMPTS):
            try:
                await _carry(server, event)
            except Unavailable as exc:
                # Dropped, it would leave a room live that is not, or a live one unseen; later events wait behind it.
                log.warning("room_event_delayed", extra={"event": type(event).__name__, "why": exc.detail})
                await asyncio.sleep(RETRY_S * 2**attempt)
                continue
            except Exception:
                log.exception("room %s did not take %s", getattr(event, "room", "?"), type(event).__name__)
            break
        else:
            log.error("room_event_lost", extra={"event": type(event).__name__, "room": getattr(event, "room", "?")})


async def _carry(server: Any, event: EngineEvent) -> None:
    # A room is live while media flows: not before the first packet, nor while a publisher is silent.
    if isinstance(event, MediaStarted | PublisherResumed):
        # A session that ended meanwhile (its show was ended, say) must not open another show.
        if server.engine.room_of(event.session) is not None:
            await server.rooms.publisher_started(event.room, event.session)
    elif isinstance(event, PublisherStarted):
        server.rooms.publisher_replaced(event.room, event.session)
    elif isinstance(event, PublisherStalled):
        await server.rooms.publisher_stopped(event.room, event.session, "stalled")
    elif isinstance(event, PublisherStopped):
        await server.rooms.publisher_stopped(event.room, event.session, event.reason)
