//! An H.264 source of equal packets (RFC 6184: FU-A, and STAP-A with the parameter sets before a keyframe), the frames
//! it sent of late, and the depacketizer that compares a viewer's frames with them byte for byte.
//!
//! It knows no sockets and no keys.

use std::collections::HashMap;

use crate::rtp::{self, Header};

/// Bytes of a packet before SRTP adds its tag.
pub const PACKET: usize = 1200;
/// Frames that can still be compared.
const KEPT: usize = 512;
const STAP_A: [u8; 17] = [0x78, 0, 8, 0x67, 0x42, 0xE0, 0x1F, 0xDA, 0x01, 0x40, 0x16, 0, 4, 0x68, 0xCE, 0x3C, 0x80];
const IDR: u8 = 0x65;
const SLICE: u8 = 0x41;

/// A frame that was sent: its NAL unit, and when it left and arrived.
pub struct Frame {
    pub number: u32,
    pub timestamp: u32,
    pub key: bool,
    pub nal: Vec<u8>,
    /// CLOCK_REALTIME nanoseconds just before its last packet was handed to the kernel.
    pub sent: i64,
    /// Viewers that got its last packet, and when the last of them did.
    pub arrived: u32,
    pub latest: i64,
    /// Viewers connected when it left.
    pub expected: u32,
}

pub struct Source {
    pub ssrc: u32,
    pub payload_type: u8,
    pub transport_cc: u8,
    pub keyframe_next: bool,
    pub packets_per_frame: usize,
    seq: u64,
    transport_seq: u16,
    number: u32,
    filler: Vec<u8>,
    frames: Vec<Frame>,
    by_timestamp: HashMap<u32, usize>,
    pub packets: u64,
    pub bytes: u64,
}

impl Source {
    pub fn new(ssrc: u32, payload_type: u8, transport_cc: u8, packets_per_frame: usize) -> Self {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let filler = (0..1 << 16)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state as u8
            })
            .collect();
        Self {
            ssrc,
            payload_type,
            transport_cc,
            keyframe_next: true,
            packets_per_frame,
            seq: u64::from(ssrc & 0x3FFF),
            transport_seq: 0,
            number: 0,
            filler,
            frames: Vec::new(),
            by_timestamp: HashMap::new(),
            packets: 0,
            bytes: 0,
        }
    }

    /// Begins the next frame; returns its packets as (plain packet, header length, SRTP index).
    pub fn next(&mut self, timestamp: u32, expected: u32, out: &mut Vec<(Vec<u8>, usize, u64)>) {
        let key = std::mem::take(&mut self.keyframe_next);
        let number = self.number;
        self.number = self.number.wrapping_add(1);
        let header = if self.transport_cc == 0 { 12 } else { 20 };
        let fragment = PACKET - header - 2;
        let mut nal = vec![if key { IDR } else { SLICE }];
        nal.extend(number.to_be_bytes());
        let length = fragment * self.packets_per_frame;
        while nal.len() <= length {
            let at = (number as usize).wrapping_mul(977).wrapping_add(nal.len()) % (self.filler.len() / 2);
            let take = (length + 1 - nal.len()).min(self.filler.len() / 2);
            nal.extend_from_slice(&self.filler[at..at + take]);
        }
        out.clear();
        if key {
            let packet = self.packet(timestamp, false, &[&STAP_A]);
            out.push(packet);
        }
        for (index, body) in nal[1..].chunks(fragment).enumerate() {
            let last = index + 1 == self.packets_per_frame;
            let position = if index == 0 { 0x80 } else { 0 } | if last { 0x40 } else { 0 };
            let head = [nal[0] & 0x60 | 28, nal[0] & 0x1F | position];
            let packet = self.packet(timestamp, last, &[&head, body]);
            out.push(packet);
        }
        let frame = Frame { number, timestamp, key, nal, sent: 0, arrived: 0, latest: 0, expected };
        let slot = number as usize % KEPT;
        self.by_timestamp.insert(timestamp, slot);
        match self.frames.get_mut(slot) {
            Some(old) => {
                if self.by_timestamp.get(&old.timestamp) == Some(&slot) && old.timestamp != timestamp {
                    self.by_timestamp.remove(&old.timestamp);
                }
                *old = frame;
            }
            None => self.frames.push(frame),
        }
    }

    fn packet(&mut self, timestamp: u32, marker: bool, parts: &[&[u8]]) -> (Vec<u8>, usize, u64) {
        let mut out = Vec::with_capacity(PACKET + 16);
        out.push(if self.transport_cc == 0 { 0x80 } else { 0x90 });
        out.push(self.payload_type | if marker { 0x80 } else { 0 });
        out.extend((self.seq as u16).to_be_bytes());
        out.extend(timestamp.to_be_bytes());
        out.extend(self.ssrc.to_be_bytes());
        if self.transport_cc != 0 {
            out.extend([0xBE, 0xDE, 0, 1, self.transport_cc << 4 | 1]);
            out.extend(self.transport_seq.to_be_bytes());
            out.push(0);
            self.transport_seq = self.transport_seq.wrapping_add(1);
        }
        let header = out.len();
        parts.iter().for_each(|part| out.extend_from_slice(part));
        let index = self.seq;
        self.seq += 1;
        self.packets += 1;
        self.bytes += (out.len() - header) as u64;
        (out, header, index)
    }

    /// The frame sent last.
    pub fn newest(&mut self) -> Option<&mut Frame> {
        let slot = self.number.wrapping_sub(1) as usize % KEPT;
        self.frames.get_mut(slot)
    }

    pub fn by_number(&self, number: u32) -> Option<&Frame> {
        self.frames.get(number as usize % KEPT).filter(|frame| frame.number == number)
    }

    pub fn by_timestamp(&mut self, timestamp: u32) -> Option<&mut Frame> {
        let slot = *self.by_timestamp.get(&timestamp)?;
        self.frames.get_mut(slot).filter(|frame| frame.timestamp == timestamp)
    }
}

/// What a checked viewer found.
#[derive(Clone, Copy, Debug, Default)]
pub struct Findings {
    pub packets: u64,
    pub frames: u64,
    /// Sequence numbers that never came.
    pub lost: u64,
    /// Packets that came late or twice.
    pub reordered: u64,
    /// Frames whose bytes are not those that were published, or packets that make no sense.
    pub wrong: u64,
}

/// One viewer's depacketizer. Fed with plain packets of the media SSRC.
#[derive(Default)]
pub struct Checker {
    pub findings: Findings,
    /// Viewer's timestamp less publisher's.
    pub offset: Option<u32>,
    newest: Option<u64>,
    nal: Vec<u8>,
    timestamp: u32,
    whole: bool,
}

impl Checker {
    /// `index` is the SRTP index, so a gap is told from a wrap.
    pub fn packet(&mut self, header: &Header, packet: &[u8], index: u64, source: &Source) {
        self.findings.packets += 1;
        match self.newest {
            Some(newest) if index <= newest => {
                self.findings.reordered += 1;
                return;
            }
            Some(newest) if index > newest + 1 => {
                self.findings.lost += index - newest - 1;
                self.whole = false;
            }
            _ => {}
        }
        self.newest = Some(index);
        let Some(payload) = rtp::payload(packet, header) else {
            self.findings.wrong += 1;
            return;
        };
        match payload {
            [] => {} // padding only
            [first, ..] if first & 0x1F == 24 => {
                self.findings.wrong += u64::from(payload != STAP_A);
            }
            [indicator, fu, body @ ..] if indicator & 0x1F == 28 => {
                if fu & 0x80 != 0 {
                    self.nal.clear();
                    self.nal.push(indicator & 0x60 | fu & 0x1F);
                    self.timestamp = header.timestamp;
                    self.whole = true;
                }
                self.nal.extend_from_slice(body);
                if fu & 0x40 != 0 && std::mem::take(&mut self.whole) {
                    self.frame(header, source);
                }
            }
            _ => self.findings.wrong += 1,
        }
    }

    fn frame(&mut self, header: &Header, source: &Source) {
        self.findings.frames += 1;
        let number = self.nal.get(1..5).and_then(|bytes| rtp::u32_at(bytes, 0));
        let Some(sent) = number.and_then(|number| source.by_number(number)) else {
            self.findings.wrong += 1;
            return;
        };
        let right = sent.nal == self.nal && header.marker && header.timestamp == self.timestamp;
        self.findings.wrong += u64::from(!right);
        self.offset = Some(header.timestamp.wrapping_sub(sent.timestamp));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(checker: &mut Checker, source: &Source, packets: &[(Vec<u8>, usize, u64)]) {
        for (packet, _, index) in packets {
            checker.packet(&rtp::read(packet).unwrap(), packet, *index, source);
        }
    }

    #[test]
    fn frames_are_compared_with_what_was_sent() {
        let mut source = Source::new(7, 102, 3, 9);
        let mut checker = Checker::default();
        let mut packets = Vec::new();
        for number in 0..3 {
            source.next(number * 3000, 1, &mut packets);
            assert_eq!(packets.len(), if number == 0 { 10 } else { 9 });
            assert!(packets[1..].iter().all(|(packet, ..)| packet.len() == PACKET));
            feed(&mut checker, &source, &packets);
        }
        assert_eq!((checker.findings.frames, checker.findings.wrong, checker.findings.lost), (3, 0, 0));
        assert_eq!(checker.offset, Some(0));

        source.next(9000, 1, &mut packets);
        packets[4].0[600] ^= 1;
        feed(&mut checker, &source, &packets);
        assert_eq!(checker.findings.wrong, 1);

        source.next(12_000, 1, &mut packets);
        packets.remove(4);
        feed(&mut checker, &source, &packets);
        assert_eq!((checker.findings.frames, checker.findings.lost, checker.findings.wrong), (4, 1, 1));
    }
}
