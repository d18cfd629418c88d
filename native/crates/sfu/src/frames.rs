//! From packets of one stream back to whole encoded frames, for recording and packaging (RFC 6184, RFC 7741, RFC 9628,
//! RTP Payload Format For AV1, RFC 7587). Decodes nothing and knows no clocks. A frame with a lost packet is left out,
//! and so are those after it, up to the next keyframe.

use crate::api::Codec;
use crate::codec::h264::{self, Unit};
use crate::codec::{av1, starts_keyframe, vp8, vp9};

/// Packets held while one is missing; a frame of more packets than that is lost. A power of two.
pub const MAX_PIECES: usize = 512;
/// Seconds from 1900, where NTP time begins, to 1970.
const NTP_UNIX_S: f64 = 2_208_988_800.0;

/// One packet's share of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Unwrapped: one more for each packet of the stream.
    pub seq: u64,
    pub timestamp: u32,
    /// The packet ends its frame (video).
    pub marker: bool,
    pub codec: Codec,
    /// As sent, payload descriptor included, padding removed.
    pub payload: &'a [u8],
}

/// A frame as its codec's files have it: an Annex B access unit (H.264), a frame (VP8), a frame or, of several spatial
/// layers, a superframe with its index (VP9), a temporal unit in low-overhead format without temporal delimiter (AV1),
/// a packet (Opus).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    pub codec: Codec,
    pub data: &'a [u8],
    pub timestamp: u32,
    /// Decodes alone.
    pub keyframe: bool,
}

#[derive(Debug)]
struct Slot {
    /// Whose packet this is; `EMPTY` for none.
    seq: u64,
    timestamp: u32,
    marker: bool,
    starts_keyframe: bool,
    codec: Codec,
    /// Keeps its allocation from packet to packet.
    payload: Vec<u8>,
}

const EMPTY: u64 = u64::MAX;

/// Orders the packets of one stream and gives out its frames. Begins with a keyframe.
#[derive(Debug, Default)]
pub struct Assembler {
    /// By the low bits of the sequence number; none before the first keyframe of a video.
    slots: Vec<Slot>,
    /// First packet of the next frame; `None` while waiting for a keyframe.
    next: Option<u64>,
    /// All packets from `next` up to here, this one excluded, are there, and none of them ends the frame.
    complete: u64,
    /// One above the newest packet held.
    end: u64,
    out: Vec<u8>,
    obu: Vec<u8>,
    skipped: u64,
}

impl Assembler {
    pub fn new() -> Self {
        Self::default()
    }

    /// How many times frames were left out because a packet did not come.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Take one packet and give out the frames that it completes, in order. What was given out or left out already is
    /// ignored.
    pub fn push(&mut self, piece: &Piece<'_>, f: &mut impl FnMut(Frame<'_>)) {
        let &Piece { seq, timestamp, codec, payload, .. } = piece;
        if codec == Codec::Opus {
            if !payload.is_empty() {
                f(Frame { codec, data: payload, timestamp, keyframe: true });
            }
            return;
        }
        if seq >= EMPTY - 1 || self.next.is_some_and(|next| seq < next) {
            return;
        }
        while self.next.is_some_and(|next| seq - next >= MAX_PIECES as u64) {
            self.skip();
        }
        let key = starts_keyframe(codec, payload);
        if self.next.is_none() {
            if !key {
                return;
            }
            (self.next, self.complete, self.end) = (Some(seq), seq, seq);
        }
        self.hold(piece, key);
        while self.give(f) {}
    }

    fn hold(&mut self, piece: &Piece<'_>, starts_keyframe: bool) {
        if self.slots.is_empty() {
            self.slots.resize_with(MAX_PIECES, || Slot {
                seq: EMPTY,
                timestamp: 0,
                marker: false,
                starts_keyframe: false,
                codec: Codec::H264,
                payload: Vec::new(),
            });
        }
        if let Some(slot) = self.slots.get_mut(at(piece.seq)) {
            slot.seq = piece.seq;
            slot.timestamp = piece.timestamp;
            slot.marker = piece.marker;
            slot.starts_keyframe = starts_keyframe;
            slot.codec = piece.codec;
            slot.payload.clear();
            slot.payload.extend_from_slice(piece.payload);
            self.end = self.end.max(piece.seq + 1);
        }
    }

    fn slot(&self, seq: u64) -> Option<&Slot> {
        self.slots.get(at(seq)).filter(|slot| slot.seq == seq)
    }

    /// Give out the next frame if all of it is here: up to a marker, or up to a change of timestamp. Whether it was.
    fn give(&mut self, f: &mut impl FnMut(Frame<'_>)) -> bool {
        let Some(next) = self.next else { return false };
        let Some(timestamp) = self.slot(next).map(|slot| slot.timestamp) else {
            return false;
        };
        let behind = loop {
            match self.slot(self.complete) {
                None => return false,
                Some(slot) if slot.timestamp != timestamp => break self.complete,
                Some(slot) if slot.marker => break self.complete + 1,
                Some(_) => self.complete += 1,
            }
        };
        let (codec, keyframe) = self.join(next, behind);
        self.forget(next, behind);
        if !self.out.is_empty() {
            f(Frame { codec, data: &self.out, timestamp, keyframe });
        }
        true
    }

    /// Make `behind` the next packet, none of those before it being held any longer.
    fn forget(&mut self, next: u64, behind: u64) {
        for seq in next..behind {
            if let Some(slot) = self.slots.get_mut(at(seq)) {
                slot.seq = EMPTY;
            }
        }
        (self.next, self.complete) = (Some(behind), behind);
    }

    /// Give up on the next frame: go on with the first keyframe held behind it, or wait for one.
    fn skip(&mut self) {
        self.skipped += 1;
        let Some(next) = self.next else { return };
        let end = self.end.min(next + MAX_PIECES as u64);
        let keyframe = (next + 1..end).find(|&seq| self.slot(seq).is_some_and(|slot| slot.starts_keyframe));
        self.forget(next, keyframe.unwrap_or(end));
        self.next = keyframe;
    }

    /// Put the packets `from..to` together in `self.out`.
    fn join(&mut self, from: u64, to: u64) -> (Codec, bool) {
        let Self { slots, out, obu, .. } = self;
        out.clear();
        obu.clear();
        let mut layers = Layers::default();
        let mut codec = None;
        let mut keyframe = false;
        for slot in (from..to).filter_map(|seq| slots.get(at(seq))) {
            keyframe |= slot.starts_keyframe;
            match *codec.get_or_insert(slot.codec) {
                Codec::H264 => append_h264(out, &slot.payload),
                Codec::Vp8 => {
                    out.extend_from_slice(slot.payload.get(vp8::payload_at(&slot.payload)..).unwrap_or_default());
                }
                Codec::Vp9 => append_vp9(out, &mut layers, &slot.payload),
                Codec::Av1 => append_av1(out, obu, &slot.payload),
                Codec::Opus => {}
            }
        }
        layers.write_index(out);
        (codec.unwrap_or(Codec::H264), keyframe)
    }
}

fn at(seq: u64) -> usize {
    seq as usize & (MAX_PIECES - 1)
}

fn append_h264(out: &mut Vec<u8>, payload: &[u8]) {
    const START_CODE: [u8; 4] = [0, 0, 0, 1];
    for unit in h264::units(payload) {
        match unit {
            Unit::Whole(unit) => {
                out.extend_from_slice(&START_CODE);
                out.extend_from_slice(unit);
            }
            Unit::First(head, data) => {
                out.extend_from_slice(&START_CODE);
                out.push(head);
                out.extend_from_slice(data);
            }
            Unit::More(data) => out.extend_from_slice(data),
        }
    }
}

/// Where the frames of the spatial layers of one picture begin.
#[derive(Default)]
struct Layers {
    starts: [usize; 8],
    count: usize,
}

impl Layers {
    fn begin(&mut self, at: usize) {
        if let Some(start) = self.starts.get_mut(self.count) {
            *start = at;
            self.count += 1;
        }
    }

    /// End a picture of several frames with the superframe index by which decoders find them (VP9 bitstream
    /// specification, annex B). On the way here RTP told them apart.
    fn write_index(&self, out: &mut Vec<u8>) {
        if self.count < 2 {
            return;
        }
        let end = out.len();
        let bounds = self.starts.iter().take(self.count).skip(1).copied().chain([end]);
        let sizes = self.starts.iter().zip(bounds).map(|(start, end)| end.saturating_sub(*start) as u32);
        let largest = sizes.clone().max().unwrap_or(0);
        let width = (4 - largest.leading_zeros() as usize / 8).max(1);
        let marker = 0b1100_0000 | (width as u8 - 1) << 3 | (self.count as u8 - 1);
        out.push(marker);
        for size in sizes {
            out.extend_from_slice(&size.to_le_bytes()[..width]);
        }
        out.push(marker);
    }
}

fn append_vp9(out: &mut Vec<u8>, layers: &mut Layers, payload: &[u8]) {
    let Some(descriptor) = vp9::read(payload) else {
        return;
    };
    if descriptor.begins {
        layers.begin(out.len());
    }
    out.extend_from_slice(payload.get(descriptor.payload_at..).unwrap_or_default());
}

/// `obu` holds what there is of an OBU that goes on in the next packet.
fn append_av1(out: &mut Vec<u8>, obu: &mut Vec<u8>, payload: &[u8]) {
    let Some(elements) = av1::elements(payload) else {
        return;
    };
    for element in elements {
        if element.continues && obu.is_empty() {
            continue; // of an OBU whose beginning was never sent
        }
        if !element.continues {
            obu.clear();
            if !element.continued {
                append_obus(out, element.data);
                continue;
            }
        }
        obu.extend_from_slice(element.data);
        if !element.continued {
            append_obus(out, obu);
            obu.clear();
        }
    }
}

/// Append the OBU of one element with the size that it does not have in RTP; several, if a sender left their sizes in.
fn append_obus(out: &mut Vec<u8>, element: &[u8]) {
    const EXTENSION: u8 = 0x04;
    const HAS_SIZE: u8 = 0x02;
    let mut rest = element;
    while let Some(&head) = rest.first() {
        let header = if head & EXTENSION == 0 { 1 } else { 2 };
        let Some((header, body)) = rest.split_at_checked(header) else {
            return;
        };
        let body = if head & HAS_SIZE == 0 {
            rest = &[];
            body
        } else {
            let Some((size, width)) = av1::read_leb128(body) else {
                return;
            };
            let sized = body.get(width..).and_then(|body| body.split_at_checked(size as usize));
            let Some((body, behind)) = sized else { return };
            rest = behind;
            body
        };
        if av1::obu_type(head) != av1::OBU_TEMPORAL_DELIMITER {
            out.push(head | HAS_SIZE);
            out.extend_from_slice(&header[1..]);
            av1::write_leb128(out, body.len());
            out.extend_from_slice(body);
        }
    }
}

/// Wall clock in milliseconds since 1970 of an RTP time, by the sender report that said `ntp` (1/2³² s since 1900) and
/// `reference` for the same instant; right within 2³¹ ticks of it.
pub fn capture_ms(ntp: u64, reference: u32, timestamp: u32, clock_hz: u32) -> f64 {
    let ahead = f64::from(timestamp.wrapping_sub(reference) as i32) / f64::from(clock_hz.max(1));
    (ntp as f64 / 4_294_967_296.0 - NTP_UNIX_S + ahead) * 1000.0
}

#[cfg(test)]
mod tests;
