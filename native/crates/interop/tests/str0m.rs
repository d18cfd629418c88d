//! str0m as a publisher with three RIDs and as a viewer with transport-wide feedback, against one shard in virtual time.
//! What both ends know of one another is in SDP, read and written here by hand.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use sfu::api::{
    self, Command, Config, Digest, Event, Extensions, Kind, PayloadType, PeerSpec, Role, RoomClock, RoomSpec, Section,
    SlotSpec,
};
use sfu::counters::Counters;
use sfu::dtls::Identity;
use sfu::io::{Route, Transmit};
use sfu::shard::Shard;
use sfu::time::{Span, Time};
use str0m::change::{SdpAnswer, SdpOffer};
use str0m::format::Codec;
use str0m::media::{Direction, Frequency, MediaData, MediaKind, MediaTime, Mid, Rid, Simulcast, SimulcastLayer};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Input, Output, Rtc, RtcConfig};

const ROOM: u64 = 1;
const DELAY: Span = Span::millis(5);
const RIDS: [&str; 3] = ["l", "m", "h"];
/// Bytes of a frame of each.
const BYTES: [usize; 3] = [400, 1500, 4500];

fn server() -> SocketAddr {
    SocketAddr::from(([10, 9, 9, 9], 5000))
}

// SDP ----------------------------------------------------------------------------------------------------------

fn value<'a>(lines: &[&'a str], name: &str) -> Option<&'a str> {
    lines.iter().find_map(|line| line.strip_prefix(name))
}

/// Session part and media sections.
fn split(sdp: &str) -> (Vec<&str>, Vec<Vec<&str>>) {
    let mut parts: Vec<Vec<&str>> = vec![Vec::new()];
    for line in sdp.lines() {
        if line.starts_with("m=") {
            parts.push(Vec::new());
        }
        parts.last_mut().unwrap().push(line);
    }
    let session = parts.remove(0);
    (session, parts)
}

fn extensions(lines: &[&str]) -> Extensions {
    let id = |uri: &str| {
        lines
            .iter()
            .filter_map(|line| line.strip_prefix("a=extmap:"))
            .find(|line| line.split(' ').nth(1) == Some(uri))
            .and_then(|line| line.split([' ', '/']).next()?.parse().ok())
            .unwrap_or(0)
    };
    Extensions {
        transport_cc: id("http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"),
        abs_capture_time: id("http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"),
        mid: id("urn:ietf:params:rtp-hdrext:sdes:mid"),
        rid: id("urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"),
        repaired_rid: id("urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"),
        dependency_descriptor: 0,
        video_orientation: id("urn:3gpp:video-orientation"),
    }
}

fn payload_types(lines: &[&str]) -> Vec<PayloadType> {
    let apt = |of: &str| {
        lines.iter().filter_map(|line| line.strip_prefix("a=fmtp:")).find_map(|line| {
            let (number, rest) = line.split_once(' ')?;
            (rest.strip_prefix("apt=")? == of).then(|| number.parse().ok())?
        })
    };
    let read = |line: &&str| {
        let (number, name) = line.strip_prefix("a=rtpmap:")?.split_once(' ')?;
        let codec = match name.split('/').next()?.to_ascii_lowercase().as_str() {
            "opus" => api::Codec::Opus,
            "h264" => api::Codec::H264,
            "vp8" => api::Codec::Vp8,
            "vp9" => api::Codec::Vp9,
            "av1" => api::Codec::Av1,
            _ => return None,
        };
        Some(PayloadType { number: number.parse().ok()?, codec, rtx: apt(number) })
    };
    lines.iter().filter_map(read).collect()
}

fn section(lines: &[&str]) -> Section {
    let has = |what: &str| lines.iter().any(|line| line.starts_with("a=rtcp-fb:") && line.ends_with(what));
    Section {
        kind: if lines[0].starts_with("m=audio") { Kind::Audio } else { Kind::Video },
        mid: value(lines, "a=mid:").unwrap().to_owned(),
        payload_types: payload_types(lines),
        extensions: extensions(lines),
        ssrcs: Vec::new(),
        rids: lines.iter().filter_map(|l| l.strip_prefix("a=rid:")?.strip_suffix(" send")).map(str::to_owned).collect(),
        nack: has(" nack"),
        pli: has(" nack pli"),
        transport_cc: has(" transport-cc"),
        remb: has(" goog-remb"),
    }
}

/// What of an offered section is in the answer to it, with what is ours to say.
fn answer(session: &[&str], sections: &[Vec<&str>], ours: &PeerSpec, identity: &Identity, slots: &RoomSpec) -> String {
    let mut out = String::from("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=ice-lite\r\n");
    let mut line = |text: &str| {
        out += text;
        out += "\r\n";
    };
    line(session.iter().find(|line| line.starts_with("a=group:BUNDLE")).unwrap());
    for lines in sections {
        for offered in lines {
            let name = offered.split([':', '=', ' ']).nth(1).unwrap_or_default();
            let rid = offered.starts_with("a=rid:") || offered.starts_with("a=simulcast:");
            if rid {
                line(&offered.replace("send", "recv"));
                continue;
            }
            match (*offered, name) {
                ("a=sendonly", _) => line("a=recvonly"),
                ("a=recvonly", _) => line("a=sendonly"),
                (_, "ice-ufrag" | "ice-pwd" | "ice-options" | "fingerprint" | "setup" | "candidate" | "ssrc") => {}
                (_, "msid" | "ssrc-group" | "end-of-candidates") => {}
                _ => line(offered),
            }
        }
        line(&format!("a=ice-ufrag:{}\r\na=ice-pwd:{}", ours.ufrag, ours.password));
        line(&format!("a=fingerprint:{}\r\na=setup:passive", identity.fingerprint()));
        line(&format!("a=candidate:1 1 udp 2130706431 {} {} typ host", server().ip(), server().port()));
        if ours.role == Role::Viewer {
            let slot = if lines[0].starts_with("m=audio") { slots.audio } else { slots.video };
            line("a=msid:room track");
            if lines[0].starts_with("m=video") {
                line(&format!("a=ssrc-group:FID {} {}", slot.ssrc, slot.rtx_ssrc));
                line(&format!("a=ssrc:{} cname:room\r\na=ssrc:{} cname:room", slot.ssrc, slot.rtx_ssrc));
            } else {
                line(&format!("a=ssrc:{} cname:room", slot.ssrc));
            }
        }
    }
    out
}

// the world ----------------------------------------------------------------------------------------------------

#[derive(Default)]
struct Outbox {
    buffer: Vec<u8>,
    sent: Vec<(SocketAddr, Vec<u8>)>,
}

impl Transmit for Outbox {
    fn buffer(&mut self, bytes: usize) -> &mut [u8] {
        self.buffer.resize(bytes, 0);
        &mut self.buffer
    }

    fn commit(&mut self, route: Route, bytes: usize, segment: usize) {
        self.sent.extend(self.buffer[..bytes].chunks(segment).map(|part| (route.remote, part.to_vec())));
    }
}

struct Peer {
    rtc: Rtc,
    addr: SocketAddr,
    due: Time,
    frames: Vec<MediaData>,
    /// Asked for by RID.
    keyframes: Vec<Option<Rid>>,
    connected: bool,
    estimates: usize,
    /// Every so-many-th datagram to it is lost; 0: none.
    loses: u64,
}

struct World {
    epoch: Instant,
    now: Time,
    shard: Shard,
    counters: Arc<Counters>,
    identity: Identity,
    slots: RoomSpec,
    peers: Vec<Peer>,
    queue: BTreeMap<(Time, u64), (SocketAddr, SocketAddr, Vec<u8>)>,
    order: u64,
    tx: Outbox,
    events: Vec<Event>,
}

impl World {
    fn new() -> Self {
        str0m::crypto::from_feature_flags().install_process_default();
        let epoch = Instant::now();
        let identity = Identity::generate().unwrap();
        let counters = Arc::new(Counters::default());
        let slot = |ssrc, first_seq| SlotSpec { ssrc, rtx_ssrc: ssrc + 1, first_seq, first_timestamp: 1 << 31 };
        let slots = RoomSpec {
            id: ROOM,
            home: 0,
            audio: slot(0x1000, 40),
            video: slot(0x2000, 32_000),
            cname: "room".to_owned(),
            clock: RoomClock::default(),
        };
        let mut shard = Shard::new(0, 1, Config::default(), identity.clone(), epoch, 7, Arc::clone(&counters));
        let mut tx = Outbox::default();
        shard.command(Command::AddRoom(slots.clone()), Time(0), &mut tx);
        Self {
            epoch,
            now: Time::from_millis(100),
            shard,
            counters,
            identity,
            slots,
            peers: Vec::new(),
            queue: BTreeMap::new(),
            order: 0,
            tx,
            events: Vec::new(),
        }
    }

    fn instant(&self) -> Instant {
        self.epoch + self.now.since(Time(0)).to_std()
    }

    /// Offer, answer, and what the shard is told of them.
    fn join(&mut self, role: Role, config: RtcConfig, media: &[(MediaKind, Option<Simulcast>)]) -> (usize, Vec<Mid>) {
        let at = self.peers.len();
        let addr = SocketAddr::from(([10, 1, 1, 1 + at as u8], 4000));
        let mut rtc = config.build(self.instant());
        rtc.add_local_candidate(Candidate::host(addr, "udp").unwrap());
        let direction = if role == Role::Publisher { Direction::SendOnly } else { Direction::RecvOnly };
        let mut change = rtc.sdp_api();
        let mids = media
            .iter()
            .map(|(kind, simulcast)| change.add_media(*kind, direction, None, None, simulcast.clone()))
            .collect();
        let (offer, pending): (SdpOffer, _) = change.apply().unwrap();
        let offer = offer.to_sdp_string();
        let (session, sections) = split(&offer);
        let everywhere: Vec<&str> = session.iter().chain(&sections[0]).copied().collect();
        let (_, hex) = value(&everywhere, "a=fingerprint:").unwrap().split_once(' ').unwrap();
        let fingerprint = hex.split(':').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
        let spec = PeerSpec {
            id: 1 + at as u64,
            room: ROOM,
            role,
            ufrag: format!("0server{at}"),
            password: format!("a-password-of-the-server-{at}"),
            remote_ufrag: value(&everywhere, "a=ice-ufrag:").unwrap().to_owned(),
            fingerprints: vec![(Digest::Sha256, fingerprint)],
            dtls_client: false,
            sections: sections.iter().map(|lines| section(lines)).collect(),
            dial: None,
        };
        let answer = answer(&session, &sections, &spec, &self.identity, &self.slots);
        let answer = SdpAnswer::from_sdp_string(&answer).unwrap();
        rtc.sdp_api().accept_answer(pending, answer).unwrap();
        self.peers.push(Peer {
            rtc,
            addr,
            due: self.now,
            frames: Vec::new(),
            keyframes: Vec::new(),
            connected: false,
            estimates: 0,
            loses: 0,
        });
        let now = self.now;
        self.shard.command(Command::AddPeer(Box::new(spec)), now, &mut self.tx);
        self.after_shard();
        (at, mids)
    }

    fn send(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        self.order += 1;
        self.queue.insert((self.now + DELAY, self.order), (from, to, bytes));
    }

    fn after_shard(&mut self) {
        while self.shard.flush(self.now, &mut self.tx) {}
        self.events.extend(self.shard.events());
        for (to, bytes) in std::mem::take(&mut self.tx.sent) {
            self.send(server(), to, bytes);
        }
    }

    fn poll(&mut self, at: usize) {
        loop {
            match self.peers[at].rtc.poll_output().unwrap() {
                Output::Timeout(due) => {
                    let due = due.saturating_duration_since(self.epoch);
                    // A microsecond more: time must go on.
                    self.peers[at].due = Time(due.as_micros() as u64 + 1).max(self.now + Span(1));
                    return;
                }
                Output::Transmit(out) => self.send(self.peers[at].addr, out.destination, out.contents.to_vec()),
                Output::Event(event) => {
                    let peer = &mut self.peers[at];
                    match event {
                        str0m::Event::Connected => peer.connected = true,
                        str0m::Event::MediaData(data) => peer.frames.push(data),
                        str0m::Event::KeyframeRequest(request) => peer.keyframes.push(request.rid),
                        str0m::Event::EgressBitrateEstimate(_) => peer.estimates += 1,
                        _ => {}
                    }
                }
            }
        }
    }

    fn run(&mut self, span: Span) {
        let end = self.now + span;
        loop {
            let mut next = self.shard.next();
            next = next.min(self.queue.first_key_value().map_or(Time(u64::MAX), |((at, _), _)| *at));
            next = self.peers.iter().map(|peer| peer.due).fold(next, Time::min);
            if next > end {
                self.now = end;
                return;
            }
            self.now = self.now.max(next);
            let (now, instant) = (self.now, self.instant());
            while let Some(entry) = self.queue.first_entry() {
                if entry.key().0 > now {
                    break;
                }
                let ((_, number), (from, to, mut bytes)) = entry.remove_entry();
                if to == server() {
                    self.shard.receive(Route { socket: 0, remote: from }, &mut bytes, now, &mut self.tx);
                    self.after_shard();
                } else if let Some(at) = self.peers.iter().position(|peer| peer.addr == to) {
                    let loses = self.peers[at].loses;
                    if loses != 0 && number % loses == 0 {
                        continue;
                    }
                    let contents = bytes.as_slice().try_into().unwrap();
                    let received = Receive { proto: Protocol::Udp, source: from, destination: to, contents };
                    self.peers[at].rtc.handle_input(Input::Receive(instant, received)).unwrap();
                    self.poll(at);
                }
            }
            if self.shard.next() <= now {
                self.shard.tick(now, &mut self.tx);
                self.after_shard();
            }
            for at in 0..self.peers.len() {
                if self.peers[at].due <= now {
                    self.peers[at].rtc.handle_input(Input::Timeout(instant)).unwrap();
                    self.poll(at);
                }
            }
        }
    }
}

fn only(codec: Codec) -> RtcConfig {
    RtcConfig::new()
        .clear_codecs()
        .enable_opus(true, false)
        .enable_vp8(codec == Codec::Vp8)
        .enable_h264(codec == Codec::H264)
}

/// A frame that says which it is; of VP8 the first bit tells a keyframe, of H.264 the NAL units do.
fn frame(codec: Codec, key: bool, number: u32, encoding: usize) -> Vec<u8> {
    // in digits, so that H.264 finds no start code in it
    let mut body = format!("{number:08}{encoding}").into_bytes();
    body.resize(BYTES[encoding], 0x55);
    match codec {
        Codec::Vp8 => [vec![0x10 | u8::from(!key)], body].concat(),
        _ if key => {
            [&[0, 0, 0, 1, 0x67, 0x42, 0xE0, 0x1F, 0, 0, 0, 1, 0x68, 0xCE, 0, 0, 0, 1, 0x65, 0x88][..], &body].concat()
        }
        _ => [&[0, 0, 0, 1, 0x41, 0x9A][..], &body].concat(),
    }
}

struct Publisher {
    at: usize,
    codec: Codec,
    audio: Mid,
    video: Mid,
    encodings: usize,
    number: u32,
}

impl Publisher {
    /// Publish 30 pictures and pieces of audio a second for so long.
    fn run(&mut self, world: &mut World, span: Span) {
        let end = world.now + span;
        while world.now < end {
            let (now, number) = (world.instant(), self.number);
            let asked = std::mem::take(&mut world.peers[self.at].keyframes);
            for (encoding, rid) in RIDS.iter().enumerate().take(self.encodings) {
                let rid = Rid::from(*rid);
                let key = number == 0 || asked.iter().any(|asked| asked.is_none_or(|asked| asked == rid));
                let time = MediaTime::new(u64::from(number) * 3000, Frequency::NINETY_KHZ);
                let data = frame(self.codec, key, number, encoding);
                let rtc = &mut world.peers[self.at].rtc;
                let pt = payload_type(rtc, self.codec);
                let mut writer = rtc.writer(self.video).unwrap();
                if self.encodings > 1 {
                    writer = writer.rid(rid);
                }
                writer.write(pt, now, time, data).unwrap();
                world.poll(self.at);
            }
            let time = MediaTime::new(u64::from(number) * 1600, Frequency::FORTY_EIGHT_KHZ);
            let rtc = &mut world.peers[self.at].rtc;
            let pt = payload_type(rtc, Codec::Opus);
            rtc.writer(self.audio).unwrap().write(pt, now, time, vec![0x78; 80]).unwrap();
            world.poll(self.at);
            self.number += 1;
            world.run(Span(33_333));
        }
    }
}

fn payload_type(rtc: &Rtc, codec: Codec) -> str0m::media::Pt {
    rtc.codec_config().find(|known| known.spec().codec == codec).unwrap().pt()
}

/// Number and encoding of a frame that came.
fn read_frame(codec: Codec, data: &[u8]) -> (u32, u8) {
    let start = match codec {
        Codec::Vp8 => 1,
        // behind the head of the slice; see `frame`
        _ => 2 + data.windows(2).position(|pair| matches!(pair, [0x65, 0x88] | [0x41, 0x9A])).unwrap(),
    };
    let digits = std::str::from_utf8(&data[start..start + 9]).unwrap();
    (digits[..8].parse().unwrap(), digits[8..].parse().unwrap())
}

fn watch(world: &mut World, codec: Codec) -> usize {
    world.join(Role::Viewer, only(codec), &[(MediaKind::Audio, None), (MediaKind::Video, None)]).0
}

fn publish(world: &mut World, codec: Codec, encodings: usize) -> Publisher {
    let mut simulcast = Simulcast::new();
    RIDS.iter().for_each(|rid| simulcast.add_send_layer(SimulcastLayer::new(rid)));
    let config = only(codec).enable_bwe(Some(str0m::bwe::Bitrate::mbps(4)));
    let media = [(MediaKind::Audio, None), (MediaKind::Video, (encodings > 1).then_some(simulcast))];
    let (at, mids) = world.join(Role::Publisher, config, &media);
    Publisher { at, codec, audio: mids[0], video: mids[1], encodings, number: 0 }
}

fn until_connected(world: &mut World) {
    for _ in 0..100 {
        world.run(Span::millis(20));
        if world.peers.iter().all(|peer| peer.connected) {
            return;
        }
    }
    panic!("not connected: {:?}", world.events);
}

/// Whole frames in order, each decodable, on a time line that goes on; returns how many and the last one's encoding.
fn check_video(world: &World, viewer: usize, codec: Codec) -> (usize, u8) {
    let mut last: Option<(u32, u8, u64)> = None;
    let mut count = 0;
    let wanted = str0m::format::Codec::Opus;
    for data in world.peers[viewer].frames.iter().filter(|data| data.params.spec().codec != wanted) {
        let (number, encoding) = read_frame(codec, &data.data);
        let time = data.time.rebase(Frequency::NINETY_KHZ).numer();
        if let Some((before, shown, at)) = last {
            assert!(number >= before, "{before} is followed by {number}");
            assert!(encoding != shown || number == before + 1, "{shown}: {before} is followed by {number}");
            assert!(time > at, "time stands still at {number}");
            let apart = (time - at) as i64 - i64::from(number - before) * 3000;
            assert!(apart.abs() < 200, "frame {number} of {encoding} is {apart} ticks off");
        }
        last = Some((number, encoding, time));
        count += 1;
    }
    (count, last.map_or(9, |(_, encoding, _)| encoding))
}

#[test]
fn a_single_encoding_reaches_the_viewers_whole() {
    for codec in [Codec::Vp8, Codec::H264] {
        let mut world = World::new();
        let mut publisher = publish(&mut world, codec, 1);
        let viewers = [watch(&mut world, codec), watch(&mut world, codec)];
        until_connected(&mut world);
        publisher.run(&mut world, Span::secs(1));
        world.peers[viewers[1]].loses = 7;
        publisher.run(&mut world, Span::secs(4));
        world.peers[viewers[1]].loses = 0;
        publisher.run(&mut world, Span::secs(1));
        for viewer in viewers {
            let (count, _) = check_video(&world, viewer, codec);
            assert!(count > 165, "{codec:?}: {count} frames");
            let audio =
                world.peers[viewer].frames.iter().filter(|data| data.params.spec().codec == Codec::Opus).count();
            assert!(audio > 140, "{audio} pieces of audio");
        }
        let (asked, again) = (world.counters.viewer_nacked.get(), world.counters.rtx_hit.get());
        assert!(again > 10, "{codec:?}: {asked} asked for, {again} sent again");
        assert!(world.counters.drops.iter().map(|count| count.get()).sum::<u64>() < 20);
    }
}

#[test]
fn simulcast_by_rid_climbs_to_the_best_layer() {
    let mut world = World::new();
    let mut publisher = publish(&mut world, Codec::Vp8, 3);
    let viewer = watch(&mut world, Codec::Vp8);
    until_connected(&mut world);
    publisher.run(&mut world, Span::secs(12));
    let (count, encoding) = check_video(&world, viewer, Codec::Vp8);
    assert_eq!(encoding, 2, "the best layer");
    assert!(count > 340, "{count} frames");
    assert!(world.counters.feedback.get() > 50, "the viewer tells of arrivals");
    assert!(world.peers[publisher.at].estimates > 0, "our feedback is what the publisher estimates by");
    assert!(world.events.iter().any(|event| matches!(event, Event::LayerSwitched { .. })));
}

#[test]
fn the_end_is_told_both_ways() {
    let mut world = World::new();
    let mut publisher = publish(&mut world, Codec::Vp8, 1);
    let viewer = watch(&mut world, Codec::Vp8);
    until_connected(&mut world);
    publisher.run(&mut world, Span::secs(1));
    let now = world.now;
    world.shard.command(Command::EndRoom { room: ROOM, reason: api::Reason::RoomEnded }, now, &mut world.tx);
    world.after_shard();
    world.run(Span::secs(1));
    assert!(world.shard.is_empty());
    assert!(!world.peers[viewer].rtc.is_connected() || !world.peers[viewer].rtc.is_alive());
}
