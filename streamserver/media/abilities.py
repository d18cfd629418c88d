"""What a media engine can carry, as its side of a negotiation: codecs, header extensions, feedback, simulcast.

Pure. It knows names and URIs only; which of them a peer gets is decided where its offer is read.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from streamserver.media.codecs import H264, VP8

# RTP header extensions (RFC 8285), each by the URI that an offer names it with.
TRANSPORT_CC: Final = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
ABS_CAPTURE_TIME: Final = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
MID: Final = "urn:ietf:params:rtp-hdrext:sdes:mid"
RID: Final = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
REPAIRED_RID: Final = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
DEPENDENCY_DESCRIPTOR: Final = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
VIDEO_ORIENTATION: Final = "urn:3gpp:video-orientation"
EXTENSIONS: Final = (
    TRANSPORT_CC,
    ABS_CAPTURE_TIME,
    MID,
    RID,
    REPAIRED_RID,
    DEPENDENCY_DESCRIPTOR,
    VIDEO_ORIENTATION,
)
"""Every extension that some engine of ours reads; in an offer of ours the ids follow this order."""


class Role(enum.Enum):
    """Which end of the room the peer is."""

    PUBLISHER = "publisher"
    VIEWER = "viewer"


@dataclass(frozen=True, slots=True)
class Abilities:
    """What an engine can carry; an answer promises nothing else."""

    video_codecs: tuple[str, ...] = (H264, VP8)
    """Most preferred first: a publisher gets the first that it offers."""
    extensions: frozenset[str] = frozenset()
    """URIs of the header extensions that it reads or writes."""
    transport_cc: bool = False
    """Transport-wide feedback both ways: sent to publishers, read from viewers."""
    remb: bool = True
    """Whether it sends REMB to publishers."""
    viewer_remb: bool = False
    """Whether it reads REMB from viewers."""
    simulcast: bool = False
    """Whether it takes several encodings of one video (RFC 8853), told apart by RID."""
    max_rids: int = 3


BASE: Final = Abilities()
"""The aiortc engine: H.264, VP8 and Opus, retransmission, keyframe requests and REMB."""
