"""The other way round: our offer to a WHEP server, and which of its answers are taken."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from streamserver.media.errors import BadAnswer
from streamserver.media.native_sdp import abilities
from streamserver.media.negotiation import (
    BASE,
    MID,
    RID,
    TRANSPORT_CC,
    VIDEO_ORIENTATION,
    Abilities,
    Candidate,
    Local,
    PullAnswer,
    Role,
    read_offer,
    read_pull_answer,
    write_answer,
    write_pull_offer,
)

ALL = abilities(("H264", "VP8", "VP9", "AV1"))
OURS = Local(
    session=1,
    ufrag="ours1234",
    password="o" * 32,
    fingerprint="sha-256 " + ":".join(["0A"] * 32),
    candidates=[Candidate("192.0.2.7", 7880)],
)
THEIRS = Local(
    session=2,
    ufrag="them5678",
    password="t" * 32,
    fingerprint="sha-256 " + ":".join(["0B"] * 32),
    candidates=[Candidate("192.0.2.1", 7880), Candidate("192.0.2.1", 7443, "tcp"), Candidate("2001:db8::1", 7880)],
    ssrcs={"audio": (11, 12), "video": (21, 22)},
)
ANSWER = write_answer(read_offer(write_pull_offer(OURS, ALL), Role.VIEWER, ALL), THEIRS)


def change(old: str, new: str, count: int = 0) -> str:
    assert re.search(old, ANSWER, re.MULTILINE), f"{old} is not in the answer: the case tests nothing"
    return re.sub(old, new, ANSWER, count=count, flags=re.MULTILINE)


def read(text: str) -> PullAnswer:
    return read_pull_answer(text, ALL)


@pytest.mark.parametrize("abilities", [BASE, ALL, replace(ALL, video_codecs=("AV1",), transport_cc=False)])
def test_an_engine_of_ours_answers_an_engine_of_ours(abilities: Abilities) -> None:
    offer = read_offer(write_pull_offer(OURS, abilities), Role.VIEWER, abilities)
    assert (offer.ufrag, offer.password) == (OURS.ufrag, OURS.password)
    answer = read_pull_answer(write_answer(offer, THEIRS), abilities)
    assert (answer.ufrag, answer.password) == (THEIRS.ufrag, THEIRS.password)
    assert answer.fingerprints == (("sha-256", ":".join(["0B"] * 32)),)
    assert answer.lite and not answer.dtls_client
    assert answer.candidates == (("192.0.2.1", 7880), ("2001:db8::1", 7880))
    video, theirs = answer.section("video"), offer.section("video")
    assert video is not None and theirs is not None
    assert [codec.name for codec in video.codecs] == list(abilities.video_codecs)
    assert all(codec.rtx is not None for codec in video.codecs)
    assert video.ssrcs == (21, 22)
    assert dict(video.extensions) == dict(theirs.extensions)
    assert video.promises("transport-cc") is abilities.transport_cc


def test_the_offer_asks_for_one_stream_of_everything() -> None:
    text = write_pull_offer(OURS, ALL)
    audio, video = text[text.index("m=audio") :].split("m=video")
    assert "a=recvonly" in audio and "a=recvonly" in video
    assert "sendrecv" not in text and "ice-lite" not in text and RID not in text
    assert text.count("a=setup:actpass") == 2
    assert VIDEO_ORIENTATION in video and VIDEO_ORIENTATION not in audio
    ids = re.findall(r"(?m)^a=extmap:(\d+) (\S+)\r$", text)
    assert len({uri for _, uri in ids}) == len(set(ids)), "one id for each URI in the bundle"
    assert set(re.findall(r"(?m)^a=rtpmap:\d+ ([A-Za-z0-9]+)/", video)) == {"H264", "VP8", "VP9", "AV1", "rtx"}
    numbers = re.findall(r"(?m)^a=rtpmap:(\d+) ", text)
    assert len(set(numbers)) == len(numbers)


def test_what_the_answer_keeps_is_all_that_is_used() -> None:
    answer = read(
        change(r"^a=rtcp-fb:\d+ (transport-cc|nack)\r\n", "").replace(f"a=extmap:3 {MID}", f"a=extmap:9 {MID}")
    )
    video = answer.section("video")
    assert video is not None
    assert video.codecs[0].taken == ("nack pli", "ccm fir", "goog-remb")
    assert video.extension(MID) == 0, "an answer does not change ids"
    assert video.extension(TRANSPORT_CC) == 1


def test_an_answer_with_codecs_of_its_own_is_read_by_our_offer() -> None:
    text = change("^(m=video 9 [^ ]+) .*$", r"\1 104 120\r").replace("a=rtpmap:96 H264", "a=rtpmap:120 H264")
    video = read(text).section("video")
    assert video is not None
    assert [(codec.name, codec.payload_type, codec.rtx) for codec in video.codecs] == [("VP8", 104, None)]


def test_a_side_that_opens_dtls_or_is_a_full_agent_says_so() -> None:
    answer = read(change("^a=setup:passive", "a=setup:active").replace("a=ice-lite\r\n", ""))
    assert answer.dtls_client and not answer.lite


@pytest.mark.parametrize("old", ["^m=video 9", "^m=audio 9"])
def test_one_kind_may_be_refused(old: str) -> None:
    answer = read(change(old, old[1:-1] + "0"))
    assert [bool(section.codecs) for section in answer.sections] == [old != "^m=audio 9", old != "^m=video 9"]


@pytest.mark.parametrize(
    ("line", "taken"),
    [
        ("1 1 udp 5 192.0.2.9 4000 typ host generation 0", [("192.0.2.9", 4000)]),
        ("1 1 UDP 5 192.0.2.9 4000 typ srflx raddr 10.0.0.1 rport 9", [("192.0.2.9", 4000)]),
        ("1 1 udp 5 2001:DB8:0::9 4000 typ host", [("2001:db8::9", 4000)]),
        ("1 2 udp 5 192.0.2.9 4000 typ host", []),
        ("1 1 tcp 5 192.0.2.9 4000 typ host tcptype passive", []),
        ("1 1 udp 5 3c1f7a52-0000-4000-8000-000000000000.local 4000 typ host", []),
        ("1 1 udp 5 media.example 4000 typ host", []),
        ("1 1 udp 5 192.0.2.9 0 typ host", []),
        ("1 1 udp 5 192.0.2.9 65536 typ host", []),
        ("1 1 udp 5 0.0.0.0 4000 typ host", []),
        ("1 1 udp 5 239.1.1.1 4000 typ host", []),
        ("1 1 udp 5 fe80::1%eth0 4000 typ host", []),
    ],
)
def test_only_literal_udp_addresses_are_checked(line: str, taken: list[tuple[str, int]]) -> None:
    text = re.sub("(?m)^a=candidate:.*\r\n", "", ANSWER) + f"a=candidate:{line}\r\n"
    assert list(read(text).candidates) == taken


def test_candidates_are_ranked_and_bounded() -> None:
    many = "".join(f"a=candidate:{n} 1 udp {n} 192.0.2.{n} 4000 typ host\r\n" for n in range(1, 101))
    assert [host for host, _ in read(ANSWER + many).candidates[:3]] == ["192.0.2.1", "2001:db8::1", "192.0.2.100"]
    assert len(read(ANSWER + many).candidates) == 32


BROKEN = {
    "empty": ("", "empty"),
    "not sdp": ("<html>", "v=0"),
    "one section": (ANSWER[: ANSWER.index("m=video")], "sections of the offer"),
    "three sections": (ANSWER + "m=audio 0 UDP/TLS/RTP/SAVPF 0\r\n", "sections of the offer"),
    "sections crossed": (change("^m=video 9", "m=audio 9"), "the section of video answered with 'audio'"),
    "another mid": (change("^a=mid:1", "a=mid:7"), "mid '7' where the offer has 1"),
    "nothing sent": (change("^a=sendonly", "a=inactive"), "neither audio nor video"),
    "nothing of ours": (change(r"^a=rtpmap:\d+ (?!rtx).*\r\n", ""), "neither audio nor video"),
    "no ufrag": (change("^a=ice-ufrag:.*\r\n", ""), "ice-ufrag"),
    "a short password": (change("^a=ice-pwd:.*$", "a=ice-pwd:short\r"), "ice-pwd"),
    "no fingerprint": (change("^a=fingerprint:.*\r\n", ""), "fingerprint"),
    "actpass": (change("^a=setup:passive", "a=setup:actpass"), "active or passive in an answer"),
    "no setup": (change("^a=setup:.*\r\n", ""), "setup"),
    "no rtcp-mux": (change("^a=rtcp-mux\r\n", ""), "rtcp-mux"),
    "a short candidate": (change("^a=candidate:1 .*$", "a=candidate:1 1 udp\r"), "a candidate needs"),
    "a candidate without numbers": (change("^a=candidate:1 1 udp [0-9]+", "a=candidate:1 1 udp x"), "are numbers"),
    "an ssrc that is none": (change("^a=ssrc:21 ", "a=ssrc:x "), "ssrc"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_answer_is_refused_by_name_and_place(name: str) -> None:
    text, what = BROKEN[name]
    with pytest.raises(BadAnswer, match=re.escape(what)) as refused:
        read(text)
    assert refused.value.status == 502
    assert refused.value.code == "bad_answer"
    assert re.fullmatch(r"line \d+|the whole", refused.value.where or "")
