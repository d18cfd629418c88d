"""From packets of a slot back to whole encoded frames, for recording and HLS (RFC 6184, RFC 7741, RFC 7587).

Pure. Decodes nothing; a frame with a lost packet is left out, and so are those that refer to it, up to the next
keyframe.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from streamserver.media.codecs import H264, VP8, starts_keyframe, vp8_payload

_START: Final = b"\x00\x00\x00\x01"
_NAL_HEADS: Final = range(1, 24)
_STAP_A: Final = 24
_FU_A: Final = 28
NTP_UNIX_S: Final = 2_208_988_800


@dataclass(frozen=True, slots=True)
class Piece:
    """One packet's share of a frame."""

    seq: int
    timestamp: int
    marker: bool
    payload: bytes
    codec: str


@dataclass(frozen=True, slots=True)
class Frame:
    codec: str
    data: bytes
    timestamp: int
    keyframe: bool


class FrameAssembler:
    """Orders packets and gives out frames. Holds at most `limit` packets while one is missing."""

    def __init__(self, kind: str, limit: int = 512) -> None:
        self.kind = kind
        self.limit = limit
        self.skipped = 0
        self._next: int | None = None
        self._pieces: dict[int, Piece] = {}

    def push(self, piece: Piece) -> list[Frame]:
        if self.kind == "audio":
            return [Frame(piece.codec, piece.payload, piece.timestamp, True)] if piece.payload else []
        if self._next is None:
            if not starts_keyframe(piece.codec, piece.payload, 0, len(piece.payload)):
                return []
            self._next = piece.seq
        elif (piece.seq - self._next) & 0x8000:
            return []  # a copy of what was given out or left out already
        self._pieces[piece.seq] = piece
        frames: list[Frame] = []
        while (run := self._complete()) is not None:
            self._next = (run[-1].seq + 1) & 0xFFFF
            for one in run:
                del self._pieces[one.seq]
            frame = _join(run)
            if frame.data:
                frames.append(frame)
        if len(self._pieces) > self.limit:
            self._pieces.clear()
            self._next = None
            self.skipped += 1
        return frames

    def _complete(self) -> list[Piece] | None:
        """The packets of the next frame when all are here: up to a marker, or to a change of timestamp."""
        run: list[Piece] = []
        seq = self._next
        while seq is not None and (piece := self._pieces.get(seq)) is not None:
            if run and piece.timestamp != run[0].timestamp:
                return run
            run.append(piece)
            if piece.marker:
                return run
            seq = (seq + 1) & 0xFFFF
        return None


def _join(pieces: Sequence[Piece]) -> Frame:
    codec = pieces[0].codec
    keyframe = any(starts_keyframe(codec, piece.payload, 0, len(piece.payload)) for piece in pieces)
    data = bytearray()
    for piece in pieces:
        if codec == H264:
            _append_h264(data, piece.payload)
        elif codec == VP8 and piece.payload:
            data += piece.payload[vp8_payload(piece.payload, 0, len(piece.payload)) :]
    return Frame(codec, bytes(data), pieces[0].timestamp, keyframe)


def _append_h264(data: bytearray, payload: bytes) -> None:
    if not payload:
        return
    kind = payload[0] & 0x1F
    if kind in _NAL_HEADS:
        data += _START + payload
    elif kind == _STAP_A:
        position = 1
        while position + 2 < len(payload):
            size = payload[position] << 8 | payload[position + 1]
            data += _START + payload[position + 2 : position + 2 + size]
            position += 2 + size
    elif kind == _FU_A and len(payload) > 2:
        if payload[1] & 0x80:
            data += _START + bytes((payload[0] & 0xE0 | payload[1] & 0x1F,))
        data += payload[2:]


def capture_ms(clock: tuple[int, int] | None, timestamp: int, clock_hz: int) -> float | None:
    """Wall clock in milliseconds since 1970 of an RTP time, by the sender report `clock` (NTP, RTP time)."""
    if clock is None:
        return None
    ntp, reference = clock
    ahead = ((timestamp - reference + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)
    return (ntp / (1 << 32) - NTP_UNIX_S + ahead / clock_hz) * 1000
