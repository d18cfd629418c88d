"""What an engine that can do more is offered and promised: codecs, header extensions, feedback, simulcast, TCP."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from streamserver.media.errors import BadOffer, NoCommonCodec
from streamserver.media.native_sdp import abilities
from streamserver.media.negotiation import (
    ABS_CAPTURE_TIME,
    DEPENDENCY_DESCRIPTOR,
    MID,
    REPAIRED_RID,
    RID,
    TRANSPORT_CC,
    VIDEO_ORIENTATION,
    Abilities,
    Candidate,
    Local,
    Offer,
    Role,
    Section,
    read_offer,
    write_answer,
    write_ice_fragment,
)
from streamserver.media.sdp import read_description

FOLDER = Path(__file__).parent
ALL = abilities(("H264", "VP8", "VP9", "AV1"))
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
    return "\r\n".join((FOLDER / "offers" / name).read_text().splitlines()) + "\r\n"


SIMULCAST = load("chromium_simulcast_whip.sdp")


def change(text: str, old: str, new: str) -> str:
    assert re.search(old, text, re.MULTILINE), f"{old} is not in the offer: the case tests nothing"
    return re.sub(old, new, text, flags=re.MULTILINE)


def publish(text: str, abilities: Abilities = ALL) -> Offer:
    return read_offer(text, Role.PUBLISHER, abilities)


def video_of(offer: Offer) -> Section:
    section = offer.section("video")
    assert section is not None
    return section


def part(answer: str, kind: str) -> str:
    return next(text for text in re.split(r"(?m)^(?=m=)", answer) if text.startswith(f"m={kind} "))


# what the aiortc engine answers does not change -------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "offer", "role", "codecs"),
    [
        ("chromium_whip", "chromium_whip", Role.PUBLISHER, ("H264", "VP8")),
        ("chromium_whip_vp8", "chromium_whip", Role.PUBLISHER, ("VP8", "H264")),
        ("chromium_whep", "chromium_whep", Role.VIEWER, ("H264", "VP8")),
        ("encoder_whip", "encoder_whip", Role.PUBLISHER, ("H264", "VP8")),
    ],
)
def test_an_engine_without_more_answers_the_same_bytes(
    answer: str, offer: str, role: Role, codecs: tuple[str, ...]
) -> None:
    written = write_answer(read_offer(load(f"{offer}.sdp"), role, Abilities(video_codecs=codecs)), LOCAL)
    assert written == "\r\n".join((FOLDER / "answers" / f"{answer}.sdp").read_text().splitlines()) + "\r\n"


def test_an_engine_without_more_does_not_even_read_it() -> None:
    broken = SIMULCAST.replace("a=extmap:3 urn", "a=extmap:x urn").replace("a=rid:m send", "a=rid:")
    offer = read_offer(broken, Role.PUBLISHER)
    assert [(s.extensions, s.rids) for s in offer.sections] == [((), ()), ((), ())]
    answer = write_answer(offer, LOCAL)
    assert not re.search(r"(?m)^a=(extmap|rid|simulcast)|transport-cc", answer)


# codecs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["H264", "VP8", "VP9", "AV1"])
def test_a_publisher_gets_the_first_codec_of_the_engine_that_it_offers(name: str) -> None:
    offer = publish(SIMULCAST, replace(ALL, video_codecs=(name, "VP8")))
    (codec,) = video_of(offer).codecs
    assert codec.name == name
    assert codec.rtx is not None
    text = part(write_answer(offer, LOCAL), "video")
    assert f"m=video 9 UDP/TLS/RTP/SAVPF {codec.payload_type} {codec.rtx}\r\n" in text
    assert f"a=rtpmap:{codec.payload_type} {name}/90000\r\n" in text
    assert f"a=fmtp:{codec.rtx} apt={codec.payload_type}\r\n" in text


def test_a_viewer_gets_every_codec_in_a_profile_that_all_decoders_have() -> None:
    offer = read_offer(load("chromium_whep.sdp"), Role.VIEWER, ALL)
    assert [(codec.name, codec.profile) for codec in video_of(offer).codecs] == [
        ("H264", "42e0"), ("VP8", ""), ("VP9", "0"), ("AV1", "0"),
    ]  # fmt: skip


def test_a_codec_without_a_profile_has_profile_0() -> None:
    text = change(SIMULCAST, "^a=fmtp:(98|45) .*\r\n", "")
    for name in ("VP9", "AV1"):
        assert video_of(publish(text, replace(ALL, video_codecs=(name,)))).codecs[0].profile == "0"


def test_other_profiles_are_not_taken_for_it() -> None:
    text = change(change(SIMULCAST, "profile-id=0", "profile-id=1"), "profile=0", "profile=1")
    with pytest.raises(NoCommonCodec, match="VP9, AV1 or opus"):
        publish(
            text[: text.index("m=audio")].replace("BUNDLE 0 1", "BUNDLE 0"), replace(ALL, video_codecs=("VP9", "AV1"))
        )


# header extensions -------------------------------------------------------------------------------------------


def test_the_extensions_of_a_browser_keep_its_ids() -> None:
    offer = publish(SIMULCAST)
    assert dict(video_of(offer).extensions) == {
        VIDEO_ORIENTATION: 3, TRANSPORT_CC: 4, MID: 9, RID: 10, REPAIRED_RID: 11,
    }  # fmt: skip
    answer = write_answer(offer, LOCAL)
    assert f"a=extmap:10 {RID}\r\n" in part(answer, "video")
    assert re.findall(r"(?m)^a=extmap:(\d+) ", part(answer, "audio")) == ["4", "9"]


@pytest.mark.parametrize(("name", "described"), [("AV1", True), ("VP9", True), ("H264", False), ("VP8", False)])
def test_codecs_with_layers_of_their_own_are_described_and_may_take_the_long_form(name: str, described: bool) -> None:
    offer = publish(SIMULCAST, replace(ALL, video_codecs=(name,)))
    assert video_of(offer).extension(DEPENDENCY_DESCRIPTOR) == (13 if described else 0)
    assert offer.mixed is described
    head, _, _ = write_answer(offer, LOCAL).partition("m=")
    assert ("a=extmap-allow-mixed\r\n" in head) is described


def test_the_long_form_is_only_allowed_where_it_is_offered_and_needed() -> None:
    av1 = replace(ALL, video_codecs=("AV1",))
    assert not publish(SIMULCAST, replace(av1, extensions=ALL.extensions - {DEPENDENCY_DESCRIPTOR})).mixed
    assert not publish(change(SIMULCAST, "^a=extmap-allow-mixed\r\n", ""), av1).mixed


def test_a_viewer_is_not_told_of_streams_it_will_not_see() -> None:
    video = video_of(read_offer(load("chromium_whep.sdp"), Role.VIEWER, ALL))
    assert dict(video.extensions) == {VIDEO_ORIENTATION: 13, TRANSPORT_CC: 3, MID: 4}
    assert video.extension(RID) == 0
    assert video.extension(MID) == 4


@pytest.mark.parametrize("number", [0, 15, 16, 255, 256, 4096, 65535])
def test_ids_beyond_the_one_byte_form_are_left_to_others(number: int) -> None:
    offer = publish(change(SIMULCAST, f"^a=extmap:9 {MID}", f"a=extmap:{number} {MID}"))
    assert video_of(offer).extension(MID) == 0
    assert video_of(offer).extension(RID) == 10


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("^a=extmap:1 ", "a=extmap:4 ", "extension id 4 of two URIs"),
        ("^a=extmap:3 urn:3gpp", "a=extmap:three urn:3gpp", "extmap must read"),
        ("^a=extmap:3 .*$", "a=extmap:3", "extmap must read"),
        ("^a=extmap:3 urn:3gpp", "a=extmap:3/upward urn:3gpp", "extmap must read"),
        ("^a=extmap:3 urn:3gpp", "a=extmap:123456 urn:3gpp", "extmap must read"),
    ],
)
def test_an_unreadable_extmap_is_refused_by_line(old: str, new: str, what: str) -> None:
    with pytest.raises(BadOffer, match=re.escape(what)) as refused:
        publish(change(SIMULCAST, old, new))
    assert re.fullmatch(r"line \d+", refused.value.where or "")


def test_one_id_has_one_meaning_in_a_bundle() -> None:
    crossed = change(SIMULCAST, f"^a=extmap:13 {re.escape(DEPENDENCY_DESCRIPTOR)}\r\n", "")
    crossed = crossed[: crossed.index("m=audio")] + change(
        crossed[crossed.index("m=audio") :], f"^a=extmap:9 {MID}", f"a=extmap:3 {MID}"
    )
    with pytest.raises(BadOffer, match="extension id 3 of two URIs"):
        publish(crossed)
    apart = change(crossed, "^a=group:BUNDLE.*\r\n", "")
    assert video_of(publish(apart)).extension(VIDEO_ORIENTATION) == 3


def test_an_extension_offered_twice_is_taken_once() -> None:
    offer = publish(change(SIMULCAST, f"^(a=extmap:)9 {MID}", rf"\g<1>9 {MID}\r\n\g<1>2 {MID}").replace(
        "a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\n", ""
    ))  # fmt: skip
    assert [number for uri, number in video_of(offer).extensions if uri == MID] == [9]


@pytest.mark.parametrize(
    ("role", "offered", "answered"),
    [
        (Role.PUBLISHER, "sendonly", "recvonly"),
        (Role.PUBLISHER, "sendrecv", ""),
        (Role.PUBLISHER, "recvonly", None),
        (Role.PUBLISHER, "inactive", None),
        (Role.VIEWER, "recvonly", "sendonly"),
        (Role.VIEWER, "sendrecv", ""),
        (Role.VIEWER, "sendonly", None),
    ],
)
def test_an_extension_of_one_direction_is_answered_in_the_other(role: Role, offered: str, answered: str | None) -> None:
    text = load("chromium_whip.sdp" if role is Role.PUBLISHER else "chromium_whep.sdp")
    offer = read_offer(change(text, "^a=extmap:13 ", f"a=extmap:13/{offered} "), role, ALL)
    lines = re.findall(rf"(?m)^a=extmap:13(?:/(\w+))? {VIDEO_ORIENTATION}\r$", write_answer(offer, LOCAL))
    assert lines == ([] if answered is None else [answered])


# feedback ----------------------------------------------------------------------------------------------------


def test_transport_wide_feedback_needs_numbers_and_numbers_need_feedback() -> None:
    whole = publish(SIMULCAST)
    assert all(section.promises("transport-cc") and section.extension(TRANSPORT_CC) for section in whole.sections)
    assert part(write_answer(whole, LOCAL), "audio").count("a=rtcp-fb:111 transport-cc") == 1
    for partly in (
        publish(change(SIMULCAST, "^a=rtcp-fb:.* transport-cc\r\n", "")),
        publish(change(SIMULCAST, f"^a=extmap:4 {TRANSPORT_CC}\r\n", "")),
        publish(SIMULCAST, replace(ALL, transport_cc=False)),
        publish(SIMULCAST, replace(ALL, extensions=ALL.extensions - {TRANSPORT_CC})),
    ):
        assert not any(s.promises("transport-cc") or s.extension(TRANSPORT_CC) for s in partly.sections)


def test_remb_is_promised_by_who_will_read_it() -> None:
    whip, whep = load("chromium_whip.sdp"), load("chromium_whep.sdp")
    for publisher, viewer in ((True, True), (True, False), (False, True), (False, False)):
        some = replace(ALL, remb=publisher, viewer_remb=viewer)
        assert video_of(read_offer(whip, Role.PUBLISHER, some)).promises("goog-remb") is publisher
        assert video_of(read_offer(whep, Role.VIEWER, some)).promises("goog-remb") is viewer


# simulcast ---------------------------------------------------------------------------------------------------


def test_three_streams_of_a_browser_are_taken_in_its_order() -> None:
    offer = publish(SIMULCAST)
    assert video_of(offer).rids == ("l", "m", "h")
    assert video_of(offer).ssrcs == ()
    text = part(write_answer(offer, LOCAL), "video")
    assert "a=rid:l recv\r\na=rid:m recv\r\na=rid:h recv\r\na=simulcast:recv l;m;h\r\n" in text
    assert "simulcast" not in part(write_answer(offer, LOCAL), "audio")


@pytest.mark.parametrize(
    ("line", "rids"),
    [
        ("send h;m;l", ("h", "m", "l")),
        ("recv x send l;m;h", ("l", "m", "h")),
        ("send l;m;h recv x", ("l", "m", "h")),
        ("send ~l;m", ("l", "m")),
        ("send l,m;h", ("l", "h")),
        ("send x,m;h", ("m", "h")),
        ("send l;l;h", ("l", "h")),
        ("send l;unknown;h", ("l", "h")),
        ("send h", ("h",)),
        ("send ;;", ()),
        ("recv l;m;h", ()),
        ("send", ()),
        ("", ()),
        (" send rid=l;m;h", ()),
    ],
)
def test_a_simulcast_line_is_read_as_its_rfc_says(line: str, rids: tuple[str, ...]) -> None:
    assert video_of(publish(change(SIMULCAST, "^a=simulcast:.*$", f"a=simulcast:{line}\r"))).rids == rids


@pytest.mark.parametrize(
    ("old", "new", "rids"),
    [
        ("^a=simulcast:.*\r\n", "", ()),
        ("^a=rid:.*\r\n", "", ()),
        (f"^a=extmap:10 {RID}\r\n", "", ()),
        ("^a=rid:m send", "a=rid:l send", ("h",)),
        ("^a=rid:m send", "a=rid:m recv", ("l", "h")),
        ("^a=rid:m send", "a=rid:m", ("l", "h")),
        ("^a=rid:m send", "a=rid:m m send", ("l", "h")),
        ("^a=rid:m send", "a=rid:m send max-width=640;max-fps=30", ("l", "m", "h")),
        ("^a=rid:m send", "a=rid:m send pt=108", ("l", "m", "h")),
        ("^a=rid:m send", "a=rid:m send max-fps=30;pt=97,108", ("l", "m", "h")),
        ("^a=rid:m send", "a=rid:m send pt=96", ("l", "h")),
        ("^a=rid:m send", "a=rid:m send pt=", ("l", "h")),
    ],
)
def test_a_stream_needs_a_rid_of_its_own_and_the_extension_that_carries_it(
    old: str, new: str, rids: tuple[str, ...]
) -> None:
    offer = publish(change(SIMULCAST, old, new))
    assert video_of(offer).codecs[0].payload_type == 108
    assert video_of(offer).rids == rids
    answer = write_answer(offer, LOCAL)
    assert ("a=simulcast:" in answer) is bool(rids)
    assert bool(video_of(offer).extension(RID)) is bool(rids)


def test_more_streams_than_the_engine_takes_are_cut_to_the_first() -> None:
    text = change(SIMULCAST, "^a=rid:h send", "a=rid:h send\r\na=rid:x send")
    text = change(text, "send l;m;h", "send x;l;m;h")
    assert video_of(publish(text)).rids == ("x", "l", "m")
    assert video_of(publish(text, replace(ALL, max_rids=2))).rids == ("x", "l")


def test_viewers_and_engines_without_it_have_no_simulcast() -> None:
    assert video_of(publish(SIMULCAST, replace(ALL, simulcast=False))).rids == ()
    assert video_of(read_offer(SIMULCAST.replace("a=sendonly", "a=sendrecv"), Role.VIEWER, ALL)).rids == ()


# other clients -----------------------------------------------------------------------------------------------


def test_firefox_publishes_with_fingerprints_of_the_session_and_one_way_extensions() -> None:
    offer = publish(load("firefox_whip.sdp"))
    video = video_of(offer)
    assert (video.codecs[0].payload_type, video.codecs[0].rtx) == (126, 127)
    assert video.rids == ("l", "m", "h")
    assert dict(video.extensions) == {MID: 3, TRANSPORT_CC: 7, RID: 8, REPAIRED_RID: 9}
    audio = offer.section("audio")
    assert audio is not None
    assert not audio.promises("transport-cc"), "it does not offer that for sound"


def test_obs_publishes_h264_in_three_streams() -> None:
    offer = publish(load("obs_whip.sdp"))
    assert video_of(offer).rids == ("0", "1", "2")
    assert video_of(offer).codecs[0].taken == ("nack", "nack pli", "goog-remb")
    assert not offer.mixed
    assert "x-google" not in write_answer(offer, LOCAL)


@pytest.mark.parametrize(("name", "role"), [("aiortc_whip.sdp", Role.PUBLISHER), ("aiortc_whep.sdp", Role.VIEWER)])
def test_aiortc_is_served_with_what_little_it_offers(name: str, role: Role) -> None:
    offer = read_offer(load(name), role, ALL)
    assert dict(video_of(offer).extensions) == {MID: 1}
    assert video_of(offer).promises("goog-remb")
    assert [algorithm for algorithm, _ in offer.fingerprints] == ["sha-256", "sha-384", "sha-512"]
    assert read_description(write_answer(offer, LOCAL)).media


# candidates --------------------------------------------------------------------------------------------------


def test_tcp_candidates_are_passive_and_less_wanted_than_any_of_udp() -> None:
    local = replace(
        LOCAL,
        candidates=[
            Candidate("192.0.2.1", 7880),
            Candidate("192.0.2.1", 7443, "tcp"),
            Candidate("2001:db8::1", 7880),
            Candidate("2001:db8::1", 7443, "tcp"),
        ],
    )
    offer = publish(SIMULCAST)
    for text in (part(write_answer(offer, local), "video"), write_ice_fragment(offer, local)):
        lines = re.findall(r"(?m)^a=candidate:(\d+) 1 (udp|tcp) (\d+) (\S+) (\d+) typ host(.*)\r$", text)
        assert [(number, transport, host, port, rest) for number, transport, _, host, port, rest in lines] == [
            ("1", "udp", "192.0.2.1", "7880", ""),
            ("2", "tcp", "192.0.2.1", "7443", " tcptype passive"),
            ("3", "udp", "2001:db8::1", "7880", ""),
            ("4", "tcp", "2001:db8::1", "7443", " tcptype passive"),
        ]
        ranks = [int(line[2]) for line in lines]
        assert sorted(ranks, reverse=True) == [ranks[0], ranks[2], ranks[1], ranks[3]]
        assert ranks[0] == 2130706431


def test_capture_time_is_taken_where_it_is_offered() -> None:
    text = change(SIMULCAST, "^a=extmap:2 .*abs-send-time", f"a=extmap:2 {ABS_CAPTURE_TIME}")
    assert all(section.extension(ABS_CAPTURE_TIME) == 2 for section in publish(text).sections)
