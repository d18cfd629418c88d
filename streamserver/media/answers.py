"""Writes the answer to an offer: ICE-lite, one transport, every candidate in it (RFC 8829, 9725).

Pure. The caller brings ufrag, password, fingerprint, addresses and SSRCs; what is promised was settled when the
offer was read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from streamserver.media.abilities import Role
from streamserver.media.offers import Offer, Section
from streamserver.media.payload_types import RTPMAP, Codec

START_KBPS: Final = 1500
_UDP_TYPE: Final = 126  # host candidates, RFC 8445 section 5.1.2.2
_TCP_TYPE: Final = 90  # below every UDP candidate, as RFC 6544 section 4.2 asks
_TCP_PASSIVE: Final = 4  # direction preference of passive host candidates, RFC 6544 section 4.2


class Candidate(NamedTuple):
    """Where we are reached; `tcp` is passive: the peer opens the connection (RFC 6544)."""

    host: str
    port: int
    transport: Literal["udp", "tcp"] = "udp"


@dataclass(frozen=True, slots=True)
class Local:
    """Our side of an answer. `ssrcs` by kind (media, retransmission) for viewers; rates in bits per second."""

    session: int
    ufrag: str
    password: str
    fingerprint: str  # "sha-256 AB:CD:…"
    candidates: Sequence[Candidate]
    """Most preferred first within each transport."""
    cname: str = "streamserver"
    stream: str = "room"
    ssrcs: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    max_video_bps: int = 0
    version: int = 1


def write_answer(offer: Offer, local: Local) -> str:
    """The answer to an offer: what `read_offer` took of it, and nothing else."""
    accepted = [section for section in offer.sections if section.codecs]
    lines = [
        "v=0",
        f"o=- {local.session} {local.version} IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=ice-lite",
    ]
    if offer.bundled:
        lines.append("a=group:BUNDLE " + " ".join(section.mid for section in accepted))
    if offer.mixed:
        lines.append("a=extmap-allow-mixed")
    lines.append("a=msid-semantic: WMS *")
    candidates = candidate_lines(local)
    for section in offer.sections:
        if section.codecs:
            lines += _accepted(section, offer, local)
            lines += candidates
        else:
            lines += _rejected(section)
    return "\r\n".join(lines) + "\r\n"


def candidate_lines(local: Local) -> list[str]:
    """Every candidate of ours and the end of them."""
    lines: list[str] = []
    ranks = {"udp": 0, "tcp": 0}
    for number, (host, port, transport) in enumerate(local.candidates, 1):
        rank = ranks[transport]
        ranks[transport] += 1
        if transport == "udp":
            priority = (_UDP_TYPE << 24) + ((65535 - rank) << 8) + 255
            lines.append(f"a=candidate:{number} 1 udp {priority} {host} {port} typ host")
        else:
            priority = (_TCP_TYPE << 24) + (((_TCP_PASSIVE << 13) + 8191 - rank) << 8) + 255
            lines.append(f"a=candidate:{number} 1 tcp {priority} {host} {port} typ host tcptype passive")
    return [*lines, "a=end-of-candidates"]


def extmap_lines(section: Section, one_way: str) -> list[str]:
    """The extensions with their ids; `one_way` is our direction of those that were offered in one alone."""
    return [
        f"a=extmap:{number}/{one_way} {uri}" if number in section.one_way else f"a=extmap:{number} {uri}"
        for uri, number in section.extensions
    ]


def _accepted(section: Section, offer: Offer, local: Local) -> list[str]:
    publishes = offer.role is Role.PUBLISHER
    ours = "recvonly" if publishes else "sendonly"
    payload_types: list[int] = []
    for codec in section.codecs:
        payload_types.append(codec.payload_type)
        if codec.rtx is not None:
            payload_types.append(codec.rtx)
    lines = [
        f"m={section.kind} 9 {section.protocol} " + " ".join(map(str, payload_types)),
        "c=IN IP4 0.0.0.0",
    ]
    limit = local.max_video_bps if publishes and section.kind == "video" else 0
    if limit:
        lines += [f"b=AS:{limit // 1000}", f"b=TIAS:{limit}"]
    lines += [
        "a=rtcp:9 IN IP4 0.0.0.0",
        f"a=ice-ufrag:{local.ufrag}",
        f"a=ice-pwd:{local.password}",
        f"a=fingerprint:{local.fingerprint}",
        f"a=setup:{'passive' if offer.dtls_client else 'active'}",
        f"a=mid:{section.mid}",
        *extmap_lines(section, ours),
        f"a={ours}",
        "a=rtcp-mux",
    ]
    for codec in section.codecs:
        lines += _codec_lines(codec, limit)
    if not publishes:
        lines += _source_lines(section, local)
    if section.rids:
        lines += [f"a=rid:{rid} recv" for rid in section.rids]
        lines.append("a=simulcast:recv " + ";".join(section.rids))
    return lines


def _codec_lines(codec: Codec, limit: int) -> list[str]:
    lines = [f"a=rtpmap:{codec.payload_type} {RTPMAP[codec.name]}"]
    fmtp = [codec.fmtp] if codec.fmtp else []
    if limit and "transport-cc" in codec.feedback:
        # Browsers only: without it they begin at 300 kbit/s, and a show with its first seconds in a blur.
        fmtp.append(f"x-google-start-bitrate={min(START_KBPS, limit // 1000)}")
    if fmtp:
        lines.append(f"a=fmtp:{codec.payload_type} {';'.join(fmtp)}")
    lines += [f"a=rtcp-fb:{codec.payload_type} {item}" for item in codec.taken]
    if codec.rtx is not None:
        lines += [f"a=rtpmap:{codec.rtx} rtx/90000", f"a=fmtp:{codec.rtx} apt={codec.payload_type}"]
    return lines


def _source_lines(section: Section, local: Local) -> list[str]:
    media, rtx = local.ssrcs[section.kind]
    track = f"{local.stream}-{section.kind}"
    lines = [f"a=msid:{local.stream} {track}"]
    retransmits = any(codec.rtx is not None for codec in section.codecs)
    if retransmits:
        lines.append(f"a=ssrc-group:FID {media} {rtx}")
    for ssrc in (media, rtx) if retransmits else (media,):
        lines += [f"a=ssrc:{ssrc} cname:{local.cname}", f"a=ssrc:{ssrc} msid:{local.stream} {track}"]
    return lines


def _rejected(section: Section) -> list[str]:
    head = f"m={section.kind} 0 {section.protocol} {' '.join(section.formats)}"
    return [head, "c=IN IP4 0.0.0.0", f"a=mid:{section.mid}", "a=inactive"]
