"""RTP and RTCP on the wire: reading headers, writing the feedback this server sends (RFC 3550, 4585, 5104).

Pure. Knows no sockets, no keys and no rooms. Anything malformed reads as "nothing", never as an exception,
because these bytes come from the network.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from struct import Struct
from typing import Final

RTP_HEADER: Final = 12
RTCP_SR: Final = 200
RTCP_RR: Final = 201
RTCP_SDES: Final = 202
RTCP_BYE: Final = 203
RTCP_RTPFB: Final = 205
RTCP_PSFB: Final = 206
FMT_NACK: Final = 1
FMT_PLI: Final = 1
FMT_FIR: Final = 4
FMT_REMB: Final = 15
MAX_RTCP_BLOCKS: Final = 32  # a compound packet longer than this is somebody's fuzzer

_FIXED: Final = Struct("!BBHII")
_RTCP_HEAD: Final = Struct("!BBH")
_U32: Final = Struct("!I")
_REPORT: Final = Struct("!IIIIII")
_SENDER: Final = Struct("!IQIII")
_NACK_ITEM: Final = Struct("!HH")


def is_rtcp(datagram: bytes) -> bool:
    """Tell RTCP from RTP on a multiplexed port (RFC 5761 section 4)."""
    return len(datagram) >= 2 and 192 <= datagram[1] <= 223


@dataclass(frozen=True, slots=True)
class RtpView:
    """Where things are in one RTP packet; `start` and `end` bound the payload without padding."""

    payload_type: int
    marker: bool
    seq: int
    timestamp: int
    ssrc: int
    start: int
    end: int


def read_rtp(packet: bytes) -> RtpView | None:
    """Read the header of a decrypted RTP packet; None when it is not one."""
    size = len(packet)
    if size < RTP_HEADER:
        return None
    first, second, seq, timestamp, ssrc = _FIXED.unpack_from(packet)
    if first >> 6 != 2:
        return None
    start = RTP_HEADER + 4 * (first & 0x0F)
    if first & 0x10:
        if size < start + 4:
            return None
        start += 4 + 4 * int.from_bytes(packet[start + 2 : start + 4], "big")
    end = size
    if first & 0x20 and size:
        padding = packet[-1]
        if padding == 0:
            return None
        end -= padding
    if end < start:
        return None
    return RtpView(second & 0x7F, second >= 128, seq, timestamp, ssrc, start, end)


def rtp_header(payload_type: int, marker: bool, seq: int, timestamp: int, ssrc: int, padding: bool = False) -> bytes:
    """A fixed header of 12 bytes, without extensions: the one layout that every viewer gets."""
    return _FIXED.pack(
        0xA0 if padding else 0x80,
        payload_type | (0x80 if marker else 0),
        seq & 0xFFFF,
        timestamp & 0xFFFFFFFF,
        ssrc,
    )


@dataclass(frozen=True, slots=True)
class SenderReport:
    """What a sender says of its clock: `ntp` (64-bit) and `timestamp` name the same instant."""

    ssrc: int
    ntp: int
    timestamp: int
    packets: int
    octets: int


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """What a receiver says of one stream; `lost_ratio` in 1/256, `jitter` in timestamp units."""

    ssrc: int
    lost_ratio: int
    lost_total: int
    highest_seq: int
    jitter: int
    last_sr: int
    delay_since_sr: int


@dataclass(frozen=True, slots=True)
class Nack:
    """Packets the peer asks for again."""

    ssrc: int
    seqs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class KeyframeRequest:
    """A PLI or FIR: the peer cannot decode until a keyframe comes."""

    ssrc: int


@dataclass(frozen=True, slots=True)
class Bye:
    """The peer ends these streams."""

    ssrcs: tuple[int, ...]


Feedback = SenderReport | ReportBlock | Nack | KeyframeRequest | Bye


def read_rtcp(packet: bytes) -> Iterator[Feedback]:
    """Read a compound RTCP packet; unknown blocks are passed over and reading stops at the first bad one."""
    position = 0
    for _ in range(MAX_RTCP_BLOCKS):
        if position + 4 > len(packet):
            return
        first, kind, words = _RTCP_HEAD.unpack_from(packet, position)
        body_end = position + 4 + 4 * words
        if first >> 6 != 2 or body_end > len(packet):
            return
        yield from _read_block(kind, first & 0x1F, packet[position + 4 : body_end])
        position = body_end


def _read_block(kind: int, count: int, body: bytes) -> Iterator[Feedback]:
    if kind == RTCP_SR and len(body) >= 24:
        ssrc, ntp, timestamp, packets, octets = _SENDER.unpack_from(body)
        yield SenderReport(ssrc, ntp, timestamp, packets, octets)
        yield from _read_reports(body[24:], count)
    elif kind == RTCP_RR and len(body) >= 4:
        yield from _read_reports(body[4:], count)
    elif kind == RTCP_BYE:
        yield Bye(tuple(_U32.unpack_from(body, 4 * i)[0] for i in range(min(count, len(body) // 4))))
    elif kind == RTCP_RTPFB and count == FMT_NACK and len(body) >= 12:
        ssrc = _U32.unpack_from(body, 4)[0]
        yield Nack(ssrc, tuple(_nacked(body)))
    elif kind == RTCP_PSFB and count == FMT_PLI and len(body) >= 8:
        yield KeyframeRequest(_U32.unpack_from(body, 4)[0])
    elif kind == RTCP_PSFB and count == FMT_FIR and len(body) >= 16:
        for offset in range(8, len(body) - 7, 8):
            yield KeyframeRequest(_U32.unpack_from(body, offset)[0])


def _read_reports(body: bytes, count: int) -> Iterator[ReportBlock]:
    for index in range(min(count, len(body) // 24)):
        ssrc, loss, highest, jitter, last_sr, delay = _REPORT.unpack_from(body, 24 * index)
        lost = loss & 0xFFFFFF
        if lost & 0x800000:
            lost -= 1 << 24
        yield ReportBlock(ssrc, loss >> 24, lost, highest, jitter, last_sr, delay)


def _nacked(body: bytes) -> Iterator[int]:
    for offset in range(8, len(body) - 3, 4):
        base, mask = _NACK_ITEM.unpack_from(body, offset)
        yield base
        for bit in range(16):
            if mask >> bit & 1:
                yield (base + bit + 1) & 0xFFFF


def _block(kind: int, count: int, body: bytes) -> bytes:
    return _RTCP_HEAD.pack(0x80 | count, kind, len(body) // 4) + body


def write_sender_report(ssrc: int, ntp: int, timestamp: int, packets: int, octets: int) -> bytes:
    body = _SENDER.pack(ssrc, ntp, timestamp & 0xFFFFFFFF, packets & 0xFFFFFFFF, octets & 0xFFFFFFFF)
    return _block(RTCP_SR, 0, body)


def write_receiver_report(sender: int, reports: Iterable[ReportBlock]) -> bytes:
    blocks = [
        _REPORT.pack(
            report.ssrc,
            report.lost_ratio << 24 | report.lost_total & 0xFFFFFF,
            report.highest_seq,
            report.jitter,
            report.last_sr,
            report.delay_since_sr,
        )
        for report in reports
    ]
    return _block(RTCP_RR, len(blocks), _U32.pack(sender) + b"".join(blocks))


def write_cname(ssrc: int, cname: str) -> bytes:
    """SDES with the one item that every compound packet must carry (RFC 3550 section 6.5.1)."""
    name = cname.encode()[:255]
    chunk = _U32.pack(ssrc) + bytes((1, len(name))) + name
    return _block(RTCP_SDES, 1, chunk + bytes(4 - len(chunk) % 4))


def write_bye(ssrcs: Iterable[int]) -> bytes:
    sources = [_U32.pack(ssrc) for ssrc in ssrcs]
    return _block(RTCP_BYE, len(sources), b"".join(sources))


def write_pli(sender: int, ssrc: int) -> bytes:
    return _block(RTCP_PSFB, FMT_PLI, _U32.pack(sender) + _U32.pack(ssrc))


def write_nack(sender: int, ssrc: int, seqs: Iterable[int]) -> bytes:
    """A generic NACK; `seqs` in sequence order pack densest, any order is right."""
    items: list[tuple[int, int]] = []
    for seq in seqs:
        if items:
            base, mask = items[-1]
            distance = (seq - base) & 0xFFFF
            if distance == 0:
                continue
            if distance <= 16:
                items[-1] = (base, mask | 1 << (distance - 1))
                continue
        items.append((seq, 0))
    body = _U32.pack(sender) + _U32.pack(ssrc) + b"".join(_NACK_ITEM.pack(*item) for item in items)
    return _block(RTCP_RTPFB, FMT_NACK, body)


def write_remb(sender: int, bitrate_bps: int, ssrcs: Iterable[int]) -> bytes:
    """Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb-03): here a fixed cap, not an estimate."""
    targets = list(ssrcs)
    exponent = max(0, bitrate_bps.bit_length() - 18)
    mantissa = bitrate_bps >> exponent
    fci = b"REMB" + bytes((len(targets), exponent << 2 | mantissa >> 16)) + (mantissa & 0xFFFF).to_bytes(2, "big")
    return _block(RTCP_PSFB, FMT_REMB, _U32.pack(sender) + _U32.pack(0) + fci + b"".join(map(_U32.pack, targets)))
