"""Who may speak and what may be said, as pure decisions."""

from __future__ import annotations

import pytest

from chat.moderation import Bar, Bars, Unsaid, has_link, may_be_barred, said, subjects
from chat.rate import ROOM_LINES, VIEWER_LINES, ChatRate
from streamserver.plaintext import Words

NOBODY = Words([])


@pytest.mark.parametrize(
    "text",
    [
        "look http://example.test/x",
        "HTTPS://EXAMPLE.TEST",
        "www.example.test",
        "buy at cheap-bags.shop now",
        "t.me/joinus",
        "go to evil.com.",
        "evil.com/path?x=1",
        "magnet://x",
    ],
)
def test_a_link_is_a_link(text: str) -> None:
    assert has_link(text)


@pytest.mark.parametrize(
    "text",
    [
        "it costs 12.50 USD",
        "wait...what",
        "v1.2.3 is out",
        "yes.no.maybe",
        "3.5mm or 2.1?",
        "http is a protocol",
        "mail me",
        "done.Then we go",
        "价格是9.9元",
    ],
)
def test_what_only_looks_like_a_link_is_none(text: str) -> None:
    assert not has_link(text)


def test_staff_and_the_setting_may_link() -> None:
    text = "see https://example.test"
    assert said(text, staff=False, words=NOBODY, links=False) == Unsaid(
        "link_refused", "only staff may post links here"
    )
    assert said(text, staff=True, words=NOBODY, links=False) == text
    assert said(text, staff=False, words=NOBODY, links=True) == text


def test_the_word_list_binds_staff_too() -> None:
    refused = said("a scam", staff=True, words=Words(["scam"]), links=True)
    assert isinstance(refused, Unsaid)
    assert refused.code == "word_refused"


@pytest.mark.parametrize("text", ["", "  \n ", "\u200b\u200e", "\u0301"])
def test_an_invisible_line_is_not_said(text: str) -> None:
    refused = said(text, staff=False, words=NOBODY, links=True)
    assert isinstance(refused, Unsaid)
    assert refused.code == "empty"


def test_a_bar_follows_the_account_into_a_new_browser() -> None:
    bars = Bars()
    for subject in subjects("viewer1", "account1"):
        bars.add(Bar("ban", subject, None))
    assert bars.find("ban", "viewer1", None, 0)
    assert bars.find("ban", "viewer2", "account1", 0)
    assert bars.find("ban", "viewer2", "account2", 0) is None
    assert bars.find("ban", "viewer2", None, 0) is None
    assert bars.find("mute", "viewer1", "account1", 0) is None


def test_a_bar_ends_at_its_time_and_the_longest_counts() -> None:
    bars = Bars([Bar("mute", "viewer:v", 1_000), Bar("mute", "account:a", 5_000)])
    assert bars.find("mute", "v", None, 999) == Bar("mute", "viewer:v", 1_000)
    assert bars.find("mute", "v", None, 1_000) is None
    assert bars.find("mute", "v", "a", 500) == Bar("mute", "account:a", 5_000)
    bars.add(Bar("mute", "viewer:v", None))
    assert bars.find("mute", "v", "a", 500) == Bar("mute", "viewer:v", None)
    assert bars.lift("mute", "viewer:v")
    assert not bars.lift("mute", "viewer:v")
    assert bars.find("mute", "v", "a", 6_000) is None


def test_staff_is_never_barred() -> None:
    assert may_be_barred("viewer")
    assert not any(may_be_barred(role) for role in ("operator", "brand", "influencer", "moderator"))


def test_a_viewer_has_a_burst_and_then_a_pace() -> None:
    rate = ChatRate(0.0)
    assert [rate.line("v", 0.0, staff=False) for _ in range(5)] == [None] * 5
    wait = rate.line("v", 0.0, staff=False)
    assert wait is not None
    assert (wait.whose, wait.seconds) == ("viewer", 1 / VIEWER_LINES.per_s)
    assert rate.line("other", 0.0, staff=False) is None
    assert rate.line("v", wait.seconds, staff=False) is None


def test_a_flood_of_many_viewers_meets_the_rooms_limit_and_staff_does_not() -> None:
    rate = ChatRate(0.0)
    waits = [rate.line(f"v{number}", 0.0, staff=False) for number in range(int(ROOM_LINES.burst) + 100)]
    assert waits.count(None) == ROOM_LINES.burst
    assert {wait.whose for wait in waits if wait is not None} == {"room"}
    assert rate.line("host", 0.0, staff=True) is None
    # What the room refused is not held against the viewer: its own burst is still whole.
    assert [rate.line("v499", 10.0, staff=False) for _ in range(5)] == [None] * 5


def test_likes_beyond_the_pace_are_dropped() -> None:
    rate = ChatRate(0.0)
    assert [rate.likes("v", 50, 0.0) for _ in range(3)] == [50, 50, 0]
    assert rate.likes("v", 20, 1.0) == 20
