"""A publisher that costs next to nothing and yet can be decoded: H.264 that was encoded once, sent in a loop.

A keyframe request starts the asked encoding's loop anew, at its keyframe, which is what an encoder's answer looks
like from outside. Three encodings of one picture make a simulcast (RFC 8853). Knows the wire, not the server's code.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final

import av
import numpy as np

from loadtest.light import PAYLOAD_TYPES, LightPeer
from loadtest.picture import Scene
from streamserver.media import rtp

FPS: Final = 30
SECONDS: Final = 10
PAYLOAD_BYTES: Final = 1180
KEPT: Final = 1024
_MID, _RID, _REPAIRED = 1, 2, 3
_NTP_UNIX_S: Final = 2_208_988_800
_SILENCE: Final = b"\xf8\xff\xfe"
"""20 ms of Opus that says nothing."""


@dataclass(frozen=True, slots=True)
class Size:
    """One encoding: its RID, picture and rate."""

    rid: str
    width: int
    height: int
    kbps: int


ONE: Final = (Size("", 640, 360, 900),)
THREE: Final = (Size("l", 240, 136, 150), Size("m", 480, 270, 500), Size("h", 960, 540, 1800))


@lru_cache(maxsize=8)
def clip(width: int, height: int, kbps: int) -> tuple[tuple[bytes, ...], ...]:
    """NAL units of each frame of the loop, at a steady rate; the first frame is the only keyframe."""
    context: Any = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.time_base, context.framerate = Fraction(1, FPS), Fraction(FPS, 1)
    context.bit_rate = kbps * 1000
    rates = f"vbv-maxrate={kbps}:vbv-bufsize={kbps // 2}"
    context.options = {
        **{"preset": "ultrafast", "tune": "zerolatency", "profile": "baseline", "threads": "1"},
        "x264-params": f"keyint=infinite:scenecut=0:repeat-headers=1:annexb=1:sliced-threads=0:{rates}",
    }
    scene, dice = Scene(width, height), np.random.default_rng(1)
    frames: list[tuple[bytes, ...]] = []
    for number in range(FPS * SECONDS):
        planes = scene.frame(number, number / FPS)
        # Grain that moves keeps the encoder at its rate; a still scene would cost a tenth of it.
        planes[:height:2] ^= dice.integers(0, 32, planes[:height:2].shape, dtype=np.uint8)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts = number
        frames += [_units(bytes(packet)) for packet in context.encode(frame)]
    frames += [_units(bytes(packet)) for packet in context.encode(None)]
    return tuple(frames)


def _units(annex_b: bytes) -> tuple[bytes, ...]:
    """NAL units without start codes, filler and messages left out."""
    parts = annex_b.replace(b"\x00\x00\x00\x01", b"\x00\x00\x01").split(b"\x00\x00\x01")
    return tuple(part for part in parts if part and part[0] & 31 in (1, 5, 7, 8))


def payloads(units: tuple[bytes, ...]) -> list[bytes]:
    """RTP payloads of one frame (RFC 6184): single units, and FU-A for those that are too long."""
    out: list[bytes] = []
    for unit in units:
        if len(unit) <= PAYLOAD_BYTES:
            out.append(unit)
            continue
        indicator, kind = unit[0] & 0xE0 | 28, unit[0] & 31
        pieces = [unit[at : at + PAYLOAD_BYTES] for at in range(1, len(unit), PAYLOAD_BYTES)]
        for number, piece in enumerate(pieces):
            edge = (0x80 if number == 0 else 0) | (0x40 if number == len(pieces) - 1 else 0)
            out.append(bytes((indicator, kind | edge)) + piece)
    return out


@dataclass
class _Encoding:
    size: Size
    ssrc: int
    seq: int
    at: int = 0
    packets: int = 0
    octets: int = 0
    offset: int = 0
    """Of its RTP time: each SSRC begins anywhere (RFC 3550 section 5.1)."""
    kept: deque[tuple[int, bytes]] = field(default_factory=lambda: deque[tuple[int, bytes]](maxlen=KEPT))


class ClipPublisher(LightPeer):
    """`connect`, then `start`; `pause` and `start` again at will; `close` is what SIGKILL looks like from outside."""

    def __init__(self, sizes: tuple[Size, ...] = ONE, host: str = "127.0.0.1") -> None:
        super().__init__("sendonly", ("H264",), host)
        self.sizes = sizes
        self.on_rtcp = self._answer
        self.keyframes_asked = 0
        self.sent_again = 0
        self._task: asyncio.Task[None] | None = None
        self._encodings = [
            _Encoding(size, secrets.randbits(31) + 1, secrets.randbits(16), offset=secrets.randbits(32))
            for size in sizes
        ]
        if len(sizes) == 1:
            self._encodings[0].ssrc = self.ssrcs["video"]
        silent = Size("", 0, 0, 0)
        self._audio = _Encoding(silent, self.ssrcs["audio"], secrets.randbits(16), offset=secrets.randbits(32))

    @property
    def offer(self) -> str:
        offer = super().offer
        head, video, rest = offer.partition("m=video ")
        lines = [f"a=extmap:{_MID} urn:ietf:params:rtp-hdrext:sdes:mid"]
        if len(self.sizes) > 1:
            rest = "".join(line for line in rest.splitlines(True) if not line.startswith("a=ssrc:"))
            lines += [
                f"a=extmap:{_RID} urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
                f"a=extmap:{_REPAIRED} urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
                *(f"a=rid:{size.rid} send" for size in self.sizes),
                "a=simulcast:send " + ";".join(size.rid for size in self.sizes),
            ]
        return head + video + rest + "".join(f"{line}\r\n" for line in lines)

    @staticmethod
    def prepare(sizes: tuple[Size, ...]) -> None:
        """Encode, which may take seconds: not while a connection waits for signs of life."""
        for size in sizes:
            clip(size.width, size.height, size.kbps)

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    def pause(self) -> None:
        """No media; checks go on when somebody calls `check`."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def close(self) -> None:
        self.pause()
        super().close()

    async def _run(self) -> None:
        began, wall = time.monotonic(), time.time()
        number = spoken = 0
        while True:
            now = wall + number / FPS
            if number % FPS == 0:
                self.check()
                self._report(now)
            for encoding in self._encodings:
                self._send_frame(encoding, now)
            for _ in range(2 - number % 3 % 2):  # 50 audio packets to 30 frames
                self._packet(self._audio, [_SILENCE], PAYLOAD_TYPES["opus"], int((wall + spoken / 50) * 48_000))
                spoken += 1
            number += 1
            await asyncio.sleep(max(0.0, began + number / FPS - time.monotonic()))

    def _send_frame(self, encoding: _Encoding, wall: float) -> None:
        size = encoding.size
        frames = clip(size.width, size.height, size.kbps)
        units = frames[encoding.at]
        encoding.at = (encoding.at + 1) % len(frames)
        self._packet(encoding, payloads(units), PAYLOAD_TYPES["H264"], int(wall * 90_000))

    def _packet(self, encoding: _Encoding, parts: list[bytes], payload_type: int, timestamp: int) -> None:
        assert self._dtls is not None
        rid = encoding.size.rid.encode()
        extension = b""
        if rid:
            elements = bytes((_MID << 4, ord("1"), _RID << 4 | len(rid) - 1)) + rid
            elements += bytes(-len(elements) % 4)
            extension = b"\xbe\xde" + (len(elements) // 4).to_bytes(2, "big") + elements
        stamp = (timestamp + encoding.offset & 0xFFFFFFFF).to_bytes(4, "big")
        for number, part in enumerate(parts):
            marker = 0x80 if number == len(parts) - 1 and payload_type != PAYLOAD_TYPES["opus"] else 0
            head = bytes((0x90 if extension else 0x80, payload_type | marker)) + encoding.seq.to_bytes(2, "big")
            packet = head + stamp + encoding.ssrc.to_bytes(4, "big") + extension + part
            sealed = self._dtls._tx_srtp.protect(packet)
            encoding.kept.append((encoding.seq, sealed))
            encoding.seq = encoding.seq + 1 & 0xFFFF
            encoding.packets += 1
            encoding.octets += len(part)
            self._send(sealed)

    def _report(self, wall: float) -> None:
        ntp = int((wall + _NTP_UNIX_S) * (1 << 32))
        for encoding, hz in [*((each, 90_000) for each in self._encodings), (self._audio, 48_000)]:
            stamp = int(wall * hz) + encoding.offset & 0xFFFFFFFF
            self.send_rtcp(rtp.write_sender_report(encoding.ssrc, ntp, stamp, encoding.packets, encoding.octets))

    def _answer(self, packet: bytes) -> None:
        for item in rtp.read_rtcp(packet):
            encoding = next((each for each in self._encodings if each.ssrc == getattr(item, "ssrc", None)), None)
            if encoding is None:
                continue
            if isinstance(item, rtp.KeyframeRequest):
                self.keyframes_asked += 1
                encoding.at = 0
            elif isinstance(item, rtp.Nack):
                # The same bytes: what was lost arrives for the first time.
                again = [sealed for seq, sealed in encoding.kept if seq in item.seqs]
                self.sent_again += len(again)
                for sealed in again:
                    self._send(sealed)
