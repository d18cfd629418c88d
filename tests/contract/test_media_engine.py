"""What every MediaEngine guarantees, by packets over real sockets. One run per engine."""

from __future__ import annotations

import asyncio
import random
import re
import socket
from collections.abc import AsyncIterator

import pytest

from streamserver.ids import RoomId, SessionId
from streamserver.media import rtp, stun
from streamserver.media.codecs import starts_keyframe
from streamserver.media.engine import (
    MediaStarted,
    PublisherStarted,
    PublisherStopped,
    ViewerConnected,
    ViewerLeft,
)
from streamserver.media.errors import (
    BadOffer,
    Full,
    NoCommonCodec,
    NothingLive,
    PublisherExists,
    StaleTag,
    TagRequired,
    UnknownSession,
)
from tests.support.media import ENGINES, ROOM, Harness, Watcher, running_engine, settle


@pytest.fixture(params=sorted(ENGINES))
async def harness(request: pytest.FixtureRequest) -> AsyncIterator[Harness]:
    async with running_engine(request.param) as running:
        yield running


def send(publisher: Watcher, packets: list[bytes]) -> None:
    for packet in packets:
        publisher.peer.send_rtp(packet)


async def test_packets_arrive_as_they_were_published(harness: Harness) -> None:
    publisher, video = await harness.publisher()
    viewer = await harness.viewer()
    sent = video.frame() + video.frame()
    send(publisher, sent)
    await viewer.count(len(sent))

    assert [seen.payload for seen in viewer.packets] == [packet[12:] for packet in sent]
    assert {seen.view.ssrc for seen in viewer.packets} == {viewer.peer.answered_ssrc("video")[0]}
    assert {seen.view.payload_type for seen in viewer.packets} == {102}
    numbers = [seen.view.seq for seen in viewer.packets]
    assert numbers == [(numbers[0] + i) & 0xFFFF for i in range(len(numbers))]
    assert [seen.view.marker for seen in viewer.packets] == [False, False, False, True] * 2
    await harness.waiter.until(lambda: bool(harness.of(MediaStarted)))
    assert [type(event) for event in harness.events] == [PublisherStarted, ViewerConnected, MediaStarted]


async def test_packets_of_different_sizes_keep_their_payload(harness: Harness) -> None:
    """A train is padded to one size; the padding must be gone again at the viewer."""
    publisher, video = await harness.publisher()
    viewer = await harness.viewer()
    sent: list[bytes] = []
    for sizes in ((40, 1100, 1099, 1101, 300), (900,), (1, 2, 3), (1200, 1200, 1200, 7), tuple(range(60, 100))):
        frame: list[bytes] = []
        video.packets = len(sizes)
        for packet, size in zip(video.frame(), sizes, strict=True):
            frame.append(packet[:14] + (packet[14:] * 7)[:size])
        sent += frame
    send(publisher, sent)
    await viewer.count(len(sent))
    assert [seen.payload for seen in viewer.packets] == [packet[12:] for packet in sent]


async def test_a_viewer_gets_a_keyframe_first(harness: Harness) -> None:
    publisher, video = await harness.publisher()
    send(publisher, video.frame())
    await harness.waiter.until(lambda: bool(harness.of(MediaStarted)))
    viewer = await harness.viewer()
    await publisher.until(lambda: bool(publisher.of(rtp.KeyframeRequest)), "a PLI for the joiner")
    send(publisher, video.frame())  # a delta frame that the joiner could not decode
    video.keyframe_next = True
    send(publisher, video.frame())
    await viewer.count(4)
    assert starts_keyframe("H264", viewer.packets[0].payload, 0, 14)


async def test_requests_for_keyframes_are_merged(harness: Harness) -> None:
    publisher, video = await harness.publisher()
    send(publisher, video.frame())
    viewers = [await harness.viewer() for _ in range(3)]
    await publisher.until(lambda: len(publisher.of(rtp.KeyframeRequest)) == 1, "one PLI for three joiners")
    video.keyframe_next = True
    send(publisher, video.frame())
    for viewer in viewers:
        await viewer.count(4)
        for _ in range(5):
            viewer.peer.send_rtcp(rtp.write_pli(1, viewer.peer.answered_ssrc("video")[0]))
    wanted = "media_keyframes_wanted_total"
    await settle(lambda: harness.counter(wanted) == 15)
    assert harness.counter("media_keyframes_asked_total") == 1
    harness.clock.advance(0.5)
    await publisher.until(lambda: len(publisher.of(rtp.KeyframeRequest)) == 2, "the next PLI, half a second later")
    assert {item.ssrc for item in publisher.of(rtp.KeyframeRequest)} == {publisher.peer.ssrcs["video"]}


async def test_a_nack_is_answered_on_the_retransmission_ssrc(harness: Harness) -> None:
    publisher, video = await harness.publisher()
    viewer = await harness.viewer()
    send(publisher, video.frame())
    await viewer.count(4)
    media, _ = viewer.peer.answered_ssrc("video")
    lost = viewer.packets[1]
    missing = (viewer.packets[0].view.seq - 100) & 0xFFFF
    viewer.peer.send_rtcp(rtp.write_nack(1, media, [lost.view.seq, missing]))
    await viewer.until(lambda: bool(viewer.retransmitted()), "the retransmission")
    again = viewer.retransmitted()[0]
    assert again.payload == lost.view.seq.to_bytes(2, "big") + lost.payload
    assert (again.view.payload_type, again.view.timestamp) == (103, lost.view.timestamp)
    assert harness.counter('media_retransmissions_total{result="hit"}') == 1
    assert harness.counter('media_retransmissions_total{result="miss"}') == 1


async def test_a_viewer_cannot_ask_for_more_than_its_share(harness: Harness) -> None:
    publisher, video = await harness.publisher()
    viewer = await harness.viewer()
    send(publisher, video.frame())
    await viewer.count(4)
    media, _ = viewer.peer.answered_ssrc("video")
    for _ in range(250):
        viewer.peer.send_rtcp(rtp.write_nack(1, media, [seen.view.seq for seen in viewer.video()[:4]]))
    nacked = "media_viewer_nacked_packets_total"
    await settle(lambda: harness.counter(nacked) == 1000)
    assert harness.counter('media_retransmissions_total{result="hit"}') == 400
    assert harness.counter('media_retransmissions_total{result="limited"}') == 600


async def test_the_publisher_is_asked_for_what_was_lost(harness: Harness) -> None:
    publisher, video = await harness.publisher()
    viewer = await harness.viewer()
    frame = video.frame()
    send(publisher, [frame[0], frame[1], frame[3]])
    await publisher.until(lambda: bool(publisher.of(rtp.Nack)), "a NACK")
    asked = publisher.of(rtp.Nack)[0]
    assert (asked.ssrc, asked.seqs) == (publisher.peer.ssrcs["video"], (int.from_bytes(frame[2][2:4], "big"),))
    # The retransmission takes its place in the viewers' numbering (RFC 4588: original number, then payload).
    rtx = b"\x80\x67\x00\x01" + frame[2][4:8] + (7777).to_bytes(4, "big") + frame[2][2:4] + frame[2][12:]
    publisher.peer.send_rtp(rtx)
    await viewer.count(4)
    by_number = sorted(viewer.packets, key=lambda seen: (seen.view.seq - viewer.packets[0].view.seq) & 0xFFFF)
    assert [seen.payload for seen in by_number] == [packet[12:] for packet in frame]


async def test_a_copy_of_a_packet_is_not_sent_twice(harness: Harness) -> None:
    publisher, video = await harness.publisher()
    viewer = await harness.viewer()
    frame = video.frame()
    send(publisher, frame)
    rtx = b"\x80\x67\x00\x01" + frame[2][4:8] + (7777).to_bytes(4, "big") + frame[2][2:4] + frame[2][12:]
    publisher.peer.send_rtp(rtx)
    send(publisher, video.frame())
    await viewer.count(8)
    numbers = [seen.view.seq for seen in viewer.packets]
    assert len(set(numbers)) == len(numbers) == 8
    assert harness.counter('media_dropped_packets_total{reason="srtp_refused"}') == 0


async def test_a_publisher_is_told_how_it_is_received(harness: Harness) -> None:
    publisher, video = await harness.publisher()
    send(publisher, video.frame())
    await publisher.until(lambda: publisher.rembs == 1, "the bitrate it may use, with its first packet")
    harness.clock.advance(1)
    await publisher.until(lambda: bool(publisher.of(rtp.ReportBlock)) and publisher.rembs >= 2, "reports and REMB")
    report = publisher.of(rtp.ReportBlock)[-1]
    assert (report.ssrc, report.lost_total) == (publisher.peer.ssrcs["video"], 0)


async def test_sender_reports_reach_viewers_on_their_time_line(harness: Harness) -> None:
    publisher, video = await harness.publisher()
    viewer = await harness.viewer()
    frame = video.frame()
    send(publisher, frame)
    await viewer.count(4)
    published = int.from_bytes(frame[0][4:8], "big")
    ntp = 0xE8000000_40000000
    publisher.peer.send_rtcp(rtp.write_sender_report(publisher.peer.ssrcs["video"], ntp, published + 9000, 4, 800))
    await viewer.until(lambda: bool(viewer.of(rtp.SenderReport)), "a sender report")
    report = viewer.of(rtp.SenderReport)[0]
    assert report.ssrc == viewer.peer.answered_ssrc("video")[0]
    assert (report.ntp, report.timestamp) == (ntp, (viewer.packets[0].view.timestamp + 9000) & 0xFFFFFFFF)


@pytest.mark.parametrize("how", ["lost", "deleted"])
async def test_viewers_outlive_a_publisher_that_comes_back(harness: Harness, how: str) -> None:
    first, video = await harness.publisher()
    viewer = await harness.viewer()
    send(first, video.frame())
    await viewer.count(4)
    if how == "lost":
        await harness.advance(9.5, alive=[viewer])
    else:
        assert first.session is not None
        await harness.engine.close(first.session.id)
    await harness.waiter.until(lambda: bool(harness.of(PublisherStopped)))
    assert harness.of(PublisherStopped)[0].reason == how
    assert not harness.engine.live(ROOM)
    assert harness.engine.viewers(ROOM) == 1

    harness.clock.advance(0.5)
    second, other = await harness.publisher()
    other.keyframe_next = False
    send(second, other.frame())  # cannot be decoded by anybody
    await second.until(lambda: bool(second.of(rtp.KeyframeRequest)), "a PLI on resume")
    other.keyframe_next = True
    send(second, other.frame())
    await viewer.count(8)
    before, after = viewer.packets[:4], viewer.packets[4:]
    assert starts_keyframe("H264", after[0].payload, 0, 14)
    assert after[0].view.seq == (before[-1].view.seq + 1) & 0xFFFF
    assert after[0].view.ssrc == before[0].view.ssrc
    passed = (after[0].view.timestamp - before[0].view.timestamp) & 0xFFFFFFFF
    assert passed == (10 * 90_000 if how == "lost" else 90_000 // 2)
    assert not harness.of(ViewerLeft)


async def test_the_newest_publisher_wins_and_the_old_one_is_fenced(harness: Harness) -> None:
    old, old_video = await harness.publisher()
    viewer = await harness.viewer()
    send(old, old_video.frame())
    await viewer.count(4)
    new, new_video = await harness.publisher()
    assert [type(event) for event in harness.events[-2:]] == [PublisherStopped, PublisherStarted]
    assert harness.of(PublisherStopped)[0].reason == "replaced"
    send(old, old_video.frame())
    send(new, new_video.frame())
    await viewer.count(8)
    assert [seen.payload[0:2] for seen in viewer.packets[4:5]] == [b"\x7c\x85"]
    assert harness.counter('media_dropped_packets_total{reason="unvalidated"}') == 4
    with pytest.raises(PublisherExists):
        await harness.engine.publish(ROOM, harness.offer("sendonly"), takeover=False)


async def test_a_publisher_that_never_connects_replaces_nobody(harness: Harness) -> None:
    publisher, video = await harness.publisher()
    viewer = await harness.viewer()
    await harness.engine.publish(ROOM, harness.offer("sendonly"))
    await harness.advance(10.5, alive=[publisher, viewer])
    assert not harness.of(PublisherStopped)
    send(publisher, video.frame())
    await viewer.count(4)


async def test_a_publisher_that_offers_twice_before_it_connects_goes_live(harness: Harness) -> None:
    """As an encoder does that did not get the first answer: the first handshake never ends."""
    await harness.engine.publish(ROOM, harness.offer("sendonly"))
    waiting = harness.watcher("recvonly")
    waiting.session = await harness.engine.subscribe(ROOM, waiting.peer.offer)
    await waiting.peer.connect(waiting.session.answer_sdp)
    await harness.until_live(waiting)
    publisher, video = await harness.publisher()
    send(publisher, video.frame())
    await waiting.count(4)
    assert harness.engine.live(ROOM)
    assert harness.counter('media_dropped_packets_total{reason="failed"}') == 0


async def test_the_room_may_change_its_codec(harness: Harness) -> None:
    first, video = await harness.publisher(("H264",))
    viewer = await harness.viewer()
    send(first, video.frame())
    await viewer.count(4)
    second, _ = await harness.publisher(("VP8",))
    head = b"\x80\xe0\x12\x34" + bytes(4) + second.peer.ssrcs["video"].to_bytes(4, "big")
    second.peer.send_rtp(head + b"\x10\x00\x00\x00\x9d\x01\x2a")  # S bit, then a frame header with P = 0
    await viewer.count(5)
    assert viewer.packets[4].view.payload_type == 96
    assert viewer.packets[4].view.seq == (viewer.packets[3].view.seq + 1) & 0xFFFF


async def test_a_viewer_that_falls_silent_is_gone_within_ten_seconds(harness: Harness) -> None:
    publisher, _ = await harness.publisher()
    quiet, steady = await harness.viewer(), await harness.viewer()
    await harness.advance(8, alive=[publisher, steady])
    assert harness.engine.viewers(ROOM) == 2
    await harness.advance(2, alive=[publisher, steady])
    await harness.waiter.until(lambda: bool(harness.of(ViewerLeft)))
    assert quiet.session is not None
    assert harness.of(ViewerLeft) == [ViewerLeft(ROOM, quiet.session.id, "lost")]
    assert harness.engine.viewers(ROOM) == 1


async def test_viewers_are_told_when_nobody_comes_back(harness: Harness) -> None:
    publisher, _ = await harness.publisher()
    viewer = await harness.viewer()
    assert publisher.session is not None
    await harness.engine.close(publisher.session.id)
    for _ in range(4):
        await harness.advance(7, alive=[viewer])
    assert not harness.of(ViewerLeft)
    await harness.advance(3)
    await harness.waiter.until(lambda: bool(harness.of(ViewerLeft)))
    assert harness.of(ViewerLeft)[0].reason == "room_ended"
    with pytest.raises(NothingLive):
        await harness.engine.subscribe(ROOM, harness.offer("recvonly"))


async def test_a_handshake_that_does_not_end_frees_its_place(harness: Harness) -> None:
    await harness.engine.publish(ROOM, harness.offer("sendonly"))
    assert harness.gauge("media_sessions_pending") == 1
    await harness.advance(10.5)
    assert harness.gauge("media_sessions_pending") == 0
    with pytest.raises(NothingLive):
        await harness.engine.subscribe(ROOM, harness.offer("recvonly"))


async def test_a_certificate_that_was_not_offered_is_refused(harness: Harness) -> None:
    watcher = harness.watcher("sendonly")
    false = re.sub(r"(a=fingerprint:sha-256 )..", r"\g<1>00", watcher.peer.offer)
    if false == watcher.peer.offer:
        false = watcher.peer.offer.replace("sha-256 00", "sha-256 01")
    session = await harness.engine.publish(ROOM, false)
    # The client has no complaint; the server must have, before or after the handshake's end.
    connecting = asyncio.create_task(watcher.peer.connect(session.answer_sdp))
    await settle(lambda: not harness.gauge("media_sessions_pending"))
    connecting.cancel()
    await asyncio.gather(connecting, return_exceptions=True)
    assert harness.engine.room_of(session.id) is None
    assert harness.counter('media_dropped_packets_total{reason="dtls_fingerprint"}') == 1
    assert not harness.of(PublisherStarted)


async def test_media_from_an_address_that_ice_has_not_validated_is_dropped(harness: Harness) -> None:
    publisher, video = await harness.publisher()
    viewer = await harness.viewer()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for packet in video.frame():
            assert publisher.peer._dtls is not None
            sealed = publisher.peer._dtls._tx_srtp.protect(packet)  # even with the right keys
            stranger.sendto(sealed, publisher.peer._remote)
        video.keyframe_next = True
        send(publisher, video.frame())
        await viewer.count(4)
    assert len(viewer.packets) == 4
    await settle(lambda: harness.counter('media_dropped_packets_total{reason="unvalidated"}') == 4)


async def test_forged_and_replayed_packets_are_dropped(harness: Harness) -> None:
    publisher, video = await harness.publisher()
    viewer = await harness.viewer()
    assert publisher.peer._dtls is not None
    sealed = [publisher.peer._dtls._tx_srtp.protect(packet) for packet in video.frame()]
    for datagram in sealed:
        publisher.peer.send_raw(datagram)
        publisher.peer.send_raw(datagram)
        publisher.peer.send_raw(datagram[:-1] + bytes((datagram[-1] ^ 1,)))
        publisher.peer.send_raw(datagram[:11])
    send(publisher, video.frame())
    await viewer.count(8)
    assert len(viewer.packets) == 8
    reasons = ("srtp", "replay")  # an engine may tell them apart
    assert sum(harness.counter(f'media_dropped_packets_total{{reason="{reason}"}}') for reason in reasons) == 12


async def test_only_a_signed_check_is_answered(harness: Harness) -> None:
    await harness.publisher()
    await harness.viewer()
    watcher = harness.watcher("recvonly")
    session = await harness.engine.subscribe(ROOM, watcher.peer.offer)
    watcher.peer.use_answer(session.answer_sdp)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.settimeout(5)
        ufrag, password = watcher.peer._remote_ufrag, watcher.peer._remote_password
        requests = [
            stun.write_request(b"1" * 12, f"{ufrag}:x", b"wrong" * 8),
            stun.write_request(b"2" * 12, "nobody:x", password),
            stun.write_request(b"3" * 12, f"{ufrag}:x", password)[:-8],
            b"\x00\x01\x00\x00\x21\x12\xa4\x42" + b"4" * 12,
            stun.write_request(b"5" * 12, f"{ufrag}:x", password),
        ]
        for request in requests:
            await asyncio.get_running_loop().run_in_executor(None, stranger.sendto, request, watcher.peer._remote)
        reply = await asyncio.get_running_loop().run_in_executor(None, stranger.recv, 2048)
    assert reply[8:20] == b"5" * 12
    assert len(reply) <= len(requests[-1])
    assert harness.counter('media_dropped_packets_total{reason="stun"}') == 4


async def test_a_peer_whose_address_changes_is_followed(harness: Harness) -> None:
    publisher, video = await harness.publisher()
    viewer = await harness.viewer()
    send(publisher, video.frame())
    await viewer.count(4)
    viewer.peer.rebind()
    await viewer.renew()
    send(publisher, video.frame())
    await viewer.count(8)
    publisher.peer.rebind()
    await publisher.renew()
    send(publisher, video.frame())
    await viewer.count(12)


async def test_ice_restarts_without_a_pause(harness: Harness) -> None:
    publisher, video = await harness.publisher()
    viewer = await harness.viewer()
    send(publisher, video.frame())
    await viewer.count(4)
    assert viewer.session is not None
    body = "a=ice-ufrag:fresh1\r\na=ice-pwd:" + "p" * 24 + "\r\n"
    patched = await harness.engine.patch(viewer.session.id, body, "*")
    assert patched.etag != viewer.session.etag
    assert "a=ice-ufrag:" in patched.fragment
    send(publisher, video.frame())  # the old path still carries media
    await viewer.count(8)
    viewer.peer.rebind()
    viewer.peer.use_answer(patched.fragment)
    await viewer.renew()
    send(publisher, video.frame())
    await viewer.count(12)
    with pytest.raises(StaleTag):
        await harness.engine.patch(viewer.session.id, "a=mid:0\r\n", f'"{viewer.session.etag}"')
    again = await harness.engine.patch(viewer.session.id, "a=mid:0\r\n", f'"{patched.etag}"')
    assert (again.etag, again.fragment) == (patched.etag, "")


async def test_trickled_candidates_are_taken_and_a_patch_needs_a_tag(harness: Harness) -> None:
    publisher, _ = await harness.publisher()
    assert publisher.session is not None
    id, etag = publisher.session.id, publisher.session.etag
    body = (
        f"a=ice-ufrag:{publisher.peer.ufrag}\r\na=ice-pwd:{publisher.peer.password}\r\n"
        "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host\r\n"
    )
    assert (await harness.engine.patch(id, body, f'"{etag}"')).fragment == ""
    for tag, error in ((None, TagRequired), ('"other"', StaleTag), (f'W/"{etag}"', StaleTag)):
        with pytest.raises(error):
            await harness.engine.patch(id, body, tag)
    with pytest.raises(BadOffer):
        await harness.engine.patch(id, "nonsense", f'"{etag}"')
    with pytest.raises(BadOffer):
        await harness.engine.patch(id, "a=ice-ufrag:fresh1\r\na=ice-pwd:" + "p" * 24, f'"{etag}"')


async def test_what_does_not_exist_is_named(harness: Harness) -> None:
    nobody = SessionId("nobody")
    assert harness.engine.room_of(nobody) is None
    with pytest.raises(UnknownSession):
        await harness.engine.close(nobody)
    with pytest.raises(UnknownSession):
        await harness.engine.patch(nobody, "a=mid:0", "*")
    with pytest.raises(NothingLive) as refused:
        await harness.engine.subscribe(RoomId("empty"), harness.offer("recvonly"))
    assert refused.value.retry_after


async def test_a_viewer_that_cannot_decode_the_room_is_told(harness: Harness) -> None:
    await harness.publisher(("H264",))
    with pytest.raises(NoCommonCodec, match="H264"):
        await harness.engine.subscribe(ROOM, harness.offer("recvonly", ("VP8",)))


async def test_closing_frees_everything(harness: Harness) -> None:
    publisher, video = await harness.publisher()
    viewer = await harness.viewer()
    send(publisher, video.frame())
    await viewer.count(4)
    for watcher in (viewer, publisher):
        assert watcher.session is not None
        await harness.engine.close(watcher.session.id)
        assert harness.engine.room_of(watcher.session.id) is None
    await harness.advance(31)
    gauges = harness.engine.stats().gauges
    assert {name: value for name, value in gauges.items() if value} == {}
    assert harness.engine.stats().rooms == {}
    await viewer.until(lambda: bool(viewer.of(rtp.Bye)), "a goodbye")


@pytest.mark.parametrize("engine", sorted(ENGINES))
async def test_admission_is_bounded(engine: str) -> None:
    async with running_engine(engine, max_sessions=3, max_pending=2) as harness:
        await harness.publisher()
        await harness.engine.subscribe(ROOM, harness.offer("recvonly"))
        second = await harness.engine.subscribe(ROOM, harness.offer("recvonly"))
        with pytest.raises(Full) as refused:
            await harness.engine.subscribe(ROOM, harness.offer("recvonly"))
        assert refused.value.retry_after
        await harness.engine.close(second.id)
        await harness.engine.subscribe(ROOM, harness.offer("recvonly"))


async def test_a_flood_from_a_publisher_is_policed(harness: Harness) -> None:
    publisher, video = await harness.publisher()
    viewer = await harness.viewer()
    video.packets = 100
    dropped = 'media_dropped_packets_total{reason="policed"}'
    sent = 0
    while not harness.counter(dropped):
        send(publisher, video.frame())
        sent += 100
        assert sent <= 20_000, "nothing was policed"
        await asyncio.sleep(0)
    harness.clock.advance(1)
    video.keyframe_next, video.packets = True, 4
    seen = len(viewer.packets)
    send(publisher, video.frame())
    await viewer.until(lambda: len(viewer.packets) > seen, "the stream after the flood")


async def test_the_tap_gives_whole_frames_with_capture_time(harness: Harness) -> None:
    tap = harness.engine.tap(ROOM)
    publisher, video = await harness.publisher()
    first, second = video.frame(), video.frame()
    ntp = (2_208_988_800 + 1_700_000_000) << 32
    published = int.from_bytes(first[0][4:8], "big")
    send(publisher, first)
    frame = await asyncio.wait_for(anext(tap), 10)
    assert (frame.kind, frame.codec, frame.keyframe, frame.captured_ms) == ("video", "H264", True, None)
    assert frame.data == b"\x00\x00\x00\x01\x65" + b"".join(packet[14:] for packet in first)
    publisher.peer.send_rtcp(rtp.write_sender_report(publisher.peer.ssrcs["video"], ntp, published, 4, 800))
    send(publisher, second)
    frame = await asyncio.wait_for(anext(tap), 10)
    assert not frame.keyframe
    assert frame.captured_ms == pytest.approx(1_700_000_000_000 + 1000 / 30, abs=0.1)


async def test_the_time_line_is_the_one_that_viewers_see(harness: Harness) -> None:
    publisher, video = await harness.publisher()
    viewer = await harness.viewer()
    assert harness.engine.timeline(ROOM) is None
    send(publisher, video.frame())
    await viewer.count(4)
    began = harness.clock.now_ms()
    harness.clock.advance(0.25)
    timeline = harness.engine.timeline(ROOM)
    assert timeline is not None
    assert timeline.timestamp == viewer.packets[-1].view.timestamp
    assert timeline.arrived_ms == pytest.approx(began)
    assert timeline.captured_ms is None


async def test_a_room_is_ended_at_once_when_its_show_is_over(harness: Harness) -> None:
    await harness.publisher()
    viewer = await harness.viewer()
    await harness.engine.end_room(ROOM)
    await harness.engine.end_room(ROOM)
    await harness.waiter.until(lambda: bool(harness.of(ViewerLeft)))
    assert harness.of(PublisherStopped)[0].reason == harness.of(ViewerLeft)[0].reason == "room_ended"
    assert not any(harness.engine.stats().gauges.values())
    await viewer.until(lambda: bool(viewer.of(rtp.Bye)), "a goodbye")


async def test_no_datagram_stops_the_others(harness: Harness) -> None:
    """Noise from strangers, noise on a validated path, and authentic packets full of noise."""
    dice = random.Random(7)
    publisher, video = await harness.publisher()
    viewer = await harness.viewer()
    send(publisher, video.frame())
    await viewer.count(4)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for _ in range(300):
            noise = dice.randbytes(dice.randrange(1, 120))
            for first in (0, 1, 22, 128, 130, 255):
                stranger.sendto(bytes((first,)) + noise, publisher.peer._remote)
            publisher.peer.send_raw(bytes((dice.choice((0, 1, 128, 144, 255)),)) + noise)
            head = bytes((0x80 | dice.randrange(16), dice.choice((50, 102, 103, 111, 230))))
            publisher.peer.send_rtp(head + dice.randbytes(10 + 4 * 15) + noise)
            viewer.peer.send_rtcp(
                b"\x81" + bytes((dice.choice((200, 201, 203, 205, 206)),)) + b"\x00\x01" + noise[:4] * 8
            )
            await asyncio.sleep(0)
    video.keyframe_next = True
    seen = len(viewer.packets)
    send(publisher, video.frame())
    await viewer.until(lambda: len(viewer.packets) >= seen + 4, "the stream after the noise")
    assert harness.counter('media_dropped_packets_total{reason="failed"}') == 0
    for reason in ("unvalidated", "not_negotiated", "too_many_ssrcs", "stun", "srtp"):
        assert harness.counter(f'media_dropped_packets_total{{reason="{reason}"}}') > 0, reason
