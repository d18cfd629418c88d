"""Which header extensions (RFC 8285) and simulcast streams (RFC 8853, 8851) of an offered section we take.

Pure. It reads `extmap`, `rid` and `simulcast`; what travels in the extensions is the engine's business.
"""

from __future__ import annotations

import re
from typing import Final

from streamserver.media.abilities import Abilities, Role
from streamserver.media.errors import BadOffer
from streamserver.media.sdp import Media

MAX_ONE_BYTE_ID: Final = 14
_EXTMAP: Final = re.compile(r"([0-9]{1,5})(?:/(sendrecv|sendonly|recvonly|inactive))? (\S+)(?: .*)?")
_RID: Final = re.compile(r"([A-Za-z0-9_-]{1,16}) send(?: (\S+))?")


def read_extensions(
    media: Media, role: Role, abilities: Abilities
) -> tuple[tuple[tuple[str, int], ...], tuple[int, ...]]:
    """The extensions that both sides know, by URI and offered id, and the ids that were offered one way only.

    Ids above 14 need the two-byte form on every packet and are left to the peers that want them; an id of two
    URIs is refused, because no packet could tell which one it means. An extension offered twice is taken once.
    Raises BadOffer. An engine without extensions reads none of this.
    """
    if not abilities.extensions:
        return (), ()
    towards = "sendonly" if role is Role.PUBLISHER else "recvonly"
    ids: dict[int, str] = {}
    taken: dict[str, int] = {}
    one_way: list[int] = []
    for attribute in media.all("extmap"):
        match = _EXTMAP.fullmatch(attribute.value)
        if match is None:
            raise BadOffer("extmap must read id, id/direction, then a URI", attribute.where)
        number, direction, uri = int(match[1]), match[2], match[3]
        if not 1 <= number <= MAX_ONE_BYTE_ID:
            continue
        if ids.setdefault(number, uri) != uri:
            raise BadOffer(f"extension id {number} of two URIs", attribute.where)
        if uri in abilities.extensions and uri not in taken and direction in (None, "sendrecv", towards):
            taken[uri] = number
            if direction == towards:
                one_way.append(number)
    return tuple(taken.items()), tuple(one_way)


def read_rids(media: Media, payload_type: int, abilities: Abilities) -> tuple[str, ...]:
    """The simulcast streams that we take of a publisher's video, as offered: first `max_rids` of `simulcast:send`.

    The order is the offerer's order of preference, in browsers that of `sendEncodings`. It says nothing of
    resolution, which SDP does not carry: an engine ranks the streams by what it measures.
    A `rid` that is malformed, doubled or bound to other payload types is left out (RFC 8851 section 6), as is a
    name in `simulcast` without a `rid` line (RFC 8853 section 5). Of alternatives the first is taken.
    """
    if not abilities.simulcast:
        return ()
    declared: dict[str, bool] = {}
    for attribute in media.all("rid"):
        match = _RID.fullmatch(attribute.value)
        if match is not None:
            declared[match[1]] = match[1] not in declared and _admits(match[2] or "", payload_type)
    simulcast = media.first("simulcast")
    words = [] if simulcast is None else simulcast.value.split(" ")
    sent = dict(zip(words[::2], words[1::2], strict=False)).get("send", "")
    streams = ([name.removeprefix("~") for name in stream.split(",")] for stream in sent.split(";"))
    chosen = (next((name for name in stream if declared.get(name)), None) for stream in streams)
    return tuple(dict.fromkeys(name for name in chosen if name is not None))[: abilities.max_rids]


def _admits(restrictions: str, payload_type: int) -> bool:
    """Whether the restrictions of a `rid` leave it the payload type that was chosen."""
    for restriction in restrictions.split(";"):
        name, _, value = restriction.partition("=")
        if name == "pt":
            return str(payload_type) in value.split(",")
    return True
