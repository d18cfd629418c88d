"""Offer to answer: what a publisher or viewer may have, and the words that tell it so (RFC 8829, 9429, 9725).

Pure. Text in, plan out; the caller brings ufrag, password, fingerprint, addresses and SSRCs. Both engines use it,
so it names no media library. It never guesses: what it cannot use it refuses by name and line.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from streamserver.media.codecs import H264, OPUS, VP8
from streamserver.media.errors import BadOffer, NoCommonCodec
from streamserver.media.sdp import Attribute, Description, Media, SdpError, read_description

DIGEST_BYTES: Final = {"sha-256": 32, "sha-384": 48, "sha-512": 64}
MAX_CODECS: Final = 64
START_KBPS: Final = 1500
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]{1,64}")
_ICE_CHARS: Final = re.compile(r"[A-Za-z0-9+/]{1,256}")
_CLOCK: Final = {H264: "90000", VP8: "90000", OPUS: "48000/2"}
_PROTOCOLS: Final = frozenset(("UDP/TLS/RTP/SAVPF", "TCP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", "RTP/SAVPF"))
_FEEDBACK: Final = ("nack", "nack pli", "ccm fir")


class Role(enum.Enum):
    """Which end of the room the peer is."""

    PUBLISHER = "publisher"
    VIEWER = "viewer"


@dataclass(frozen=True, slots=True)
class Codec:
    """One payload type of an offer that we can forward."""

    name: str
    payload_type: int
    fmtp: str
    feedback: frozenset[str]
    rtx: int | None = None  # the payload type of its retransmissions

    @property
    def profile(self) -> str:
        """H.264 `profile_idc` and constraint flags (the first four hex digits), else empty."""
        return _parameters(self.fmtp).get("profile-level-id", "")[:4].lower()


@dataclass(frozen=True, slots=True)
class Section:
    """One media section of the offer and what we take of it; no codecs means it is rejected."""

    kind: str
    mid: str
    protocol: str
    formats: tuple[str, ...]
    codecs: tuple[Codec, ...]
    ssrcs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Offer:
    """A checked offer. `dtls_client` says that the peer opens the DTLS handshake (it always may)."""

    role: Role
    ufrag: str
    password: str
    fingerprints: tuple[tuple[str, str], ...]  # algorithm in lower case, value in upper case with colons
    dtls_client: bool
    sections: tuple[Section, ...]
    bundled: bool

    def section(self, kind: str) -> Section | None:
        """The accepted section of a kind."""
        return next((section for section in self.sections if section.kind == kind and section.codecs), None)


@dataclass(frozen=True, slots=True)
class Local:
    """Our side of an answer. `ssrcs` by kind (media, retransmission) for viewers; rates in bits per second."""

    session: int
    ufrag: str
    password: str
    fingerprint: str  # "sha-256 AB:CD:…"
    candidates: Sequence[tuple[str, int]]
    cname: str = "streamserver"
    stream: str = "room"
    ssrcs: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    max_video_bps: int = 0
    version: int = 1


def read_offer(text: str, role: Role, prefer: Sequence[str] = (H264, VP8)) -> Offer:
    """Check an offer and choose codecs.

    A publisher gets one codec per kind, the first of `prefer` that it offers; a viewer gets one payload type for
    every codec we forward, so that the room may change its codec without it.
    Raises BadOffer (what, where) for anything malformed and NoCommonCodec when nothing of it can be used.
    """
    try:
        description = read_description(text)
    except SdpError as error:
        raise BadOffer(error.what, error.where) from None
    if not description.media:
        raise BadOffer("an offer without media", "the whole")
    group = _bundle(description)
    sections: list[Section] = []
    taken: set[str] = set()
    mids: set[str] = set()
    for index, media in enumerate(description.media):
        section = _read_section(media, index, role, prefer, usable=media.kind not in taken and _usable(media, group))
        if section.mid in mids:
            raise BadOffer(f"two sections with mid {section.mid!r}", media.where)
        mids.add(section.mid)
        if section.codecs:
            taken.add(media.kind)
        sections.append(section)
    if not taken:
        raise NoCommonCodec(_offered(description, role))
    _check_payload_types(sections, description)
    anchor = next(m for m, s in zip(description.media, sections, strict=True) if s.codecs)
    ufrag = _required(description, anchor, "ice-ufrag")
    password = _required(description, anchor, "ice-pwd")
    if not _ICE_CHARS.fullmatch(ufrag.value) or len(ufrag.value) < 4:
        raise BadOffer("ice-ufrag must be 4 to 256 letters, digits, + or /", ufrag.where)
    if not _ICE_CHARS.fullmatch(password.value) or len(password.value) < 22:
        raise BadOffer("ice-pwd must be 22 to 256 letters, digits, + or /", password.where)
    return Offer(
        role=role,
        ufrag=ufrag.value,
        password=password.value,
        fingerprints=_fingerprints(description, anchor),
        dtls_client=_dtls_client(description, anchor),
        sections=tuple(sections),
        bundled=group is not None,
    )


def write_answer(offer: Offer, local: Local) -> str:
    """The answer to an offer: ICE-lite, one transport, every candidate in it."""
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
    lines.append("a=msid-semantic: WMS *")
    for section in offer.sections:
        lines += _answer_section(section, offer, local) if section.codecs else _rejected(section)
    return "\r\n".join(lines) + "\r\n"


def write_ice_fragment(offer: Offer, local: Local) -> str:
    """The body that answers an ICE restart (application/trickle-ice-sdpfrag, RFC 8840)."""
    section = next(section for section in offer.sections if section.codecs)
    lines = [
        "a=ice-lite",
        f"a=ice-ufrag:{local.ufrag}",
        f"a=ice-pwd:{local.password}",
        f"m={section.kind} 9 {section.protocol} 0",
        f"a=mid:{section.mid}",
        *_candidates(local),
    ]
    return "\r\n".join(lines) + "\r\n"


@dataclass(frozen=True, slots=True)
class Fragment:
    """A PATCH body: new credentials when both are there; candidates are of no use to a lite agent."""

    ufrag: str
    password: str
    candidates: int


def read_fragment(text: str) -> Fragment:
    """Check a trickle-ice-sdpfrag body. Raises BadOffer (what, where)."""
    if len(text) > 16 * 1024:
        raise BadOffer("a fragment of more than 16 KiB", "the whole")
    ufrag = password = ""
    candidates = 0
    lines = text.replace("\r\n", "\n").split("\n")
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        raise BadOffer("an empty fragment", "the whole")
    for number, line in enumerate(lines, 1):
        if len(line) < 2 or line[1] != "=" or line[0] not in "am" or not line.isprintable():
            raise BadOffer("not an a= or m= line", f"line {number}")
        name, _, value = line[2:].partition(":")
        if line[0] == "m":
            continue
        if name == "ice-ufrag":
            if not _ICE_CHARS.fullmatch(value) or len(value) < 4 or (ufrag and ufrag != value):
                raise BadOffer("ice-ufrag must be one value of 4 to 256 letters, digits, + or /", f"line {number}")
            ufrag = value
        elif name == "ice-pwd":
            if not _ICE_CHARS.fullmatch(value) or len(value) < 22 or (password and password != value):
                raise BadOffer("ice-pwd must be one value of 22 to 256 letters, digits, + or /", f"line {number}")
            password = value
        elif name == "candidate":
            if len(value.split()) < 8:
                raise BadOffer("a candidate needs at least eight words", f"line {number}")
            candidates += 1
    if bool(ufrag) != bool(password) and password:
        raise BadOffer("ice-pwd without ice-ufrag", "the whole")
    return Fragment(ufrag, password, candidates)


# reading -----------------------------------------------------------------------------------------------------


def _bundle(description: Description) -> frozenset[str] | None:
    for attribute in description.attributes:
        if attribute.name == "group" and attribute.value.startswith("BUNDLE"):
            mids = attribute.value.split()[1:]
            known = {mid.value for media in description.media for mid in media.all("mid")}
            for mid in mids:
                if mid not in known:
                    raise BadOffer(f"BUNDLE names {mid[:40]!r}, which no section has", attribute.where)
            return frozenset(mids)
    return None


def _usable(media: Media, group: frozenset[str] | None) -> bool:
    """Whether the section can ride on the one transport we answer with."""
    if media.port == 0 and media.first("bundle-only") is None:
        return False
    mid = media.first("mid")
    return group is None or (mid is not None and mid.value in group)


def _read_section(media: Media, index: int, role: Role, prefer: Sequence[str], usable: bool) -> Section:
    mid = media.first("mid")
    name = str(index) if mid is None else mid.value
    if not _TOKEN.fullmatch(name):
        raise BadOffer("mid must be a token of 1 to 64 characters", media.where if mid is None else mid.where)
    codecs: tuple[Codec, ...] = ()
    if media.kind in ("audio", "video") and media.protocol in _PROTOCOLS:
        offered = _read_codecs(media)
        wanted = "sendonly" if role is Role.PUBLISHER else "recvonly"
        if usable and _direction(media) in (wanted, "sendrecv"):
            if media.first("rtcp-mux") is None:
                raise BadOffer("rtcp-mux is required", media.where)
            codecs = _choose(media.kind, offered, role, prefer)
    ssrcs = tuple(_read_ssrc(attribute) for attribute in media.all("ssrc"))
    return Section(media.kind, name, media.protocol, media.formats, codecs, tuple(dict.fromkeys(ssrcs)))


def _read_codecs(media: Media) -> list[Codec]:
    if len(media.formats) > MAX_CODECS:
        raise BadOffer(f"more than {MAX_CODECS} payload types", media.where)
    payload_types = [_payload_type(text, media.where) for text in media.formats]
    if len(set(payload_types)) != len(payload_types):
        raise BadOffer("a payload type twice on an m= line", media.where)
    names: dict[int, str] = {}
    fmtp: dict[int, str] = {}
    feedback: dict[int, set[str]] = {}
    for attribute in media.attributes:
        if attribute.name in ("rtpmap", "fmtp", "rtcp-fb"):
            head, _, rest = attribute.value.partition(" ")
            if not rest:
                raise BadOffer(f"{attribute.name} without a value", attribute.where)
            if attribute.name == "rtcp-fb" and head == "*":
                targets = payload_types
            else:
                targets = [_payload_type(head, attribute.where)]
            for payload_type in targets:
                if attribute.name == "rtpmap":
                    if payload_type in names:
                        raise BadOffer(f"payload type {payload_type} mapped twice", attribute.where)
                    names[payload_type] = _rtpmap(rest, attribute)
                elif attribute.name == "fmtp":
                    fmtp[payload_type] = rest
                else:
                    feedback.setdefault(payload_type, set()).add(rest.strip())
    retransmissions: dict[int, int] = {}
    for payload_type, name in names.items():
        if name == "rtx/90000" and payload_type in payload_types:
            apt = _parameters(fmtp.get(payload_type, "")).get("apt", "")
            if apt.isascii() and apt.isdigit() and len(apt) < 4:
                retransmissions.setdefault(int(apt), payload_type)
    codecs: list[Codec] = []
    for payload_type in payload_types:
        name, _, clock = names.get(payload_type, "").partition("/")
        if name.upper() in _CLOCK and clock == _CLOCK[name.upper()]:
            codecs.append(
                Codec(
                    name.upper(),
                    payload_type,
                    fmtp.get(payload_type, ""),
                    frozenset(feedback.get(payload_type, ())),
                    retransmissions.get(payload_type),
                )
            )
    return codecs


def _choose(kind: str, offered: list[Codec], role: Role, prefer: Sequence[str]) -> tuple[Codec, ...]:
    names = (OPUS,) if kind == "audio" else tuple(prefer)
    best = [codec for name in names if (codec := _best(name, offered)) is not None]
    return tuple(best[:1] if role is Role.PUBLISHER else best)


def _best(name: str, offered: list[Codec]) -> Codec | None:
    """The payload type of a codec that most decoders take: for H.264 packetization mode 1, baseline first."""
    candidates = [codec for codec in offered if codec.name == name]
    if name == H264:
        candidates = [c for c in candidates if _parameters(c.fmtp).get("packetization-mode") == "1"]
        candidates.sort(key=lambda codec: (codec.profile != "42e0", not codec.profile.startswith("42")))
    return candidates[0] if candidates else None


def _check_payload_types(sections: list[Section], description: Description) -> None:
    """Packets are told apart by payload type, so none may serve two sections (RFC 9143 section 9.1)."""
    seen: set[int] = set()
    for section, media in zip(sections, description.media, strict=True):
        for codec in section.codecs:
            for payload_type in (codec.payload_type, codec.rtx):
                if payload_type is not None:
                    if payload_type in seen:
                        raise BadOffer(f"payload type {payload_type} in two sections", media.where)
                    seen.add(payload_type)


def _payload_type(text: str, where: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 3 or int(text) > 127:
        raise BadOffer(f"payload type {text[:20]!r} is not 0 to 127", where)
    return int(text)


def _rtpmap(text: str, attribute: Attribute) -> str:
    name, slash, clock = text.strip().partition("/")
    if not slash or not name or not clock.replace("/", "").isdigit():
        raise BadOffer("rtpmap must read name/clock or name/clock/channels", attribute.where)
    return f"{name.lower() if name.lower() == 'rtx' else name}/{clock}"


def _read_ssrc(attribute: Attribute) -> int:
    head = attribute.value.partition(" ")[0]
    if not (head.isascii() and head.isdigit()) or len(head) > 10 or int(head) > 0xFFFFFFFF:
        raise BadOffer("an ssrc is a number of 32 bits", attribute.where)
    return int(head)


def _direction(media: Media) -> str:
    for attribute in media.attributes:
        if attribute.name in ("sendrecv", "sendonly", "recvonly", "inactive"):
            return attribute.name
    return "sendrecv"


def _parameters(fmtp: str) -> dict[str, str]:
    pairs = (part.strip().partition("=") for part in fmtp.split(";"))
    return {name.lower(): value for name, equals, value in pairs if equals}


def _required(description: Description, anchor: Media, name: str) -> Attribute:
    attribute = anchor.first(name) or description.first(name)
    if attribute is None:
        raise BadOffer(f"{name} is missing", anchor.where)
    return attribute


def _fingerprints(description: Description, anchor: Media) -> tuple[tuple[str, str], ...]:
    found = list(anchor.all("fingerprint")) or [a for a in description.attributes if a.name == "fingerprint"]
    if not found:
        raise BadOffer("fingerprint is missing", anchor.where)
    usable: list[tuple[str, str]] = []
    for attribute in found:
        algorithm, _, value = attribute.value.partition(" ")
        algorithm, value = algorithm.lower(), value.strip().upper()
        if algorithm in DIGEST_BYTES:
            if not re.fullmatch(r"[0-9A-F]{2}(:[0-9A-F]{2})*", value) or (
                value.count(":") + 1 != DIGEST_BYTES[algorithm]
            ):
                raise BadOffer(f"not a {algorithm} fingerprint", attribute.where)
            usable.append((algorithm, value))
    if not usable:
        raise BadOffer("a fingerprint with sha-256, sha-384 or sha-512 is required", found[0].where)
    return tuple(usable)


def _dtls_client(description: Description, anchor: Media) -> bool:
    setup = _required(description, anchor, "setup")
    if setup.value not in ("actpass", "active", "passive"):
        raise BadOffer("setup must be actpass, active or passive", setup.where)
    return setup.value != "passive"


def _offered(description: Description, role: Role) -> str:
    wanted = "sendonly" if role is Role.PUBLISHER else "recvonly"
    names = {a.value.partition(" ")[2].partition("/")[0] for media in description.media for a in media.all("rtpmap")}
    listed = ", ".join(sorted(names)[:12]) or "nothing"
    return f"no {wanted} section with H264 (packetization-mode 1), VP8 or opus; offered: {listed[:200]}"


# writing -----------------------------------------------------------------------------------------------------


def _answer_section(section: Section, offer: Offer, local: Local) -> list[str]:
    payload_types: list[int] = []
    for codec in section.codecs:
        payload_types.append(codec.payload_type)
        if codec.rtx is not None:
            payload_types.append(codec.rtx)
    lines = [
        f"m={section.kind} 9 {section.protocol} " + " ".join(map(str, payload_types)),
        "c=IN IP4 0.0.0.0",
    ]
    if offer.role is Role.PUBLISHER and section.kind == "video" and local.max_video_bps:
        lines += [f"b=AS:{local.max_video_bps // 1000}", f"b=TIAS:{local.max_video_bps}"]
    lines += [
        "a=rtcp:9 IN IP4 0.0.0.0",
        f"a=ice-ufrag:{local.ufrag}",
        f"a=ice-pwd:{local.password}",
        f"a=fingerprint:{local.fingerprint}",
        f"a=setup:{'passive' if offer.dtls_client else 'active'}",
        f"a=mid:{section.mid}",
        "a=recvonly" if offer.role is Role.PUBLISHER else "a=sendonly",
        "a=rtcp-mux",
    ]
    for codec in section.codecs:
        lines += _answer_codec(section.kind, codec, offer.role, local.max_video_bps)
    if offer.role is Role.VIEWER:
        lines += _answer_sources(section, local)
    return [*lines, *_candidates(local)]


def _answer_codec(kind: str, codec: Codec, role: Role, max_video_bps: int) -> list[str]:
    name = "opus" if codec.name == OPUS else codec.name
    lines = [f"a=rtpmap:{codec.payload_type} {name}/{_CLOCK[codec.name]}"]
    fmtp = [codec.fmtp] if codec.fmtp else []
    if kind == "video" and role is Role.PUBLISHER and max_video_bps and "transport-cc" in codec.feedback:
        # Browsers only: without it they begin at 300 kbit/s, and a show with its first seconds in a blur.
        fmtp.append(f"x-google-start-bitrate={min(START_KBPS, max_video_bps // 1000)}")
    if fmtp:
        lines.append(f"a=fmtp:{codec.payload_type} {';'.join(fmtp)}")
    if kind == "video":
        taken = (*_FEEDBACK, "goog-remb") if role is Role.PUBLISHER else _FEEDBACK
        lines += [f"a=rtcp-fb:{codec.payload_type} {item}" for item in taken if item in codec.feedback]
        if codec.rtx is not None:
            lines += [f"a=rtpmap:{codec.rtx} rtx/90000", f"a=fmtp:{codec.rtx} apt={codec.payload_type}"]
    return lines


def _answer_sources(section: Section, local: Local) -> list[str]:
    media, rtx = local.ssrcs[section.kind]
    track = f"{local.stream}-{section.kind}"
    lines = [f"a=msid:{local.stream} {track}"]
    retransmits = any(codec.rtx is not None for codec in section.codecs)
    if retransmits:
        lines.append(f"a=ssrc-group:FID {media} {rtx}")
    for ssrc in (media, rtx) if retransmits else (media,):
        lines += [f"a=ssrc:{ssrc} cname:{local.cname}", f"a=ssrc:{ssrc} msid:{local.stream} {track}"]
    return lines


def _candidates(local: Local) -> list[str]:
    lines: list[str] = []
    for index, (host, port) in enumerate(local.candidates):
        # RFC 8445 section 5.1.2.1: host candidates, the first address the most preferred.
        priority = (126 << 24) + ((65535 - index) << 8) + 255
        lines.append(f"a=candidate:{index + 1} 1 udp {priority} {host} {port} typ host")
    return [*lines, "a=end-of-candidates"]


def _rejected(section: Section) -> list[str]:
    head = f"m={section.kind} 0 {section.protocol} {' '.join(section.formats)}"
    return [head, "c=IN IP4 0.0.0.0", f"a=mid:{section.mid}", "a=inactive"]
