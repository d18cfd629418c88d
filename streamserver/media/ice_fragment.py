"""The body of a WHIP or WHEP PATCH (application/trickle-ice-sdpfrag, RFC 8840): read, and answered on a restart.

Pure. It knows credentials and candidates; whether a PATCH may be made is the engine's business.
"""

from __future__ import annotations

from dataclasses import dataclass

from streamserver.media.answers import Local, candidate_lines
from streamserver.media.errors import BadOffer
from streamserver.media.offers import ICE_CHARS, Offer


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
            if not ICE_CHARS.fullmatch(value) or len(value) < 4 or (ufrag and ufrag != value):
                raise BadOffer("ice-ufrag must be one value of 4 to 256 letters, digits, + or /", f"line {number}")
            ufrag = value
        elif name == "ice-pwd":
            if not ICE_CHARS.fullmatch(value) or len(value) < 22 or (password and password != value):
                raise BadOffer("ice-pwd must be one value of 22 to 256 letters, digits, + or /", f"line {number}")
            password = value
        elif name == "candidate":
            if len(value.split()) < 8:
                raise BadOffer("a candidate needs at least eight words", f"line {number}")
            candidates += 1
    if bool(ufrag) != bool(password) and password:
        raise BadOffer("ice-pwd without ice-ufrag", "the whole")
    return Fragment(ufrag, password, candidates)


def write_ice_fragment(offer: Offer, local: Local) -> str:
    """The body that answers an ICE restart (application/trickle-ice-sdpfrag, RFC 8840)."""
    section = next(section for section in offer.sections if section.codecs)
    lines = [
        "a=ice-lite",
        f"a=ice-ufrag:{local.ufrag}",
        f"a=ice-pwd:{local.password}",
        f"m={section.kind} 9 {section.protocol} 0",
        f"a=mid:{section.mid}",
        *candidate_lines(local),
    ]
    return "\r\n".join(lines) + "\r\n"
