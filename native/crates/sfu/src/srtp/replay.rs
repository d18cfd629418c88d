//! Which packets of one SSRC were seen, and the 48-bit index of the next one (RFC 3711 3.3.1 and 3.3.2).
//!
//! Knows numbers only. The caller asks first and records after authentication, never the other way round.

/// Packets behind the highest one that may still arrive. At 4 Mbit/s of video this is more than two seconds.
pub(super) const WINDOW: u64 = 1024;
const WORDS: usize = (WINDOW / 64) as usize;
const INDEX_END: u64 = 1 << 48;

/// RTP packets seen of one SSRC.
#[derive(Clone, Debug)]
pub(super) struct Window {
    highest: u64,
    /// Bit `index % WINDOW` of those in `highest - WINDOW + 1 ..= highest`.
    seen: [u64; WORDS],
}

impl Window {
    /// The rollover counter of an SSRC's first packet is zero: nothing else is known of it.
    pub(super) fn begin(seq: u16) -> Self {
        Self::at(u64::from(seq))
    }

    pub(super) fn at(highest: u64) -> Self {
        let mut window = Self { highest, seen: [0; WORDS] };
        window.mark(highest);
        window
    }

    /// The most likely index of a packet with this sequence number (RFC 3711 3.3.1 and appendix A).
    ///
    /// `None` where that would lie before the first index or past the last one a key may seal.
    pub(super) fn estimate(&self, seq: u16) -> Option<u64> {
        let newest = self.highest as u16;
        let roc = self.highest >> 16;
        let roc = if newest < 0x8000 {
            if i32::from(seq) - i32::from(newest) > 0x8000 { roc.checked_sub(1)? } else { roc }
        } else if newest - 0x8000 > seq {
            roc + 1
        } else {
            roc
        };
        Some(roc << 16 | u64::from(seq)).filter(|&index| index < INDEX_END)
    }

    /// Whether a packet of this index was not seen and is not too old to tell.
    pub(super) fn admits(&self, index: u64) -> bool {
        if index > self.highest {
            return true;
        }
        self.highest - index < WINDOW && self.seen[word(index)] & bit(index) == 0
    }

    /// Records an authentic packet that `admits` let pass.
    pub(super) fn record(&mut self, index: u64) {
        if index > self.highest {
            let ahead = index - self.highest;
            if ahead >= WINDOW {
                self.seen = [0; WORDS];
            } else {
                for skipped in self.highest + 1..index {
                    self.seen[word(skipped)] &= !bit(skipped);
                }
            }
            self.highest = index;
        }
        self.mark(index);
    }

    fn mark(&mut self, index: u64) {
        self.seen[word(index)] |= bit(index);
    }
}

const fn word(index: u64) -> usize {
    (index % WINDOW / 64) as usize
}

const fn bit(index: u64) -> u64 {
    1 << (index % 64)
}

/// RTCP packets seen of one SSRC: the 31-bit index stands in each packet, so there is nothing to estimate.
///
/// 128 packets are minutes of feedback; a viewer's state stays small.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RtcpWindow {
    /// One past the highest index seen; zero before the first.
    end: u32,
    /// Bit n: index `end - 1 - n` was seen. Two words: a `u128` would align the whole record to 16 bytes.
    seen: [u64; 2],
}

impl RtcpWindow {
    pub(super) fn admits(&self, index: u32) -> bool {
        if index >= self.end {
            return true;
        }
        let age = self.end - 1 - index;
        age < 128 && self.bits() >> age & 1 == 0
    }

    pub(super) fn record(&mut self, index: u32) {
        let bits = self.bits();
        let bits = if index >= self.end {
            let ahead = index - self.end + 1;
            self.end = index + 1;
            bits.checked_shl(ahead).unwrap_or(0) | 1
        } else {
            bits | 1u128.checked_shl(self.end - 1 - index).unwrap_or(0)
        };
        self.seen = [bits as u64, (bits >> 64) as u64];
    }

    fn bits(&self) -> u128 {
        u128::from(self.seen[1]) << 64 | u128::from(self.seen[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn estimates_as_rfc_3711_appendix_a() {
        let at = |roc: u64, newest: u64, seq| Window::at(roc << 16 | newest).estimate(seq);
        assert_eq!(at(0, 10, 11), Some(11));
        assert_eq!(at(0, 10, 9), Some(9));
        assert_eq!(at(0, 10, 65_535), None, "before the beginning");
        assert_eq!(at(1, 10, 65_535), Some(65_535));
        assert_eq!(at(0, 65_535, 0), Some(65_536));
        assert_eq!(at(0, 0x8000, 0), Some(0x0000));
        assert_eq!(at(0, 0x8001, 0), Some(0x1_0000));
        assert_eq!(at(0, 0, 0x8000), Some(0x8000));
        assert_eq!(at(1, 0, 0x8001), Some(0x8001));
        assert_eq!(at(0xffff_ffff, 65_535, 0), None, "past the end");
    }

    #[test]
    fn admits_each_index_once() {
        let mut window = Window::begin(5);
        assert!(!window.admits(5));
        assert!(window.admits(4));
        window.record(5 + WINDOW);
        assert!(!window.admits(5), "too old to tell");
        assert!(window.admits(6));
        window.record(6);
        assert!(!window.admits(6));
        assert!(!window.admits(5 + WINDOW));
    }

    #[test]
    fn agrees_with_a_set() {
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        let mut random = move |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        };
        let mut window = Window::begin(3);
        let mut rtcp = RtcpWindow::default();
        let (mut seen, mut rtcp_seen) = (HashSet::from([3u64]), HashSet::new());
        let (mut highest, mut rtcp_highest) = (3u64, 0u32);
        for round in 0..200_000u64 {
            let jump = if round % 1000 == 0 { 3000 } else { 40 };
            let index = (highest + random(jump)).saturating_sub(random(1500));
            let expected = index > highest || (highest - index < WINDOW && !seen.contains(&index));
            assert_eq!(window.admits(index), expected, "{index} after {highest}");
            if expected && random(4) > 0 {
                window.record(index);
                seen.insert(index);
                highest = highest.max(index);
            }
            let index = (rtcp_highest + random(6) as u32).saturating_sub(random(160) as u32);
            let expected = index > rtcp_highest || (rtcp_highest - index < 128 && !rtcp_seen.contains(&index));
            assert_eq!(rtcp.admits(index), expected);
            if expected {
                rtcp.record(index);
                rtcp_seen.insert(index);
                rtcp_highest = rtcp_highest.max(index);
            }
        }
    }

    #[test]
    fn rtcp_survives_the_last_index() {
        let mut window = RtcpWindow::default();
        window.record(0x7fff_ffff);
        assert!(!window.admits(0x7fff_ffff));
        assert!(window.admits(0x7fff_fffe));
        assert!(!window.admits(0));
    }
}
