"""Offer to answer: what a publisher or viewer may have, and the words that tell it so (RFC 8829, 9429, 9725).

The one door to it for the engines. Pure: text in, plan out. Each engine says by its `Abilities` what it can carry;
no media library is named here.
"""

from streamserver.media.abilities import (
    ABS_CAPTURE_TIME,
    BASE,
    DEPENDENCY_DESCRIPTOR,
    EXTENSIONS,
    MID,
    REPAIRED_RID,
    RID,
    TRANSPORT_CC,
    VIDEO_ORIENTATION,
    Abilities,
    Role,
)
from streamserver.media.answers import Candidate, Local, write_answer
from streamserver.media.ice_fragment import Fragment, read_fragment, write_ice_fragment
from streamserver.media.offers import Offer, Section, read_offer
from streamserver.media.payload_types import Codec
from streamserver.media.pull_sdp import PullAnswer, read_pull_answer, write_pull_offer

__all__ = [
    "ABS_CAPTURE_TIME",
    "BASE",
    "DEPENDENCY_DESCRIPTOR",
    "EXTENSIONS",
    "MID",
    "REPAIRED_RID",
    "RID",
    "TRANSPORT_CC",
    "VIDEO_ORIENTATION",
    "Abilities",
    "Candidate",
    "Codec",
    "Fragment",
    "Local",
    "Offer",
    "PullAnswer",
    "Role",
    "Section",
    "read_fragment",
    "read_offer",
    "read_pull_answer",
    "write_answer",
    "write_ice_fragment",
    "write_pull_offer",
]
