"""What is left of a text that a stranger typed: one line of plain text, safe to put beside other people's.

Pure. Makes no HTML safe: pages show it with `textContent`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

# Overrides and isolates (Unicode TR9) let a name rewrite what stands after it; the rest is invisible padding.
_UNWANTED: Final = frozenset(
    chr(code)
    for first, last in (
        (0x061C, 0x061C),
        (0x200B, 0x200B),
        (0x200E, 0x200F),
        (0x202A, 0x202E),
        (0x2060, 0x206F),
        (0xFEFF, 0xFEFF),
        (0xFFF9, 0xFFFB),
        (0xE0000, 0xE007F),
    )
    for code in range(first, last + 1)
)
_SPACE: Final = re.compile(r"\s+")
_MARKS: Final = 6
"""Combining marks one character may carry; more is only used to draw over other lines."""


def one_line(text: str) -> str:
    """NFC, every run of white space one blank, without control, override and stacked characters.

    Joiners (U+200C, U+200D) stay: Persian, Indic scripts and emoji need them. The answer may be empty.
    """
    kept: list[str] = []
    marks = 0
    for char in unicodedata.normalize("NFC", _SPACE.sub(" ", text)):
        category = unicodedata.category(char)
        if category in ("Cc", "Cs", "Co", "Cn") or char in _UNWANTED:
            continue
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if marks <= _MARKS:
            kept.append(char)
    return _SPACE.sub(" ", "".join(kept)).strip()


def visible(text: str) -> bool:
    """Whether anything of it can be seen."""
    return any(unicodedata.category(char)[0] in "LNPS" for char in text)


def person_name(text: str, most: int = 24) -> str | None:
    """A name of at most `most` characters, or None when nothing visible is left."""
    name = one_line(text)[:most].strip()
    return name if visible(name) else None


def guest_name(viewer_id: str) -> str:
    """The name of a viewer who gave none; always the same for the same pseudonym."""
    number = 0
    for char in viewer_id:
        number = (number * 31 + ord(char)) % 1_000_003
    return f"Guest-{1000 + number % 9000}"


class Words:
    """A list of words nobody may say: case folded, with compatibility forms (NFKC) taken as one.

    ASCII entries match whole words; others match anywhere, because many scripts put no blanks between words.
    """

    __slots__ = ("_anywhere", "_whole")

    def __init__(self, words: Iterable[str]) -> None:
        folded = [word for word in (_folded(word) for word in words) if word]
        whole = [re.escape(word) for word in folded if word.isascii()]
        self._anywhere = [word for word in folded if not word.isascii()]
        self._whole = re.compile(rf"(?<!\w)(?:{'|'.join(whole)})(?!\w)") if whole else None

    def found_in(self, text: str) -> bool:
        text = _folded(text)
        if self._whole is not None and self._whole.search(text):
            return True
        return any(word in text for word in self._anywhere)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", one_line(text)).casefold()
