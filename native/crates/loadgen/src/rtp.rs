//! RTP headers as they are seen in clear: fixed part, header extension, padding (RFC 3550, RFC 8285).
//!
//! Bytes in, numbers out.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub marker: bool,
    pub payload_type: u8,
    pub seq: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    /// Bytes of the header with its extension.
    pub length: usize,
    pub padded: bool,
}

fn u16_at(packet: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(packet.get(at..at + 2)?.try_into().ok()?))
}

pub fn u32_at(packet: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(packet.get(at..at + 4)?.try_into().ok()?))
}

pub fn read(packet: &[u8]) -> Option<Header> {
    let (first, second) = (*packet.first()?, *packet.get(1)?);
    let mut length = 12 + 4 * usize::from(first & 0x0F);
    if first & 0x10 != 0 {
        length += 4 + 4 * usize::from(u16_at(packet, length + 2)?);
    }
    (first >> 6 == 2 && length <= packet.len()).then_some(Header {
        marker: second & 0x80 != 0,
        payload_type: second & 0x7F,
        seq: u16_at(packet, 2)?,
        timestamp: u32_at(packet, 4)?,
        ssrc: u32_at(packet, 8)?,
        length,
        padded: first & 0x20 != 0,
    })
}

/// The first two bytes of the one-byte extension element `id`.
pub fn extension(packet: &[u8], id: u8) -> Option<u16> {
    if packet.first()? & 0x10 == 0 {
        return None;
    }
    let start = 12 + 4 * usize::from(packet[0] & 0x0F);
    if u16_at(packet, start)? != 0xBEDE {
        return None;
    }
    let end = start + 4 + 4 * usize::from(u16_at(packet, start + 2)?);
    let mut at = start + 4;
    while at < end {
        let head = *packet.get(at)?;
        if head == 0 {
            at += 1;
            continue;
        }
        if head >> 4 == id {
            return u16_at(packet, at + 1);
        }
        at += 2 + usize::from(head & 0x0F);
    }
    None
}

/// The payload of a plain packet without header and padding; None when the padding is longer than the payload.
pub fn payload<'a>(packet: &'a [u8], header: &Header) -> Option<&'a [u8]> {
    let body = packet.get(header.length..)?;
    let padding = if header.padded { usize::from(*body.last()?) } else { 0 };
    body.get(..body.len().checked_sub(padding)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_with_extension_and_padding_is_read() {
        let mut packet = vec![0xB0, 0x80 | 102, 0, 7, 0, 0, 0, 1, 0, 0, 0, 2];
        packet.extend([0xBE, 0xDE, 0, 2, 0x40, 9, 0x31, 0x12, 0x34, 0, 0, 0]);
        packet.extend([1, 2, 3, 0, 2]);
        let header = read(&packet).unwrap();
        assert_eq!((header.marker, header.payload_type, header.seq, header.length), (true, 102, 7, 24));
        assert_eq!(extension(&packet, 3), Some(0x1234));
        assert_eq!(extension(&packet, 5), None);
        assert_eq!(payload(&packet, &header), Some(&[1, 2, 3][..]));
        for end in 0..packet.len() {
            let _ = read(&packet[..end]).map(|header| payload(&packet[..end], &header).map(<[u8]>::len));
            let _ = extension(&packet[..end], 5);
        }
    }
}
