"""The payload types of one media section: which codec each carries, its parameters, feedback and retransmission.

Pure. It knows rtpmap, fmtp and rtcp-fb (RFC 8866, 4585, 4588); it knows no roles and promises nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from streamserver.media.codecs import AV1, H264, OPUS, VP8, VP9
from streamserver.media.errors import BadOffer
from streamserver.media.sdp import Attribute, Media

MAX_CODECS: Final = 64
RTPMAP: Final = {
    H264: "H264/90000",
    VP8: "VP8/90000",
    VP9: "VP9/90000",
    AV1: "AV1/90000",
    OPUS: "opus/48000/2",
}
_CODECS: Final = {rtpmap.upper(): name for name, rtpmap in RTPMAP.items()}


@dataclass(frozen=True, slots=True)
class Codec:
    """One payload type that we can forward."""

    name: str
    payload_type: int
    fmtp: str
    feedback: frozenset[str]
    """All that was offered."""
    rtx: int | None = None
    """The payload type of its retransmissions (RFC 4588)."""
    taken: tuple[str, ...] = ()
    """The feedback that both sides promise, in the order of the answer."""

    @property
    def profile(self) -> str:
        """H.264: `profile_idc` and constraint flags (four hex digits); VP9, AV1: the profile, `0` unless given."""
        given = parameters(self.fmtp)
        if self.name == H264:
            return given.get("profile-level-id", "")[:4].lower()
        if self.name == VP9:
            return given.get("profile-id", "0")
        if self.name == AV1:
            return given.get("profile", "0")
        return ""


def read_codecs(media: Media) -> list[Codec]:
    """The payload types of a section that we know, in its order. Raises BadOffer for malformed ones of any codec."""
    if len(media.formats) > MAX_CODECS:
        raise BadOffer(f"more than {MAX_CODECS} payload types", media.where)
    payload_types = [read_payload_type(text, media.where) for text in media.formats]
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
                targets = [read_payload_type(head, attribute.where)]
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
    for payload_type, rtpmap in names.items():
        if media.kind == "video" and rtpmap == "RTX/90000" and payload_type in payload_types:
            apt = parameters(fmtp.get(payload_type, "")).get("apt", "")
            if apt.isascii() and apt.isdigit() and len(apt) < 4:
                retransmissions.setdefault(int(apt), payload_type)
    return [
        Codec(
            name,
            payload_type,
            fmtp.get(payload_type, ""),
            frozenset(feedback.get(payload_type, ())),
            retransmissions.get(payload_type),
        )
        for payload_type in payload_types
        if (name := _CODECS.get(names.get(payload_type, ""))) is not None
    ]


def best(name: str, offered: Sequence[Codec]) -> Codec | None:
    """The payload type of a codec that most decoders take.

    H.264: packetization mode 1, constrained baseline first. VP9, AV1: profile 0, which every decoder has.
    """
    candidates = [codec for codec in offered if codec.name == name]
    if name == H264:
        candidates = [c for c in candidates if parameters(c.fmtp).get("packetization-mode") == "1"]
        candidates.sort(key=lambda codec: (codec.profile != "42e0", not codec.profile.startswith("42")))
    elif name in (VP9, AV1):
        candidates = [codec for codec in candidates if codec.profile == "0"]
    return candidates[0] if candidates else None


def read_payload_type(text: str, where: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 3 or int(text) > 127:
        raise BadOffer(f"payload type {text[:20]!r} is not 0 to 127", where)
    return int(text)


def parameters(fmtp: str) -> dict[str, str]:
    """`name=value` pairs of a format's parameters, names in lower case."""
    pairs = (part.strip().partition("=") for part in fmtp.split(";"))
    return {name.lower(): value for name, equals, value in pairs if equals}


def _rtpmap(text: str, attribute: Attribute) -> str:
    name, slash, clock = text.strip().partition("/")
    if not slash or not name or not clock.replace("/", "").isdigit():
        raise BadOffer("rtpmap must read name/clock or name/clock/channels", attribute.where)
    return f"{name.upper()}/{clock}"
