//! RTCP on the wire: a visitor over what peers report, and the blocks this server writes (RFC 3550, 4585, 5104).
//! Knows no keys and no streams. Reading stops at the first malformed block; what is unknown is passed over.

const SR: u8 = 200;
const RR: u8 = 201;
const SDES: u8 = 202;
const BYE: u8 = 203;
const RTPFB: u8 = 205;
const PSFB: u8 = 206;
const FMT_NACK: u8 = 1;
/// draft-holmer-rmcat-transport-wide-cc-extensions-01
const FMT_TRANSPORT_CC: u8 = 15;
const FMT_PLI: u8 = 1;
const FMT_FIR: u8 = 4;
/// Application layer feedback; the first four bytes of its body say which (draft-alvestrand-rmcat-remb-03).
const FMT_APPLICATION: u8 = 15;
const REMB: [u8; 4] = *b"REMB";

const REPORT_BLOCK: usize = 24;
const SENDER_INFO: usize = 20;
/// Items given out of one compound packet, and blocks looked at: longer is somebody's fuzzer.
pub const MAX_ITEMS: usize = 64;
/// Sequence numbers given out of one NACK block: as many as a layer ring may hold.
pub const MAX_NACK_SEQS: usize = 1024;

/// One thing that a peer said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// The sender's clock: `ntp` (64 bits, RFC 3550 section 4) and `timestamp` name the same instant.
    SenderReport { ssrc: u32, ntp: u64, timestamp: u32 },
    /// How one stream is received; from a sender's or a receiver's report.
    Report(ReportBlock),
    /// Packets asked for again (RFC 4585 section 6.2.1).
    Nack { media_ssrc: u32, seqs: NackSeqs<'a> },
    /// The peer cannot decode until a keyframe comes (RFC 4585 section 6.3.1).
    Pli { media_ssrc: u32 },
    /// The same with more force, once for each entry (RFC 5104 section 4.3.1).
    Fir { media_ssrc: u32 },
    /// What the receiver thinks its path bears, in bit/s; saturates.
    Remb { bps: u64 },
    /// Arrival times of all packets: the body of the feedback behind the two SSRCs, without RTCP padding.
    TransportFeedback { media_ssrc: u32, body: &'a [u8] },
    /// The peer ends this stream.
    Bye { ssrc: u32 },
}

/// What a receiver says of one stream (RFC 3550 section 6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    pub ssrc: u32,
    /// In 1/256, since the previous report.
    pub fraction_lost: u8,
    /// Signed: duplicates count against it. 24 bits on the wire.
    pub cumulative_lost: i32,
    /// Extended: the high half counts wraps.
    pub highest_seq: u32,
    /// In units of the timestamp.
    pub jitter: u32,
    /// The middle 32 bits of the NTP time in the last sender report; 0 when none came.
    pub last_sr: u32,
    /// In 1/65536 s.
    pub delay_since_sr: u32,
}

impl ReportBlock {
    /// The round trip in 1/65536 s, given the middle 32 bits of our NTP time when the report came; `None` when the
    /// peer had no sender report yet or the clocks contradict each other (RFC 3550 section 6.4.1).
    pub fn round_trip(&self, now: u32) -> Option<u32> {
        let trip = now.wrapping_sub(self.last_sr).wrapping_sub(self.delay_since_sr);
        (self.last_sr != 0 && trip < 1 << 31).then_some(trip)
    }

    fn read(block: &[u8; REPORT_BLOCK]) -> Self {
        let loss = be32(block, 4);
        Self {
            ssrc: be32(block, 0),
            fraction_lost: (loss >> 24) as u8,
            cumulative_lost: ((loss << 8) as i32) >> 8,
            highest_seq: be32(block, 8),
            jitter: be32(block, 12),
            last_sr: be32(block, 16),
            delay_since_sr: be32(block, 20),
        }
    }
}

/// The sequence numbers of a NACK block in the order they are named, at most [`MAX_NACK_SEQS`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NackSeqs<'a> {
    entries: &'a [u8],
    base: u16,
    /// Bit i: `base + i + 1` is still to be given out.
    mask: u16,
    left: usize,
}

impl<'a> NackSeqs<'a> {
    fn new(entries: &'a [u8]) -> Self {
        Self { entries, base: 0, mask: 0, left: MAX_NACK_SEQS }
    }
}

impl Iterator for NackSeqs<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        self.left = self.left.checked_sub(1)?;
        if self.mask != 0 {
            let bit = self.mask.trailing_zeros() as u16;
            self.mask &= self.mask - 1;
            return Some(self.base.wrapping_add(bit + 1));
        }
        let (entry, rest) = self.entries.split_first_chunk::<4>()?;
        self.entries = rest;
        self.base = u16::from_be_bytes([entry[0], entry[1]]);
        self.mask = u16::from_be_bytes([entry[2], entry[3]]);
        Some(self.base)
    }
}

/// Give what a compound packet says to `f`, in order. Never fails: it stops where the packet is malformed, and after
/// [`MAX_ITEMS`] items.
pub fn read<'a>(packet: &'a [u8], f: &mut impl FnMut(Item<'a>)) {
    let mut rest = packet;
    let mut left = MAX_ITEMS;
    for _ in 0..MAX_ITEMS {
        let Some(block) = take_block(&mut rest) else {
            return;
        };
        let mut bounded = |item| match left.checked_sub(1) {
            None => {}
            Some(fewer) => {
                left = fewer;
                f(item);
            }
        };
        read_block(&block, &mut bounded);
        if left == 0 {
            return;
        }
    }
}

struct Block<'a> {
    kind: u8,
    /// Number of reports or sources, or which feedback message.
    count: u8,
    /// Behind the common head, without padding.
    body: &'a [u8],
}

fn take_block<'a>(rest: &mut &'a [u8]) -> Option<Block<'a>> {
    let (head, behind) = rest.split_first_chunk::<4>()?;
    if head[0] >> 6 != 2 {
        return None;
    }
    let (mut body, behind) = behind.split_at_checked(4 * usize::from(u16::from_be_bytes([head[2], head[3]])))?;
    if head[0] & 0x20 != 0 {
        let padding = usize::from(*body.last()?);
        body = body.get(..body.len().checked_sub(padding).filter(|_| padding > 0)?)?;
    }
    *rest = behind;
    Some(Block { kind: head[1], count: head[0] & 0x1F, body })
}

fn read_block<'a>(block: &Block<'a>, f: &mut impl FnMut(Item<'a>)) {
    let body = block.body;
    match (block.kind, block.count) {
        (SR, count) => {
            let Some((info, reports)) = body.split_first_chunk::<{ 4 + SENDER_INFO }>() else {
                return;
            };
            let ntp = u64::from(be32(info, 4)) << 32 | u64::from(be32(info, 8));
            f(Item::SenderReport { ssrc: be32(info, 0), ntp, timestamp: be32(info, 12) });
            read_reports(reports, count, f);
        }
        (RR, count) => read_reports(body.get(4..).unwrap_or_default(), count, f),
        (BYE, count) => {
            for ssrc in body.as_chunks::<4>().0.iter().take(usize::from(count)) {
                f(Item::Bye { ssrc: be32(ssrc, 0) });
            }
        }
        (RTPFB | PSFB, format) => {
            let Some((ssrcs, body)) = body.split_first_chunk::<8>() else {
                return;
            };
            let media_ssrc = be32(ssrcs, 4);
            match (block.kind, format) {
                (RTPFB, FMT_NACK) if body.len() >= 4 => f(Item::Nack { media_ssrc, seqs: NackSeqs::new(body) }),
                (RTPFB, FMT_TRANSPORT_CC) => f(Item::TransportFeedback { media_ssrc, body }),
                (PSFB, FMT_PLI) => f(Item::Pli { media_ssrc }),
                (PSFB, FMT_FIR) => {
                    for entry in body.as_chunks::<8>().0 {
                        f(Item::Fir { media_ssrc: be32(entry, 0) });
                    }
                }
                (PSFB, FMT_APPLICATION) => {
                    if let Some(bps) = read_remb(body) {
                        f(Item::Remb { bps });
                    }
                }
                _ => {}
            }
        }
        _ => {}
    }
}

fn read_reports<'a>(body: &'a [u8], count: u8, f: &mut impl FnMut(Item<'a>)) {
    for block in body.as_chunks::<REPORT_BLOCK>().0.iter().take(usize::from(count)) {
        f(Item::Report(ReportBlock::read(block)));
    }
}

fn read_remb(body: &[u8]) -> Option<u64> {
    let body = body.first_chunk::<8>()?;
    if body[..4] != REMB {
        return None;
    }
    let exponent = u32::from(body[5] >> 2);
    let mantissa = u64::from(be32(body, 4) & 0x3_FFFF);
    Some(if mantissa == 0 || exponent <= mantissa.leading_zeros() { mantissa << exponent.min(63) } else { u64::MAX })
}

/// Four bytes at `at` of a block whose size the type tells.
fn be32<const N: usize>(bytes: &[u8; N], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

// Writing. Each function appends one block; a compound packet is several in a row, a report first (RFC 3550 section
// 6.1) unless reduced size was agreed (RFC 5506).

/// `ntp` in 1/2³² s since 1900; `packets` and `octets` of payload since the stream began, wrapping.
pub fn write_sender_report(out: &mut Vec<u8>, ssrc: u32, ntp: u64, timestamp: u32, packets: u32, octets: u32) {
    head(out, 0, SR, (4 + SENDER_INFO) / 4);
    push32(out, ssrc);
    out.extend_from_slice(&ntp.to_be_bytes());
    push32(out, timestamp);
    push32(out, packets);
    push32(out, octets);
}

/// `ssrc` is ours. The first 31 blocks are written; a lost count beyond 24 bits is clamped (RFC 3550 section 6.4.1).
pub fn write_receiver_report(out: &mut Vec<u8>, ssrc: u32, blocks: &[ReportBlock]) {
    let blocks = &blocks[..blocks.len().min(31)];
    head(out, blocks.len() as u8, RR, 1 + blocks.len() * REPORT_BLOCK / 4);
    push32(out, ssrc);
    for block in blocks {
        let lost = block.cumulative_lost.clamp(-(1 << 23), (1 << 23) - 1);
        push32(out, block.ssrc);
        push32(out, u32::from(block.fraction_lost) << 24 | lost as u32 & 0xFF_FFFF);
        push32(out, block.highest_seq);
        push32(out, block.jitter);
        push32(out, block.last_sr);
        push32(out, block.delay_since_sr);
    }
}

/// SDES with the one item that every compound packet carries (RFC 3550 section 6.5.1); 255 bytes of it at most.
pub fn write_cname(out: &mut Vec<u8>, ssrc: u32, cname: &str) {
    let name = &cname.as_bytes()[..cname.len().min(255)];
    let chunk = 4 + 2 + name.len();
    let padding = 4 - chunk % 4; // at least one zero ends the list of items
    head(out, 1, SDES, (chunk + padding) / 4);
    push32(out, ssrc);
    out.extend_from_slice(&[1, name.len() as u8]);
    out.extend_from_slice(name);
    out.resize(out.len() + padding, 0);
}

pub fn write_bye(out: &mut Vec<u8>, ssrc: u32) {
    head(out, 1, BYE, 1);
    push32(out, ssrc);
}

/// `seqs` in sending order pack densest, any order is right; [`MAX_NACK_SEQS`] at most. Writes nothing for none.
pub fn write_nack(out: &mut Vec<u8>, sender: u32, media: u32, seqs: &[u16]) {
    let Some((&first, rest)) = seqs.split_first() else {
        return;
    };
    let start = out.len();
    head(out, FMT_NACK, RTPFB, 0);
    push32(out, sender);
    push32(out, media);
    let (mut base, mut mask) = (first, 0u16);
    for &seq in rest.iter().take(MAX_NACK_SEQS - 1) {
        match seq.wrapping_sub(base) {
            0 => {}
            distance @ 1..=16 => mask |= 1 << (distance - 1),
            _ => {
                push32(out, u32::from(base) << 16 | u32::from(mask));
                (base, mask) = (seq, 0);
            }
        }
    }
    push32(out, u32::from(base) << 16 | u32::from(mask));
    let words = (out.len() - start) / 4 - 1;
    out[start + 2..start + 4].copy_from_slice(&(words as u16).to_be_bytes());
}

pub fn write_pli(out: &mut Vec<u8>, sender: u32, media: u32) {
    head(out, FMT_PLI, PSFB, 2);
    push32(out, sender);
    push32(out, media);
}

/// `bps` is rounded down to 18 significant bits; the first 255 of `ssrcs` are written.
pub fn write_remb(out: &mut Vec<u8>, sender: u32, bps: u64, ssrcs: &[u32]) {
    let ssrcs = &ssrcs[..ssrcs.len().min(255)];
    head(out, FMT_APPLICATION, PSFB, 4 + ssrcs.len());
    push32(out, sender);
    push32(out, 0); // the media SSRC of a REMB is always 0: what it is about follows
    out.extend_from_slice(&REMB);
    let exponent = (u64::BITS - bps.leading_zeros()).saturating_sub(18);
    let mantissa = (bps >> exponent) as u32;
    push32(out, (ssrcs.len() as u32) << 24 | exponent << 18 | mantissa);
    for &ssrc in ssrcs {
        push32(out, ssrc);
    }
}

fn head(out: &mut Vec<u8>, count: u8, kind: u8, words: usize) {
    out.extend_from_slice(&[0x80 | count & 0x1F, kind]);
    out.extend_from_slice(&(words as u16).to_be_bytes());
}

fn push32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_be_bytes());
}

#[cfg(test)]
mod tests;
