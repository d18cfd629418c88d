//! VP9 payload descriptors (RFC 9628 section 4.2), flexible and non-flexible mode.

/// Reference indices that one picture may have (RFC 9628 section 4.2: at most 3).
const MAX_REFERENCES: usize = 3;

/// What stands before the VP9 data of one packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Descriptor {
    /// P: the frame refers to an earlier picture.
    pub inter_predicted: bool,
    /// F: references are given picture by picture, and there is no TL0PICIDX.
    pub flexible: bool,
    /// B and E: first and last packet of the frame of one spatial layer.
    pub begins: bool,
    pub ends: bool,
    /// Z: no upper spatial layer refers to this frame.
    pub not_for_upper_layers: bool,
    /// 7 or 15 bits, as wide as it was sent.
    pub picture_id: Option<u16>,
    /// 0..=7, 0 without layer indices.
    pub temporal: u8,
    /// U: from here on this temporal layer may be switched to.
    pub switching_up: bool,
    /// 0..=7, 0 without layer indices.
    pub spatial: u8,
    /// D: the frame refers to the next lower spatial layer of its picture.
    pub inter_layer: bool,
    pub tl0_pic_idx: Option<u8>,
    /// Spatial layers by the scalability structure, when the packet carries one.
    pub spatial_layers: Option<u8>,
    /// Width and height of the highest of them, where it says so.
    pub size: Option<(u32, u32)>,
    /// Where the VP9 data begins.
    pub payload_at: usize,
}

impl Descriptor {
    /// Begins a picture that refers to no other.
    pub fn starts_keyframe(&self) -> bool {
        self.begins && !self.inter_predicted && self.spatial == 0 && !self.inter_layer
    }
}

/// `None` when the descriptor is cut short or has more references than allowed.
pub fn read(payload: &[u8]) -> Option<Descriptor> {
    let mut rest = payload.iter();
    let mut next = || rest.next().copied();
    let first = next()?;
    let mut descriptor = Descriptor {
        inter_predicted: first & 0x40 != 0,
        flexible: first & 0x10 != 0,
        begins: first & 0x08 != 0,
        ends: first & 0x04 != 0,
        not_for_upper_layers: first & 0x01 != 0,
        ..Descriptor::default()
    };
    if first & 0x80 != 0 {
        let high = next()?;
        descriptor.picture_id = Some(match high & 0x80 {
            0 => u16::from(high),
            _ => u16::from_be_bytes([high & 0x7F, next()?]),
        });
    }
    if first & 0x20 != 0 {
        let layer = next()?;
        descriptor.temporal = layer >> 5;
        descriptor.switching_up = layer & 0x10 != 0;
        descriptor.spatial = layer >> 1 & 7;
        descriptor.inter_layer = layer & 1 != 0;
        if !descriptor.flexible {
            descriptor.tl0_pic_idx = Some(next()?);
        }
    }
    if descriptor.flexible && descriptor.inter_predicted {
        // N, the lowest bit: another reference follows
        let mut references = 1;
        while next()? & 1 != 0 {
            references += 1;
            if references > MAX_REFERENCES {
                return None;
            }
        }
    }
    if first & 0x02 != 0 {
        let structure = next()?;
        let layers = (structure >> 5) + 1;
        descriptor.spatial_layers = Some(layers);
        if structure & 0x10 != 0 {
            for _ in 0..layers {
                let mut field = || Some(u32::from(u16::from_be_bytes([next()?, next()?])));
                descriptor.size = Some((field()?, field()?));
            }
        }
        if structure & 0x08 != 0 {
            for _ in 0..next()? {
                let references = next()? >> 2 & 3;
                for _ in 0..references {
                    next()?;
                }
            }
        }
    }
    descriptor.payload_at = payload.len() - rest.len();
    Some(descriptor)
}
