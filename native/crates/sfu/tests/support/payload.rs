//! Payloads that say what they are: a real descriptor of the codec in front, an [`Info`] at the end.

use sfu::api::Codec;

use super::Rng;

const MAGIC: u32 = 0x1F2E_3D4C;
pub const INFO_BYTES: usize = 44;

/// What a packet is, by its publisher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    pub publisher: u16,
    pub encoding: u8,
    pub spatial: u8,
    pub temporal: u8,
    pub video: bool,
    /// Number of the picture within the encoding.
    pub frame: u32,
    /// The picture that this one needs; its own number: none.
    pub reference: u32,
    /// Place among the packets of its frame.
    pub index: u16,
    pub count: u16,
    /// The publisher's own number of this packet, unwrapped.
    pub seq: u64,
    pub capture_us: u64,
}

impl Info {
    pub fn is_key(&self) -> bool {
        self.frame == self.reference
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&MAGIC.to_be_bytes());
        out.extend_from_slice(&self.publisher.to_be_bytes());
        out.extend_from_slice(&[self.encoding, self.spatial, self.temporal, u8::from(self.video), 0, 0]);
        out.extend_from_slice(&self.frame.to_be_bytes());
        out.extend_from_slice(&self.reference.to_be_bytes());
        out.extend_from_slice(&self.index.to_be_bytes());
        out.extend_from_slice(&self.count.to_be_bytes());
        out.extend_from_slice(&self.seq.to_be_bytes());
        out.extend_from_slice(&self.capture_us.to_be_bytes());
        out.extend_from_slice(&MAGIC.to_be_bytes());
    }

    pub fn read(payload: &[u8]) -> Option<Self> {
        let at = payload.len().checked_sub(INFO_BYTES)?;
        let b = &payload[at..];
        let u32_at = |at: usize| u32::from_be_bytes(b[at..at + 4].try_into().unwrap());
        let u64_at = |at: usize| u64::from_be_bytes(b[at..at + 8].try_into().unwrap());
        (u32_at(0) == MAGIC && u32_at(40) == MAGIC).then(|| Self {
            publisher: u16::from_be_bytes([b[4], b[5]]),
            encoding: b[6],
            spatial: b[7],
            temporal: b[8],
            video: b[9] != 0,
            frame: u32_at(12),
            reference: u32_at(16),
            index: u16::from_be_bytes([b[20], b[21]]),
            count: u16::from_be_bytes([b[22], b[23]]),
            seq: u64_at(24),
            capture_us: u64_at(32),
        })
    }
}

/// How an encoder numbers its pictures.
#[derive(Clone, Copy, Debug, Default)]
pub struct Numbers {
    pub picture: u16,
    pub tl0: u8,
}

/// Where a frame stands in its layers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    pub spatial: u8,
    pub temporal: u8,
    pub spatial_layers: u8,
    pub temporal_layers: u8,
    /// Refers to lower temporal layers only.
    pub sync: bool,
}

/// A payload of about `bytes` bytes; `first` and `last` of its frame.
pub fn write(codec: Codec, info: &Info, numbers: Numbers, place: Place, bytes: usize, rng: &mut Rng) -> Vec<u8> {
    let (first, last) = (info.index == 0, info.index + 1 == info.count);
    let mut out = Vec::with_capacity(bytes + 64);
    match codec {
        Codec::Opus => out.push(0x78),
        Codec::H264 => h264(&mut out, info, first, last),
        Codec::Vp8 => {
            out.extend_from_slice(&[0x80 | u8::from(first) << 4, 0xE0]);
            out.extend_from_slice(&(numbers.picture | 0x8000).to_be_bytes());
            out.extend_from_slice(&[numbers.tl0, place.temporal << 6 | u8::from(place.sync) << 5]);
            out.push(u8::from(!info.is_key()));
            if first && info.is_key() {
                let (width, height) = size(info.encoding);
                out.extend_from_slice(&[0, 0, 0x9D, 0x01, 0x2A]);
                out.extend_from_slice(&(width as u16).to_le_bytes());
                out.extend_from_slice(&(height as u16).to_le_bytes());
            }
        }
        Codec::Vp9 => {
            let inter = !info.is_key();
            let mut head = 0x80 | 0x20 | u8::from(inter) << 6 | u8::from(first) << 3 | u8::from(last) << 2;
            let structure = info.is_key() && first && info.spatial == 0;
            head |= u8::from(structure) << 1;
            out.push(head);
            out.extend_from_slice(&(numbers.picture | 0x8000).to_be_bytes());
            let depends = u8::from(place.spatial > 0);
            out.push(place.temporal << 5 | u8::from(place.sync) << 4 | place.spatial << 1 | depends);
            out.push(numbers.tl0);
            if structure {
                let layers = place.spatial_layers.max(1);
                out.push((layers - 1) << 5 | 0x10);
                for layer in 0..layers {
                    let (width, height) = size(info.encoding + layer);
                    out.extend_from_slice(&(width as u16).to_be_bytes());
                    out.extend_from_slice(&(height as u16).to_be_bytes());
                }
            }
        }
        Codec::Av1 => {
            let new = info.is_key() && first;
            out.push(u8::from(!first) << 7 | u8::from(!last) << 6 | 0x10 | u8::from(new) << 3);
            out.push(if new { 0x08 } else { 0x30 });
            if new {
                out.extend_from_slice(&sequence_header(size(info.encoding)));
            }
        }
    }
    let filler = bytes.saturating_sub(out.len() + INFO_BYTES);
    for _ in 0..filler {
        out.push(rng.next() as u8 | 1);
    }
    info.write(&mut out);
    out
}

/// Each encoding is twice as wide as the one below.
fn size(encoding: u8) -> (u32, u32) {
    (320 << encoding, 192 << encoding)
}

fn h264(out: &mut Vec<u8>, info: &Info, first: bool, last: bool) {
    if info.is_key() && first {
        out.extend_from_slice(&[0x67, 0x42, 0xE0, 0x1F]); // a parameter set of its own
        let (width, height) = size(info.encoding);
        let mut bits = Bits::default();
        [0, 0, 2, 1].iter().for_each(|value| bits.golomb(*value));
        bits.put(0, 1);
        bits.golomb(width / 16 - 1);
        bits.golomb(height / 16 - 1);
        bits.put(0b1100, 4); // whole frames
        out.extend_from_slice(&bits.bytes);
    } else if info.is_key() {
        // the IDR begins in the second packet
        out.extend_from_slice(&[0x7C, u8::from(info.index == 1) << 7 | u8::from(last) << 6 | 0x05, 0x88]);
    } else if first && last {
        out.extend_from_slice(&[0x41, 0x9A]);
    } else {
        out.extend_from_slice(&[0x5C, u8::from(first) << 7 | u8::from(last) << 6 | 0x01, 0x9A]);
    }
}

/// As far as the size (AV1 specification, 5.5.1).
fn sequence_header((width, height): (u32, u32)) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.put(0, 3 + 1 + 1 + 1 + 1 + 5 + 12); // one operating point
    bits.put(4, 5);
    bits.put(15, 4);
    bits.put(15, 4);
    bits.put(width - 1, 16);
    bits.put(height - 1, 16);
    bits.bytes
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    count: usize,
}

impl Bits {
    /// Exp-Golomb code (H.264, 9.1).
    fn golomb(&mut self, value: u32) {
        let bits = u32::BITS - (value + 1).leading_zeros();
        self.put(0, bits - 1);
        self.put(value + 1, bits);
    }

    fn put(&mut self, value: u32, bits: u32) {
        for bit in (0..bits).rev() {
            if self.count.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let byte = self.bytes.last_mut().unwrap();
            *byte |= ((value >> bit & 1) as u8) << (7 - self.count % 8);
            self.count += 1;
        }
    }
}

/// Templates of L1T1, L1T2, L1T3: temporal layer, frame distance (0: none), indication for each target.
fn templates(temporal_layers: u8) -> &'static [(u8, u32, &'static [u32])] {
    match temporal_layers {
        0 | 1 => &[(0, 0, &[2]), (0, 1, &[2])],
        2 => &[(0, 0, &[2, 2]), (0, 2, &[2, 2]), (1, 1, &[0, 1])],
        _ => &[(0, 0, &[2, 2, 2]), (0, 4, &[2, 2, 2]), (1, 2, &[0, 1, 2]), (2, 1, &[0, 0, 1]), (2, 1, &[0, 0, 1])],
    }
}

/// The dependency descriptor of a packet (AV1 RTP, appendix A): with a template structure on keyframes.
pub fn descriptor(info: &Info, frame_number: u16, place: Place, structure_offset: u8) -> Vec<u8> {
    let known = templates(place.temporal_layers);
    let template =
        if info.is_key() { 0 } else { known.iter().position(|t| t.0 == place.temporal && t.1 > 0).unwrap_or(1) };
    let (first, last) = (info.index == 0, info.index + 1 == info.count);
    let mut bits = Bits::default();
    bits.put(u32::from(first), 1);
    bits.put(u32::from(last), 1);
    bits.put((template as u32 + u32::from(structure_offset)) & 63, 6);
    bits.put(u32::from(frame_number), 16);
    if !(info.is_key() && first) {
        return bits.bytes;
    }
    bits.put(0b10000, 5);
    bits.put(u32::from(structure_offset), 6);
    let targets = u32::from(place.temporal_layers.max(1));
    bits.put(targets - 1, 5);
    for pair in known.windows(2) {
        bits.put(u32::from(pair[1].0 > pair[0].0), 2);
    }
    bits.put(3, 2);
    for template in known {
        template.2.iter().for_each(|dti| bits.put(*dti, 2));
    }
    for template in known {
        if template.1 > 0 {
            bits.put(1, 1);
            bits.put(template.1 - 1, 4);
        }
        bits.put(0, 1);
    }
    // no chains, in the one or two bits that ns(targets + 1) takes for zero
    bits.put(0, if targets >= 3 { 2 } else { 1 });
    bits.put(0, 1);
    bits.bytes
}
