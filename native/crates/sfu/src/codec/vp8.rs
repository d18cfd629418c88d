//! VP8 payload descriptors (RFC 7741 section 4.2).

use super::Facts;

/// What stands before the VP8 data of one packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Descriptor {
    /// N: no other frame refers to this one.
    pub not_referenced: bool,
    /// S: the packet begins a partition.
    pub begins_partition: bool,
    /// 0..=7; what begins partition 0 begins the frame.
    pub partition: u8,
    /// 7 or 15 bits, as wide as it was sent.
    pub picture_id: Option<u16>,
    pub tl0_pic_idx: Option<u8>,
    /// Temporal layer, 0..=3.
    pub temporal: u8,
    /// Y: the frame refers to layer 0 only.
    pub layer_sync: bool,
    /// Where the VP8 data begins.
    pub payload_at: usize,
    picture_id_at: usize,
    tl0_pic_idx_at: usize,
}

/// `None` when the descriptor is cut short.
pub fn read(payload: &[u8]) -> Option<Descriptor> {
    let first = *payload.first()?;
    let mut descriptor = Descriptor {
        not_referenced: first & 0x20 != 0,
        begins_partition: first & 0x10 != 0,
        partition: first & 0x07,
        payload_at: 1,
        ..Descriptor::default()
    };
    if first & 0x80 == 0 {
        return Some(descriptor);
    }
    let flags = *payload.get(1)?;
    let mut at = 2;
    if flags & 0x80 != 0 {
        descriptor.picture_id_at = at;
        let high = *payload.get(at)?;
        at += 1;
        descriptor.picture_id = Some(if high & 0x80 == 0 {
            u16::from(high)
        } else {
            let low = *payload.get(at)?;
            at += 1;
            u16::from_be_bytes([high & 0x7F, low])
        });
    }
    if flags & 0x40 != 0 {
        descriptor.tl0_pic_idx_at = at;
        descriptor.tl0_pic_idx = Some(*payload.get(at)?);
        at += 1;
    }
    if flags & 0x30 != 0 {
        let layer = *payload.get(at)?;
        at += 1;
        if flags & 0x20 != 0 {
            descriptor.temporal = layer >> 6;
            descriptor.layer_sync = layer & 0x20 != 0;
        }
    }
    descriptor.payload_at = at;
    Some(descriptor)
}

/// Where the VP8 data of a packet begins; the length of `payload` when its descriptor is cut short.
pub fn payload_at(payload: &[u8]) -> usize {
    read(payload).map_or(payload.len(), |descriptor| descriptor.payload_at.min(payload.len()))
}

pub(super) fn facts(payload: &[u8], marker: bool) -> Facts {
    let Some(descriptor) = read(payload) else {
        return Facts::default();
    };
    let frame_start = descriptor.begins_partition && descriptor.partition == 0;
    // P, the lowest bit of the frame tag, is 0 in a keyframe (RFC 6386 section 9.1)
    let keyframe_start = frame_start && payload.get(descriptor.payload_at).is_some_and(|tag| tag & 1 == 0);
    Facts {
        keyframe_start,
        frame_start,
        frame_end: marker,
        spatial: 0,
        temporal: descriptor.temporal,
        discardable: descriptor.not_referenced,
        switching_point: descriptor.layer_sync || keyframe_start,
        inter_layer: false,
        picture_id: descriptor.picture_id,
        tl0_pic_idx: descriptor.tl0_pic_idx,
    }
}

/// Add to the picture id and to TL0PICIDX of a packet about to be sent, when its viewer did not get some frames before
/// it or was moved to another encoding: both must go on without a gap (RFC 7741 section 4.2). Each wraps in the width
/// it has, 7, 15 or 8 bits; pass a negative change as its two's complement. What is not there is not added.
pub fn patch(payload: &mut [u8], picture_id_delta: u16, tl0_delta: u8) {
    let Some(descriptor) = read(payload) else {
        return;
    };
    if let Some(id) = descriptor.picture_id {
        let id = id.wrapping_add(picture_id_delta);
        match payload.get_mut(descriptor.picture_id_at..) {
            Some([high, low, ..]) if *high & 0x80 != 0 => {
                [*high, *low] = (id | 0x8000).to_be_bytes();
            }
            Some([only, ..]) => *only = id as u8 & 0x7F,
            _ => {}
        }
    }
    if let (Some(index), Some(byte)) = (descriptor.tl0_pic_idx, payload.get_mut(descriptor.tl0_pic_idx_at)) {
        *byte = index.wrapping_add(tl0_delta);
    }
}
