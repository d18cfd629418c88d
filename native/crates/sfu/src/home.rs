//! A room where its publishers are: packets go in, batches on the room's own time line come out.
//!
//! It outlives its publishers. Knows no keys, no routes and no viewers, only how many there are on each shard.

use std::sync::Arc;

use crate::api::{Codec, Kind, Layer, RoomSpec, SlotSpec};
use crate::codec::{self, CodecState, Facts, size};
use crate::packet::{BATCH_PACKETS, Batch, Packet};
use crate::publisher::MAX_ENCODINGS;
use crate::routing::{KeyframeThrottle, Meter, Sequence, TimeLine};
use crate::select::Rung;
use crate::slab::Key;
use crate::time::{Span, Time};

/// An encoding without packets for this long is one that the publisher has paused.
const PAUSED: Span = Span::millis(1500);
/// Sub-layers that are told apart within one encoding.
const SPATIAL: usize = 3;
const TEMPORAL: usize = 4;
/// Indexes remembered to tell a copy from a packet; a power of two.
const RECENT: usize = 2048;

/// What a packet brought, still in the publisher's numbering.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    pub ssrc: u32,
    pub seq: u16,
    /// Came on the RTX stream: it never begins anything.
    pub again: bool,
    pub timestamp: u32,
    pub marker: bool,
    pub codec: Codec,
    pub payload: &'a [u8],
    pub capture: Option<&'a [u8]>,
    pub descriptor: Option<&'a [u8]>,
    pub orientation: Option<u8>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Passed on with the next batch.
    Yes,
    /// Nothing is passed on before a keyframe.
    Early,
    /// A copy, or a straggler of a source that is gone.
    Twice,
}

/// One simulcast encoding, or the only one.
#[derive(Debug)]
pub struct Encoding {
    sequence: Sequence,
    recent: Box<[u64; RECENT]>,
    state: CodecState,
    pub need_keyframe: bool,
    keyframe_timestamp: Option<u32>,
    pub throttle: KeyframeThrottle,
    batch: Vec<Packet>,
    batch_since: Time,
    batch_newest: Time,
    meters: [[Meter; TEMPORAL]; SPATIAL],
    spatial: u8,
    temporal: u8,
    /// Samples of one picture by the last keyframe, 0 until one says it.
    pixels: u32,
    /// Publisher's newest sender report: NTP, and its own RTP time.
    report: Option<(u64, u32)>,
    /// The same on the room's time line.
    clock: Option<(u64, u32)>,
    last: Option<Time>,
    aligned: bool,
    /// Sources so far.
    generation: u32,
}

impl Encoding {
    fn new(first: u64, kind: Kind) -> Self {
        Self {
            sequence: Sequence::new(first),
            recent: Box::new([0; RECENT]),
            state: CodecState::default(),
            need_keyframe: kind == Kind::Video,
            keyframe_timestamp: None,
            throttle: KeyframeThrottle::default(),
            batch: Vec::new(),
            batch_since: Time::default(),
            batch_newest: Time::default(),
            meters: Default::default(),
            spatial: 0,
            temporal: 0,
            pixels: 0,
            report: None,
            clock: None,
            last: None,
            aligned: false,
            generation: 0,
        }
    }

    pub fn active(&self, now: Time) -> bool {
        self.last.is_some_and(|last| now.since(last) < PAUSED)
    }
}

/// The audio or the video of a room, whoever publishes it.
#[derive(Debug)]
pub struct Track {
    pub kind: Kind,
    pub codec: Codec,
    line: TimeLine,
    pub encodings: [Encoding; MAX_ENCODINGS],
    /// Encoding whose clock the others are aligned with.
    reference: usize,
}

impl Track {
    pub fn new(kind: Kind, slot: &SlotSpec) -> Self {
        let codec = if kind == Kind::Audio { Codec::Opus } else { Codec::H264 };
        let first = 1 << 20;
        Self {
            kind,
            codec,
            line: TimeLine::new(codec.clock_hz(), slot.first_timestamp),
            encodings: std::array::from_fn(|_| Encoding::new(first, kind)),
            reference: 0,
        }
    }

    /// The publisher is gone: what comes next starts with a keyframe. Flush first.
    pub fn detach(&mut self, now: Time) {
        self.line.interrupt();
        for encoding in &mut self.encodings {
            encoding.sequence.detach(now);
            encoding.need_keyframe = self.kind == Kind::Video;
            encoding.report = None;
            encoding.clock = None;
            encoding.last = None;
            encoding.aligned = false;
            encoding.meters = Default::default();
            encoding.spatial = 0;
            encoding.temporal = 0;
            encoding.pixels = 0;
            encoding.state = CodecState::default();
        }
    }

    /// Whether this packet is of another source than what waits: flush first.
    pub fn changes(&self, at: u8, arrival: &Arrival<'_>) -> bool {
        let encoding = self.encodings.get(usize::from(at));
        self.codec != arrival.codec || encoding.is_some_and(|e| e.sequence.source != Some(arrival.ssrc))
    }

    /// Take one packet of encoding `at`. When a batch is full or the frame ends, `flush` is due (`ready`).
    pub fn push(&mut self, at: u8, arrival: &Arrival<'_>, now: Time) -> Taken {
        let Some(encoding) = self.encodings.get_mut(usize::from(at)) else { return Taken::Twice };
        let foreign = arrival.again && !encoding.sequence.is_near(arrival.ssrc, arrival.seq);
        if foreign || encoding.sequence.is_straggler(arrival.ssrc, now) {
            return Taken::Twice;
        }
        let fresh = encoding.sequence.source != Some(arrival.ssrc) || self.codec != arrival.codec;
        if fresh && self.kind == Kind::Video {
            encoding.need_keyframe = true;
            encoding.state = CodecState::default();
        }
        let mut facts =
            codec::facts(arrival.codec, arrival.payload, arrival.marker, arrival.descriptor, &mut encoding.state);
        if arrival.codec == Codec::Av1
            && let Some(&[_, high, low, ..]) = arrival.descriptor
        {
            facts.picture_id = Some(u16::from_be_bytes([high, low])); // the frame number (AV1 RTP, A.8.2)
        }
        if encoding.need_keyframe {
            if !facts.keyframe_start {
                return Taken::Early;
            }
            encoding.need_keyframe = false;
        }
        let mapped = encoding.sequence.map(arrival.ssrc, arrival.seq, arrival.timestamp, &mut self.line, now);
        let Some((index, timestamp)) = mapped else { return Taken::Twice };
        if index + RECENT as u64 <= encoding.sequence.highest {
            return Taken::Twice; // too old to tell: no number may be used twice
        }
        let recent = &mut encoding.recent[index as usize & (RECENT - 1)];
        if *recent == index {
            return Taken::Twice;
        }
        *recent = index;
        if fresh {
            encoding.aligned = false;
            encoding.generation = encoding.generation.wrapping_add(1);
        }
        encoding.last = Some(now);
        if self.kind == Kind::Video && facts.keyframe_start {
            // Of a keyframe in several slices only the first lets viewers in; any of them may say how large it is.
            facts.keyframe_start = encoding.keyframe_timestamp != Some(timestamp);
            if let Some(pixels) = size::pixels(arrival.codec, arrival.payload) {
                encoding.pixels = pixels;
            }
            if facts.keyframe_start {
                encoding.keyframe_timestamp = Some(timestamp);
                encoding.throttle.arrived();
            }
        }
        encoding.spatial = encoding.spatial.max(facts.spatial.min(SPATIAL as u8 - 1));
        encoding.temporal = encoding.temporal.max(facts.temporal.min(TEMPORAL as u8 - 1));
        encoding.meters[usize::from(facts.spatial).min(SPATIAL - 1)][usize::from(facts.temporal).min(TEMPORAL - 1)]
            .add(arrival.payload.len() + 40);
        if encoding.batch.is_empty() {
            encoding.batch_since = now;
        }
        encoding.batch_newest = now;
        encoding.batch.push(Packet {
            index,
            timestamp,
            marker: arrival.marker,
            facts,
            payload: arrival.payload.into(),
            capture: arrival.capture.map(Into::into),
            descriptor: arrival.descriptor.map(Into::into),
            orientation: arrival.orientation,
        });
        self.codec = arrival.codec;
        Taken::Yes
    }

    /// Whether what is waiting of an encoding should leave now.
    pub fn ready(&self, at: u8, hold: Span, now: Time) -> bool {
        let Some(encoding) = self.encodings.get(usize::from(at)) else { return false };
        let Some(newest) = encoding.batch.last() else { return false };
        let before = encoding.batch.len().checked_sub(2).and_then(|at| encoding.batch.get(at));
        self.kind == Kind::Audio
            || newest.marker
            || before.is_some_and(|before| before.timestamp != newest.timestamp) // the marker was lost
            || encoding.batch.len() >= BATCH_PACKETS
            || now.since(encoding.batch_since) >= hold
    }

    /// When something held back is due.
    pub fn held_until(&self, hold: Span) -> Option<Time> {
        self.encodings.iter().filter(|e| !e.batch.is_empty()).map(|e| e.batch_since + hold).min()
    }

    pub fn flush(&mut self, at: u8, room: u64) -> Option<Arc<Batch>> {
        let encoding = self.encodings.get_mut(usize::from(at))?;
        if encoding.batch.is_empty() {
            return None;
        }
        let mut packets = std::mem::replace(&mut encoding.batch, Vec::with_capacity(BATCH_PACKETS));
        if packets.windows(2).any(|pair| pair[1].index < pair[0].index) {
            into_order(&mut packets);
        }
        Some(Arc::new(Batch {
            room,
            kind: self.kind,
            codec: self.codec,
            encoding: at,
            generation: encoding.generation,
            packets,
            arrived: encoding.batch_newest,
            clock: encoding.clock,
        }))
    }

    /// The publisher's report in the room's terms: its wall clock kept, the room's time line.
    pub fn sender_report(&mut self, at: u8, ssrc: u32, ntp: u64, timestamp: u32) -> Option<(u64, u32)> {
        let hz = self.codec.clock_hz();
        let encoding = self.encodings.get_mut(usize::from(at))?;
        let mapped = encoding.sequence.map_timestamp(ssrc, timestamp)?;
        encoding.report = Some((ntp, timestamp));
        encoding.clock = Some((ntp, mapped));
        let reference = self.reference;
        if self.encodings[reference].clock.is_none() {
            self.reference = usize::from(at);
        } else if reference != usize::from(at) && !self.encodings[usize::from(at)].aligned {
            self.align(usize::from(at), hz);
        }
        self.encodings[usize::from(at)].clock
    }

    /// Encodings of one publisher have clocks with offsets of their own; by their reports all tell the same time.
    fn align(&mut self, at: usize, hz: u32) {
        let (Some((reference_ntp, reference_time)), Some((ntp, time))) =
            (self.encodings[self.reference].clock, self.encodings[at].clock)
        else {
            return;
        };
        let ahead = ntp.wrapping_sub(reference_ntp) as i64 as f64 / 4_294_967_296.0 * f64::from(hz);
        let expected = reference_time.wrapping_add_signed(ahead.round() as i64 as i32);
        let shift = expected.wrapping_sub(time) as i32;
        // Beyond a second it is no alignment but nonsense in a report.
        if shift.unsigned_abs() < hz {
            let encoding = &mut self.encodings[at];
            encoding.sequence.shift(shift);
            encoding.clock = Some((ntp, expected));
        }
        self.encodings[at].aligned = true;
    }

    /// Newest report of each encoding: (NTP, room time).
    pub fn clocks(&self) -> [Option<(u64, u32)>; MAX_ENCODINGS] {
        std::array::from_fn(|at| self.encodings[at].clock)
    }

    pub fn clock(&self) -> Option<(u64, u32)> {
        self.encodings[self.reference].clock.or_else(|| self.encodings.iter().find_map(|e| e.clock))
    }

    /// RTP time of the newest packet and when it came.
    pub fn newest(&self) -> Option<(u32, Time)> {
        self.line.last.map(|last| (self.line.timestamp, last))
    }

    pub fn roll_meters(&mut self, now: Time) {
        for encoding in &mut self.encodings {
            encoding.meters.iter_mut().flatten().for_each(|meter| meter.roll(now));
        }
    }

    /// What viewers may choose from, worst first: simulcast encodings by the size of their pictures (by bits per second
    /// where that is not known of all), or the sub-layers of one. Rates ascend: of a still picture the larger encoding
    /// may take less than the smaller one, and then asks for as much.
    pub fn rungs(&self, now: Time) -> Vec<Rung> {
        let mut rungs = Vec::new();
        let several = self.encodings.iter().filter(|e| e.active(now)).count() > 1;
        for (at, encoding) in self.encodings.iter().enumerate() {
            if encoding.last.is_none() {
                continue;
            }
            let total = |spatial: usize, temporal: usize| -> u64 {
                encoding.meters[..=spatial].iter().flat_map(|row| &row[..=temporal]).map(Meter::bps).sum()
            };
            let active = encoding.active(now);
            let layer = |spatial, temporal| Layer { encoding: at as u8, spatial, temporal };
            if several || (encoding.spatial == 0 && encoding.temporal == 0) {
                let bps = total(SPATIAL - 1, TEMPORAL - 1);
                rungs.push(Rung { layer: layer(u8::MAX, u8::MAX), bps, active });
                continue;
            }
            if encoding.temporal > 0 {
                rungs.push(Rung { layer: layer(0, 0), bps: total(0, 0), active });
            }
            for spatial in 0..=encoding.spatial {
                let top = spatial == encoding.spatial;
                let chosen = layer(if top { u8::MAX } else { spatial }, u8::MAX);
                rungs.push(Rung { layer: chosen, bps: total(usize::from(spatial), TEMPORAL - 1), active });
            }
        }
        let pixels = |rung: &Rung| self.encodings[usize::from(rung.layer.encoding)].pixels;
        let sized = rungs.iter().all(|rung| pixels(rung) > 0);
        rungs.sort_by_key(|rung| (if sized { pixels(rung) } else { 0 }, rung.bps, rung.layer));
        let mut least = 0;
        for rung in rungs.iter_mut().filter(|rung| rung.active) {
            rung.bps = rung.bps.max(least);
            least = rung.bps + 1;
        }
        rungs
    }

    /// Facts of the newest packet waiting; for tests.
    #[doc(hidden)]
    pub fn waiting(&self, at: u8) -> Option<Facts> {
        self.encodings.get(usize::from(at))?.batch.last().map(|packet| packet.facts)
    }
}

/// Packets that overtook one another, by their numbers. What lets viewers in is then the keyframe's first packet, not
/// the first that arrived (H.264 tells one by its parameter sets as well as by its slices).
fn into_order(packets: &mut [Packet]) {
    packets.sort_by_key(|packet| packet.index);
    for at in 1..packets.len() {
        let mut first = at;
        while first > 0 && packets[first - 1].timestamp == packets[at].timestamp {
            first -= 1;
        }
        if packets[at].facts.keyframe_start && first < at {
            packets[at].facts.keyframe_start = false;
            packets[first].facts.keyframe_start = true;
        }
    }
}

/// One room on its home shard: at most one publisher, two tracks that outlive it.
#[derive(Debug)]
pub struct Home {
    pub spec: RoomSpec,
    pub publisher: Option<Key>,
    /// Admitted, but its handshake is not done; it takes over when it is.
    pub pending: Option<Key>,
    /// When the last publisher left; None while there is one or there never was.
    pub away_since: Option<Time>,
    /// Audio, video.
    pub tracks: [Track; 2],
    /// Connected viewers on each shard.
    pub watchers: Vec<u32>,
    pub tapped: bool,
    pub rungs: Vec<Rung>,
    pub rungs_at: Time,
    pub codec_told: Option<Codec>,
}

impl Home {
    pub fn new(spec: RoomSpec, shards: u8) -> Self {
        Self {
            publisher: None,
            pending: None,
            away_since: None,
            tracks: [Track::new(Kind::Audio, &spec.audio), Track::new(Kind::Video, &spec.video)],
            watchers: vec![0; usize::from(shards)],
            tapped: false,
            rungs: Vec::new(),
            rungs_at: Time::default(),
            codec_told: None,
            spec,
        }
    }

    pub fn track(&mut self, kind: Kind) -> &mut Track {
        &mut self.tracks[kind as usize]
    }
}
