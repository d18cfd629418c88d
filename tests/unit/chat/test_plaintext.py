"""What is left of what a stranger typed."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamserver.plaintext import Words, guest_name, one_line, person_name, visible


@pytest.mark.parametrize(
    ("typed", "left"),
    [
        ("  hello\t\n world  ", "hello world"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("a\x00b\x07c\x7f", "abc"),
        ("evil\u202etxt.exe", "eviltxt.exe"),
        ("\u2066isolated\u2069", "isolated"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("e\u0301", "é"),
        ("z" + "\u0335" * 40, "z" + "\u0335" * 6),
        ("\U0001f469\u200d\U0001f692", "\U0001f469\u200d\U0001f692"),
        ("نمی\u200cخواهم", "نمی\u200cخواهم"),
        ("直播间 很好", "直播间 很好"),
        ("tag\U000e0041\U000e0042", "tag"),
        ("\u2028line\u2029", "line"),
        ("", ""),
    ],
)
def test_one_line(typed: str, left: str) -> None:
    assert one_line(typed) == left


@given(st.text())
def test_one_line_is_a_line_and_stays_what_it_is(typed: str) -> None:
    line = one_line(typed)
    assert one_line(line) == line
    assert line == line.strip()
    assert not any(unicodedata.category(char) in ("Cc", "Cs") for char in line)
    line.encode()


@given(st.text(), st.integers(1, 40))
def test_a_name_is_short_and_can_be_seen(typed: str, most: int) -> None:
    name = person_name(typed, most)
    assert name is None or (1 <= len(name) <= most and visible(name))


@pytest.mark.parametrize("typed", ["", "   ", "\u200b", "\u202e\u202e", "\u0301\u0301", "\x00"])
def test_a_name_that_cannot_be_seen_is_none(typed: str) -> None:
    assert person_name(typed) is None


@given(st.text(min_size=1, max_size=40))
def test_a_guest_name_is_always_the_same(viewer: str) -> None:
    assert guest_name(viewer) == guest_name(viewer)
    prefix, _, number = guest_name(viewer).partition("-")
    assert (prefix, len(number)) == ("Guest", 4)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("what a SCAM this is", True),
        ("scampi for dinner", False),
        ("s\u200bcam", True),
        ("ｓｃａｍ", True),
        ("scam!", True),
        ("这是骗子吗", True),
        ("ein Spaß", True),
        ("EIN SPASS", True),
        ("c++ is fine", True),
        ("fine", False),
    ],
)
def test_words(text: str, found: bool) -> None:
    assert Words(["scam", "骗子", "Spaß", "c++", "", "  "]).found_in(text) is found


def test_no_words_find_nothing() -> None:
    assert not Words([]).found_in("anything at all")
