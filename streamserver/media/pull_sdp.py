"""Our offer to a WHEP server whose room we take over, and its answer: the other way round from `offers`.

Pure. Payload types and extension ids are fixed by the engine's abilities, so the answer needs no memory of the
offer: what a packet means is what we offered, and the answer says which of it is used.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from streamserver.media.abilities import (
    BASE,
    DEPENDENCY_DESCRIPTOR,
    EXTENSIONS,
    REPAIRED_RID,
    RID,
    TRANSPORT_CC,
    VIDEO_ORIENTATION,
    Abilities,
)
from streamserver.media.answers import Local, candidate_lines
from streamserver.media.codecs import AV1, H264, OPUS, VP8, VP9
from streamserver.media.errors import BadAnswer, BadOffer
from streamserver.media.offers import (
    FEEDBACK,
    Section,
    direction,
    fingerprint_lines,
    read_credentials,
    read_fingerprints,
    read_ssrc,
    required,
)
from streamserver.media.payload_types import RTPMAP, Codec, read_codecs
from streamserver.media.sdp import Attribute, Description, Media, SdpError, read_description

MAX_CANDIDATES: Final = 32
_KINDS: Final = ("audio", "video")  # in the order of our sections, whose mids are 0 and 1
_AUDIO: Final = 111
_FIRST_VIDEO: Final = 96
_H264: Final = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id="
# Every profile that a publisher may have sent there: we forward without decoding.
_FORMATS: Final = {
    OPUS: ("minptime=10;useinbandfec=1",),
    H264: tuple(_H264 + profile for profile in ("42e01f", "42001f", "4d001f", "64001f")),
    VP8: ("",),
    VP9: ("profile-id=0",),
    AV1: ("level-idx=5;profile=0;tier=0",),
}
_VIDEO_ONLY: Final = frozenset((DEPENDENCY_DESCRIPTOR, VIDEO_ORIENTATION))


@dataclass(frozen=True, slots=True)
class PullAnswer:
    """A checked answer. `dtls_client` says that the other side opens the DTLS handshake."""

    ufrag: str
    password: str
    fingerprints: tuple[tuple[str, str], ...]  # algorithm in lower case, value in upper case with colons
    dtls_client: bool
    lite: bool
    """The other side is ICE-lite: it waits for our checks."""
    candidates: tuple[tuple[str, int], ...]
    """UDP addresses and ports, most preferred first; at most 32. Names and other transports are left out."""
    sections: tuple[Section, ...]
    mixed: bool = False
    """The other side may mix in two-byte header extensions (RFC 8285 section 6)."""

    def section(self, kind: str) -> Section | None:
        """The accepted section of a kind."""
        return next((section for section in self.sections if section.kind == kind and section.codecs), None)


def write_pull_offer(local: Local, abilities: Abilities = BASE) -> str:
    """An offer to receive audio and video in any codec of the engine.

    The fingerprint's side of DTLS is left to the answer. We check as a full agent, so a lite server will do.
    """
    lines = [
        "v=0",
        f"o=- {local.session} {local.version} IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0 1",
    ]
    if DEPENDENCY_DESCRIPTOR in abilities.extensions:
        lines.append("a=extmap-allow-mixed")
    lines.append("a=msid-semantic: WMS *")
    candidates = candidate_lines(local)
    for section in _offered(abilities):
        payload_types = [
            number for codec in section.codecs for number in (codec.payload_type, codec.rtx) if number is not None
        ]
        lines += [
            f"m={section.kind} 9 {section.protocol} " + " ".join(map(str, payload_types)),
            "c=IN IP4 0.0.0.0",
            "a=rtcp:9 IN IP4 0.0.0.0",
            f"a=ice-ufrag:{local.ufrag}",
            f"a=ice-pwd:{local.password}",
            f"a=fingerprint:{local.fingerprint}",
            "a=setup:actpass",
            f"a=mid:{section.mid}",
            *(f"a=extmap:{number} {uri}" for uri, number in section.extensions),
            "a=recvonly",
            "a=rtcp-mux",
        ]
        for codec in section.codecs:
            lines.append(f"a=rtpmap:{codec.payload_type} {RTPMAP[codec.name]}")
            if codec.fmtp:
                lines.append(f"a=fmtp:{codec.payload_type} {codec.fmtp}")
            lines += [f"a=rtcp-fb:{codec.payload_type} {item}" for item in codec.taken]
            if codec.rtx is not None:
                lines += [f"a=rtpmap:{codec.rtx} rtx/90000", f"a=fmtp:{codec.rtx} apt={codec.payload_type}"]
        lines += candidates
    return "\r\n".join(lines) + "\r\n"


def read_pull_answer(text: str, abilities: Abilities = BASE) -> PullAnswer:
    """Check the answer to `write_pull_offer` with the same abilities.

    A section's codecs, feedback and extensions are those of our offer that the answer kept. Payload types that we
    did not offer are ignored: packets of them would not be ours to read.
    Raises BadAnswer (what, where) for anything malformed or when neither audio nor video is sent.
    """
    try:
        return _read(read_description(text), abilities)
    except (SdpError, BadOffer) as error:
        raise BadAnswer(error.what, error.where or "the whole") from None


def _offered(abilities: Abilities) -> tuple[Section, Section]:
    """What we offer: payload types from 96 in the order of preference, extension ids in that of EXTENSIONS."""
    numbers = iter(range(_FIRST_VIDEO, _AUDIO))
    audio = tuple(_codec(OPUS, fmtp, _AUDIO, None, abilities) for fmtp in _FORMATS[OPUS])
    video = tuple(
        _codec(name, fmtp, next(numbers), next(numbers), abilities)
        for name in abilities.video_codecs
        for fmtp in _FORMATS[name]
    )
    wanted = [uri for uri in EXTENSIONS if uri in abilities.extensions and uri not in (RID, REPAIRED_RID)]
    if not abilities.transport_cc and TRANSPORT_CC in wanted:
        wanted.remove(TRANSPORT_CC)
    ids = tuple((uri, number) for number, uri in enumerate(wanted, 1))
    heard = tuple(pair for pair in ids if pair[0] not in _VIDEO_ONLY)
    protocol = "UDP/TLS/RTP/SAVPF"
    return (
        Section("audio", "0", protocol, (), audio, extensions=heard),
        Section("video", "1", protocol, (), video, extensions=ids),
    )


def _codec(name: str, fmtp: str, payload_type: int, rtx: int | None, abilities: Abilities) -> Codec:
    taken: list[str] = [] if name == OPUS else list(FEEDBACK)
    if name != OPUS and abilities.remb:
        taken.append("goog-remb")
    if abilities.transport_cc and TRANSPORT_CC in abilities.extensions:
        taken.append("transport-cc")
    return Codec(name, payload_type, fmtp, frozenset(taken), rtx, tuple(taken))


def _read(description: Description, abilities: Abilities) -> PullAnswer:
    offered = _offered(abilities)
    if len(description.media) != len(offered):
        raise BadAnswer("an answer has the sections of the offer: audio and video", "the whole")
    sections = tuple(_read_section(media, ours) for media, ours in zip(description.media, offered, strict=True))
    anchor = next((m for m, s in zip(description.media, sections, strict=True) if s.codecs), None)
    if anchor is None:
        raise BadAnswer("neither audio nor video is sent", "the whole")
    ufrag, password = read_credentials(
        required(description, anchor, "ice-ufrag"), required(description, anchor, "ice-pwd")
    )
    setup = required(description, anchor, "setup")
    if setup.value not in ("active", "passive"):
        raise BadAnswer("setup must be active or passive in an answer", setup.where)
    mixed = description.first("extmap-allow-mixed") or anchor.first("extmap-allow-mixed")
    return PullAnswer(
        ufrag=ufrag,
        password=password,
        fingerprints=read_fingerprints(fingerprint_lines(description, anchor)),
        dtls_client=setup.value == "active",
        lite=description.first("ice-lite") is not None,
        candidates=tuple(dict.fromkeys(_read_candidates(description)))[:MAX_CANDIDATES],
        sections=sections,
        mixed=mixed is not None and DEPENDENCY_DESCRIPTOR in abilities.extensions,
    )


def _read_section(media: Media, ours: Section) -> Section:
    if media.kind != ours.kind:
        raise BadAnswer(f"the section of {ours.kind} answered with {media.kind[:20]!r}", media.where)
    mid = media.first("mid")
    if mid is not None and mid.value != ours.mid:
        raise BadAnswer(f"mid {mid.value[:40]!r} where the offer has {ours.mid}", mid.where)
    section = replace(ours, protocol=media.protocol, formats=media.formats, codecs=(), extensions=())
    if media.port == 0 or direction(media) not in ("sendonly", "sendrecv"):
        return section
    kept = {codec.payload_type: codec for codec in read_codecs(media)}
    codecs = tuple(
        replace(
            codec,
            fmtp=kept[codec.payload_type].fmtp,
            rtx=codec.rtx if kept[codec.payload_type].rtx == codec.rtx else None,
            taken=tuple(item for item in codec.taken if item in kept[codec.payload_type].feedback),
        )
        for codec in ours.codecs
        if codec.payload_type in kept and kept[codec.payload_type].name == codec.name
    )
    if not codecs:
        return section
    if media.first("rtcp-mux") is None:
        raise BadAnswer("rtcp-mux is required", media.where)
    answered = {(words[1], words[0].partition("/")[0]) for words in _words(media, "extmap") if len(words) > 1}
    return replace(
        section,
        codecs=codecs,
        ssrcs=tuple(dict.fromkeys(read_ssrc(attribute) for attribute in media.all("ssrc"))),
        extensions=tuple((uri, number) for uri, number in ours.extensions if (uri, str(number)) in answered),
    )


def _words(media: Media, name: str) -> Iterator[list[str]]:
    return (attribute.value.split(" ") for attribute in media.all(name))


def _read_candidates(description: Description) -> Iterator[tuple[str, int]]:
    """UDP candidates of RTP with a literal address (RFC 8839 section 5.1), by falling priority."""
    lines = [a for media in description.media for a in media.all("candidate")]
    lines += [a for a in description.attributes if a.name == "candidate"]
    ranked = [found for line in lines if (found := _read_candidate(line)) is not None]
    return ((host, port) for _, host, port in sorted(ranked, key=lambda found: -found[0]))


def _read_candidate(line: Attribute) -> tuple[int, str, int] | None:
    words = line.value.split(" ")
    if len(words) < 8 or words[6] != "typ":
        raise BadAnswer(
            "a candidate needs foundation, component, transport, priority, address, port and typ", line.where
        )
    _, component, transport, priority, host, port = words[:6]
    if not all(text.isascii() and text.isdigit() and len(text) <= 10 for text in (component, priority, port)):
        raise BadAnswer("component, priority and port of a candidate are numbers", line.where)
    if int(component) != 1 or transport.lower() != "udp" or not 1 <= int(port) <= 65535:
        return None
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None  # a name: those of mDNS are of no use outside their network, others would cost a look-up
    if address.is_unspecified or address.is_multicast or "%" in host:
        return None
    return int(priority), str(address), int(port)
