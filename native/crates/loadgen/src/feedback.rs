//! What a viewer tells the server: transport-wide feedback each 100 ms, receiver reports with REMB where that is what
//! was negotiated (RFC 3550 section 6.4.2, draft-holmer-rmcat-transport-wide-cc-extensions-01,
//! draft-alvestrand-rmcat-remb-03).
//!
//! Builds plain RTCP; it knows no keys and no sockets.

/// Arrivals between two feedbacks that are reported; more are left out.
const MAX_ARRIVALS: usize = 4096;
const TICK_US: i64 = 250;
const SENDER: u32 = 1;

#[derive(Default)]
pub struct Arrivals {
    seen: Vec<(u16, i64)>,
    next: Option<u16>,
    count: u8,
}

impl Arrivals {
    /// A packet with transport-wide sequence number `seq` at `us` microseconds.
    pub fn packet(&mut self, seq: u16, us: i64) {
        if self.seen.len() < MAX_ARRIVALS {
            self.seen.push((seq, us));
        }
    }

    /// One feedback packet for all since the last one, in `out`; false when nothing came.
    pub fn write(&mut self, media: u32, out: &mut Vec<u8>) -> bool {
        let Some(&(first, first_us)) = self.seen.first() else {
            return false;
        };
        let base = self.next.unwrap_or(first);
        let place = |seq: u16| seq.wrapping_sub(base) as i16;
        if self.seen.windows(2).any(|pair| place(pair[0].0) > place(pair[1].0)) {
            self.seen.sort_by_key(|(seq, _)| place(*seq));
        }
        let reference = first_us.div_euclid(64_000);
        let mut before = reference * 64_000 / TICK_US;
        let mut symbols: Vec<u8> = Vec::with_capacity(self.seen.len());
        let mut deltas: Vec<u8> = Vec::with_capacity(self.seen.len());
        for &(seq, us) in &self.seen {
            let at = place(seq);
            if at < symbols.len() as i16 {
                continue; // late: reported as lost already, or twice
            }
            symbols.resize(at as usize, 0);
            let delta = us / TICK_US - before;
            let stored = delta.clamp(i64::from(i16::MIN), i64::from(i16::MAX));
            before += stored;
            match u8::try_from(stored) {
                Ok(small) => {
                    symbols.push(1);
                    deltas.push(small);
                }
                Err(_) => {
                    symbols.push(2);
                    deltas.extend((stored as i16).to_be_bytes());
                }
            }
        }
        self.seen.clear();
        if symbols.is_empty() {
            return false;
        }
        self.next = Some(base.wrapping_add(symbols.len() as u16));

        let start = out.len();
        out.extend([0x8F, 205, 0, 0]);
        out.extend(SENDER.to_be_bytes());
        out.extend(media.to_be_bytes());
        out.extend(base.to_be_bytes());
        out.extend((symbols.len() as u16).to_be_bytes());
        out.extend(&(reference as u32).to_be_bytes()[1..]);
        out.push(self.count);
        self.count = self.count.wrapping_add(1);
        write_chunks(&symbols, out);
        out.extend_from_slice(&deltas);
        close(start, out);
        true
    }
}

/// Runs of 7 and more as run-length chunks, the rest in vectors of 7 two-bit symbols.
fn write_chunks(symbols: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while at < symbols.len() {
        let run = symbols[at..].iter().take(8191).take_while(|symbol| **symbol == symbols[at]).count();
        if run >= 7 || at + run == symbols.len() {
            out.extend((u16::from(symbols[at]) << 13 | run as u16).to_be_bytes());
            at += run;
        } else {
            let vector = (0..7).fold(0xC000_u16, |vector, index| {
                vector | u16::from(symbols.get(at + index).copied().unwrap_or(0)) << (12 - 2 * index)
            });
            out.extend(vector.to_be_bytes());
            at += 7;
        }
    }
}

/// Fill up to a word and set the length.
fn close(start: usize, out: &mut Vec<u8>) {
    out.resize(start + (out.len() - start).next_multiple_of(4), 0);
    let words = ((out.len() - start) / 4 - 1) as u16;
    out[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
}

/// What a report block says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reception {
    pub highest: u32,
    pub lost: u32,
    /// Middle 32 bits of the last sender report's NTP time, and when it came (nanoseconds; 0: none).
    pub last_report: u32,
    pub last_report_at: i64,
}

/// A receiver report with one block and an SDES item, as browsers send it.
pub fn write_report(media: u32, reception: &Reception, now: i64, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend([0x81, 201, 0, 0]);
    out.extend(SENDER.to_be_bytes());
    out.extend(media.to_be_bytes());
    out.extend((reception.lost & 0x7F_FFFF).to_be_bytes());
    out.extend(reception.highest.to_be_bytes());
    out.extend(0_u32.to_be_bytes());
    out.extend(reception.last_report.to_be_bytes());
    let delay =
        if reception.last_report_at == 0 { 0 } else { (now - reception.last_report_at) * 65_536 / 1_000_000_000 };
    out.extend((delay as u32).to_be_bytes());
    close(start, out);
    let start = out.len();
    out.extend([0x81, 202, 0, 0]);
    out.extend(SENDER.to_be_bytes());
    out.extend([1, 4]);
    out.extend(b"load\0");
    close(start, out);
}

/// Receiver estimated maximum bitrate for one SSRC.
pub fn write_remb(media: u32, bits_per_s: u64, out: &mut Vec<u8>) {
    let start = out.len();
    let exponent = 64_u32.saturating_sub(bits_per_s.leading_zeros()).saturating_sub(18);
    let mantissa = (bits_per_s >> exponent) as u32;
    out.extend([0x8F, 206, 0, 0]);
    out.extend(SENDER.to_be_bytes());
    out.extend([0; 4]);
    out.extend(b"REMB");
    out.extend((1 << 24 | exponent << 18 | mantissa).to_be_bytes());
    out.extend(media.to_be_bytes());
    close(start, out);
}

/// A sender report (RFC 3550 section 6.4.1); `wall` in nanoseconds since 1970.
pub fn write_sender_report(ssrc: u32, wall: i64, timestamp: u32, packets: u64, bytes: u64, out: &mut Vec<u8>) {
    let start = out.len();
    let seconds = (wall / 1_000_000_000) as u64 + 2_208_988_800;
    let fraction = ((wall % 1_000_000_000) as u64) << 32;
    out.extend([0x80, 200, 0, 0]);
    out.extend(ssrc.to_be_bytes());
    out.extend((seconds as u32).to_be_bytes());
    out.extend(((fraction / 1_000_000_000) as u32).to_be_bytes());
    out.extend(timestamp.to_be_bytes());
    out.extend((packets as u32).to_be_bytes());
    out.extend((bytes as u32).to_be_bytes());
    close(start, out);
}

/// Each packet of a compound: (count or format, type, whole packet).
pub fn each(mut compound: &[u8], mut call: impl FnMut(u8, u8, &[u8])) {
    while let [first, kind, high, low, ..] = *compound {
        let length = 4 * (usize::from(u16::from_be_bytes([high, low])) + 1);
        let Some((packet, rest)) = compound.split_at_checked(length) else {
            return;
        };
        call(first & 0x1F, kind, packet);
        compound = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feedback_tells_what_came_and_what_did_not() {
        let mut arrivals = Arrivals::default();
        let mut out = Vec::new();
        assert!(!arrivals.write(5, &mut out));
        for seq in [65_534_u16, 65_535, 0, 2, 1] {
            arrivals.packet(seq, 64_000 + 250 * i64::from(seq == 2));
        }
        assert!(arrivals.write(5, &mut out));
        assert_eq!(out.len() % 4, 0);
        assert_eq!(out[12..20], [0xFF, 0xFE, 0, 5, 0, 0, 1, 0]);
        assert_eq!(out[20..27], [0x20, 5, 0, 0, 0, 0, 1]);
        out.clear();
        arrivals.packet(5, 400_000); // 3 and 4 are lost, and 400 ms is a large delta
        assert!(arrivals.write(5, &mut out));
        assert_eq!(out[12..20], [0, 3, 0, 3, 0, 0, 6, 1]);
        let mut packets = 0;
        each(&out, |format, kind, _| packets += u32::from(format == 15 && kind == 205));
        assert_eq!(packets, 1);
    }

    #[test]
    fn reports_are_words_long() {
        let mut out = Vec::new();
        write_report(5, &Reception::default(), 0, &mut out);
        write_remb(5, 5_000_000, &mut out);
        write_sender_report(5, 1, 2, 3, 4, &mut out);
        let mut kinds = Vec::new();
        each(&out, |_, kind, _| kinds.push(kind));
        assert_eq!(kinds, [201, 202, 206, 200]);
    }
}
