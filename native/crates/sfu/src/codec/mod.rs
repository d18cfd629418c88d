//! What forwarding must know of one payload: where frames and keyframes begin and end, and which layer they are.
//!
//! Reads the first bytes of a payload and the dependency descriptor beside it; decodes nothing and knows no streams.
//! What it must remember between the packets of one SSRC is in [`CodecState`], which the caller keeps.

pub mod av1;
mod bits;
pub mod dd;
pub mod h264;
pub mod size;
pub mod vp8;
pub mod vp9;

use crate::api::Codec;

pub use vp8::patch as patch_vp8;

/// Layers of either kind that are told apart; encoders make no more than 3 of each.
pub const MAX_LAYERS: u8 = 8;

/// What forwarding must know of one payload. All false and zero for a payload that says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// First packet of a frame that decodes alone, of spatial layer 0. H.264: of each of its parameter sets and
    /// slices, since one packet does not tell what came before it; the first one with a new timestamp counts.
    pub keyframe_start: bool,
    /// First packet of a frame (of one spatial layer). H.264: as far as it can be told, see `keyframe_start`.
    pub frame_start: bool,
    /// Last packet of a frame (of one spatial layer).
    pub frame_end: bool,
    pub spatial: u8,
    pub temporal: u8,
    /// No other frame refers to this one, as far as it says.
    pub discardable: bool,
    /// From this frame on a viewer who had the lower temporal layers may have this one too: VP8 Y, VP9 U, AV1 by the
    /// switch indications. Every keyframe is one. Ask at `frame_start`.
    pub switching_point: bool,
    /// VP9 D: the frame needs the next lower spatial layer of its picture.
    pub inter_layer: bool,
    /// VP8 and VP9: 7 or 15 bits, as wide as it was sent. AV1: the 16-bit frame number of its dependency descriptor.
    pub picture_id: Option<u16>,
    /// VP8 and VP9 in non-flexible mode.
    pub tl0_pic_idx: Option<u8>,
}

/// What must be remembered of the packets of one SSRC. Begin anew when the SSRC or the codec changes.
#[derive(Clone, Debug, Default)]
pub struct CodecState {
    /// The template structure that dependency descriptors refer to.
    pub dd: dd::DdState,
    /// Layer of the AV1 frame that a packet without a head of its own goes on with: spatial, temporal.
    av1_layer: (u8, u8),
    vp9_spatial_layers: u8,
    highest_temporal: u8,
    /// The packet before, in order of arrival, did not end its frame.
    inside_frame: bool,
}

impl CodecState {
    /// How many spatial layers the sender says it makes, 1 until it says anything.
    pub fn spatial_layers(&self) -> u8 {
        self.dd.spatial_layers().max(self.vp9_spatial_layers).max(1)
    }

    /// How many temporal layers it says it makes or has sent.
    pub fn temporal_layers(&self) -> u8 {
        self.dd.temporal_layers().max(self.highest_temporal + 1)
    }
}

/// Read what one packet of a frame says. `marker` is that of its RTP header, `dd` the value of its dependency descriptor
/// extension, if it had one. Never fails: what is malformed says nothing.
pub fn facts(codec: Codec, payload: &[u8], marker: bool, dd: Option<&[u8]>, state: &mut CodecState) -> Facts {
    let mut facts = match codec {
        Codec::Opus => Facts { keyframe_start: true, frame_start: true, frame_end: true, ..Facts::default() },
        Codec::H264 => h264::facts(payload, marker, !state.inside_frame),
        Codec::Vp8 => vp8::facts(payload, marker),
        Codec::Vp9 => vp9_facts(payload, state),
        Codec::Av1 => av1_facts(payload, marker, state),
    };
    // VP8 and VP9 say all of it themselves; a sender may put a descriptor on any codec.
    if let (Codec::Av1 | Codec::H264, Some(dd)) = (codec, dd.and_then(|dd| dd::read(dd, &mut state.dd))) {
        facts.frame_start = dd.start_of_frame;
        facts.frame_end = dd.end_of_frame;
        facts.spatial = dd.spatial;
        facts.temporal = dd.temporal;
        facts.keyframe_start = dd.start_of_frame && dd.spatial == 0 && (dd.structure_attached || facts.keyframe_start);
        facts.discardable = dd.discardable();
        if codec == Codec::Av1 {
            facts.picture_id = Some(dd.frame_number);
        }
        facts.switching_point = dd.switching_point || facts.keyframe_start;
    }
    state.inside_frame = !marker;
    state.highest_temporal = state.highest_temporal.max(facts.temporal.min(MAX_LAYERS - 1));
    facts
}

/// Whether this is the first packet of a frame that decodes alone, told by the payload only.
pub fn starts_keyframe(codec: Codec, payload: &[u8]) -> bool {
    match codec {
        Codec::Opus => !payload.is_empty(),
        Codec::H264 => h264::facts(payload, false, true).keyframe_start,
        Codec::Vp8 => vp8::facts(payload, false).keyframe_start,
        Codec::Vp9 => vp9::read(payload).is_some_and(|descriptor| descriptor.starts_keyframe()),
        Codec::Av1 => av1::starts_sequence(payload),
    }
}

fn vp9_facts(payload: &[u8], state: &mut CodecState) -> Facts {
    let Some(descriptor) = vp9::read(payload) else {
        return Facts::default();
    };
    if let Some(layers) = descriptor.spatial_layers {
        state.vp9_spatial_layers = layers;
    }
    let keyframe_start = descriptor.starts_keyframe();
    Facts {
        keyframe_start,
        frame_start: descriptor.begins,
        frame_end: descriptor.ends,
        spatial: descriptor.spatial,
        temporal: descriptor.temporal,
        discardable: false, // Z speaks of upper spatial layers only
        switching_point: descriptor.switching_up || keyframe_start,
        inter_layer: descriptor.inter_layer,
        picture_id: descriptor.picture_id,
        tl0_pic_idx: descriptor.tl0_pic_idx,
    }
}

fn av1_facts(payload: &[u8], marker: bool, state: &mut CodecState) -> Facts {
    let Some(head) = av1::Aggregation::read(payload) else {
        return Facts::default();
    };
    let frame_start = !head.continues && !state.inside_frame;
    if let Some(layer) = av1::layer(payload) {
        state.av1_layer = layer;
    } else if !head.continues {
        state.av1_layer = (0, 0);
    }
    let keyframe_start = av1::starts_sequence(payload);
    Facts {
        keyframe_start,
        frame_start: frame_start || keyframe_start,
        frame_end: marker,
        spatial: state.av1_layer.0,
        temporal: state.av1_layer.1,
        switching_point: keyframe_start,
        ..Facts::default()
    }
}

#[cfg(test)]
mod tests;
