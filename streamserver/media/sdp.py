"""Reads a session description (RFC 8866) into sections of numbered lines.

Pure. It knows the grammar only; what an offer must contain is `negotiation`'s business. Every complaint names
the line, because the person who reads it has the text in front of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

MAX_BYTES: Final = 64 * 1024
MAX_LINES: Final = 2000
MAX_SECTIONS: Final = 16
_TYPES: Final = frozenset("vosiuepcbtrzkam")


class SdpError(ValueError):
    """Text that is not a session description; `where` is `line N` or the whole."""

    def __init__(self, what: str, where: str) -> None:
        super().__init__(f"{what} ({where})")
        self.what = what
        self.where = where


@dataclass(frozen=True, slots=True)
class Attribute:
    """`a=name:value` on line `number`; a flag has an empty value."""

    number: int
    name: str
    value: str

    @property
    def where(self) -> str:
        return f"line {self.number}"


@dataclass(frozen=True, slots=True)
class Media:
    """One `m=` section in the order of the offer."""

    number: int
    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    attributes: tuple[Attribute, ...]

    @property
    def where(self) -> str:
        return f"line {self.number}"

    def all(self, name: str) -> Iterator[Attribute]:
        return (attribute for attribute in self.attributes if attribute.name == name)

    def first(self, name: str) -> Attribute | None:
        return next(self.all(name), None)


@dataclass(frozen=True, slots=True)
class Description:
    """A whole description: attributes of the session, then its media."""

    attributes: tuple[Attribute, ...]
    media: tuple[Media, ...]

    def first(self, name: str) -> Attribute | None:
        return next((attribute for attribute in self.attributes if attribute.name == name), None)


def read_description(text: str) -> Description:
    """Parse an SDP offer or answer.

    Raises SdpError for anything that is not one: over 64 KiB, no `v=0` first, a line without `x=`, an unreadable
    `m=` line, too many lines or sections, control characters.
    """
    check_size(text)
    return read_lines(split_lines(text))


def check_size(text: str) -> None:
    """Raises SdpError for more than 64 KiB."""
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise SdpError(f"an SDP of more than {MAX_BYTES} bytes", "the whole")


def split_lines(text: str) -> list[str]:
    """The lines without their ends, of either kind; empty ones at the end do not count."""
    lines = text.replace("\r\n", "\n").split("\n")
    while lines and not lines[-1]:
        lines.pop()
    return lines


def read_lines(lines: Sequence[str]) -> Description:
    """Parse a description of checked size; `read_description` says what it raises."""
    if not lines:
        raise SdpError("an empty SDP", "the whole")
    if len(lines) > MAX_LINES:
        raise SdpError(f"more than {MAX_LINES} lines", f"line {MAX_LINES + 1}")
    if lines[0] != "v=0":
        raise SdpError("an SDP begins with v=0", "line 1")

    bodies: list[list[Attribute]] = [[]]  # the session's attributes, then each section's
    heads: list[tuple[int, str]] = []
    for number, line in enumerate(lines, 1):
        if len(line) < 2 or line[1] != "=" or line[0] not in _TYPES:
            raise SdpError("not a line of the form x=value", f"line {number}")
        if not line.isprintable() and "\t" not in line:
            raise SdpError("a control character", f"line {number}")
        kind, value = line[0], line[2:]
        if kind == "v" and number > 1:
            raise SdpError("a second v= line", f"line {number}")
        if kind == "m":
            if len(heads) == MAX_SECTIONS:
                raise SdpError(f"more than {MAX_SECTIONS} media sections", f"line {number}")
            heads.append((number, value))
            bodies.append([])
        elif kind == "a":
            name, _, rest = value.partition(":")
            if not name:
                raise SdpError("an attribute without a name", f"line {number}")
            bodies[-1].append(Attribute(number, name, rest))
    media = tuple(_read_media(*head, tuple(body)) for head, body in zip(heads, bodies[1:], strict=True))
    return Description(tuple(bodies[0]), media)


def _read_media(number: int, value: str, attributes: tuple[Attribute, ...]) -> Media:
    words = value.split(" ")
    if len(words) < 4 or not all(words):
        raise SdpError("an m= line needs kind, port, protocol and formats", f"line {number}")
    kind, port, protocol, *formats = words
    if not (port.isascii() and port.isdigit() and len(port) <= 5) or int(port) > 65535:
        raise SdpError(f"the port {port[:20]!r} of an m= line", f"line {number}")
    return Media(number, kind, int(port), protocol, tuple(formats), attributes)
