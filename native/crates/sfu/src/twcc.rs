//! Transport-wide congestion control: the feedback we write to a publisher, the feedback we read from a viewer, and
//! the memory of what was sent to that viewer (draft-holmer-rmcat-transport-wide-cc-extensions-01).
//! Knows sequence numbers, sizes and times only: no RTP, no estimator.

use crate::time::{Span, Time};

mod history;
pub use history::{HISTORY_PACKETS, SendHistory};

/// Arrival times are told in ticks of 250 µs.
const TICK_US: u64 = 250;
/// The reference time of a feedback packet counts 64 ms, that is 256 ticks.
const REFERENCE_TICKS: u64 = 256;

/// After so many microseconds the 24-bit reference time of a peer begins again at zero (12.4 days).
pub const CLOCK_WRAP_US: i64 = (1 << 24) * 64_000;

/// Packets that a [`Receiver`] remembers.
const WINDOW: usize = 2048;
/// A feedback packet is due so long after the first packet that it will tell of.
const INTERVAL: Span = Span::millis(50);
/// Bytes of chunks and deltas in one feedback packet: with SRTCP it stays below any path's MTU.
const MAX_BODY_BYTES: usize = 1000;
/// A feedback that tells of more packets than this is nobody's honest feedback: a few bytes would cost us 65,535 steps.
const MAX_STATUSES: usize = 4096;

const LOST: u8 = 0;
const SMALL: u8 = 1;
const LARGE: u8 = 2;

/// What we tell a publisher: arrival times of its packets.
///
/// Sequence numbers are unwrapped to 64 bits inside; the window is the last 2048 of them. A late packet that falls
/// inside the window is told in the next feedback, which then begins with it.
pub struct Receiver {
    /// Arrival + 1 µs by `index % WINDOW`; 0: not arrived.
    arrivals: Box<[u64; WINDOW]>,
    /// First index that the next feedback tells of.
    begin: u64,
    /// One past the highest index seen; `begin <= end <= begin + WINDOW`.
    end: u64,
    /// When the first packet that was not told yet arrived.
    waiting: Option<Time>,
    count: u8,
}

impl Default for Receiver {
    fn default() -> Self {
        Self::new()
    }
}

impl Receiver {
    pub fn new() -> Self {
        Self { arrivals: Box::new([0; WINDOW]), begin: 0, end: 0, waiting: None, count: 0 }
    }

    /// Note that the packet with transport-wide sequence number `seq` arrived. The first arrival of a duplicate counts.
    pub fn packet(&mut self, seq: u16, now: Time) {
        let index = if self.end == 0 {
            // The first cycle begins one wrap above zero, so that reordered packets never go below it.
            let first = 65_536 + u64::from(seq);
            self.begin = first;
            self.end = first;
            first
        } else {
            let ahead = seq.wrapping_sub(self.end as u16) as i16;
            self.end.wrapping_add_signed(i64::from(ahead))
        };
        if index >= self.end {
            let skipped = (index - self.end).min(WINDOW as u64);
            for lost in index - skipped..index {
                self.arrivals[slot(lost)] = 0;
            }
            self.arrivals[slot(index)] = now.0.saturating_add(1);
            self.end = index + 1;
            self.begin = self.begin.max(self.end.saturating_sub(WINDOW as u64));
        } else if index + (WINDOW as u64) < self.end || self.arrivals[slot(index)] != 0 {
            return;
        } else {
            self.arrivals[slot(index)] = now.0.saturating_add(1);
            self.begin = self.begin.min(index);
        }
        self.waiting.get_or_insert(now);
    }

    /// Whether a feedback packet should be written now: 50 ms after the first packet it will tell of, or when half of
    /// the window is waiting.
    pub fn due(&self, now: Time) -> bool {
        self.waiting.is_some_and(|since| now.since(since) >= INTERVAL || self.end - self.begin > WINDOW as u64 / 2)
    }

    /// Append one complete RTCP packet (RTPFB, FMT 15) of at most ~1,050 bytes to `out`; `false` when nothing is left
    /// to tell. Call until `false`: what does not fit in one packet follows in the next.
    pub fn write(&mut self, sender_ssrc: u32, media_ssrc: u32, out: &mut Vec<u8>) -> bool {
        // Lost packets in front of the first arrival are told too: the peer counts them.
        let Some(first) = (self.begin..self.end).find(|&i| self.arrivals[slot(i)] != 0) else {
            self.waiting = None;
            return false;
        };
        let reference = self.ticks(first) / REFERENCE_TICKS;
        let mut symbols = [LOST; WINDOW];
        let mut statuses = 0;
        let mut bytes = 0;
        let mut previous = reference * REFERENCE_TICKS;
        for index in self.begin..self.end {
            if self.arrivals[slot(index)] == 0 {
                continue;
            }
            let at = (index - self.begin) as usize;
            let ticks = self.ticks(index);
            let delta = ticks.wrapping_sub(previous) as i64;
            let symbol = match delta {
                0..=255 => SMALL,
                -32_768..=32_767 => LARGE,
                // A pause of over 8 s (or a clock set back): a new packet has a new reference time.
                _ => break,
            };
            // Two bytes of chunk per seven packets is the worst case.
            bytes += usize::from(symbol);
            if bytes + (at / 7 + 1) * 2 > MAX_BODY_BYTES {
                break;
            }
            symbols[at] = symbol;
            statuses = at + 1;
            previous = ticks;
        }

        let start = out.len();
        out.extend_from_slice(&[0x8f, 205, 0, 0]);
        out.extend_from_slice(&sender_ssrc.to_be_bytes());
        out.extend_from_slice(&media_ssrc.to_be_bytes());
        out.extend_from_slice(&(self.begin as u16).to_be_bytes());
        out.extend_from_slice(&(statuses as u16).to_be_bytes());
        out.extend_from_slice(&((reference as u32) << 8 | u32::from(self.count)).to_be_bytes());
        write_chunks(&symbols[..statuses], out);
        let mut previous = reference * REFERENCE_TICKS;
        for (index, &symbol) in (self.begin..).zip(&symbols[..statuses]) {
            if symbol == LOST {
                continue;
            }
            let ticks = self.ticks(index);
            let delta = ticks.wrapping_sub(previous) as i16;
            previous = ticks;
            if symbol == SMALL {
                out.push(delta as u8);
            } else {
                out.extend_from_slice(&delta.to_be_bytes());
            }
        }
        let padding = (4 - (out.len() - start) % 4) % 4;
        if padding != 0 {
            out.extend_from_slice(&[0; 3][..padding - 1]);
            out.push(padding as u8);
            out[start] |= 0x20;
        }
        let words = ((out.len() - start) / 4 - 1) as u16;
        out[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());

        self.count = self.count.wrapping_add(1);
        self.begin += statuses as u64;
        if self.begin == self.end {
            self.waiting = None;
        }
        true
    }

    fn ticks(&self, index: u64) -> u64 {
        self.arrivals[slot(index)].saturating_sub(1) / TICK_US
    }
}

fn slot(index: u64) -> usize {
    (index % WINDOW as u64) as usize
}

/// Packet status chunks, section 3.1.1 to 3.1.4: the longer of a run and a vector each time.
fn write_chunks(mut symbols: &[u8], out: &mut Vec<u8>) {
    while let Some(&head) = symbols.first() {
        let run = symbols.iter().take_while(|&&s| s == head).count();
        let vector = &symbols[..symbols.len().min(14)];
        let small_only = vector.iter().all(|&s| s != LARGE);
        let (chunk, taken) = if run >= if small_only { 14 } else { 7 } || run == symbols.len() {
            let run = run.min(0x1fff);
            ((u16::from(head) << 13) | run as u16, run)
        } else if small_only {
            let bits = vector.iter().enumerate().map(|(i, &s)| u16::from(s) << (13 - i));
            (0x8000 | bits.sum::<u16>(), vector.len())
        } else {
            let vector = &symbols[..symbols.len().min(7)];
            let bits = vector.iter().enumerate().map(|(i, &s)| u16::from(s) << (12 - 2 * i));
            (0xc000 | bits.sum::<u16>(), vector.len())
        };
        out.extend_from_slice(&chunk.to_be_bytes());
        symbols = &symbols[taken..];
    }
}

/// One status chunk, as far as it still counts.
#[derive(Clone, Copy)]
struct Chunk {
    bits: u16,
    len: usize,
}

impl Chunk {
    fn read(fci: &[u8], at: usize, left: usize) -> Option<Self> {
        let bits = u16::from_be_bytes([*fci.get(at)?, *fci.get(at + 1)?]);
        let len = match bits >> 14 {
            0 | 1 => usize::from(bits & 0x1fff),
            2 => 14,
            _ => 7,
        };
        // An empty run would let a packet of nothing but chunks cost time without end in sight.
        (len > 0).then_some(Self { bits, len: len.min(left) })
    }

    fn symbol(self, i: usize) -> u8 {
        let symbol = match self.bits >> 14 {
            0 | 1 => self.bits >> 13,
            2 => self.bits >> (13 - i) & 1,
            _ => self.bits >> (12 - 2 * i) & 3,
        };
        symbol as u8
    }

    /// Bytes of its deltas; `None` when a reserved symbol is among them.
    fn delta_bytes(self) -> Option<usize> {
        match self.bits >> 14 {
            0 | 1 => match (self.bits >> 13) as usize {
                3 => None,
                symbol => Some(self.len * symbol),
            },
            2 => Some(((self.bits & 0x3fff) >> (14 - self.len)).count_ones() as usize),
            _ => {
                let bits = (self.bits & 0x3fff) >> (14 - 2 * self.len);
                let (small, large) = (bits & 0x1555, bits >> 1 & 0x1555);
                (small & large == 0).then(|| (small.count_ones() + 2 * large.count_ones()) as usize)
            }
        }
    }
}

/// Read the FCI of a transport-wide feedback packet (what follows the two SSRCs).
///
/// Calls `f` for each told packet in order of sequence: with its arrival in µs on the peer's clock, or `None` when it
/// had not arrived. That clock begins again after [`CLOCK_WRAP_US`]; a late delta may put an arrival slightly below
/// zero. `false`, and no call at all, when it is malformed or tells of over 4,096 packets.
pub fn read_feedback(fci: &[u8], f: &mut impl FnMut(u16, Option<i64>)) -> bool {
    let Some(&[b0, b1, c0, c1, r0, r1, r2, _count]) = fci.first_chunk::<8>() else {
        return false;
    };
    let base = u16::from_be_bytes([b0, b1]);
    let statuses = usize::from(u16::from_be_bytes([c0, c1]));
    if statuses == 0 || statuses > MAX_STATUSES {
        return false;
    }

    // Measure first, so that a malformed packet has no effect.
    let (mut left, mut at, mut delta_bytes) = (statuses, 8, 0);
    while left > 0 {
        let Some(chunk) = Chunk::read(fci, at, left) else {
            return false;
        };
        let Some(bytes) = chunk.delta_bytes() else {
            return false;
        };
        delta_bytes += bytes;
        left -= chunk.len;
        at += 2;
    }
    let Some(mut deltas) = fci.get(at..at + delta_bytes) else {
        return false;
    };

    let mut arrival = i64::from(u32::from_be_bytes([0, r0, r1, r2])) * 64_000;
    let (mut left, mut at, mut seq) = (statuses, 8, base);
    while left > 0 {
        let Some(chunk) = Chunk::read(fci, at, left) else {
            return false;
        };
        for i in 0..chunk.len {
            let ticks = match (chunk.symbol(i), deltas) {
                (SMALL, [small, rest @ ..]) => {
                    deltas = rest;
                    i64::from(*small)
                }
                (LARGE, [high, low, rest @ ..]) => {
                    deltas = rest;
                    i64::from(i16::from_be_bytes([*high, *low]))
                }
                _ => {
                    f(seq, None);
                    seq = seq.wrapping_add(1);
                    continue;
                }
            };
            arrival += ticks * TICK_US as i64;
            f(seq, Some(arrival));
            seq = seq.wrapping_add(1);
        }
        left -= chunk.len;
        at += 2;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Random(u64);

    impl Random {
        fn below(&mut self, n: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % n
        }
    }

    fn all(receiver: &mut Receiver) -> Vec<(u16, Option<i64>)> {
        let mut told = Vec::new();
        let mut out = Vec::new();
        while receiver.write(1, 2, &mut out) {
            assert!(out.len() <= MAX_BODY_BYTES + 24, "{}", out.len());
            assert_eq!(out.len() % 4, 0);
            assert_eq!(u16::from_be_bytes([out[2], out[3]]) as usize, out.len() / 4 - 1);
            assert_eq!((out[0] & 0x1f, out[1]), (15, 205));
            let padding = if out[0] & 0x20 != 0 { usize::from(out[out.len() - 1]) } else { 0 };
            assert!(read_feedback(&out[12..out.len() - padding], &mut |s, a| { told.push((s, a)) }));
            out.clear();
        }
        told
    }

    #[test]
    fn writes_the_bytes_of_the_draft() {
        let mut receiver = Receiver::new();
        receiver.packet(10, Time(64_000));
        receiver.packet(11, Time(65_000));
        receiver.packet(13, Time(365_000));
        let mut out = Vec::new();
        assert!(receiver.write(0x01020304, 0x05060708, &mut out));
        #[rustfmt::skip]
        assert_eq!(out, [
            0xaf, 205, 0, 6,  1, 2, 3, 4,  5, 6, 7, 8,
            0, 10, 0, 4,  0, 0, 1, 0,
            // two-bit vector: small, small, lost, large
            0xd4, 0x80,
            0, 4, 0x04, 0xb0,
            0, 2,
        ]);
        assert!(!receiver.write(1, 2, &mut out));
    }

    #[test]
    fn what_arrives_is_told_exactly() {
        for seed in 1..200u64 {
            let mut random = Random(seed);
            let mut receiver = Receiver::new();
            let first = random.below(65_536) as u16;
            let mut now = 1_000_000 + random.below(1 << 40);
            let loss = random.below(60);
            let mut sent = Vec::new();
            for i in 0..random.below(1500) as u16 + 1 {
                now += match random.below(100) {
                    0 => random.below(20_000_000),
                    1..=10 => random.below(300_000),
                    _ => random.below(3000),
                };
                if random.below(100) >= loss {
                    sent.push((first.wrapping_add(i), now));
                }
            }
            if sent.is_empty() {
                continue;
            }
            for pair in 1..sent.len() {
                if random.below(20) == 0 {
                    let (a, b) = (sent[pair - 1].0, sent[pair].0);
                    // Swap numbers, not times: time goes on. The very first stays: what is before it is unknown.
                    if pair > 1 {
                        (sent[pair - 1].0, sent[pair].0) = (b, a);
                    }
                }
            }
            for &(seq, at) in &sent {
                receiver.packet(seq, Time(at));
            }
            let told = all(&mut receiver);
            let mut expected: Vec<_> = sent.iter().map(|&(s, at)| (s.wrapping_sub(sent[0].0), at)).collect();
            expected.sort();
            let arrived: Vec<_> = told.iter().filter_map(|&(s, a)| Some((s.wrapping_sub(sent[0].0), a?))).collect();
            assert_eq!(arrived.len(), expected.len());
            for (&(s, a), &(e, at)) in arrived.iter().zip(&expected) {
                assert_eq!(s, e);
                let error = (at as i64 - a).rem_euclid(CLOCK_WRAP_US);
                assert!(error < 250, "seed {seed}: {a} told, {at} true");
            }
            // Every number between the first and the last is told once.
            for (i, &(s, _)) in told.iter().enumerate() {
                assert_eq!(s, sent[0].0.wrapping_add(i as u16));
            }
        }
    }

    #[test]
    fn late_packets_are_told_in_the_next_feedback() {
        let mut receiver = Receiver::new();
        for seq in [65_534, 65_535, 1, 2] {
            receiver.packet(seq, Time(1_000_000));
        }
        assert_eq!(all(&mut receiver)[2], (0, None));
        receiver.packet(0, Time(1_100_000));
        receiver.packet(3, Time(1_101_000));
        let told = all(&mut receiver);
        assert_eq!(told.iter().map(|t| t.0).collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert!(told.iter().all(|t| t.1.is_some()));
        // Duplicates and packets older than the window change nothing.
        receiver.packet(3, Time(1_200_000));
        receiver.packet(3u16.wrapping_sub(3000), Time(1_200_000));
        assert!(!receiver.due(Time(9_000_000)));
        assert!(all(&mut receiver).is_empty());
    }

    #[test]
    fn the_window_is_bounded_and_due_is_regular() {
        let mut receiver = Receiver::new();
        assert!(!receiver.due(Time(1)));
        receiver.packet(5, Time(0));
        assert!(!receiver.due(Time(49_999)));
        assert!(receiver.due(Time(50_000)));
        for seq in 6..6000u16 {
            receiver.packet(seq, Time(10));
        }
        assert!(receiver.due(Time(10)));
        let told = all(&mut receiver);
        assert_eq!(told.len(), WINDOW);
        assert_eq!(told[0].0, 6000 - 2048);
        // A jump of half the number space.
        receiver.packet(38_000, Time(20));
        let told = all(&mut receiver);
        assert_eq!(told.last(), Some(&(38_000, Some(0))));
        assert!(told.len() <= WINDOW);
    }

    #[test]
    fn any_bytes_are_survived() {
        let mut random = Random(7);
        let mut receiver = Receiver::new();
        for seq in 0..300u16 {
            if random.below(3) > 0 {
                receiver.packet(seq, Time(u64::from(seq) * 90_000));
            }
        }
        let mut good = Vec::new();
        receiver.write(1, 2, &mut good);
        for round in 0..200_000 {
            let mut bytes = good[12..].to_vec();
            if round % 2 == 0 {
                bytes.truncate(random.below(bytes.len() as u64 + 1) as usize);
            }
            for _ in 0..random.below(8) {
                if bytes.is_empty() {
                    break;
                }
                let at = random.below(bytes.len().min(40) as u64) as usize;
                bytes[at] = random.below(256) as u8;
            }
            let mut calls = 0;
            let good = read_feedback(&bytes, &mut |_, _| calls += 1);
            assert!(calls <= MAX_STATUSES);
            assert_eq!(good, calls > 0);
        }
    }

    #[test]
    fn malformed_feedback_has_no_effect() {
        let mut never = |_: u16, _: Option<i64>| panic!("called");
        // reserved symbol in a run, in a vector; an empty run; too many; deltas cut off; chunks cut off
        for fci in [
            &[0, 1, 0, 2, 0, 0, 1, 0, 0x60, 2, 0, 0, 0, 0][..],
            &[0, 1, 0, 2, 0, 0, 1, 0, 0xdc, 0, 0, 0, 0, 0],
            &[0, 1, 0, 2, 0, 0, 1, 0, 0x20, 0, 0x20, 2, 0, 0],
            &[0, 1, 0xff, 0xff, 0, 0, 1, 0, 0x1f, 0xff, 0x1f, 0xff, 0x1f, 0xff],
            &[0, 1, 0, 2, 0, 0, 1, 0, 0x20, 2, 0],
            &[0, 1, 0, 20, 0, 0, 1, 0, 0x20, 2, 0, 0],
            &[0, 1, 0, 0, 0, 0, 1, 0],
            &[],
        ] {
            assert!(!read_feedback(fci, &mut never), "{fci:?}");
        }
        // What is beyond the count in the last vector does not matter.
        assert!(read_feedback(&[0, 1, 0, 1, 0, 0, 1, 0, 0xdf, 0xff, 9], &mut |s, a| {
            assert_eq!((s, a), (1, Some(64_000 + 9 * 250)));
        }));
    }
}
