"""What a server must know of H.264, VP8 and Opus payloads to forward them: where a keyframe begins.

Pure. It never decodes; it reads the first bytes of a payload (RFC 6184, RFC 7741).
"""

from __future__ import annotations

from typing import Final

H264: Final = "H264"
VP8: Final = "VP8"
VP9: Final = "VP9"
AV1: Final = "AV1"
OPUS: Final = "OPUS"
VIDEO_CODECS: Final = (H264, VP8)
CLOCK_HZ: Final = {H264: 90_000, VP8: 90_000, OPUS: 48_000}

_NAL_IDR: Final = 5
_NAL_SPS: Final = 7
_STAP_A: Final = 24
_FU_A: Final = 28


def starts_keyframe(codec: str, packet: bytes, start: int, end: int) -> bool:
    """Whether the payload `packet[start:end]` is the first of a frame that decodes on its own."""
    if end <= start:
        return False
    if codec == H264:
        return _h264_starts_keyframe(packet, start, end)
    if codec == VP8:
        return _vp8_starts_keyframe(packet, start, end)
    return True


def _h264_starts_keyframe(packet: bytes, start: int, end: int) -> bool:
    kind = packet[start] & 0x1F
    if kind in (_NAL_SPS, _NAL_IDR):
        return True
    if kind == _FU_A:
        return end - start >= 2 and packet[start + 1] & 0x9F == 0x80 | _NAL_IDR
    if kind == _STAP_A:
        position = start + 1
        while position + 2 < end:
            if packet[position + 2] & 0x1F in (_NAL_SPS, _NAL_IDR):
                return True
            position += 2 + (packet[position] << 8 | packet[position + 1])
    return False


def _vp8_starts_keyframe(packet: bytes, start: int, end: int) -> bool:
    payload = vp8_payload(packet, start, end)
    first = packet[start]
    begins_frame = first & 0x10 and not first & 0x07  # S bit, partition 0
    return bool(begins_frame) and payload < end and not packet[payload] & 0x01  # P bit: 0 on a keyframe


def vp8_payload(packet: bytes, start: int, end: int) -> int:
    """Index of the first byte behind the VP8 payload descriptor (`end` when it is cut short)."""
    position = start + 1
    if packet[start] & 0x80:  # X: an extension byte says which fields follow
        if position >= end:
            return end
        flags = packet[position]
        position += 1
        if flags & 0x80:  # I: picture id of 7 or 15 bits
            if position >= end:
                return end
            position += 2 if packet[position] & 0x80 else 1
        if flags & 0x40:  # L: TL0PICIDX
            position += 1
        if flags & 0x30:  # T or K: TID, Y, KEYIDX
            position += 1
    return min(position, end)
