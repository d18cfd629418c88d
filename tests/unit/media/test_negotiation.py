"""Offers of real clients, and a table of broken ones: what is answered, and what is refused by name and line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from streamserver.media.errors import BadOffer, NoCommonCodec
from streamserver.media.negotiation import (
    Abilities,
    Candidate,
    Local,
    Offer,
    Role,
    read_fragment,
    read_offer,
    write_answer,
    write_ice_fragment,
)
from streamserver.media.sdp import read_description

OFFERS = Path(__file__).parent / "offers"
LOCAL = Local(
    session=7,
    ufrag="abcd1234",
    password="x" * 32,
    fingerprint="sha-256 " + ":".join(["AB"] * 32),
    candidates=[Candidate("192.0.2.1", 7880), Candidate("127.0.0.1", 7880)],
    ssrcs={"audio": (11, 12), "video": (21, 22)},
    max_video_bps=3_000_000,
)


def load(name: str) -> str:
    """With the line ends of the wire; in the repository they are plain."""
    return "\r\n".join((OFFERS / name).read_text().splitlines()) + "\r\n"


WHIP, WHEP = load("chromium_whip.sdp"), load("chromium_whep.sdp")


def sections(answer: str) -> list[str]:
    return re.split(r"(?m)^(?=m=)", answer)[1:]


def test_a_browser_that_publishes_gets_h264_baseline_and_opus() -> None:
    offer = read_offer(WHIP, Role.PUBLISHER)
    assert {s.kind: [c.name for c in s.codecs] for s in offer.sections} == {"audio": ["OPUS"], "video": ["H264"]}
    video = offer.section("video")
    assert video is not None
    assert video.codecs[0].profile == "42e0"
    assert video.codecs[0].rtx is not None
    answer = write_answer(offer, LOCAL)
    audio_text, video_text = sections(answer)
    assert "a=recvonly" in audio_text and "a=recvonly" in video_text
    assert f"m=video 9 UDP/TLS/RTP/SAVPF {video.codecs[0].payload_type} {video.codecs[0].rtx}\r\n" in video_text
    assert "b=TIAS:3000000" in video_text and "goog-remb" in video_text
    assert "x-google-start-bitrate=1500\r\n" in video_text
    assert "transport-cc" not in answer, "only feedback that is implemented"
    assert "a=extmap" not in answer
    assert answer.count("a=setup:passive") == 2
    assert answer.startswith("v=0\r\n") and "a=ice-lite\r\n" in answer
    assert "a=group:BUNDLE 0 1\r\n" in answer
    assert "a=candidate:1 1 udp 2130706431 192.0.2.1 7880 typ host\r\n" in video_text
    assert "a=candidate:2 1 udp 2130706175 127.0.0.1 7880 typ host\r\n" in video_text


def test_a_browser_that_watches_gets_every_codec_that_a_room_may_have() -> None:
    offer = read_offer(WHEP, Role.VIEWER)
    video = offer.section("video")
    assert video is not None
    assert [codec.name for codec in video.codecs] == ["H264", "VP8"]
    answer = write_answer(offer, LOCAL)
    video_text = sections(answer)[1]
    assert "a=sendonly" in video_text
    assert "a=ssrc-group:FID 21 22\r\n" in video_text
    assert "a=ssrc:21 cname:streamserver\r\n" in video_text
    assert "b=TIAS" not in answer


def test_the_preference_is_the_servers() -> None:
    offer = read_offer(WHIP, Role.PUBLISHER, Abilities(video_codecs=("VP8", "H264")))
    video = offer.section("video")
    assert video is not None
    assert video.codecs[0].name == "VP8"


def test_an_answer_reads_as_a_description() -> None:
    for text, role in ((WHIP, Role.PUBLISHER), (WHEP, Role.VIEWER)):
        description = read_description(write_answer(read_offer(text, role), LOCAL))
        assert [media.kind for media in description.media] == ["audio", "video"]


def test_an_encoder_without_bundle_or_rtx_is_taken() -> None:
    offer = read_offer(load("encoder_whip.sdp"), Role.PUBLISHER)
    assert [codec.name for section in offer.sections for codec in section.codecs] == ["OPUS", "H264"]
    answer = write_answer(offer, LOCAL)
    assert "rtx" not in answer
    assert "x-google" not in answer, "that one is for browsers"
    assert "a=mid:audio0" in answer


def test_sections_that_cannot_be_used_are_rejected_in_their_place() -> None:
    extra = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:2\r\na=sctp-port:5000\r\n"
    offer = read_offer(WHIP.replace("BUNDLE 0 1", "BUNDLE 0 1 2") + extra, Role.PUBLISHER)
    answer = write_answer(offer, LOCAL)
    assert "a=group:BUNDLE 0 1\r\n" in answer
    assert sections(answer)[2].startswith("m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n")


def test_a_peer_that_will_not_open_dtls_is_called() -> None:
    offer = read_offer(WHIP.replace("a=setup:actpass", "a=setup:passive"), Role.PUBLISHER)
    assert not offer.dtls_client
    assert write_answer(offer, LOCAL).count("a=setup:active") == 2


def test_a_viewer_with_audio_alone_is_served() -> None:
    audio_only = WHEP[: WHEP.index("m=video")].replace("BUNDLE 0 1", "BUNDLE 0")
    offer = read_offer(audio_only, Role.VIEWER)
    assert offer.section("video") is None
    assert "m=video" not in write_answer(offer, LOCAL)


def change(old: str, new: str, count: int = -1) -> str:
    assert re.search(old, WHIP, re.MULTILINE), f"{old} is not in the offer: the case tests nothing"
    return re.sub(old, new, WHIP, count=max(0, count), flags=re.MULTILINE)


BROKEN: dict[str, tuple[str, str]] = {
    "empty": ("", "empty"),
    "blank lines": ("\r\n\r\n", "empty"),
    "not sdp": ("hello", "v=0"),
    "html": ("<!doctype html><p>v=0</p>", "v=0"),
    "json": ('{"type": "offer", "sdp": "v=0"}', "v=0"),
    "version 1": (change("^v=0", "v=1"), "v=0"),
    "two versions": (change("^s=-", "v=0"), "second v="),
    "no media": (WHIP[: WHIP.index("m=audio")].replace("a=group:BUNDLE 0 1\r\n", ""), "without media"),
    "a line without =": (change("^a=rtcp-mux", "artcp-mux"), "x=value"),
    "a line of one letter": (change("^a=rtcp-mux", "a"), "x=value"),
    "an unknown type": (change("^t=0 0", "q=0 0"), "x=value"),
    "a NUL": (change("^s=-", "s=\x00"), "control"),
    "an escape": (change("^s=-", "s=\x1b[31m"), "control"),
    "an attribute without a name": (change("^a=rtcp-mux", "a=:x"), "without a name"),
    "an empty line inside": (change("^t=0 0\r", "\r"), "x=value"),
    "a port that is none": (change("^m=video [0-9]+", "m=video nine"), "port"),
    "a port too large": (change("^m=video [0-9]+", "m=video 70000"), "port"),
    "a negative port": (change("^m=video [0-9]+", "m=video -1"), "port"),
    "an m line without formats": (change("^m=video .*$", "m=video 9 UDP/TLS/RTP/SAVPF"), "m= line"),
    "too many sections": (WHIP + "m=audio 9 RTP/SAVPF 0\r\n" * 20, "media sections"),
    "too many lines": (WHIP + "a=x\r\n" * 3000, "lines"),
    "too long": (WHIP + "a=x:" + "y" * 70_000, "bytes"),
    "a payload type over 127": (change("^(m=video [^\r]*)", r"\1 128"), "payload type"),
    "a payload type that is none": (change("^(m=audio [0-9]+ [^ ]+) ", r"\1 abc "), "payload type"),
    "a payload type twice": (change("^(m=audio [0-9]+ [^ ]+) 111", r"\1 111 111"), "twice"),
    "a payload type in both": (
        change("^(m=audio [0-9]+ [^ ]+) ", r"\1 108 ").replace("a=rtpmap:111 opus", "a=rtpmap:108 opus"),
        "two sections",
    ),
    "rtpmap without a value": (change("^a=rtpmap:111 .*$", "a=rtpmap:111"), "rtpmap"),
    "rtpmap without a clock": (change("^a=rtpmap:111 .*$", "a=rtpmap:111 opus"), "rtpmap"),
    "rtpmap with a word for a clock": (change("^a=rtpmap:111 .*$", "a=rtpmap:111 opus/fast"), "rtpmap"),
    "rtpmap twice": (change("^(a=rtpmap:111 .*)$", r"\1\n\1"), "mapped twice"),
    "fmtp of no payload type": (change("^a=fmtp:111 ", "a=fmtp:x "), "payload type"),
    "rtcp-fb without a value": (change("^a=rtcp-fb:111 .*$", "a=rtcp-fb:111"), "rtcp-fb"),
    "no ufrag": (change("^a=ice-ufrag:.*\r\n", ""), "ice-ufrag"),
    "a short ufrag": (change("^a=ice-ufrag:.*$", "a=ice-ufrag:abc"), "ice-ufrag"),
    "a ufrag with a colon": (change("^a=ice-ufrag:.*$", "a=ice-ufrag:ab:cd"), "ice-ufrag"),
    "a long ufrag": (change("^a=ice-ufrag:.*$", "a=ice-ufrag:" + "a" * 300), "ice-ufrag"),
    "no password": (change("^a=ice-pwd:.*\r\n", ""), "ice-pwd"),
    "a short password": (change("^a=ice-pwd:.*$", "a=ice-pwd:" + "a" * 21), "ice-pwd"),
    "a password with a space": (change("^a=ice-pwd:.*$", "a=ice-pwd:" + "a b" * 9), "ice-pwd"),
    "no fingerprint": (change("^a=fingerprint:.*\r\n", ""), "fingerprint"),
    "sha-1 alone": (change("^a=fingerprint:.*$", "a=fingerprint:sha-1 " + ":".join(["AA"] * 20)), "sha-256"),
    "a short fingerprint": (change("^a=fingerprint:.*$", "a=fingerprint:sha-256 AA:BB"), "sha-256"),
    "a fingerprint that is no hex": (
        change("^a=fingerprint:.*$", "a=fingerprint:sha-256 " + ":".join(["GG"] * 32)),
        "sha-256",
    ),
    "no setup": (change("^a=setup:.*\r\n", ""), "setup"),
    "an unknown setup": (change("^a=setup:.*$", "a=setup:holdconn"), "setup"),
    "no rtcp-mux": (change("^a=rtcp-mux\r\n", ""), "rtcp-mux"),
    "two sections with one mid": (change("^a=mid:1", "a=mid:0").replace("BUNDLE 0 1", "BUNDLE 0"), "mid"),
    "a mid that is no token": (change("^a=mid:1", "a=mid:a b").replace("BUNDLE 0 1", "BUNDLE 0"), "mid"),
    "a bundle of nobody": (change("BUNDLE 0 1", "BUNDLE 0 1 9"), "BUNDLE"),
    "an ssrc of 33 bits": (change("^a=ssrc:[0-9]+ ", "a=ssrc:4294967296 "), "ssrc"),
    "an ssrc that is none": (change("^a=ssrc:[0-9]+ ", "a=ssrc:x "), "ssrc"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_offer_is_refused_by_name_and_place(name: str) -> None:
    text, what = BROKEN[name]
    with pytest.raises(BadOffer, match=re.escape(what)) as refused:
        read_offer(text, Role.PUBLISHER)
    assert refused.value.status == 400
    assert refused.value.code == "bad_sdp"
    where = refused.value.where
    assert where == "the whole" or (where is not None and re.fullmatch(r"line \d+", where))
    if where.startswith("line ") and name not in ("no media",):
        assert int(where[5:]) <= text.count("\n") + 1


UNUSABLE = {
    "receives only": change("^a=sendonly", "a=recvonly"),
    "inactive": change("^a=sendonly", "a=inactive"),
    "rejected": change("^m=(audio|video) [0-9]+", r"m=\1 0"),
    "other codecs": change("opus|H264|VP8", "PCMX"),
    "plain RTP": change("UDP/TLS/RTP/SAVPF", "RTP/AVP"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_offer_with_nothing_to_use_says_what_was_offered(name: str) -> None:
    with pytest.raises(NoCommonCodec) as refused:
        read_offer(UNUSABLE[name], Role.PUBLISHER)
    assert refused.value.status == 406
    assert "offered:" in refused.value.detail


def offer_of(text: str) -> Offer:
    return read_offer(text, Role.PUBLISHER)


def test_line_ends_may_be_either() -> None:
    assert offer_of(WHIP.replace("\r\n", "\n")) == offer_of(WHIP)


def test_an_ice_restart_is_answered_with_credentials_and_candidates() -> None:
    text = write_ice_fragment(offer_of(WHIP), LOCAL)
    fragment = read_fragment(text)
    assert (fragment.ufrag, fragment.password, fragment.candidates) == (LOCAL.ufrag, LOCAL.password, 2)


@pytest.mark.parametrize(
    "text",
    [
        "", "\r\n", "x", "b=AS:1", "a=ice-ufrag:abc", "a=ice-ufrag:ab cd", "a=ice-pwd:short",
        "a=ice-pwd:" + "p" * 24, "a=candidate:1 1 udp", "a=ice-ufrag:abcd\r\na=ice-ufrag:efgh",
        "a=ice-ufrag:abcd\x00", "a=" + "x" * 20_000,
    ],
)  # fmt: skip
def test_a_broken_fragment_is_refused(text: str) -> None:
    with pytest.raises(BadOffer):
        read_fragment(text)
