"""Between SDP and the native engine's calls: what it can carry, our side of an answer, and a peer's sections as the
plain tuples that cross into Rust.

Knows no threads and no sessions.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from typing import Final

from streamserver.media.abilities import EXTENSIONS, TRANSPORT_CC, Abilities
from streamserver.media.engine import EngineConfig
from streamserver.media.negotiation import Candidate, Local, Section
from streamserver.media.sessions import Credentials

_CODECS: Final = ("H264", "VP8", "VP9", "AV1")

SectionSpec = tuple[
    str,  # kind
    str,  # mid
    list[tuple[int, str, int | None]],  # payload type, codec, payload type of its retransmissions
    list[int],  # extension ids in the order of EXTENSIONS, 0: not taken
    list[int],  # SSRCs
    list[str],  # RIDs
    bool,  # nack
    bool,  # pli
    bool,  # transport-cc
    bool,  # remb
]


def abilities(video_codecs: Sequence[str]) -> Abilities:
    """What the Rust side carries, in the configuration's order of preference with the rest behind."""
    return Abilities(
        video_codecs=tuple(dict.fromkeys((*video_codecs, *_CODECS))),
        extensions=frozenset(EXTENSIONS),
        transport_cc=True,
        remb=True,
        viewer_remb=True,
        simulcast=True,
    )


def local(
    config: EngineConfig,
    fingerprint: str,
    udp: Sequence[tuple[str, int]],
    tcp_port: int | None,
    credentials: Credentials,
    ssrcs: dict[str, tuple[int, int]],
    version: int,
) -> Local:
    """Our side of an answer or of an offer."""
    candidates = [Candidate(host, port) for host, port in udp]
    if tcp_port is not None:
        candidates += [Candidate(host, tcp_port, "tcp") for host, _ in udp]
    return Local(
        session=secrets.randbits(62),
        version=version,
        ufrag=credentials.ufrag,
        password=credentials.password,
        fingerprint=fingerprint,
        candidates=candidates,
        ssrcs=ssrcs,
        max_video_bps=config.max_video_bps,
    )


def fingerprints(offered: Iterable[tuple[str, str]]) -> list[tuple[str, bytes]]:
    """Algorithm and digest of each fingerprint."""
    return [(algorithm, bytes.fromhex(value.replace(":", ""))) for algorithm, value in offered]


def specs(sections: Iterable[Section]) -> list[SectionSpec]:
    """The accepted sections."""
    return [_spec(section) for section in sections if section.codecs]


def _spec(section: Section) -> SectionSpec:
    return (
        section.kind,
        section.mid,
        [(codec.payload_type, codec.name, codec.rtx) for codec in section.codecs],
        [section.extension(uri) for uri in EXTENSIONS],
        list(section.ssrcs),
        list(section.rids),
        section.promises("nack"),
        section.promises("nack pli"),
        section.promises("transport-cc") and section.extension(TRANSPORT_CC) != 0,
        section.promises("goog-remb"),
    )


def video_codec(sections: Iterable[Section]) -> str | None:
    """The codec of the accepted video section."""
    return next((section.codecs[0].name for section in sections if section.kind == "video" and section.codecs), None)
