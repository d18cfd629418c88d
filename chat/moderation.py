"""Who may speak or enter, and what may be said.

Pure: the time (ms since 1970) is an argument. Knows nothing of how a decision is stored or told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from streamserver.plaintext import Words, one_line, visible
from streamserver.wire_shapes import Role

Kind = Literal["mute", "ban"]
MUTE_S: Final = 300
"""A mute without a length."""

_LINK: Final = re.compile(
    r"(?:[a-z][a-z0-9+.-]{1,9}://|www\.)\S"
    r"|(?<![\w@.])[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9-]+)*"
    r"\.(?:com|net|org|info|biz|shop|store|online|site|app|dev|io|me|co|cc|tv|ly|gg|link|live|club|vip|top|xyz|"
    r"cn|hk|tw|jp|kr|sg|my|th|vn|id|in|ru|de|fr|it|es|nl|pl|uk|us|ca|au|br|mx|eu)(?![\w-])(?!\.\w)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Bar:
    """Something a subject may not do until `until_ms` (None: until lifted)."""

    kind: Kind
    subject: str
    until_ms: int | None

    def holds(self, now_ms: int) -> bool:
        return self.until_ms is None or now_ms < self.until_ms


def subjects(viewer_id: str, account_id: str | None) -> list[str]:
    """What a person is barred as: the viewer, and the account that a new browser cannot shed."""
    return [f"viewer:{viewer_id}"] + ([f"account:{account_id}"] if account_id else [])


class Bars:
    """One room's. One bar per kind and subject; a later one replaces an earlier one."""

    def __init__(self, bars: Iterable[Bar] = ()) -> None:
        self._bars: dict[tuple[str, str], Bar] = {(bar.kind, bar.subject): bar for bar in bars}

    def add(self, bar: Bar) -> None:
        self._bars[bar.kind, bar.subject] = bar

    def lift(self, kind: Kind, subject: str) -> bool:
        return self._bars.pop((kind, subject), None) is not None

    def find(self, kind: Kind, viewer_id: str, account_id: str | None, now_ms: int) -> Bar | None:
        """The bar that holds longest for this person, or None."""
        found = [
            bar
            for subject in subjects(viewer_id, account_id)
            if (bar := self._bars.get((kind, subject))) is not None and bar.holds(now_ms)
        ]
        return max(found, key=lambda bar: bar.until_ms if bar.until_ms is not None else 1 << 62, default=None)


@dataclass(frozen=True, slots=True)
class Unsaid:
    """Why a text is not said."""

    code: Literal["empty", "word_refused", "link_refused"]
    detail: str


def has_link(text: str) -> bool:
    return _LINK.search(text) is not None


def said(text: str, *, staff: bool, words: Words, links: bool) -> str | Unsaid:
    """The line as it is shown to others, or why it is not. Staff may link; the word list binds everybody."""
    line = one_line(text)
    if not visible(line):
        return Unsaid("empty", "nothing visible is left of the text")
    if words.found_in(line):
        return Unsaid("word_refused", "the text has a word that is not said here")
    if not (staff or links) and has_link(line):
        return Unsaid("link_refused", "only staff may post links here")
    return line


def may_be_barred(role: Role) -> bool:
    """Staff is neither muted nor banned; who must go loses the account instead."""
    return role == "viewer"
