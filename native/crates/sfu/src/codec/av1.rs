//! AV1 payloads: the aggregation header and the OBU elements behind it (RTP Payload Format For AV1, section 4).
//! The dependency descriptor beside them is a header extension that serves every codec: see [`super::dd`].

pub use super::dd::{Dd, DdState, Dti, read as read_dd};

pub const OBU_SEQUENCE_HEADER: u8 = 1;
pub const OBU_TEMPORAL_DELIMITER: u8 = 2;
const OBU_FRAME_HEADER: u8 = 3;
const OBU_TILE_GROUP: u8 = 4;
const OBU_FRAME: u8 = 6;

/// The first byte of a payload (section 4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aggregation {
    /// Z: the first element goes on with an OBU that an earlier packet began.
    pub continues: bool,
    /// Y: a later packet goes on with the last element.
    pub continued: bool,
    /// W: number of elements, the last without a length; 0: each has a length.
    pub count: u8,
    /// N: first packet of a coded video sequence, which is a keyframe.
    pub new_sequence: bool,
}

impl Aggregation {
    pub fn read(payload: &[u8]) -> Option<Self> {
        let first = *payload.first()?;
        Some(Self {
            continues: first & 0x80 != 0,
            continued: first & 0x40 != 0,
            count: first >> 4 & 3,
            new_sequence: first & 0x08 != 0,
        })
    }
}

/// Whether the packet begins a coded video sequence.
pub fn starts_sequence(payload: &[u8]) -> bool {
    Aggregation::read(payload).is_some_and(|head| head.new_sequence && !head.continues && payload.len() > 1)
}

/// An OBU, or a piece of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element<'a> {
    /// Goes on with what the packet before left open.
    pub continues: bool,
    /// Is gone on with by the next packet.
    pub continued: bool,
    pub data: &'a [u8],
}

/// The elements of one payload. Ends where it is malformed; then `malformed` is set.
pub struct Elements<'a> {
    rest: &'a [u8],
    head: Aggregation,
    index: u32,
    pub malformed: bool,
}

/// `None` for an empty payload.
pub fn elements(payload: &[u8]) -> Option<Elements<'_>> {
    let head = Aggregation::read(payload)?;
    Some(Elements { rest: &payload[1..], head, index: 0, malformed: false })
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        let counted = u32::from(self.head.count);
        if self.malformed || (counted != 0 && self.index == counted) || self.rest.is_empty() {
            return None;
        }
        self.index += 1;
        let data = if self.index == counted {
            std::mem::take(&mut self.rest)
        } else {
            let sized = read_leb128(self.rest)
                .and_then(|(length, width)| self.rest.get(width..)?.split_at_checked(usize::try_from(length).ok()?));
            let Some((data, rest)) = sized else {
                self.malformed = true;
                return None;
            };
            self.rest = rest;
            data
        };
        let last = self.rest.is_empty() || self.index == counted;
        Some(Element {
            continues: self.head.continues && self.index == 1,
            continued: self.head.continued && last,
            data,
        })
    }
}

/// Spatial and temporal id of the first OBU with frame data that begins in this payload, when it has the extension
/// that tells them (AV1 specification, 5.3.3).
pub fn layer(payload: &[u8]) -> Option<(u8, u8)> {
    elements(payload)?.filter(|element| !element.continues).find_map(|element| {
        let head = *element.data.first()?;
        let frame = matches!(obu_type(head), OBU_FRAME_HEADER | OBU_TILE_GROUP | OBU_FRAME);
        let extension = *element.data.get(1).filter(|_| frame && head & 0x04 != 0)?;
        Some((extension >> 3 & 3, extension >> 5))
    })
}

pub fn obu_type(head: u8) -> u8 {
    head >> 3 & 0x0F
}

/// A value and how many bytes it took; `None` when it is cut short, longer than 8 bytes or above 32 bits (AV1
/// specification, 4.10.5).
pub fn read_leb128(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (index, byte) in bytes.iter().take(8).enumerate() {
        value |= u64::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return (value <= u64::from(u32::MAX)).then_some((value, index + 1));
        }
    }
    None
}

/// Append `value` in the fewest bytes.
pub fn write_leb128(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
