"""Offers bent out of shape: the same outcome with remembered plans as without, and no error but the documented ones."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamserver.media import offers
from streamserver.media.errors import BadAnswer, BadOffer, NoCommonCodec
from streamserver.media.native_sdp import abilities
from streamserver.media.negotiation import (
    BASE,
    Abilities,
    Candidate,
    Local,
    Role,
    read_offer,
    read_pull_answer,
    write_answer,
    write_pull_offer,
)
from streamserver.media.sdp import read_description

FOLDER = Path(__file__).parents[1] / "unit/media/offers"
OFFERS = [path.read_text().replace("\n", "\r\n") for path in sorted(FOLDER.glob("*.sdp"))]
ALL = abilities(("AV1", "H264", "VP8", "VP9"))
LOCAL = Local(
    session=7,
    ufrag="abcd1234",
    password="x" * 32,
    fingerprint="sha-256 " + ":".join(["AB"] * 32),
    candidates=[Candidate("192.0.2.1", 7880), Candidate("192.0.2.1", 7443, "tcp")],
    ssrcs={"audio": (11, 12), "video": (21, 22)},
    max_video_bps=3_000_000,
)
NUMBERS = (
    "0",
    "9",
    "14",
    "15",
    "96",
    "108",
    "127",
    "128",
    "59999",
    "60000",
    "65535",
    "65536",
    "4294967295",
    "4294967296",
)
PIECES = ("", " ", "\t", "\x00", "\r", "é", ":", "=", "/", ";", "9", "?", "sendonly", "recvonly", "inactive")


def bend(text: str, rng: random.Random) -> str:
    """A few lines dropped, doubled, moved, cut, swapped with another client's, or changed in a character or number."""
    lines = text.split("\r\n")
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at = rng.randrange(len(lines))
        line = lines[at]
        place = rng.randrange(len(line) + 1)
        kind = rng.randrange(7)
        if kind == 0:
            lines[at : at + 1] = []
        elif kind == 1:
            lines.insert(rng.randrange(len(lines) + 1), line)
        elif kind == 2:
            lines[at] = line[:place]
        elif kind == 3:
            lines[at] = rng.choice(rng.choice(OFFERS).split("\r\n"))
        elif kind == 4:
            lines[at] = line[:place] + rng.choice(PIECES) + line[place + rng.randrange(2) :]
        elif kind == 5:
            lines[at] = re.sub(r"\d+", lambda _: rng.choice(NUMBERS), line, count=rng.randrange(3))
        else:
            lines[at] = re.sub("sendonly|recvonly|actpass", lambda _: rng.choice(PIECES), line)
        lines = lines or [""]
    return rng.choice(("\r\n", "\r\n", "\n")).join(lines)


def outcome(text: str, role: Role, abilities: Abilities) -> object:
    try:
        offer = read_offer(text, role, abilities)
    except BadOffer as error:
        assert re.fullmatch(r"line \d+|the whole", error.where or "")
        return type(error), error.detail
    except NoCommonCodec as error:
        return type(error), error.detail
    answer = write_answer(offer, LOCAL)
    assert len(read_description(answer).media) == len(offer.sections), "an answer is a description"
    return offer, answer


@given(st.integers(0, 2**32), st.sampled_from(Role), st.sampled_from((BASE, ALL)))
def test_a_remembered_plan_makes_no_difference(seed: int, role: Role, abilities: Abilities) -> None:
    rng = random.Random(seed)
    whole = rng.choice(OFFERS)
    bent = bend(whole, rng)
    with pytest.MonkeyPatch.context() as patch:
        # The key of a plan is then the whole text: nothing of it can come from another offer.
        patch.setattr(offers, "_shared", lambda text: text)
        patch.setattr(offers, "_plan", offers._plan.__wrapped__)
        expected = outcome(bent, role, abilities)
    outcome(whole, role, abilities)  # so that its plan is there to be mistaken for that of the bent one
    assert outcome(bent, role, abilities) == expected
    assert outcome(bent, role, abilities) == expected


@given(st.integers(0, 2**32))
def test_a_bent_answer_is_read_or_refused_by_name(seed: int) -> None:
    rng = random.Random(seed)
    answer = write_answer(read_offer(write_pull_offer(LOCAL, ALL), Role.VIEWER, ALL), LOCAL)
    try:
        assert any(section.codecs for section in read_pull_answer(bend(answer, rng), ALL).sections)
    except BadAnswer as error:
        assert re.fullmatch(r"line \d+|the whole", error.where or "")


def test_offers_of_one_browser_share_a_plan() -> None:
    text = (FOLDER / "chromium_whep.sdp").read_text().replace("\n", "\r\n")
    other = re.sub(r"(?m)^(a=ice-ufrag:).*?\r$", r"\1fresh\r", text)
    other = re.sub(r"(?m)^(a=ice-pwd:).*?\r$", rf"\g<1>{'p' * 24}\r", other)
    other = re.sub(r"(?m)^(a=fingerprint:sha-256) .*?\r$", rf"\1 {':'.join(['CD'] * 32)}\r", other)
    other = re.sub(r"(?m)^(m=\w+) \d+", r"\1 4711", other)
    other = re.sub(r"(?m)^(a=candidate:).*?\r$", r"\g<1>1 1 udp 1 192.0.2.3 9 typ host\r", other)
    first = read_offer(text, Role.VIEWER)
    before = offers._plan.cache_info().misses
    second = read_offer(other, Role.VIEWER)
    assert offers._plan.cache_info().misses == before
    assert (second.ufrag, second.password, second.fingerprints) == (
        "fresh",
        "p" * 24,
        (("sha-256", ":".join(["CD"] * 32)),),
    )
    assert second.sections == first.sections
