//! What one viewer sees: its numbering, the layer it is shown, what may be sent again, and its feedback.
//!
//! The send path reads and writes it once per packet; no SDP, no keys, no sockets.

use crate::api::{Codec, Extensions, Kind, Layer, PayloadType, PeerSpec, SlotSpec};
use crate::bwe::Estimator;
use crate::codec::Facts;
use crate::packet::{Batch, Packet};
use crate::routing::Budget;
use crate::select::Selector;
use crate::time::Time;
use crate::twcc::SendHistory;

/// Packets that a viewer may ask for again; a power of two. At 300 packets a second more than three seconds.
pub const HISTORY: usize = 1024;
/// Gaps of a thinned stream whose late packets still find their number.
const GAPS: usize = 8;
/// Before the first keyframe.
pub const NOTHING: u8 = u8::MAX;

/// One media section of a viewer.
#[derive(Clone, Debug)]
pub struct Plan {
    pub payload_types: Vec<PayloadType>,
    pub extensions: Extensions,
}

impl Plan {
    pub fn payload_type(&self, codec: Codec) -> Option<PayloadType> {
        self.payload_types.iter().find(|known| known.codec == codec).copied()
    }
}

/// Indexes from `low` to `high` were missing when the stream passed them; they keep their numbers.
#[derive(Clone, Copy, Debug, Default)]
struct Gap {
    low: u64,
    high: u64,
    delta: i64,
}

/// After a change of encoding, RTP times from `from` to `above` were used by the one before: players take frames of
/// one time for parts of one picture.
#[derive(Clone, Copy, Debug)]
struct Lift {
    /// Whose packets, from this index on.
    encoding: u8,
    start: u64,
    from: u32,
    above: u32,
}

/// Pictures less than so many ticks (as a power of two) apart would be lifted to the same time: 88 a second.
const LIFT_SHIFT: u32 = 10;

impl Lift {
    /// Behind all that was used, by some ten microseconds for each picture.
    fn apply(self, timestamp: u32) -> u32 {
        let passed = timestamp.wrapping_sub(self.from);
        if passed > self.above.wrapping_sub(self.from) {
            return timestamp;
        }
        self.above.wrapping_add(1 + (passed >> LIFT_SHIFT))
    }
}

/// Picture numbers stay unbroken for the decoder when frames are left out or the encoding changes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ids {
    /// Added to the publisher's picture number (AV1: frame number).
    pub picture: u16,
    pub tl0: u8,
    last_picture: u16,
    last_tl0: u8,
    begun: bool,
    restart: bool,
}

impl Ids {
    pub fn is_identity(&self) -> bool {
        self.picture == 0 && self.tl0 == 0
    }

    /// The next frame sent follows the last one, whatever its own number is.
    fn restart(&mut self) {
        self.restart = self.begun;
    }

    fn sent(&mut self, codec: Codec, facts: &Facts) {
        let Some(picture) = facts.picture_id else { return };
        let mask = if codec == Codec::Av1 { u16::MAX } else { 0x7FFF };
        let tl0 = facts.tl0_pic_idx.unwrap_or(0);
        if self.restart {
            self.restart = false;
            self.picture = self.last_picture.wrapping_add(1).wrapping_sub(picture) & mask;
            self.tl0 = self.last_tl0.wrapping_add(1).wrapping_sub(tl0);
        }
        let out = picture.wrapping_add(self.picture) & mask;
        if !self.begun || out.wrapping_sub(self.last_picture) & mask <= mask / 2 {
            self.last_picture = out;
            self.last_tl0 = tl0.wrapping_add(self.tl0);
            self.begun = true;
        }
    }

    /// A frame was left out. VP8 decoders take a gap for a loss, so the numbers behind it move up; VP9 and AV1 name
    /// their references by distance, so theirs must stay.
    fn skipped(&mut self, codec: Codec, facts: &Facts) {
        if codec == Codec::Vp8 && facts.picture_id.is_some() && facts.frame_start {
            self.picture = self.picture.wrapping_sub(1) & 0x7FFF;
        }
    }
}

/// One kind of media as this viewer gets it.
#[derive(Debug)]
pub struct Stream {
    /// The encoding shown now, [`NOTHING`] before the first keyframe.
    pub current: u8,
    /// Of the source that is shown.
    generation: u32,
    codec: Codec,
    pub spatial: u8,
    pub temporal: u8,
    /// What it should be; a change waits for a keyframe or a switching point.
    pub target: Layer,
    /// No dependency descriptor was negotiated: without it receivers cannot put the spatial layers of AV1 together.
    pub flat: bool,
    /// The publisher sends such layers.
    layered: bool,
    /// The path is jammed: nothing more is sent until what is on its way has drained.
    pub held: bool,
    /// Numbers before this one are not sent again: a jam asks for them over and over, and they are the past.
    floor: u64,
    /// Packets of the current encoding before this one are not for this viewer.
    start: u64,
    delta: i64,
    next_out: u64,
    /// Newest RTP time of a batch.
    newest_timestamp: u32,
    /// The last two: a packet may be asked for again after another change.
    lifts: [Option<Lift>; 2],
    newest_in: u64,
    thinned: bool,
    gaps: [Gap; GAPS],
    gap_at: usize,
    history: Box<[u32]>,
    pub rtx_out: u64,
    pub ids: Ids,
    /// Index of its layout among the stage's, for `layout_codec`.
    pub layout: u16,
    pub layout_codec: Codec,
    /// How picture numbers stood when a packet was sent; there once they were moved at all.
    patches: Option<Box<[(u16, u8)]>>,
    pub packets: u64,
    pub octets: u64,
}

/// What the send path does with one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send it with this 48-bit index; `marker` says that the frame ends here for this viewer.
    Send {
        index: u64,
        marker: bool,
    },
    Skip,
}

impl Stream {
    fn new(slot: &SlotSpec) -> Self {
        Self {
            current: NOTHING,
            generation: 0,
            codec: Codec::Opus,
            spatial: u8::MAX,
            temporal: u8::MAX,
            target: Layer { encoding: 0, spatial: u8::MAX, temporal: u8::MAX },
            flat: false,
            layered: false,
            held: false,
            floor: 0,
            start: 0,
            delta: 0,
            next_out: u64::from(slot.first_seq),
            newest_timestamp: slot.first_timestamp,
            lifts: [None; 2],
            newest_in: 0,
            thinned: false,
            gaps: [Gap::default(); GAPS],
            gap_at: 0,
            history: vec![0; HISTORY].into_boxed_slice(),
            rtx_out: u64::from(slot.first_seq ^ 0x2A5A),
            ids: Ids::default(),
            layout: u16::MAX,
            layout_codec: Codec::Opus,
            patches: None,
            packets: 0,
            octets: 0,
        }
    }

    /// What of a layer this viewer can decode.
    pub fn fitting(&self, layer: Layer) -> Layer {
        let spatial = if self.flat && self.layered && self.codec == Codec::Av1 { 0 } else { layer.spatial };
        Layer { spatial, ..layer }
    }

    /// Send nothing until released; then begin again with a keyframe.
    pub fn hold(&mut self) {
        self.held = true;
        self.floor = self.next_out;
        self.current = NOTHING;
    }

    pub fn waiting(&self) -> bool {
        self.current == NOTHING || self.current != self.target.encoding
    }

    /// Whether batches of this encoding may concern it.
    pub fn interested(&self, encoding: u8) -> bool {
        self.current == encoding || self.target.encoding == encoding
    }

    /// Prepare for a batch of an interesting encoding: the position of its first packet for this viewer, if any,
    /// and whether the encoding changed with it.
    pub fn enter(&mut self, batch: &Batch) -> Option<(usize, bool)> {
        self.codec = batch.codec;
        if self.flat && batch.codec == Codec::Av1 && !self.layered {
            self.layered = batch.packets.iter().any(|packet| packet.facts.spatial > 0);
            self.target = self.fitting(self.target);
        }
        let newest = batch.packets.last()?.timestamp;
        if self.current == batch.encoding {
            if self.generation != batch.generation {
                self.generation = batch.generation;
                self.ids.restart();
            }
            if newest.wrapping_sub(self.newest_timestamp) as i32 > 0 {
                self.newest_timestamp = newest;
            }
            return Some((0, false));
        }
        if self.target.encoding != batch.encoding {
            return None;
        }
        let first = batch.keyframe()?;
        let keyframe = batch.packets.get(first)?;
        self.start = keyframe.index;
        let (from, above) = (keyframe.timestamp, self.newest_timestamp);
        let behind = self.current != NOTHING && above.wrapping_sub(from) as i32 >= 0;
        if behind {
            let lift = Lift { encoding: batch.encoding, start: self.start, from, above };
            self.lifts = [Some(lift), self.lifts[0]];
        }
        self.newest_timestamp = if behind { above.wrapping_add(1) } else { newest };
        self.delta = self.next_out.wrapping_sub(self.start) as i64;
        self.newest_in = self.start.wrapping_sub(1);
        self.gaps = [Gap::default(); GAPS];
        self.current = batch.encoding;
        self.generation = batch.generation;
        self.spatial = self.target.spatial;
        self.temporal = self.target.temporal;
        self.thinned = self.spatial != u8::MAX || self.temporal != u8::MAX;
        self.ids.restart();
        Some((first, true))
    }

    /// The plain case: every packet of the current encoding is for this viewer, numbers as they are.
    pub fn is_plain(&self) -> bool {
        !self.thinned && self.target.spatial == u8::MAX && self.target.temporal == u8::MAX && self.ids.is_identity()
    }

    /// Whether and how one packet of the current encoding is sent.
    pub fn step(&mut self, packet: &Packet) -> Step {
        if packet.index < self.start {
            return Step::Skip;
        }
        if !self.thinned {
            if self.target.spatial == u8::MAX && self.target.temporal == u8::MAX {
                self.newest_in = self.newest_in.max(packet.index);
                self.ids.sent(self.codec, &packet.facts);
                return self.number(packet, self.delta);
            }
            self.thinned = true;
            // What is still missing of the time before keeps its number.
            self.note_gap(self.start, self.newest_in);
        }
        if packet.index <= self.newest_in {
            // Late: it has a number only if it was missing when the stream passed it.
            let gap = self.gaps.iter().find(|gap| gap.low <= packet.index && packet.index <= gap.high).copied();
            let Some(gap) = gap.filter(|_| self.accepts(&packet.facts)) else { return Step::Skip };
            return self.number(packet, gap.delta);
        }
        if packet.index > self.newest_in + 1 && self.newest_in >= self.start {
            self.note_gap(self.newest_in + 1, packet.index - 1);
        }
        self.newest_in = packet.index;
        self.adapt(&packet.facts);
        if !self.accepts(&packet.facts) {
            self.delta = self.delta.wrapping_sub(1);
            self.ids.skipped(self.codec, &packet.facts);
            return Step::Skip;
        }
        self.ids.sent(self.codec, &packet.facts);
        self.number(packet, self.delta)
    }

    fn note_gap(&mut self, low: u64, high: u64) {
        self.gaps[self.gap_at % GAPS] = Gap { low, high, delta: self.delta };
        self.gap_at = self.gap_at.wrapping_add(1);
    }

    /// Sub-layers change where the stream allows it: down at a picture's start, up at a keyframe or switching point.
    fn adapt(&mut self, facts: &Facts) {
        if self.target.encoding != self.current || !facts.frame_start {
            return;
        }
        let target = self.target;
        if facts.spatial == 0 {
            if target.spatial < self.spatial || facts.keyframe_start {
                self.spatial = target.spatial;
            }
            if target.temporal < self.temporal || facts.keyframe_start {
                self.temporal = target.temporal;
            }
        }
        if target.temporal > self.temporal && facts.temporal > self.temporal && facts.switching_point {
            self.temporal = facts.temporal.min(target.temporal);
            if facts.temporal >= 2 {
                self.temporal = target.temporal;
            }
        }
        if self.spatial == u8::MAX && self.temporal == u8::MAX && facts.keyframe_start {
            self.thinned = true; // numbers were moved: the careful path stays
        }
    }

    fn accepts(&self, facts: &Facts) -> bool {
        facts.spatial <= self.spatial && facts.temporal <= self.temporal
    }

    fn number(&mut self, packet: &Packet, delta: i64) -> Step {
        let (index, facts) = (packet.index, &packet.facts);
        // Where spatial layers are left out, the picture ends with the highest that is sent.
        let top = self.spatial != u8::MAX && facts.frame_end && facts.spatial == self.spatial;
        let marker = packet.marker || top;
        let out = index.wrapping_add_signed(delta);
        // Of numbers passed over, nothing was sent: what stands in their places is older.
        for missed in self.next_out.max(out.saturating_sub(HISTORY as u64))..out {
            self.history[missed as usize & (HISTORY - 1)] = 0;
        }
        self.history[out as usize & (HISTORY - 1)] = pack(self.current, marker, index);
        if !self.ids.is_identity() || self.patches.is_some() {
            let patches = self.patches.get_or_insert_with(|| vec![(0, 0); HISTORY].into_boxed_slice());
            patches[out as usize & (HISTORY - 1)] = (self.ids.picture, self.ids.tl0);
        }
        if out >= self.next_out {
            self.next_out = out + 1;
        }
        Step::Send { index: out, marker }
    }

    /// What was added to the picture numbers of the packet that had this number.
    pub fn patch_of(&self, seq: u16) -> (u16, u8) {
        let newest = self.next_out.wrapping_sub(1);
        let behind = u64::from((newest as u16).wrapping_sub(seq));
        let at = newest.wrapping_sub(behind) as usize & (HISTORY - 1);
        self.patches.as_ref().map_or((0, 0), |patches| patches[at])
    }

    /// RTP time of a packet of this encoding for this viewer, whether it is sent for the first time or again.
    pub fn timestamp(&self, encoding: u8, packet: &Packet) -> u32 {
        let covers = |lift: &&Lift| lift.encoding == encoding && lift.start <= packet.index;
        match self.lifts.iter().flatten().find(covers) {
            Some(lift) => lift.apply(packet.timestamp),
            None => packet.timestamp,
        }
    }

    pub fn newest_seq(&self) -> u16 {
        self.next_out.wrapping_sub(1) as u16
    }

    /// Whether packets of this encoding are what it gets now, or will get first.
    pub fn shows(&self, encoding: u8) -> bool {
        self.current == encoding || (self.current == NOTHING && self.target.encoding == encoding)
    }

    /// Where a packet that this viewer asks for again came from: (encoding, index).
    pub fn origin(&self, seq: u16) -> Option<(u8, u64)> {
        let newest = self.next_out.checked_sub(1)?;
        let behind = u64::from((newest as u16).wrapping_sub(seq));
        if behind >= HISTORY as u64 || behind > newest || newest - behind < self.floor {
            return None;
        }
        let packed = self.history[(newest - behind) as usize & (HISTORY - 1)];
        (packed != 0).then(|| unpack(packed))
    }

    /// Whether the packet that had this number ended its picture for this viewer.
    pub fn was_marked(&self, seq: u16) -> bool {
        let behind = u64::from(self.newest_seq().wrapping_sub(seq));
        let at = self.next_out.wrapping_sub(1).wrapping_sub(behind) as usize & (HISTORY - 1);
        self.history[at] & MARKED != 0
    }

    /// Spatial layers above the one shown need a keyframe to be entered.
    pub fn wants_keyframe(&self) -> bool {
        !self.held && (self.waiting() || (self.thinned && self.target.spatial > self.spatial))
    }
}

const MARKED: u32 = 1 << 29;
const INDEX_BITS: u32 = MARKED - 1;

/// Encoding in the two upper bits, then the marker, then the low 29 bits of the index. Zero is nothing: indexes start
/// above it.
fn pack(encoding: u8, marker: bool, index: u64) -> u32 {
    u32::from(encoding & 3) << 30 | u32::from(marker) << 29 | (index as u32 & INDEX_BITS)
}

fn unpack(packed: u32) -> (u8, u64) {
    ((packed >> 30) as u8, u64::from(packed & INDEX_BITS))
}

/// The full index nearest to `near` with these low 29 bits.
pub fn widen(low: u64, near: u64) -> u64 {
    const SPAN: u64 = 1 << 29;
    let candidate = (near & !(SPAN - 1)) | low;
    if candidate > near + SPAN / 2 { candidate.saturating_sub(SPAN) } else { candidate }
}

pub struct Viewer {
    /// Audio, video; None when the offer had no such section.
    pub plans: [Option<Plan>; 2],
    pub streams: [Stream; 2],
    pub history: Option<Box<SendHistory>>,
    pub estimator: Option<Box<Estimator>>,
    pub selector: Selector,
    pub nacks: Budget,
    pub budget: Budget,
    pub joined: Time,
    pub first_media: bool,
}

impl Viewer {
    pub fn new(spec: &PeerSpec, audio: &SlotSpec, video: &SlotSpec, nacks: f64, packets: f64, now: Time) -> Self {
        let plan = |kind: Kind| {
            spec.sections
                .iter()
                .find(|section| section.kind == kind)
                .map(|s| Plan { payload_types: s.payload_types.clone(), extensions: s.extensions })
        };
        let plans = [plan(Kind::Audio), plan(Kind::Video)];
        let congestion = spec.sections.iter().any(|s| s.transport_cc);
        let remb = spec.sections.iter().any(|s| s.remb);
        let estimator = (congestion || remb).then(|| Box::new(Estimator::new(START_BPS)));
        let mut streams = [Stream::new(audio), Stream::new(video)];
        streams[1].flat = plans[1].as_ref().is_none_or(|plan| plan.extensions.dependency_descriptor == 0);
        Self {
            plans,
            streams,
            history: congestion.then(|| Box::new(SendHistory::new())),
            estimator,
            selector: Selector::new(),
            nacks: Budget::new(nacks),
            budget: Budget::new(packets),
            joined: now,
            first_media: false,
        }
    }

    pub fn stream(&mut self, kind: Kind) -> &mut Stream {
        &mut self.streams[kind as usize]
    }
}

/// Where the estimate of a path that nothing is known of starts.
const START_BPS: u64 = 1_000_000;
