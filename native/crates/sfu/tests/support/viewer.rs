//! A viewer: takes what it gets apart, asks for what is missing, tells of arrivals, and keeps all of it for the checks.

use std::collections::{BTreeMap, BTreeSet};

use sfu::api::{Codec, Extensions, Kind, PayloadType, Section, SlotSpec};
use sfu::codec::{vp8, vp9};
use sfu::rtcp::{self, Item};
use sfu::rtp;
use sfu::srtp::Sealer;
use sfu::time::{Span, Time};
use sfu::twcc;

use super::Rng;
use super::checks::{self, FrameId};
use super::payload::Info;

const ASK_EVERY: Span = Span::millis(60);
const ASK_AFTER: Span = Span::millis(35);
const TRIES: u8 = 12;

/// What a viewer can do.
#[derive(Clone, Debug)]
pub struct Watching {
    pub codecs: Vec<Codec>,
    pub audio: bool,
    pub video: bool,
    pub nack: bool,
    pub rtx: bool,
    pub transport_cc: bool,
    pub remb: Option<u64>,
    /// Ids and payload types begin here: viewers differ.
    pub base: u8,
}

impl Watching {
    pub fn new() -> Self {
        Self {
            codecs: vec![Codec::H264, Codec::Vp8, Codec::Vp9, Codec::Av1],
            audio: true,
            video: true,
            nack: true,
            rtx: true,
            transport_cc: true,
            remb: None,
            base: 0,
        }
    }

    pub fn any(rng: &mut Rng) -> Self {
        let transport_cc = rng.chance(0.7);
        Self {
            transport_cc,
            remb: (!transport_cc && rng.chance(0.5)).then_some(3_000_000),
            base: rng.below(4) as u8,
            ..Self::new()
        }
    }

    fn extensions(&self) -> Extensions {
        let at = self.base;
        Extensions {
            transport_cc: if self.transport_cc { 1 + at } else { 0 },
            abs_capture_time: 5 + at,
            mid: 14,
            dependency_descriptor: 9 + at,
            video_orientation: 0,
            ..Extensions::default()
        }
    }

    pub fn sections(&self) -> Vec<Section> {
        let section = |kind, mid: &str, payload_types| Section {
            kind,
            mid: mid.to_owned(),
            payload_types,
            extensions: self.extensions(),
            ssrcs: Vec::new(),
            rids: Vec::new(),
            nack: self.nack,
            pli: true,
            transport_cc: self.transport_cc,
            remb: self.remb.is_some(),
        };
        let mut sections = Vec::new();
        if self.audio {
            let opus = PayloadType { number: 40 + self.base, codec: Codec::Opus, rtx: None };
            sections.push(section(Kind::Audio, "a", vec![opus]));
        }
        if self.video {
            let types = self.codecs.iter().enumerate().map(|(at, codec)| PayloadType {
                number: 96 + 2 * at as u8 + 8 * self.base,
                codec: *codec,
                rtx: self.rtx.then_some(97 + 2 * at as u8 + 8 * self.base),
            });
            sections.push(section(Kind::Video, "v", types.collect()));
        }
        sections
    }

    pub fn payload_type(&self, codec: Codec) -> u8 {
        match codec {
            Codec::Opus => 40 + self.base,
            _ => 96 + 2 * self.codecs.iter().position(|c| *c == codec).unwrap() as u8 + 8 * self.base,
        }
    }

    fn codec(&self, payload_type: u8, rtx: bool) -> Option<Codec> {
        if payload_type == 40 + self.base {
            return Some(Codec::Opus);
        }
        let at = payload_type.checked_sub(96 + 8 * self.base)?;
        (at % 2 == u8::from(rtx)).then(|| self.codecs.get(usize::from(at / 2)).copied())?
    }
}

/// One packet as it came.
#[derive(Clone, Debug)]
pub struct Got {
    pub info: Info,
    pub codec: Codec,
    pub timestamp: u32,
    pub marker: bool,
    /// By retransmission.
    pub again: bool,
    pub at: Time,
    pub picture: Option<u16>,
    pub tl0: Option<u8>,
    pub capture: bool,
}

#[derive(Clone, Copy, Debug)]
struct Missing {
    next: Time,
    since: Time,
    tries: u8,
}

/// One kind of media by its unwrapped number.
#[derive(Default)]
pub struct Track {
    pub got: BTreeMap<u64, Got>,
    pub newest: Option<u64>,
    missing: BTreeMap<u64, Missing>,
    /// Asked for so often that it was given up.
    pub given_up: Vec<(u64, Time)>,
    pub asked: u64,
    pub answered: u64,
    /// Came once more though it was there.
    pub duplicates: u64,
    /// NTP and RTP time of the reports.
    pub reports: Vec<(u64, u32, Time)>,
}

pub struct Sink {
    pub watching: Watching,
    pub slots: [SlotSpec; 2],
    pub tracks: [Track; 2],
    pub arrivals: twcc::Receiver,
    pub transport_next: Option<u16>,
    pub transport_seen: u64,
    pub plis: u32,
    /// Keep packets for the checks; long runs do not.
    pub keep: bool,
    /// Indexes of the RTX stream.
    pub rtx_newest: u64,
    pub rtx_packets: u64,
    pub bytes: u64,
    started: bool,
    next_pli: Time,
    broken: bool,
    decoded: BTreeSet<FrameId>,
    next_report: Time,
    next_tick: Time,
    received: u64,
    received_before: u64,
    expected_before: u64,
}

impl Sink {
    pub fn new(watching: Watching, slots: [SlotSpec; 2]) -> Self {
        Self {
            watching,
            slots,
            tracks: Default::default(),
            arrivals: twcc::Receiver::new(),
            transport_next: None,
            transport_seen: 0,
            plis: 0,
            keep: true,
            rtx_newest: 0,
            rtx_packets: 0,
            bytes: 0,
            started: false,
            next_pli: Time(u64::MAX),
            broken: false,
            decoded: BTreeSet::new(),
            next_report: Time(u64::MAX),
            next_tick: Time(u64::MAX),
            received: 0,
            received_before: 0,
            expected_before: 0,
        }
    }

    pub fn begin(&mut self, now: Time) {
        self.started = true;
        self.next_report = now + Span::millis(1000);
        self.next_tick = now + Span::millis(20);
        self.next_pli = now + Span::millis(1000);
    }

    pub fn next(&self) -> Time {
        self.next_report.min(self.next_tick)
    }

    pub fn missing(&self, kind: Kind) -> usize {
        self.tracks[kind as usize].missing.len()
    }

    pub fn media(&mut self, packet: &[u8], index: u64, now: Time, faults: &mut Vec<String>) {
        self.bytes += packet.len() as u64;
        let Some(view) = rtp::read(packet) else { return faults.push("not RTP".to_owned()) };
        let extensions = self.watching.extensions();
        if let Some(&[high, low]) = rtp::extension(packet, &view, extensions.transport_cc) {
            self.arrivals.packet(u16::from_be_bytes([high, low]), now);
            self.transport_seen += 1;
        } else if self.watching.transport_cc {
            faults.push("no transport-wide number".to_owned());
        }
        let mut payload = packet[view.payload.clone()].to_vec();
        let kind = match view.ssrc {
            ssrc if ssrc == self.slots[0].ssrc => (Kind::Audio, false),
            ssrc if ssrc == self.slots[1].ssrc => (Kind::Video, false),
            ssrc if ssrc == self.slots[1].rtx_ssrc => (Kind::Video, true),
            ssrc => return faults.push(format!("unknown SSRC {ssrc:08x}")),
        };
        let (kind, again) = kind;
        let Some(codec) = self.watching.codec(view.payload_type, again) else {
            return faults.push(format!("payload type {} of {kind:?}, again {again}", view.payload_type));
        };
        let track = &mut self.tracks[kind as usize];
        let mut at = index;
        if again {
            self.rtx_newest = self.rtx_newest.max(index);
            self.rtx_packets += 1;
            let Some(original) = payload.first_chunk::<2>() else { return faults.push("RTX without a number".into()) };
            at = rtp::unwrap_seq(u16::from_be_bytes(*original), track.newest.unwrap_or(index));
            payload.drain(..2);
        } else {
            self.received += u64::from(kind == Kind::Video);
        }
        let Some(info) = Info::read(&payload) else { return faults.push(format!("{kind:?} {at}: payload is broken")) };
        if info.video != (kind == Kind::Video) {
            return faults.push("audio and video are mixed".to_owned());
        }
        let (picture, tl0) = match codec {
            Codec::Vp8 => vp8::read(&payload).map(|d| (d.picture_id, d.tl0_pic_idx)),
            Codec::Vp9 => vp9::read(&payload).map(|d| (d.picture_id, d.tl0_pic_idx)),
            Codec::Av1 => rtp::extension(packet, &view, extensions.dependency_descriptor)
                .and_then(|dd| dd.get(1..3))
                .map(|number| (Some(u16::from_be_bytes([number[0], number[1]])), None)),
            _ => Some((None, None)),
        }
        .unwrap_or_default();
        let got = Got {
            info,
            codec,
            timestamp: view.timestamp,
            marker: view.marker,
            again,
            at: now,
            picture,
            tl0,
            capture: rtp::extension(packet, &view, extensions.abs_capture_time).is_some(),
        };
        note(track, at, got, self.watching.nack, self.keep, now, faults);
    }

    /// A decoder would show nothing of the newest pictures.
    fn is_stuck(&mut self, now: Time) -> bool {
        let track = &self.tracks[1];
        let frames = checks::decode(track, track.newest.unwrap_or(0).saturating_sub(600), &mut self.decoded);
        let settled =
            |frame: &&checks::Frame| track.got.get(&frame.first).is_some_and(|got| now.since(got.at).0 > 400_000);
        frames.iter().rev().find(settled).is_some_and(|frame| !frame.decoded)
    }

    pub fn control(&mut self, packet: &[u8], now: Time) {
        rtcp::read(packet, &mut |item| {
            if let Item::SenderReport { ssrc, ntp, timestamp } = item {
                for (track, slot) in self.tracks.iter_mut().zip(&self.slots) {
                    if slot.ssrc == ssrc {
                        track.reports.push((ntp, timestamp, now));
                    }
                }
            }
        });
    }

    pub fn run(&mut self, now: Time, sealer: &mut Sealer, out: &mut Vec<Vec<u8>>) {
        if !self.started {
            return;
        }
        let mut packet = Vec::new();
        let ssrc = 1;
        if now >= self.next_tick {
            self.next_tick = now + Span::millis(20);
            for kind in [Kind::Audio, Kind::Video] {
                let track = &mut self.tracks[kind as usize];
                let mut ask = Vec::new();
                let mut lost = Vec::new();
                for (index, missing) in track.missing.iter_mut().filter(|(_, missing)| missing.next <= now).take(200) {
                    if missing.tries >= TRIES {
                        lost.push(*index);
                        continue;
                    }
                    missing.tries += 1;
                    missing.next = now + ASK_EVERY;
                    ask.push(*index as u16);
                }
                for index in lost {
                    let since = track.missing.remove(&index).map_or(now, |missing| missing.since);
                    track.given_up.push((index, since));
                    self.broken |= kind == Kind::Video;
                }
                track.asked += ask.len() as u64;
                if !ask.is_empty() && kind == Kind::Video && self.watching.nack {
                    rtcp::write_nack(&mut packet, ssrc, self.slots[1].ssrc, &ask);
                }
            }
            let due = now >= self.next_pli;
            if due {
                self.next_pli = now + Span::millis(250);
                self.broken |= self.keep && self.is_stuck(now);
            }
            let video = &self.tracks[1];
            if self.watching.video && due && (video.newest.is_none() || self.broken) {
                self.next_pli = now + Span::millis(500);
                self.broken = false;
                self.plis += 1;
                rtcp::write_pli(&mut packet, ssrc, self.slots[1].ssrc);
            }
            if self.watching.transport_cc && self.arrivals.due(now) {
                self.arrivals.write(ssrc, self.slots[1].ssrc, &mut packet);
            }
        }
        if now >= self.next_report {
            self.next_report = now + Span::millis(1000);
            let track = &self.tracks[1];
            let expected = track.newest.map_or(0, |newest| newest + 1 - u64::from(self.slots[1].first_seq).min(newest));
            let (new, got) = (expected - self.expected_before, self.received - self.received_before);
            (self.expected_before, self.received_before) = (expected, self.received);
            let block = rtcp::ReportBlock {
                ssrc: self.slots[1].ssrc,
                fraction_lost: (new.saturating_sub(got) * 256 / new.max(1)).min(255) as u8,
                highest_seq: track.newest.unwrap_or(0) as u32,
                ..rtcp::ReportBlock::default()
            };
            rtcp::write_receiver_report(&mut packet, ssrc, &[block]);
            if let Some(bps) = self.watching.remb {
                rtcp::write_remb(&mut packet, ssrc, bps, &[self.slots[1].ssrc]);
            }
        }
        if !packet.is_empty() {
            sealer.seal_rtcp(&mut packet);
            out.push(packet);
        }
    }
}

fn note(track: &mut Track, at: u64, got: Got, nack: bool, keep: bool, now: Time, faults: &mut Vec<String>) {
    if nack && let Some(newest) = track.newest {
        for index in (newest + 1..at).rev().take(300) {
            track.missing.insert(index, Missing { next: now + ASK_AFTER, since: now, tries: 0 });
        }
    }
    if let Some(missing) = track.missing.remove(&at)
        && missing.tries > 0
    {
        track.answered += 1;
    }
    track.newest = Some(track.newest.map_or(at, |newest| newest.max(at)));
    if let Some(before) = track.got.get(&at) {
        track.duplicates += 1;
        if before.info != got.info || before.timestamp != got.timestamp || before.picture != got.picture {
            faults.push(format!("number {at} came twice and differs: {before:?} {got:?}"));
        } else if before.marker != got.marker {
            faults.push(format!("number {at}: markers differ"));
        }
        return;
    }
    track.got.insert(at, got);
    if !keep {
        while track.got.len() > 2048 {
            track.got.pop_first();
        }
    }
}
