"""The WebSocket as the gateway uses it: aiohttp reads and checks the protocol, a Connection does all the writing.

Knows neither rooms nor frames.
"""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import WSCloseCode, web

from streamserver import wire

from .connection import Connection

LINGER_S: Final = 1.0
"""How long what is left of an oversized message is read and thrown away, so that its sender sees the close code."""
_CODES: Final = {WSCloseCode.MESSAGE_TOO_BIG: wire.CLOSE_TOO_LARGE}


class Socket(web.WebSocketResponse):
    """aiohttp calls `close` on a protocol error, on the peer's close frame and at the end of the handler.

    Here that says goodbye through the connection, at most once, and waits for nothing: the connection's own
    deadline does.
    """

    def __init__(self) -> None:
        super().__init__(
            autoping=False,
            compress=False,
            protocols=(wire.SUBPROTOCOL,),
            max_msg_size=wire.MAX_MESSAGE_BYTES,
        )
        self.connection: Connection | None = None

    async def close(self, *, code: int = WSCloseCode.OK, message: bytes = b"", drain: bool = True) -> bool:
        if self.connection is None:
            return await super().close(code=code, message=message, drain=drain)
        if not self.connection.open:
            return False
        self.connection.close(_CODES.get(WSCloseCode(code), code), message.decode(errors="replace"))
        return True


async def linger() -> None:
    """Lets aiohttp throw away what an oversized message still sends: a reset would swallow the close frame."""
    await asyncio.sleep(LINGER_S)
