"""Reads the offer of a publisher or viewer (RFC 8829, 9429, 9725) and chooses what it may have.

Pure. It never guesses: what it cannot use it refuses by name and line. Offers of one browser version differ in a
few values only, so the plan made of all the rest is remembered; see `read_offer`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from streamserver.media.abilities import BASE, RID, TRANSPORT_CC, Abilities, Role
from streamserver.media.abilities import DEPENDENCY_DESCRIPTOR as DESCRIPTOR
from streamserver.media.abilities import REPAIRED_RID as REPAIRED
from streamserver.media.codecs import AV1, H264, OPUS, VP9
from streamserver.media.errors import BadOffer, NoCommonCodec
from streamserver.media.extensions import read_extensions, read_rids
from streamserver.media.payload_types import Codec, best, read_codecs
from streamserver.media.sdp import Attribute, Description, Media, SdpError, check_size, read_lines, split_lines

DIGEST_BYTES: Final = {"sha-256": 32, "sha-384": 48, "sha-512": 64}
FEEDBACK: Final = ("nack", "nack pli", "ccm fir")
"""What every engine of ours answers or acts on for video."""
ICE_CHARS: Final = re.compile(r"[A-Za-z0-9+/]{1,256}")
PLANS: Final = 128
"""Plans remembered; each is held by at most 64 KiB of text."""
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]{1,64}")
_PROTOCOLS: Final = frozenset(("UDP/TLS/RTP/SAVPF", "TCP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", "RTP/SAVPF"))

# Lines whose values no plan depends on: either nobody reads them or they are read from each offer anew. Only
# printable characters are taken out, so a control character stays where it is refused. Port 0 means a rejected
# section and stays too.
_OWN: Final = re.compile(
    r"\n([oc]=|a=(?:candidate|fingerprint|ice-pwd|ice-ufrag|msid|msid-semantic|rtcp|ssrc|ssrc-group):"
    r"|m=(?:audio|video) (?=(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}) ))"
    r"(?:(?<! )[ -~]*|[0-9]+)"
)


@dataclass(frozen=True, slots=True)
class Section:
    """One media section of the offer and what we take of it; no codecs means it is rejected."""

    kind: str
    mid: str
    protocol: str
    formats: tuple[str, ...]
    codecs: tuple[Codec, ...]
    ssrcs: tuple[int, ...] = ()
    extensions: tuple[tuple[str, int], ...] = ()
    """Header extensions both sides know: URI and the offered id (1 to 14)."""
    one_way: tuple[int, ...] = ()
    """The ids among them that were offered in the direction of the media only."""
    rids: tuple[str, ...] = ()
    """Simulcast streams of a publisher's video in the offered order; empty without simulcast."""

    def extension(self, uri: str) -> int:
        """The id of a header extension, 0 when it was not taken."""
        return next((number for name, number in self.extensions if name == uri), 0)

    def promises(self, feedback: str) -> bool:
        """Whether the answer promises this feedback (`nack`, `nack pli`, `transport-cc`, …) for any codec."""
        return any(feedback in codec.taken for codec in self.codecs)


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
    mixed: bool = False
    """Two-byte header extensions may be mixed in (RFC 8285 section 6) and something taken may need them."""

    def section(self, kind: str) -> Section | None:
        """The accepted section of a kind."""
        return next((section for section in self.sections if section.kind == kind and section.codecs), None)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What an offer comes to, but for its own values; those are on the lines named here (from 1)."""

    role: Role
    sections: tuple[Section, ...]
    ssrcs: tuple[tuple[int, ...], ...]
    ufrag: int
    password: int
    fingerprints: tuple[int, ...]
    dtls_client: bool
    bundled: bool
    mixed: bool


def read_offer(text: str, role: Role, abilities: Abilities = BASE) -> Offer:
    """Check an offer and choose codecs, header extensions, feedback and simulcast streams.

    A publisher gets one codec per kind, the first of the engine's that it offers; a viewer gets one payload type
    for every codec we forward, so that the room may change its codec without it.
    Raises BadOffer (what, where) for anything malformed and NoCommonCodec when nothing of it can be used.

    Two steps: the plan, which depends on everything but the values that each offer has of its own and is
    remembered for the text without them; then those values, read and checked every time.
    """
    try:
        check_size(text)
    except SdpError as error:
        raise BadOffer(error.what, error.where) from None
    return _fill(_plan(_shared(text), role, abilities), text.split("\n"))


def _shared(text: str) -> str:
    """The text without the values that are its own; line numbers and the lines' names stay."""
    parts = _OWN.split(text)
    # The digit is as good a port as any, and a line with it is as well-formed as with the value.
    parts[1::2] = [f"\n{name}9" for name in parts[1::2]]
    return "".join(parts)


@lru_cache(maxsize=PLANS)
def _plan(text: str, role: Role, abilities: Abilities) -> _Plan:
    try:
        description = read_lines(split_lines(text))
    except SdpError as error:
        raise BadOffer(error.what, error.where) from None
    if not description.media:
        raise BadOffer("an offer without media", "the whole")
    group = _bundle(description)
    sections: list[Section] = []
    taken: set[str] = set()
    mids: set[str] = set()
    for index, media in enumerate(description.media):
        usable = media.kind not in taken and _usable(media, group)
        section = _read_section(media, index, role, abilities, usable)
        if section.mid in mids:
            raise BadOffer(f"two sections with mid {section.mid!r}", media.where)
        mids.add(section.mid)
        if section.codecs:
            taken.add(media.kind)
        sections.append(section)
    if not taken:
        raise NoCommonCodec(_offered(description, role, abilities))
    _check_numbers(sections, description, group is not None)
    anchor = next(m for m, s in zip(description.media, sections, strict=True) if s.codecs)
    mixed = description.first("extmap-allow-mixed") or anchor.first("extmap-allow-mixed")
    return _Plan(
        role=role,
        sections=tuple(sections),
        ssrcs=tuple(tuple(attribute.number for attribute in media.all("ssrc")) for media in description.media),
        ufrag=required(description, anchor, "ice-ufrag").number,
        password=required(description, anchor, "ice-pwd").number,
        fingerprints=tuple(attribute.number for attribute in fingerprint_lines(description, anchor)),
        dtls_client=_dtls_client(description, anchor),
        bundled=group is not None,
        mixed=mixed is not None and any(section.extension(DESCRIPTOR) for section in sections),
    )


def _fill(plan: _Plan, lines: Sequence[str]) -> Offer:
    def at(number: int) -> Attribute:
        name, _, value = lines[number - 1].removesuffix("\r")[2:].partition(":")
        return Attribute(number, name, value)

    sections = plan.sections
    if any(plan.ssrcs):
        ssrcs = (tuple(dict.fromkeys(read_ssrc(at(number)) for number in numbers)) for numbers in plan.ssrcs)
        sections = tuple(replace(section, ssrcs=own) for section, own in zip(sections, ssrcs, strict=True))
    ufrag, password = read_credentials(at(plan.ufrag), at(plan.password))
    return Offer(
        role=plan.role,
        ufrag=ufrag,
        password=password,
        fingerprints=read_fingerprints([at(number) for number in plan.fingerprints]),
        dtls_client=plan.dtls_client,
        sections=sections,
        bundled=plan.bundled,
        mixed=plan.mixed,
    )


# sections ----------------------------------------------------------------------------------------------------


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


def _read_section(media: Media, index: int, role: Role, abilities: Abilities, usable: bool) -> Section:
    mid = media.first("mid")
    name = str(index) if mid is None else mid.value
    if not _TOKEN.fullmatch(name):
        raise BadOffer("mid must be a token of 1 to 64 characters", media.where if mid is None else mid.where)
    section = Section(media.kind, name, media.protocol, media.formats, ())
    if media.kind not in ("audio", "video") or media.protocol not in _PROTOCOLS:
        return section
    offered = read_codecs(media)
    wanted = "sendonly" if role is Role.PUBLISHER else "recvonly"
    if not usable or direction(media) not in (wanted, "sendrecv"):
        return section
    if media.first("rtcp-mux") is None:
        raise BadOffer("rtcp-mux is required", media.where)
    codecs = _choose(media.kind, offered, role, abilities)
    return section if not codecs else _promise(media, replace(section, codecs=codecs), role, abilities)


def _choose(kind: str, offered: list[Codec], role: Role, abilities: Abilities) -> tuple[Codec, ...]:
    names = (OPUS,) if kind == "audio" else abilities.video_codecs
    chosen = [codec for name in names if (codec := best(name, offered)) is not None]
    return tuple(chosen[:1] if role is Role.PUBLISHER else chosen)


def _promise(media: Media, section: Section, role: Role, abilities: Abilities) -> Section:
    """Header extensions, feedback and simulcast of an accepted section: each only with what it needs to work."""
    extensions, one_way = read_extensions(media, role, abilities)
    uris = {uri for uri, _ in extensions}
    # Feedback by transport-wide number needs the numbers, and numbers nobody reports on are waste.
    numbered = TRANSPORT_CC in uris and abilities.transport_cc
    codecs = tuple(
        replace(codec, taken=_feedback(media.kind, codec, role, abilities, numbered)) for codec in section.codecs
    )
    rids: tuple[str, ...] = ()
    if role is Role.PUBLISHER and media.kind == "video" and RID in uris:
        # Without the extension the streams could not be told apart: simulcast offers carry no SSRCs.
        rids = read_rids(media, codecs[0].payload_type, abilities)
    if not rids:
        uris -= {RID, REPAIRED}
    if role is Role.PUBLISHER and codecs[0].name not in (VP9, AV1):
        uris.discard(DESCRIPTOR)  # other codecs say in their payload what we need; browsers would send it all the same
    if not any("transport-cc" in codec.taken for codec in codecs):
        uris.discard(TRANSPORT_CC)
    kept = tuple((uri, number) for uri, number in extensions if uri in uris)
    ids = {number for _, number in kept}
    return replace(
        section,
        codecs=codecs,
        extensions=kept,
        one_way=tuple(number for number in one_way if number in ids),
        rids=rids,
    )


def _feedback(kind: str, codec: Codec, role: Role, abilities: Abilities, numbered: bool) -> tuple[str, ...]:
    taken: list[str] = []
    if kind == "video":
        taken += FEEDBACK
        if abilities.remb if role is Role.PUBLISHER else abilities.viewer_remb:
            taken.append("goog-remb")
    if numbered:
        taken.append("transport-cc")
    return tuple(item for item in taken if item in codec.feedback)


def _check_numbers(sections: list[Section], description: Description, bundled: bool) -> None:
    """Packets are told apart by payload type, so none may serve two sections (RFC 9143 section 9.1).

    One transport has one meaning for an extension's id as well (RFC 8285 section 7).
    """
    seen: set[int] = set()
    uris: dict[int, str] = {}
    for section, media in zip(sections, description.media, strict=True):
        for codec in section.codecs:
            for payload_type in (codec.payload_type, codec.rtx):
                if payload_type is not None:
                    if payload_type in seen:
                        raise BadOffer(f"payload type {payload_type} in two sections", media.where)
                    seen.add(payload_type)
        for uri, number in section.extensions if bundled else ():
            if uris.setdefault(number, uri) != uri:
                raise BadOffer(f"extension id {number} of two URIs", media.where)


def direction(media: Media) -> str:
    """The section's direction, as its writer sees it."""
    for attribute in media.attributes:
        if attribute.name in ("sendrecv", "sendonly", "recvonly", "inactive"):
            return attribute.name
    return "sendrecv"


def _offered(description: Description, role: Role, abilities: Abilities) -> str:
    wanted = "sendonly" if role is Role.PUBLISHER else "recvonly"
    known = ", ".join(f"{name} (packetization-mode 1)" if name == H264 else name for name in abilities.video_codecs)
    names = {a.value.partition(" ")[2].partition("/")[0] for media in description.media for a in media.all("rtpmap")}
    listed = ", ".join(sorted(names)[:12]) or "nothing"
    return f"no {wanted} section with {known} or opus; offered: {listed[:200]}"


# transport ---------------------------------------------------------------------------------------------------


def required(description: Description, anchor: Media, name: str) -> Attribute:
    """An attribute of the section, else of the session. Raises BadOffer when neither has it."""
    attribute = anchor.first(name) or description.first(name)
    if attribute is None:
        raise BadOffer(f"{name} is missing", anchor.where)
    return attribute


def read_credentials(ufrag: Attribute, password: Attribute) -> tuple[str, str]:
    """The peer's ICE credentials (RFC 8839 section 5.4). Raises BadOffer."""
    if not ICE_CHARS.fullmatch(ufrag.value) or len(ufrag.value) < 4:
        raise BadOffer("ice-ufrag must be 4 to 256 letters, digits, + or /", ufrag.where)
    if not ICE_CHARS.fullmatch(password.value) or len(password.value) < 22:
        raise BadOffer("ice-pwd must be 22 to 256 letters, digits, + or /", password.where)
    return ufrag.value, password.value


def fingerprint_lines(description: Description, anchor: Media) -> list[Attribute]:
    """The lines that hold the certificate's fingerprints: the section's own, else the session's."""
    found = list(anchor.all("fingerprint")) or [a for a in description.attributes if a.name == "fingerprint"]
    if not found:
        raise BadOffer("fingerprint is missing", anchor.where)
    return found


def read_fingerprints(found: Sequence[Attribute]) -> tuple[tuple[str, str], ...]:
    """Those with a digest we can check (RFC 8122). Raises BadOffer when one is malformed or none is left."""
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
    setup = required(description, anchor, "setup")
    if setup.value not in ("actpass", "active", "passive"):
        raise BadOffer("setup must be actpass, active or passive", setup.where)
    return setup.value != "passive"


def read_ssrc(attribute: Attribute) -> int:
    """The SSRC of an `ssrc` line. Raises BadOffer."""
    head = attribute.value.partition(" ")[0]
    if not (head.isascii() and head.isdigit()) or len(head) > 10 or int(head) > 0xFFFFFFFF:
        raise BadOffer("an ssrc is a number of 32 bits", attribute.where)
    return int(head)
