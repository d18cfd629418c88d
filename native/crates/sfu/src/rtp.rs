//! RTP on the wire: where things are in a packet, header extensions, the headers this server writes (RFC 3550, RFC
//! 8285). Knows no keys, no codecs and no streams; what is not RTP reads as nothing.

use std::ops::Range;

pub const FIXED_HEADER: usize = 12;
/// Profile of a block of one-byte elements (RFC 8285 section 4.2).
pub const ONE_BYTE: u16 = 0xBEDE;
/// Profile of a block of two-byte elements; the low four bits are the application's (RFC 8285 section 4.3).
pub const TWO_BYTE: u16 = 0x1000;
/// Elements of one written block, so that its length in words fits its field.
const MAX_ELEMENTS: usize = 255;

/// Where things are in one packet. All ranges lie within the packet that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    pub marker: bool,
    /// 0..=127
    pub payload_type: u8,
    pub seq: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    /// Bytes of fixed header, CSRC list and extension block.
    pub header_len: usize,
    /// The extension block without its own head; empty without one.
    pub extensions: Range<usize>,
    /// Which form the block has: [`ONE_BYTE`], [`TWO_BYTE`], or something unknown; 0 without a block.
    pub extension_profile: u16,
    /// What the codec wrote, padding removed. May be empty.
    pub payload: Range<usize>,
}

/// Read a plain packet; `None` when any length in it is wrong (RFC 3550 section 5.1).
pub fn read(packet: &[u8]) -> Option<View> {
    let fixed = packet.first_chunk::<FIXED_HEADER>()?;
    let (header_len, extensions, extension_profile) = layout(packet)?;
    let padding = match fixed[0] & 0x20 {
        0 => 0,
        _ => match packet.last() {
            None | Some(0) => return None,
            Some(&padding) => usize::from(padding),
        },
    };
    let end = packet.len().checked_sub(padding).filter(|&end| end >= header_len)?;
    Some(View {
        marker: fixed[1] & 0x80 != 0,
        payload_type: fixed[1] & 0x7F,
        seq: u16::from_be_bytes([fixed[2], fixed[3]]),
        timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
        ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
        header_len,
        extensions,
        extension_profile,
        payload: header_len..end,
    })
}

/// Bytes of the header of a protected packet: where what is only authenticated ends and what is encrypted begins
/// (RFC 3711 section 3.1).
pub fn header_len(packet: &[u8]) -> Option<usize> {
    layout(packet).map(|(length, _, _)| length)
}

fn layout(packet: &[u8]) -> Option<(usize, Range<usize>, u16)> {
    let first = *packet.first()?;
    if first >> 6 != 2 {
        return None;
    }
    let start = FIXED_HEADER + 4 * usize::from(first & 0x0F);
    if first & 0x10 == 0 {
        return (start <= packet.len()).then_some((start, start..start, 0));
    }
    let head = packet.get(start..)?.first_chunk::<4>()?;
    let body = start + 4;
    let end = body + 4 * usize::from(u16::from_be_bytes([head[2], head[3]]));
    (end <= packet.len()).then_some((end, body..end, u16::from_be_bytes([head[0], head[1]])))
}

/// The value of the first element with this id, in either form of RFC 8285. `id` 0 is padding and never found.
pub fn extension<'a>(packet: &'a [u8], view: &View, id: u8) -> Option<&'a [u8]> {
    let mut block = packet.get(view.extensions.clone())?;
    let one_byte = view.extension_profile == ONE_BYTE;
    if id == 0 || !(one_byte || view.extension_profile & 0xFFF0 == TWO_BYTE) {
        return None;
    }
    while let Some((&head, rest)) = block.split_first() {
        if head == 0 {
            block = rest; // padding
            continue;
        }
        let (found, length, rest) = if one_byte {
            // 15 ends the block, and so does a padding byte that claims a length (section 4.2)
            match head >> 4 {
                0 | 15 => return None,
                id => (id, usize::from(head & 0x0F) + 1, rest),
            }
        } else {
            let (&length, rest) = rest.split_first()?;
            (head, usize::from(length), rest)
        };
        if found == id {
            return rest.get(..length);
        }
        block = rest.get(length..)?;
    }
    None
}

/// The fields of a header to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// 0..=127
    pub payload_type: u8,
    pub marker: bool,
    /// The caller ends the packet with padding whose last byte is its length.
    pub padding: bool,
    pub seq: u16,
    pub timestamp: u32,
    pub ssrc: u32,
}

/// Append a header and, when there are `elements` (id, value), one extension block padded to four bytes; returns how
/// many bytes that was.
///
/// One-byte elements, unless one of them does not fit that form (id above 14, empty, or longer than 16 bytes): then
/// the whole block has two-byte elements. Ids 0 and values above 255 bytes are left out.
pub fn write_header(out: &mut Vec<u8>, head: &Outgoing, elements: &[(u8, &[u8])]) -> usize {
    let start = out.len();
    let elements = &elements[..elements.len().min(MAX_ELEMENTS)];
    let first = 0x80 | u8::from(head.padding) << 5 | u8::from(!elements.is_empty()) << 4;
    let second = u8::from(head.marker) << 7 | head.payload_type & 0x7F;
    out.extend_from_slice(&[first, second]);
    out.extend_from_slice(&head.seq.to_be_bytes());
    out.extend_from_slice(&head.timestamp.to_be_bytes());
    out.extend_from_slice(&head.ssrc.to_be_bytes());
    if !elements.is_empty() {
        write_extensions(out, elements);
    }
    out.len() - start
}

fn write_extensions(out: &mut Vec<u8>, elements: &[(u8, &[u8])]) {
    let one_byte = elements.iter().all(|(id, value)| *id <= 14 && matches!(value.len(), 1..=16));
    let profile = if one_byte { ONE_BYTE } else { TWO_BYTE };
    out.extend_from_slice(&profile.to_be_bytes());
    let length_at = out.len();
    out.extend_from_slice(&[0, 0]);
    for &(id, value) in elements {
        let Ok(length) = u8::try_from(value.len()) else {
            continue;
        };
        match (id, one_byte) {
            (0, _) => continue,
            (_, true) => out.push(id << 4 | (length - 1)),
            (_, false) => out.extend_from_slice(&[id, length]),
        }
        out.extend_from_slice(value);
    }
    let body = out.len() - length_at - 2;
    let words = body.div_ceil(4);
    out.resize(out.len() + 4 * words - body, 0);
    out[length_at..length_at + 2].copy_from_slice(&(words as u16).to_be_bytes());
}

/// Tell RTCP from RTP on a multiplexed port (RFC 5761 section 4).
pub fn is_rtcp(d: &[u8]) -> bool {
    matches!(d, [_, 192..=223, ..])
}

/// The index with the low 16 bits `seq` that is nearest to `near`; never below zero.
pub fn unwrap_seq(seq: u16, near: u64) -> u64 {
    let ahead = seq.wrapping_sub(near as u16) as i16;
    let below = i64::from(ahead) < 0 && near < u64::from(ahead.unsigned_abs());
    if below { u64::from(seq) } else { near.wrapping_add_signed(i64::from(ahead)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Outgoing {
        Outgoing {
            payload_type: 96,
            marker: true,
            padding: false,
            seq: 0xFFFE,
            timestamp: 0xDEAD_BEEF,
            ssrc: 0x0102_0304,
        }
    }

    #[test]
    fn a_plain_header_is_what_the_python_twin_writes() {
        let mut out = vec![7];
        assert_eq!(write_header(&mut out, &Outgoing { padding: true, ..head() }, &[]), 12);
        assert_eq!(out[1..], [0xa0, 0xe0, 0xff, 0xfe, 0xde, 0xad, 0xbe, 0xef, 1, 2, 3, 4]);
    }

    #[test]
    fn what_is_written_reads_back() {
        let mut packet = Vec::new();
        let length = write_header(&mut packet, &head(), &[(3, b"abc"), (14, b"0123456789abcdef"), (1, b"x")]);
        assert_eq!(length, 12 + 4 + 24);
        packet.extend_from_slice(b"payload");
        let view = read(&packet).unwrap();
        assert_eq!((view.payload_type, view.marker, view.seq), (96, true, 0xFFFE));
        assert_eq!((view.timestamp, view.ssrc), (0xDEAD_BEEF, 0x0102_0304));
        assert_eq!((view.header_len, view.extension_profile), (length, ONE_BYTE));
        assert_eq!(header_len(&packet), Some(length));
        assert_eq!(&packet[view.payload.clone()], b"payload");
        assert_eq!(extension(&packet, &view, 3), Some(&b"abc"[..]));
        assert_eq!(extension(&packet, &view, 14), Some(&b"0123456789abcdef"[..]));
        assert_eq!(extension(&packet, &view, 1), Some(&b"x"[..]));
        assert_eq!(extension(&packet, &view, 2), None);
        assert_eq!(extension(&packet, &view, 0), None);
    }

    #[test]
    fn a_long_an_empty_or_a_high_element_makes_the_block_two_byte() {
        let long = [9u8; 17];
        for element in [(4, &long[..]), (4, &b""[..]), (15, &b"x"[..]), (200, &b"x"[..])] {
            let mut packet = Vec::new();
            let length = write_header(&mut packet, &head(), &[(3, b"abc"), element]);
            assert_eq!(length % 4, 0);
            let view = read(&packet).unwrap();
            assert_eq!(view.extension_profile, TWO_BYTE);
            assert_eq!(extension(&packet, &view, 3), Some(&b"abc"[..]));
            assert_eq!(extension(&packet, &view, element.0), Some(element.1));
        }
    }

    #[test]
    fn csrcs_extension_and_padding_are_stepped_over() {
        let mut packet = vec![0xB2, 0x60, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
        packet.extend_from_slice(&[0xCC; 8]); // two CSRCs
        packet.extend_from_slice(&[0xBE, 0xDE, 0, 2, 0, 0x10, 0xAA, 0x21, 1, 2, 0xF0, 0x30]);
        packet.extend_from_slice(b"media\0\0\x03");
        let view = read(&packet).unwrap();
        assert_eq!(&packet[view.payload.clone()], b"media");
        assert_eq!(view.header_len, 32);
        assert_eq!(extension(&packet, &view, 1), Some(&[0xAA][..]));
        assert_eq!(extension(&packet, &view, 2), Some(&[1, 2][..]));
        assert_eq!(extension(&packet, &view, 3), None, "id 15 ends the block");
    }

    #[test]
    fn what_is_not_rtp_is_nothing() {
        let good = [0x80, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 1];
        assert!(read(&good).is_some());
        assert_eq!(read(&good[..12]).map(|view| view.payload.len()), Some(0));
        for length in 0..12 {
            assert!(read(&good[..length]).is_none() && header_len(&good[..length]).is_none());
        }
        let with = |first: u8, last: u8| {
            let mut packet = good;
            (packet[0], packet[12]) = (first, last);
            read(&packet)
        };
        assert!(with(0x40, 1).is_none(), "version");
        assert!(with(0xA0, 0).is_none(), "padding of nothing");
        assert!(with(0xA0, 2).is_none(), "padding longer than the payload");
        assert!(with(0xA0, 1).is_some_and(|view| view.payload.is_empty()));
        assert!(with(0x81, 1).is_none(), "CSRC beyond the end");
        assert!(with(0x90, 1).is_none(), "extension beyond the end");
    }

    #[test]
    fn a_cut_element_is_not_found() {
        let packet = [0x90, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0xBE, 0xDE, 0, 1, 0x1F, 1, 2, 3];
        let view = read(&packet).unwrap();
        assert_eq!(extension(&packet, &view, 1), None);
        assert_eq!(extension(&packet, &view, 2), None);
    }

    #[test]
    fn rtcp_is_told_from_rtp() {
        assert!(is_rtcp(&[0x80, 200]) && is_rtcp(&[0x80, 192]) && is_rtcp(&[0x80, 223]));
        assert!(!is_rtcp(&[0x80, 96]) && !is_rtcp(&[0x80, 224]) && !is_rtcp(&[0x80]));
    }

    #[test]
    fn the_nearest_index_is_found_on_both_sides_of_a_wrap() {
        assert_eq!(unwrap_seq(0, 0xFFFF), 0x1_0000);
        assert_eq!(unwrap_seq(0xFFFF, 0x1_0000), 0xFFFF);
        assert_eq!(unwrap_seq(0x7FFF, 0x1_0000), 0x1_7FFF);
        assert_eq!(unwrap_seq(0x8001, 0x1_0000), 0x8001);
        assert_eq!(unwrap_seq(0xFFFF, 3), 0xFFFF, "there is nothing below zero");
        for near in [0u64, 1, 40_000, 65_535, 65_536, 1 << 40, (1 << 48) + 77] {
            for ahead in -30_000i64..30_000 {
                let Some(index) = near.checked_add_signed(ahead) else {
                    continue;
                };
                assert_eq!(unwrap_seq(index as u16, near), index);
            }
        }
    }
}
