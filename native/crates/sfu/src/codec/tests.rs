use super::*;
use dd::Dti;

fn of(codec: Codec, payload: &[u8]) -> Facts {
    facts(codec, payload, false, None, &mut CodecState::default())
}

#[test]
fn audio_is_always_a_beginning() {
    let facts = of(Codec::Opus, b"x");
    assert!(facts.keyframe_start && facts.frame_start && facts.frame_end);
    assert!(starts_keyframe(Codec::Opus, b"x") && !starts_keyframe(Codec::Opus, b""));
}

#[test]
fn h264_keyframes_begin_with_a_parameter_set_or_an_idr_slice() {
    for (payload, keyframe) in [
        (&[0x67, 1, 2][..], true),                        // SPS
        (&[0x68, 1, 2], false),                           // PPS
        (&[0x65, 0x88], true),                            // IDR
        (&[0x41, 0x9A], false),                           // slice
        (&[0x7C, 0x85, 0x88], true),                      // FU-A, first of IDR
        (&[0x7C, 0x05, 0x88], false),                     // FU-A, more of IDR
        (&[0x5C, 0x81, 0x9A], false),                     // FU-A, first of slice
        (&[0x78, 0, 1, 0x09, 0, 2, 0x67, 1, 0, 1], true), // STAP-A: delimiter, SPS
        (&[0x78, 0, 1, 0x09, 0, 2, 0x41, 1], false),      // STAP-A: delimiter, slice
        (&[0x78, 0, 9, 0x67], true),                      // STAP-A, cut short
        (&[0x78, 0], false),
        (&[0x7C], false),
        (&[], false),
    ] {
        assert_eq!(of(Codec::H264, payload).keyframe_start, keyframe, "{payload:x?}");
        assert_eq!(starts_keyframe(Codec::H264, payload), keyframe, "{payload:x?}");
    }
}

#[test]
fn h264_frames_begin_behind_a_marker_or_with_the_first_macroblock() {
    let mut state = CodecState::default();
    let mut next = |payload: &[u8], marker| facts(Codec::H264, payload, marker, None, &mut state);
    assert!(next(&[0x65, 0x00], false).frame_start, "the first packet of all");
    assert!(!next(&[0x65, 0x10], true).frame_start, "a later slice of the same frame");
    assert!(next(&[0x41, 0x10], false).frame_start);
    assert!(!next(&[0x41, 0x10], false).frame_start);
    assert!(next(&[0x41, 0x9A], true).frame_start, "first_mb_in_slice is 0: the marker was lost");
    assert!(next(&[0x01, 0x9A], true).discardable);
    assert!(!next(&[0x41, 0x9A], true).discardable);
    assert!(next(&[0x41], true).frame_end);
}

#[test]
fn h264_units_are_whole_or_fragments() {
    use h264::{Unit, units};
    let stap: Vec<_> = units(&[0x78, 0, 2, 0x67, 1, 0, 1, 0x68, 0, 9, 0x65, 3]).collect();
    let whole = [&[0x67, 1][..], &[0x68], &[0x65, 3]].map(Unit::Whole);
    assert_eq!(stap, whole);
    assert_eq!(units(&[0x7C, 0x85, 1]).next(), Some(Unit::First(0x65, &[1])));
    assert_eq!(units(&[0x7C, 0x45, 1]).next(), Some(Unit::More(&[1])));
    assert_eq!(units(&[0x1D, 1]).next(), None, "FU-B is not of our modes");
}

#[test]
fn vp8_descriptors_of_every_shape() {
    let read = |payload: &[u8]| of(Codec::Vp8, payload);
    let key = read(&[0x10, 0x00]);
    assert!(key.keyframe_start && key.frame_start && key.switching_point && !key.discardable);
    assert!(!read(&[0x10, 0x01]).keyframe_start, "P is set");
    assert!(!read(&[0x11, 0x00]).frame_start, "partition 1");
    assert!(!read(&[0x00, 0x00]).frame_start);
    assert!(!read(&[0x10]).keyframe_start, "no data");
    let full = read(&[0xB0, 0xF0, 0x92, 0x34, 0x56, 0xA5, 0x01]);
    assert_eq!((full.picture_id, full.tl0_pic_idx, full.temporal), (Some(0x1234), Some(0x56), 2));
    assert!(full.switching_point && full.discardable && full.frame_start && !full.keyframe_start);
    assert_eq!(read(&[0x90, 0x80, 0x34, 0x00]).picture_id, Some(0x34));
    assert!(read(&[0x90, 0x80, 0x34, 0x00]).keyframe_start);
    for length in 0..6 {
        let cut = &[0xB0, 0xF0, 0x92, 0x34, 0x56, 0xA5][..length];
        assert!(!read(cut).keyframe_start);
        assert!(vp8::payload_at(cut) <= length);
    }
}

#[test]
fn vp8_patches_keep_the_width_and_wrap_in_it() {
    let patched = |payload: &[u8], id, tl0| {
        let mut payload = payload.to_vec();
        patch_vp8(&mut payload, id, tl0);
        payload
    };
    assert_eq!(patched(&[0x90, 0xC0, 0xFF, 0xFF, 0xFF, 9], 1, 1), [0x90, 0xC0, 0x80, 0, 0, 9]);
    assert_eq!(patched(&[0x90, 0xC0, 0x80, 0, 0, 9], 1u16.wrapping_neg(), 255), [0x90, 0xC0, 0xFF, 0xFF, 0xFF, 9]);
    assert_eq!(patched(&[0x90, 0x80, 0x7F, 9], 2, 5), [0x90, 0x80, 1, 9]);
    assert_eq!(patched(&[0x90, 0x40, 0x7F, 9], 2, 5), [0x90, 0x40, 0x84, 9]);
    assert_eq!(patched(&[0x10, 0x40, 0x7F], 2, 5), [0x10, 0x40, 0x7F]);
    assert_eq!(patched(&[0x90, 0x80], 2, 5), [0x90, 0x80]);
    assert_eq!(patched(&[], 2, 5), []);
}

#[test]
fn vp9_non_flexible_svc() {
    // I L B, 15-bit id, TID 1 U SID 0, TL0PICIDX
    let payload = [0xA8, 0x92, 0x34, 0x30, 0x07, 1, 2];
    let first = of(Codec::Vp9, &payload);
    assert!(first.keyframe_start && first.frame_start && !first.frame_end && first.switching_point);
    assert_eq!((first.spatial, first.temporal), (0, 1));
    assert_eq!((first.picture_id, first.tl0_pic_idx), (Some(0x1234), Some(7)));
    assert_eq!(vp9::read(&payload).unwrap().payload_at, 5);
    // P: not a keyframe; upper spatial layer with D: not one either
    assert!(!of(Codec::Vp9, &[0xE8, 0x12, 0x10, 0x07, 1]).keyframe_start);
    let upper = of(Codec::Vp9, &[0xAC, 0x12, 0x03, 0x07, 1]);
    assert!(!upper.keyframe_start && upper.inter_layer && upper.frame_start && upper.frame_end);
    assert_eq!(upper.spatial, 1);
    assert!(!of(Codec::Vp9, &[0xA4, 0x12, 0x00, 0x07, 1]).keyframe_start, "B is not set");
}

#[test]
fn vp9_flexible_references_and_scalability_structure() {
    let mut state = CodecState::default();
    assert_eq!(state.spatial_layers(), 1);
    // I L F B V: structure with 3 layers, sizes, a group of 2 pictures with 1 and 2 references
    let mut payload = vec![0xBA, 0x12, 0x00, 0x58];
    payload.extend([0; 12]);
    payload.extend([2, 0x04, 1, 0x28, 1, 2, 0xAB]);
    let facts = facts(Codec::Vp9, &payload, false, None, &mut state);
    assert!(facts.keyframe_start);
    assert_eq!(facts.tl0_pic_idx, None);
    assert_eq!(state.spatial_layers(), 3);
    assert_eq!(vp9::read(&payload).unwrap().payload_at, payload.len() - 1);
    for length in 0..payload.len() - 1 {
        assert_eq!(vp9::read(&payload[..length]), None);
    }
    // F and P: up to three references
    let descriptor = vp9::read(&[0x50, 0x03, 0x03, 0x02, 9]).unwrap();
    assert_eq!((descriptor.payload_at, descriptor.inter_predicted), (4, true));
    assert_eq!(vp9::read(&[0x50, 0x03, 0x03, 0x03, 0x02, 9]), None, "a fourth");
}

#[test]
fn av1_sequences_begin_where_the_aggregation_header_says() {
    let mut state = CodecState::default();
    let mut next = |payload: &[u8], marker| facts(Codec::Av1, payload, marker, None, &mut state);
    let first = next(&[0x18, 0x0A, 1], false); // W=1 N
    assert!(first.keyframe_start && first.frame_start && first.switching_point && !first.frame_end);
    assert!(!next(&[0x90, 1], true).frame_start, "Z");
    assert!(next(&[0x10, 0x32], true).frame_start);
    assert!(!next(&[0x98, 0x0A], true).keyframe_start, "Z and N contradict each other");
    // W=1, a frame OBU with extension: temporal 2, spatial 1
    let layered = next(&[0x50, 0x34, 0x48, 1], false);
    assert_eq!((layered.temporal, layered.spatial), (2, 1));
    let more = next(&[0x90, 0xFF], true);
    assert_eq!((more.temporal, more.spatial), (2, 1), "goes on with the same frame");
    assert_eq!(next(&[], true), Facts::default());
}

#[test]
fn av1_elements_with_and_without_lengths() {
    let data = |payload| av1::elements(payload).unwrap().map(|e| e.data).collect::<Vec<_>>();
    assert_eq!(data(&[0x20, 2, 1, 2, 3, 4]), [&[1, 2][..], &[3, 4]]);
    assert_eq!(data(&[0x00, 2, 1, 2, 1, 4]), [&[1, 2][..], &[4]]);
    assert_eq!(data(&[0x10, 2, 1, 2]), [&[2, 1, 2][..]]);
    let mut cut = av1::elements(&[0x00, 1, 7, 5, 1]).unwrap();
    assert_eq!(cut.by_ref().count(), 1);
    assert!(cut.malformed);
    let flags: Vec<_> =
        av1::elements(&[0xE0, 1, 7, 8]).unwrap().map(|element| (element.continues, element.continued)).collect();
    assert_eq!(flags, [(true, false), (false, true)]);
}

#[test]
fn leb128_in_both_directions() {
    for value in [0u64, 1, 127, 128, 300, 16_383, 16_384, u64::from(u32::MAX)] {
        let mut out = Vec::new();
        av1::write_leb128(&mut out, value as usize);
        assert_eq!(av1::read_leb128(&out), Some((value, out.len())));
        assert_eq!(av1::read_leb128(&out[..out.len() - 1]), None);
    }
    assert_eq!(av1::read_leb128(&[0x80, 0x80, 0x80, 0x80, 0x10]), None, "above 32 bits");
    assert_eq!(av1::read_leb128(&[0xFF; 9]), None);
}

/// Bit fields as a descriptor has them.
#[derive(Default)]
struct Fields(Vec<bool>);

impl Fields {
    fn put(mut self, count: u32, value: u32) -> Self {
        self.0.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
        self
    }

    fn bytes(&self) -> Vec<u8> {
        self.0
            .chunks(8)
            .map(|bits| bits.iter().enumerate().fold(0, |byte, (i, bit)| byte | u8::from(*bit) << (7 - i)))
            .collect()
    }
}

fn mandatory(template: u32, frame: u32) -> Fields {
    Fields::default().put(1, 1).put(1, 0).put(6, template).put(16, frame)
}

/// The structure of L1T3 as libwebrtc has it: 5 templates, 3 decode targets, one chain; ids from `offset` on.
fn l1t3(head: Fields, offset: u32, active: Option<u32>) -> Fields {
    let mut fields = head
        .put(1, 1)
        .put(1, active.is_some().into())
        .put(3, 0) // nothing custom
        .put(6, offset)
        .put(5, 2)
        .put(2, 0) // template 1: temporal 0 again
        .put(2, 1) // 2: temporal 1
        .put(2, 1) // 3: temporal 2
        .put(2, 0) // 4: temporal 2
        .put(2, 3);
    for dtis in [0b10_10_10, 0b10_10_10, 0b00_01_10, 0b00_00_01, 0b00_00_01] {
        fields = fields.put(6, dtis);
    }
    for difference in [None, Some(4), Some(2), Some(1), Some(1)] {
        fields = match difference {
            None => fields.put(1, 0),
            Some(difference) => fields.put(1, 1).put(4, difference - 1).put(1, 0),
        };
    }
    fields = fields.put(2, 1); // ns(4): one chain
    for chain in [0, 4, 2, 1, 3] {
        fields = fields.put(4, chain); // the targets' chain index takes ns(1): no bits
    }
    fields = fields.put(1, 1).put(16, 1279).put(16, 719);
    match active {
        Some(active) => fields.put(3, active),
        None => fields,
    }
}

#[test]
fn dependency_descriptors_refer_to_the_keyframes_templates() {
    let mut state = dd::DdState::default();
    let delta = mandatory(62, 8).bytes();
    assert_eq!(dd::read(&delta, &mut state), None, "no templates yet");

    let key = dd::read(&l1t3(mandatory(60, 7), 60, None).bytes(), &mut state).unwrap();
    assert!(key.structure_attached && key.start_of_frame && !key.end_of_frame);
    assert_eq!((key.frame_number, key.references, key.active_targets), (7, 0, Some(7)));
    assert!(key.switches_to(0) && key.switches_to(2) && !key.switches_to(3) && !key.discardable());
    assert_eq!((state.spatial_layers(), state.temporal_layers(), state.decode_targets()), (1, 3, 3));
    let layers: Vec<_> = (0..4).map(|target| state.target_layers(target)).collect();
    assert_eq!(layers, [Some((0, 0)), Some((0, 1)), Some((0, 2)), None]);

    // template ids wrap at 64
    let middle = dd::read(&delta, &mut state).unwrap();
    assert_eq!((middle.temporal, middle.references), (1, 1));
    assert!(middle.switches_to(2) && !middle.discardable());
    assert_eq!([0, 1, 2].map(|target| middle.dti(target)), [Dti::NotPresent, Dti::Discardable, Dti::Switch]);
    let top = dd::read(&mandatory(0, 9).bytes(), &mut state).unwrap();
    assert_eq!(top.temporal, 2);
    assert!(top.discardable());
    assert_eq!(dd::read(&mandatory(1, 9).bytes(), &mut state), None, "no such template");
}

#[test]
fn upper_temporal_layers_open_where_they_rest_on_the_lowest() {
    let mut state = dd::DdState::default();
    dd::read(&l1t3(mandatory(0, 0), 0, None).bytes(), &mut state).unwrap();
    // T0 T2 T1 T2, twice: templates 3, 2, 4, 1
    let opens: Vec<_> = [3, 2, 4, 1, 3, 2, 4, 1]
        .iter()
        .zip(1..)
        .map(|(template, frame)| dd::read(&mandatory(*template, frame).bytes(), &mut state).unwrap().switching_point)
        .collect();
    assert_eq!(opens, [true, true, false, true].repeat(2));
}

#[test]
fn custom_fields_take_the_place_of_the_templates() {
    let mut state = dd::DdState::default();
    dd::read(&l1t3(mandatory(0, 7), 0, Some(0b011)).bytes(), &mut state).unwrap();
    let custom = mandatory(3, 9)
        .put(5, 0b01111) // active targets, DTIs, references, chains
        .put(3, 0b001)
        .put(6, 0b01_10_11)
        .put(2, 1)
        .put(4, 3)
        .put(2, 2)
        .put(8, 200)
        .put(2, 0)
        .put(8, 33);
    let read = dd::read(&custom.bytes(), &mut state).unwrap();
    assert_eq!((read.active_targets, read.references), (Some(1), 2));
    assert_eq!([0, 1, 2].map(|target| read.dti(target)), [Dti::Discardable, Dti::Switch, Dti::Required]);
    let bytes = custom.bytes();
    for length in 4..bytes.len() {
        assert_eq!(dd::read(&bytes[..length], &mut state), None);
    }
}

#[test]
fn a_malformed_structure_leaves_the_old_one() {
    let mut state = dd::DdState::default();
    let good = l1t3(mandatory(0, 7), 0, Some(0b011));
    let read = dd::read(&good.bytes(), &mut state).unwrap();
    assert_eq!(read.active_targets, Some(0b011));
    let bytes = l1t3(mandatory(20, 7), 20, None).bytes();
    for length in 4..bytes.len() {
        assert_eq!(dd::read(&bytes[..length], &mut state), None);
        assert!(dd::read(&mandatory(1, 9).bytes(), &mut state).is_some());
    }
    // layers without end
    let endless = mandatory(0, 7).put(5, 0b10000).put(11, 0).bytes();
    assert_eq!(dd::read(&[&endless[..], &[0; 200]].concat(), &mut state), None);
}

#[test]
fn av1_facts_follow_the_descriptor() {
    let mut state = CodecState::default();
    let key = l1t3(mandatory(0, 7), 0, None).bytes();
    let first = facts(Codec::Av1, &[0x18, 0x0A], false, Some(&key), &mut state);
    assert!(first.keyframe_start && first.frame_start && first.switching_point);
    assert_eq!((first.picture_id, state.temporal_layers()), (Some(7), 3));
    let top = facts(Codec::Av1, &[0x10, 0x32], true, Some(&mandatory(4, 8).bytes()), &mut state);
    assert!(top.frame_start && !top.keyframe_start && top.discardable && !top.frame_end);
    assert_eq!(top.temporal, 2);
    // a descriptor that cannot be read leaves what the payload says
    let lost = facts(Codec::Av1, &[0x18, 0x0A], false, Some(&[0xC0, 0, 9, 0xFF]), &mut state);
    assert!(lost.keyframe_start);
}
