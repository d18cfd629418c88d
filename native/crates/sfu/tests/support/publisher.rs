//! A publisher: an encoder per encoding that tells in each packet what it is, retransmission, reports, feedback.

use std::collections::VecDeque;

use sfu::api::{Codec, Extensions, Kind, PayloadType, Section};
use sfu::rtcp::{self, Item};
use sfu::rtp::{self, Outgoing};
use sfu::srtp::Sealer;
use sfu::time::{Span, Time};

use super::Rng;
use super::payload::{self, Info, Numbers, Place};

/// Packets kept to be sent again; more than any server would ask for.
const HISTORY: usize = 4096;
const VIDEO_PT: u8 = 96;
const VIDEO_RTX: u8 = 97;
const AUDIO_PT: u8 = 111;

/// What a publisher sends.
#[derive(Clone, Debug)]
pub struct Media {
    pub codec: Codec,
    /// Simulcast encodings; 1: none.
    pub encodings: u8,
    pub spatial_layers: u8,
    pub temporal_layers: u8,
    pub audio: bool,
    pub video: bool,
    pub fps: u64,
    /// Packets of a delta frame, by encoding.
    pub packets: [u16; 3],
    /// Payload bytes of a packet.
    pub bytes: usize,
    pub retransmits: bool,
    pub transport_cc: bool,
    /// The first number of every stream; None: random.
    pub first_seq: Option<u16>,
    /// Added to the number at every frame's end, as if so many packets were lost.
    pub skip: u64,
    /// A keyframe every so many frames besides those asked for; 0: none.
    pub key_every: u32,
}

impl Media {
    pub fn new(codec: Codec) -> Self {
        Self {
            codec,
            encodings: 1,
            spatial_layers: 1,
            temporal_layers: 1,
            audio: true,
            video: true,
            fps: 30,
            packets: [2, 3, 5],
            bytes: 300,
            retransmits: true,
            transport_cc: true,
            first_seq: None,
            skip: 0,
            key_every: 0,
        }
    }

    pub fn simulcast(codec: Codec) -> Self {
        Self { encodings: 3, ..Self::new(codec) }
    }

    fn extensions(&self) -> Extensions {
        Extensions {
            transport_cc: if self.transport_cc { 3 } else { 0 },
            abs_capture_time: 7,
            mid: 4,
            rid: if self.encodings > 1 { 10 } else { 0 },
            repaired_rid: if self.encodings > 1 { 11 } else { 0 },
            dependency_descriptor: if self.codec == Codec::Av1 { 12 } else { 0 },
            video_orientation: 13,
        }
    }

    pub fn sections(&self) -> Vec<Section> {
        let section = |kind, mid: &str, payload_types, rids: Vec<String>| Section {
            kind,
            mid: mid.to_owned(),
            payload_types,
            extensions: self.extensions(),
            ssrcs: Vec::new(),
            rids,
            nack: self.retransmits,
            pli: true,
            transport_cc: self.transport_cc,
            remb: true,
        };
        let audio = vec![PayloadType { number: AUDIO_PT, codec: Codec::Opus, rtx: None }];
        let video = vec![PayloadType { number: VIDEO_PT, codec: self.codec, rtx: Some(VIDEO_RTX) }];
        let rids = if self.encodings > 1 { RIDS[..usize::from(self.encodings)].to_vec() } else { Vec::new() };
        let mut sections = Vec::new();
        if self.audio {
            sections.push(section(Kind::Audio, "0", audio, Vec::new()));
        }
        if self.video {
            sections.push(section(Kind::Video, "1", video, rids.into_iter().map(str::to_owned).collect()));
        }
        sections
    }
}

const RIDS: [&str; 3] = ["l", "m", "h"];

/// One SSRC with its retransmissions.
#[derive(Debug)]
pub struct Stream {
    pub kind: Kind,
    pub encoding: u8,
    pub ssrc: u32,
    pub rtx_ssrc: u32,
    pub ts_offset: u32,
    /// Next number, unwrapped; also the SRTP index.
    pub seq: u64,
    rtx_seq: u64,
    pub frame: u32,
    numbers: Numbers,
    frame_number: u16,
    structure_offset: u8,
    /// The newest picture of temporal layer 0, 1.
    newest: [u32; 3],
    pub key_wanted: bool,
    pub keys_sent: u32,
    pub paused: bool,
    history: VecDeque<(u16, Vec<u8>, usize)>,
    pub asked_again: u32,
    pub packets: u32,
}

pub struct Source {
    pub id: u16,
    pub media: Media,
    pub streams: Vec<Stream>,
    rng: Rng,
    started: bool,
    next_video: Time,
    next_audio: Time,
    next_report: Time,
    picture: u64,
    /// NTP time (1/2^32 s) of virtual time zero on this publisher's clock.
    pub ntp_base: u64,
    transport: u16,
    pub plis: u32,
    pub nacks: u32,
    pub feedbacks: u32,
    pub remb: Option<u64>,
    pub reports_in: u32,
    pub stopped: bool,
    /// Frames captured: when, and whether in each temporal layer.
    pub captured: Vec<(u64, u8)>,
    pending: VecDeque<(Time, usize, u64)>,
    /// Asked for and not sent yet: SSRC, number.
    again: Vec<(u32, u16)>,
}

impl Source {
    pub fn new(id: u16, media: Media, mut rng: Rng) -> Self {
        let mut streams = Vec::new();
        let mut add = |kind, encoding| {
            let seq = media.first_seq.map_or(rng.next() as u16, |seq| seq);
            streams.push(Stream {
                kind,
                encoding,
                ssrc: rng.next() as u32 | 1,
                rtx_ssrc: rng.next() as u32 & !1,
                ts_offset: rng.next() as u32,
                seq: u64::from(seq),
                rtx_seq: rng.below(65_536),
                frame: 0,
                numbers: Numbers { picture: rng.next() as u16 & 0x7FFF, tl0: rng.next() as u8 },
                frame_number: rng.next() as u16,
                structure_offset: rng.below(64) as u8,
                newest: [0; 3],
                key_wanted: true,
                keys_sent: 0,
                paused: false,
                history: VecDeque::new(),
                asked_again: 0,
                packets: 0,
            });
        };
        if media.audio {
            add(Kind::Audio, 0);
        }
        if media.video {
            (0..media.encodings).for_each(|at| add(Kind::Video, at));
        }
        let ntp_base = (3_900_000_000 + rng.below(1000)) << 32 | rng.next() & 0xFFFF_FFFF;
        Self {
            id,
            media,
            streams,
            rng,
            started: false,
            next_video: Time(0),
            next_audio: Time(0),
            next_report: Time(0),
            picture: 0,
            ntp_base,
            transport: 0,
            plis: 0,
            nacks: 0,
            feedbacks: 0,
            remb: None,
            reports_in: 0,
            stopped: false,
            captured: Vec::new(),
            pending: VecDeque::new(),
            again: Vec::new(),
        }
    }

    pub fn ntp(&self, us: u64) -> u64 {
        self.ntp_base.wrapping_add((u128::from(us) * (1 << 32) / 1_000_000) as u64)
    }

    pub fn begin(&mut self, now: Time) {
        self.started = true;
        self.next_video = now + Span::millis(20);
        self.next_audio = now + Span::millis(10);
        self.next_report = now + Span(self.rng.between(300_000, 1_000_000));
    }

    /// Nothing is captured before then.
    pub fn skip_to(&mut self, now: Time) {
        (self.next_video, self.next_audio) = (self.next_video.max(now), self.next_audio.max(now));
    }

    pub fn next(&self) -> Time {
        if self.stopped {
            return Time(u64::MAX);
        }
        let mut next = self.next_report;
        if self.media.audio {
            next = next.min(self.next_audio);
        }
        if self.media.video {
            next = next.min(self.next_video);
        }
        self.pending.front().map_or(next, |(at, ..)| next.min(*at))
    }

    pub fn run(&mut self, now: Time, sealer: &mut Sealer, out: &mut Vec<Vec<u8>>) {
        if self.stopped {
            return;
        }
        if self.media.audio && now >= self.next_audio {
            self.next_audio = self.next_audio + Span::millis(20);
            self.frame(0, now.0, sealer, out);
        }
        if self.media.video && now >= self.next_video {
            let captured = self.next_video.0;
            self.next_video = self.next_video + Span(1_000_000 / self.media.fps);
            self.captured.push((captured, self.layer()));
            // Encoders of higher encodings take longer.
            for at in usize::from(self.media.audio)..self.streams.len() {
                let later = Span(3_000 * u64::from(self.streams[at].encoding));
                self.pending.push_back((now + later, at, captured));
            }
            self.pending.make_contiguous().sort_by_key(|(at, ..)| *at);
            self.picture += 1;
        }
        while self.pending.front().is_some_and(|(at, ..)| *at <= now) {
            let (_, at, captured) = self.pending.pop_front().unwrap();
            self.frame(at, captured, sealer, out);
        }
        for (ssrc, seq) in std::mem::take(&mut self.again) {
            self.send_again(ssrc, seq, sealer, out);
        }
        if now >= self.next_report {
            self.next_report = now + Span::millis(1000);
            self.report(now, sealer, out);
        }
    }

    /// Temporal layer of the picture about to be captured.
    fn layer(&self) -> u8 {
        match (self.media.temporal_layers, self.picture % 4) {
            (2, 1 | 3) => 1,
            (3, 1 | 3) => 2,
            (3, 2) => 1,
            _ => 0,
        }
    }

    fn frame(&mut self, at: usize, captured: u64, sealer: &mut Sealer, out: &mut Vec<Vec<u8>>) {
        let layer = self.captured.iter().rev().find(|(when, _)| *when == captured).map_or(0, |(_, layer)| *layer);
        let media = self.media.clone();
        let stream = &mut self.streams[at];
        if stream.paused {
            return;
        }
        let video = stream.kind == Kind::Video;
        // Keyframes only where the pattern has its lowest layer.
        let timed = media.key_every > 0 && stream.frame.is_multiple_of(media.key_every);
        let key = video && layer == 0 && (stream.key_wanted || timed);
        if key {
            stream.key_wanted = false;
            stream.keys_sent += 1;
        }
        let number = stream.frame;
        let reference = match (key || !video, layer) {
            (true, _) => number,
            (_, 0) => stream.newest[0],
            (_, 1) => stream.newest[0],
            _ => stream.newest[0].max(stream.newest[1]),
        };
        if layer < 2 {
            stream.newest[usize::from(layer)] = number;
        }
        if key {
            stream.newest = [number; 3];
        }
        if video {
            stream.numbers.picture = stream.numbers.picture.wrapping_add(1) & 0x7FFF;
            stream.numbers.tl0 = stream.numbers.tl0.wrapping_add(u8::from(layer == 0));
            stream.frame_number = stream.frame_number.wrapping_add(1);
        }
        stream.frame += 1;
        let spatials = if video { media.spatial_layers } else { 1 };
        for spatial in 0..spatials {
            let base = if video { media.packets[usize::from(self.streams[at].encoding.max(spatial))] } else { 1 };
            let count = if key { base * 3 } else { base };
            for index in 0..count {
                let info = Info {
                    publisher: self.id,
                    encoding: self.streams[at].encoding,
                    spatial,
                    temporal: layer,
                    video,
                    frame: number,
                    reference,
                    index,
                    count,
                    seq: self.streams[at].seq,
                    capture_us: captured,
                };
                let marker = video && spatial + 1 == spatials && index + 1 == count;
                self.packet(at, &info, marker, sealer, out);
            }
        }
        self.streams[at].seq += media.skip;
    }

    fn packet(&mut self, at: usize, info: &Info, marker: bool, sealer: &mut Sealer, out: &mut Vec<Vec<u8>>) {
        let media = &self.media;
        let stream = &mut self.streams[at];
        let place = Place {
            spatial: info.spatial,
            temporal: info.temporal,
            spatial_layers: media.spatial_layers,
            temporal_layers: media.temporal_layers,
            // Middle layers refer to the lowest; upper ones only where no middle one came since.
            sync: info.temporal == 0
                || info.temporal == 1
                || (info.temporal == 2 && stream.newest[0] >= stream.newest[1]),
        };
        let codec = if info.video { media.codec } else { Codec::Opus };
        let bytes = if info.video { media.bytes + self.rng.below(60) as usize } else { 90 };
        let body = payload::write(codec, info, stream.numbers, place, bytes, &mut self.rng);
        let descriptor = payload::descriptor(info, stream.frame_number, place, stream.structure_offset);
        let head = Outgoing {
            payload_type: if info.video { VIDEO_PT } else { AUDIO_PT },
            marker,
            padding: false,
            seq: stream.seq as u16,
            timestamp: timestamp(stream, info.capture_us),
            ssrc: stream.ssrc,
        };
        let mut packet = Vec::with_capacity(body.len() + 96);
        let extensions = media.extensions();
        let number = self.transport.to_be_bytes();
        let capture = self.ntp_base.wrapping_add((u128::from(info.capture_us) * (1 << 32) / 1_000_000) as u64);
        let mut elements: Vec<(u8, &[u8])> = vec![(extensions.transport_cc, &number[..])];
        let capture = capture.to_be_bytes();
        if info.index == 0 {
            elements.push((extensions.abs_capture_time, &capture));
        }
        if info.video && extensions.rid != 0 {
            elements.push((extensions.rid, RIDS[usize::from(info.encoding)].as_bytes()));
        }
        if info.video && extensions.dependency_descriptor != 0 {
            elements.push((extensions.dependency_descriptor, &descriptor));
        }
        elements.retain(|(id, _)| *id != 0);
        let header = rtp::write_header(&mut packet, &head, &elements);
        packet.extend_from_slice(&body);
        self.transport = self.transport.wrapping_add(1);
        if stream.kind == Kind::Video && media.retransmits {
            if stream.history.len() >= HISTORY {
                stream.history.pop_front();
            }
            stream.history.push_back((stream.seq as u16, packet.clone(), header));
        }
        let index = stream.seq;
        stream.seq += 1;
        stream.packets += 1;
        seal(sealer, packet, header, index, out);
    }

    /// As if the server had asked for it.
    pub fn ask_again(&mut self, ssrc: u32, seq: u16) {
        self.again.push((ssrc, seq));
    }

    /// One packet once more, on the RTX SSRC (RFC 4588).
    pub fn send_again(&mut self, ssrc: u32, seq: u16, sealer: &mut Sealer, out: &mut Vec<Vec<u8>>) {
        let extensions = self.media.extensions();
        let Some(stream) = self.streams.iter_mut().find(|stream| stream.ssrc == ssrc) else { return };
        stream.asked_again += 1;
        let Some((_, original, header)) = stream.history.iter().find(|(known, ..)| *known == seq) else { return };
        let view = rtp::read(original).unwrap();
        let head = Outgoing {
            payload_type: VIDEO_RTX,
            marker: view.marker,
            padding: false,
            seq: stream.rtx_seq as u16,
            timestamp: view.timestamp,
            ssrc: stream.rtx_ssrc,
        };
        let number = self.transport.to_be_bytes();
        let mut elements: Vec<(u8, &[u8])> = vec![(extensions.transport_cc, &number[..])];
        if extensions.repaired_rid != 0 {
            elements.push((extensions.repaired_rid, RIDS[usize::from(stream.encoding)].as_bytes()));
        }
        for id in [extensions.abs_capture_time, extensions.dependency_descriptor] {
            if let Some(value) = rtp::extension(original, &view, id) {
                elements.push((id, value));
            }
        }
        elements.retain(|(id, _)| *id != 0);
        let mut packet = Vec::with_capacity(original.len() + 16);
        let length = rtp::write_header(&mut packet, &head, &elements);
        packet.extend_from_slice(&seq.to_be_bytes());
        packet.extend_from_slice(&original[*header..]);
        self.transport = self.transport.wrapping_add(1);
        let index = stream.rtx_seq;
        stream.rtx_seq += 1;
        seal(sealer, packet, length, index, out);
    }

    fn report(&mut self, now: Time, sealer: &mut Sealer, out: &mut Vec<Vec<u8>>) {
        let ntp = self.ntp(now.0);
        for stream in &self.streams {
            let mut packet = Vec::new();
            rtcp::write_sender_report(&mut packet, stream.ssrc, ntp, timestamp(stream, now.0), stream.packets, 1);
            rtcp::write_cname(&mut packet, stream.ssrc, "publisher");
            sealer.seal_rtcp(&mut packet);
            out.push(packet);
        }
    }

    pub fn control(&mut self, packet: &[u8], _now: Time) {
        let mut again: Vec<(u32, u16)> = Vec::new();
        rtcp::read(packet, &mut |item| match item {
            Item::Pli { media_ssrc } | Item::Fir { media_ssrc } => {
                self.plis += 1;
                for stream in self.streams.iter_mut().filter(|stream| stream.ssrc == media_ssrc) {
                    stream.key_wanted = true;
                }
            }
            Item::Nack { media_ssrc, seqs } => {
                self.nacks += 1;
                again.extend(seqs.map(|seq| (media_ssrc, seq)));
            }
            Item::TransportFeedback { .. } => self.feedbacks += 1,
            Item::Remb { bps } => self.remb = Some(bps),
            Item::Report(_) => self.reports_in += 1,
            _ => {}
        });
        self.again.append(&mut again);
    }
}

fn timestamp(stream: &Stream, us: u64) -> u32 {
    let hz = if stream.kind == Kind::Audio { 48_000 } else { 90_000 };
    stream.ts_offset.wrapping_add((u128::from(us) * hz / 1_000_000) as u32)
}

/// Seal and queue.
pub fn seal(sealer: &mut Sealer, mut packet: Vec<u8>, header: usize, index: u64, out: &mut Vec<Vec<u8>>) {
    packet.resize(packet.len() + sealer.tag_len(), 0);
    sealer.seal_rtp(&mut packet, header, index);
    out.push(packet);
}
