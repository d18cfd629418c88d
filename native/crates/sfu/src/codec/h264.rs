//! H.264 payloads (RFC 6184, packetization mode 0 and 1): which NAL units a packet begins.

use super::Facts;

const SLICE: u8 = 1;
const IDR: u8 = 5;
const SEI: u8 = 6;
const SPS: u8 = 7;
const DELIMITER: u8 = 9;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// One piece of a payload as its NAL units want to be put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit<'a> {
    /// A whole NAL unit, its head included.
    Whole(&'a [u8]),
    /// The beginning of one: its head, and what follows the head.
    First(u8, &'a [u8]),
    /// More of the one that was begun.
    More(&'a [u8]),
}

/// The NAL units of one payload, or its piece of one. Stops where it is malformed.
pub struct Units<'a> {
    rest: &'a [u8],
    aggregated: bool,
}

pub fn units(payload: &[u8]) -> Units<'_> {
    match payload.split_first() {
        Some((head, rest)) if head & 0x1F == STAP_A => Units { rest, aggregated: true },
        _ => Units { rest: payload, aggregated: false },
    }
}

impl<'a> Iterator for Units<'a> {
    type Item = Unit<'a>;

    fn next(&mut self) -> Option<Unit<'a>> {
        if self.aggregated {
            let (length, rest) = self.rest.split_first_chunk::<2>()?;
            // a sender that cuts the last unit short is given the benefit of the doubt, as by the Python engine
            let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
            let (unit, rest) = rest.split_at(length);
            self.rest = rest;
            return (!unit.is_empty()).then_some(Unit::Whole(unit));
        }
        match std::mem::take(&mut self.rest) {
            unit @ [head, ..] if matches!(head & 0x1F, 1..=23) => Some(Unit::Whole(unit)),
            [indicator, head, data @ ..] if indicator & 0x1F == FU_A => Some(match head & 0x80 {
                0 => Unit::More(data),
                _ => Unit::First(indicator & 0xE0 | head & 0x1F, data),
            }),
            _ => None,
        }
    }
}

/// `after_end`: the packet before ended its frame.
pub(super) fn facts(payload: &[u8], marker: bool, after_end: bool) -> Facts {
    let mut facts = Facts { frame_end: marker, ..Facts::default() };
    let mut referenced = payload.first().is_some_and(|head| head & 0x60 != 0);
    for unit in units(payload) {
        let (head, data) = match unit {
            Unit::Whole(unit) => (unit[0], &unit[1..]),
            Unit::First(head, data) => (head, data),
            Unit::More(_) => continue,
        };
        let kind = head & 0x1F;
        referenced |= head & 0x60 != 0;
        facts.keyframe_start |= matches!(kind, IDR | SPS);
        facts.frame_start |= match kind {
            SEI..=DELIMITER => true,
            // first_mb_in_slice is 0 when its Exp-Golomb code is the single bit 1 (H.264 section 7.3.3)
            SLICE | IDR => after_end || data.first().is_some_and(|byte| byte & 0x80 != 0),
            _ => after_end,
        };
    }
    facts.frame_start |= facts.keyframe_start && after_end;
    facts.discardable = !referenced && !payload.is_empty();
    facts.switching_point = facts.keyframe_start;
    facts
}
