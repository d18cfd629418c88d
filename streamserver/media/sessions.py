"""What an engine does between SDP and packets, whichever engine it is: credentials, addresses, bounds, who may watch
what, and the rules of PATCH.

Knows no sockets, no packets and no threads; the engines share it so that they answer alike.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from streamserver.ids import SessionId, encode_secret
from streamserver.media.engine import EngineConfig
from streamserver.media.errors import BadOffer, Full, NoCommonCodec, NothingLive, StaleTag, TagRequired
from streamserver.media.negotiation import Fragment, Offer, read_fragment

RETRY_S: Final = 2


@dataclass(frozen=True, slots=True)
class Credentials:
    """Our ufrag and password of one ICE session; `etag` names it in PATCH."""

    ufrag: str
    password: str
    etag: str


def make_session_id() -> SessionId:
    """128 random bits: the session's address is its secret (RFC 9725 section 4.7)."""
    return SessionId(encode_secret(secrets.token_bytes(16)))


def make_credentials(lead: str = "") -> Credentials:
    """Fresh ones; `lead` heads the ufrag. Long enough that no two sessions are ever taken for each other."""
    return Credentials(lead + secrets.token_hex(6), secrets.token_hex(16), secrets.token_hex(8))


def bind_hosts(config: EngineConfig) -> list[str]:
    """The hosts to bind: those of the configuration, and the wildcard of a family that is announced but not bound."""
    hosts = list(config.bind_hosts)
    versions = {ipaddress.ip_address(host).version for host in hosts}
    if any(ipaddress.ip_address(address).version not in versions for address in config.announce):
        hosts.append("::" if 6 not in versions else "0.0.0.0")
    return hosts


def announced(config: EngineConfig, ports: Mapping[int, int]) -> list[tuple[str, int]]:
    """Address and port of each announced address, by the port bound for its IP version (4 or 6)."""
    return [
        (address, ports[version])
        for address in config.announce
        if (version := ipaddress.ip_address(address).version) in ports
    ]


def check_bounds(sessions: int, max_sessions: int, pending: int, max_pending: int) -> None:
    """Raises Full when a bound is reached."""
    if sessions >= max_sessions:
        raise Full(f"{max_sessions} media sessions are open", retry_after=RETRY_S)
    if pending >= max_pending:
        raise Full(f"{max_pending} handshakes are under way", retry_after=RETRY_S)


def nothing_live() -> NothingLive:
    """The refusal of a viewer of a room without a publisher."""
    return NothingLive("nothing is live in this room", retry_after=RETRY_S)


def check_decodable(offer: Offer, published: str | None) -> None:
    """Raises NoCommonCodec when a viewer wants video but cannot decode `published`, the room's codec now."""
    if published is None or all(section.kind != "video" for section in offer.sections):
        return
    section = offer.section("video")
    if section is None or all(codec.name != published for codec in section.codecs):
        raise NoCommonCodec(f"the room is published in {published}, which the offer does not take")


def read_patch(fragment: str, if_match: str | None, etag: str, remote_ufrag: str) -> Fragment | None:
    """The client's new credentials when it restarts ICE; None when it trickles candidates (RFC 9725 section 4.3).

    Raises TagRequired, StaleTag or BadOffer.
    """
    if if_match is None:
        raise TagRequired("If-Match is required")
    tags = [tag.strip().strip('"') for tag in if_match.split(",")]
    if "*" not in tags and etag not in tags:
        raise StaleTag("If-Match does not name the current ICE session")
    parsed = read_fragment(fragment)
    if not parsed.ufrag or parsed.ufrag == remote_ufrag:
        return None
    if "*" not in tags:
        raise BadOffer("an ICE restart needs If-Match: *", "the whole")
    if not parsed.password:
        raise BadOffer("an ICE restart needs ice-pwd", "the whole")
    return parsed
