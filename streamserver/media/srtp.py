"""SRTP by libsrtp, without a copy or an object more than a packet needs.

Knows keys and bytes, no peers. pylibsrtp's own `protect` allocates three objects per packet; here its binding is
called on buffers that are made once. Everything runs on the event loop's thread, so the buffers are shared.
"""

from __future__ import annotations

from typing import Any, Final

from pylibsrtp import Policy
from pylibsrtp import Session as LibSession
from pylibsrtp._binding import ffi, lib

from streamserver.media.dtls import SrtpKeys

MAX_PACKET: Final = 2048
RTCP_TRAILER: Final = 4 + 16
REPLAY_WINDOW: Final = 1024
OK: Final = 0

memmove: Final = ffi.memmove
protect_rtp: Final = lib.srtp_protect
length_cell: Final = ffi.new("int *")
"""In and out length of every libsrtp call."""

_scratch: Final = ffi.new("char[]", MAX_PACKET + 256)
_scratch_view: Final = memoryview(ffi.buffer(_scratch))


def make_buffer(size: int) -> tuple[Any, memoryview]:
    """A C buffer and the same bytes as a memoryview; the view keeps the buffer alive."""
    data = ffi.new("char[]", size)
    return data, memoryview(ffi.buffer(data))


class Context:
    """Both directions of one peer. `raw_send` is what `protect_rtp` takes; this object must outlive its use."""

    __slots__ = ("_receive", "_receive_raw", "_send", "raw_send", "tag")

    def __init__(self, keys: SrtpKeys) -> None:
        self._send = _session(keys.send, keys.profile, Policy.SSRC_ANY_OUTBOUND)
        self._receive = _session(keys.receive, keys.profile, Policy.SSRC_ANY_INBOUND)
        self.raw_send: Any = self._send._srtp[0]
        self._receive_raw: Any = self._receive._srtp[0]
        self.tag = keys.tag

    def unprotect(self, datagram: bytes) -> bytes | None:
        """The RTP packet, or None when it is forged, replayed or too long."""
        return self._open(datagram, lib.srtp_unprotect)

    def unprotect_rtcp(self, datagram: bytes) -> bytes | None:
        return self._open(datagram, lib.srtp_unprotect_rtcp)

    def protect(self, packet: bytes) -> bytes | None:
        """One RTP packet; None when libsrtp refuses it (a number sent before)."""
        return self._seal(packet, protect_rtp)

    def protect_rtcp(self, packet: bytes) -> bytes | None:
        return self._seal(packet, lib.srtp_protect_rtcp)

    def _open(self, datagram: bytes, call: Any) -> bytes | None:
        size = len(datagram)
        if size > MAX_PACKET:
            return None
        memmove(_scratch, datagram, size)
        length_cell[0] = size
        if call(self._receive_raw, _scratch, length_cell) != OK:
            return None
        return _scratch_view[: length_cell[0]].tobytes()

    def _seal(self, packet: bytes, call: Any) -> bytes | None:
        size = len(packet)
        if size > MAX_PACKET:
            return None
        memmove(_scratch, packet, size)
        length_cell[0] = size
        if call(self.raw_send, _scratch, length_cell) != OK:
            return None
        return _scratch_view[: length_cell[0]].tobytes()


def _session(key: bytes, profile: int, direction: int) -> LibSession:
    policy = Policy(key=key, ssrc_type=direction, srtp_profile=profile)
    # A number is never sent twice: under GCM a repeat with other bytes would give the key stream away.
    policy.allow_repeat_tx = False
    policy.window_size = REPLAY_WINDOW
    return LibSession(policy)
