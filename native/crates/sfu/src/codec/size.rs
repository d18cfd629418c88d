//! How large the pictures of an encoding are, as its keyframes say. It ranks simulcast encodings, which bitrates do
//! not: of a picture that stands still the large one may take less than the small one did a moment ago.

use super::{av1, bits::Bits, h264, vp8, vp9};
use crate::api::Codec;

const SPS: u8 = 7;
/// Profiles whose SPS says more of the colours (H.264 section 7.3.2.1.1).
const WITH_CHROMA: [u8; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];
/// Bytes of an SPS that are read; what is asked for stands in the first few dozen.
const SPS_BYTES: usize = 256;
/// No picture is wider or higher (H.264 level 6.2, VP9, AV1 in practice).
const MOST: u32 = 16_384;

/// Samples of the luma plane of the pictures that begin with this packet; `None` when it does not say. Call it for a
/// packet that starts a keyframe. H.264 counts whole macroblocks.
pub fn pixels(codec: Codec, payload: &[u8]) -> Option<u32> {
    let (width, height) = match codec {
        Codec::Opus => None,
        Codec::H264 => h264_size(payload),
        Codec::Vp8 => vp8_size(payload),
        Codec::Vp9 => vp9_size(payload),
        Codec::Av1 => av1_size(payload),
    }?;
    let sane = (1..=MOST).contains(&width) && (1..=MOST).contains(&height);
    sane.then(|| width * height)
}

/// The first SPS of the payload.
fn h264_size(payload: &[u8]) -> Option<(u32, u32)> {
    let sps = h264::units(payload).find_map(|unit| match unit {
        h264::Unit::Whole([head, sps @ ..]) if head & 0x1F == SPS => Some(sps),
        _ => None,
    })?;
    // Emulation prevention (section 7.4.1): the 3 of 0 0 3 is none of the data.
    let mut plain = [0; SPS_BYTES];
    let (mut length, mut zeros) = (0, 0);
    for &byte in sps {
        let inserted = zeros >= 2 && byte == 3;
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        if inserted {
            continue;
        }
        let Some(place) = plain.get_mut(length) else { break };
        *place = byte;
        length += 1;
    }
    read_sps(&mut Bits::new(plain.get(..length)?))
}

/// Section 7.3.2.1.1, as far as the size.
fn read_sps(bits: &mut Bits) -> Option<(u32, u32)> {
    let profile = bits.take(8)? as u8;
    bits.take(16)?; // constraints, level
    golomb(bits)?; // seq_parameter_set_id
    if WITH_CHROMA.contains(&profile) {
        if golomb(bits)? == 3 {
            bits.take(1)?; // separate_colour_plane_flag
        }
        golomb(bits)?; // bit_depth_luma_minus8
        golomb(bits)?; // bit_depth_chroma_minus8
        bits.take(1)?; // qpprime_y_zero_transform_bypass_flag
        if bits.flag()? {
            return None; // scaling lists: no encoder of a browser sends them
        }
    }
    golomb(bits)?; // log2_max_frame_num_minus4
    match golomb(bits)? {
        0 => {
            golomb(bits)?; // log2_max_pic_order_cnt_lsb_minus4
        }
        1 => {
            bits.take(1)?; // delta_pic_order_always_zero_flag
            golomb(bits)?; // offset_for_non_ref_pic
            golomb(bits)?; // offset_for_top_to_bottom_field
            for _ in 0..golomb(bits)?.min(255) {
                golomb(bits)?; // offset_for_ref_frame
            }
        }
        _ => {}
    }
    golomb(bits)?; // max_num_ref_frames
    bits.take(1)?; // gaps_in_frame_num_value_allowed_flag
    let width = golomb(bits)?.checked_add(1)?.checked_mul(16)?;
    let units = golomb(bits)?.checked_add(1)?.checked_mul(16)?;
    let fields = if bits.flag()? { 1 } else { 2 }; // frame_mbs_only_flag
    Some((width, units.checked_mul(fields)?))
}

/// Exp-Golomb ue(v) (section 9.1). A signed one takes as many bits, so it may be read over by this too.
fn golomb(bits: &mut Bits) -> Option<u32> {
    let mut zeros = 0;
    while !bits.flag()? {
        zeros += 1;
        if zeros > 31 {
            return None;
        }
    }
    bits.take(zeros)?.checked_add((1 << zeros) - 1)
}

/// RFC 6386 section 9.1: frame tag, start code, then 14 bits each, little endian, below two bits of scale.
fn vp8_size(payload: &[u8]) -> Option<(u32, u32)> {
    match payload.get(vp8::payload_at(payload)..)? {
        [tag, _, _, 0x9D, 0x01, 0x2A, w0, w1, h0, h1, ..] if tag & 1 == 0 => {
            let size = |low: u8, high: u8| u32::from(u16::from_le_bytes([low, high]) & 0x3FFF);
            Some((size(*w0, *w1), size(*h0, *h1)))
        }
        _ => None,
    }
}

/// The scalability structure's largest layer, else the frame's own header (VP9 bitstream, section 6.2).
fn vp9_size(payload: &[u8]) -> Option<(u32, u32)> {
    let descriptor = vp9::read(payload)?;
    if descriptor.size.is_some() {
        return descriptor.size;
    }
    let mut bits = Bits::new(payload.get(descriptor.payload_at..)?);
    if bits.take(2)? != 0b10 {
        return None; // frame_marker
    }
    let profile = bits.take(1)? | bits.take(1)? << 1;
    let shown_again = profile != 0 || bits.flag()?;
    let inter = bits.flag()?;
    bits.take(2)?; // show_frame, error_resilient_mode
    if shown_again || inter || bits.take(24)? != 0x49_83_42 {
        return None;
    }
    // color_space; RGB is for other profiles
    if bits.take(3)? == 7 {
        return None;
    }
    bits.take(1)?; // color_range
    Some((bits.take(16)? + 1, bits.take(16)? + 1))
}

/// The sequence header (AV1 bitstream, section 5.5).
fn av1_size(payload: &[u8]) -> Option<(u32, u32)> {
    let header = av1::elements(payload)?.find_map(|element| match element.data {
        [head, rest @ ..] if !element.continues && av1::obu_type(*head) == av1::OBU_SEQUENCE_HEADER => {
            let extension = usize::from(head & 0x04 != 0);
            let rest = rest.get(extension..)?;
            let sized = if head & 0x02 != 0 { av1::read_leb128(rest)?.1 } else { 0 };
            rest.get(sized..)
        }
        _ => None,
    })?;
    let mut bits = Bits::new(header);
    bits.take(4)?; // seq_profile, still_picture
    if bits.flag()? {
        bits.take(5)?; // reduced_still_picture_header: seq_level_idx alone
    } else {
        if bits.flag()? {
            return None; // timing_info: files have it, calls do not
        }
        let delays = bits.flag()?; // initial_display_delay_present_flag
        for _ in 0..=bits.take(5)? {
            bits.take(12)?; // operating_point_idc
            if bits.take(5)? > 7 {
                bits.take(1)?; // seq_tier
            }
            if delays && bits.flag()? {
                bits.take(4)?;
            }
        }
    }
    let (width, height) = (bits.take(4)? + 1, bits.take(4)? + 1);
    Some((bits.take(width)? + 1, bits.take(height)? + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An SPS of Chromium's OpenH264, 640 x 360: 360 lines are 23 macroblocks with 8 lines cropped.
    const SPS_640: [u8; 15] =
        [0x67, 0x42, 0xC0, 0x1E, 0x8C, 0x8D, 0x40, 0x50, 0x17, 0xFC, 0xB0, 0x0F, 0x08, 0x84, 0x6A];

    fn stap(units: &[&[u8]]) -> Vec<u8> {
        let mut payload = vec![24];
        for unit in units {
            payload.extend_from_slice(&(unit.len() as u16).to_be_bytes());
            payload.extend_from_slice(unit);
        }
        payload
    }

    #[test]
    fn h264_says_it_in_its_sps_alone_or_among_others() {
        assert_eq!(pixels(Codec::H264, &SPS_640), Some(640 * 368));
        assert_eq!(pixels(Codec::H264, &stap(&[&[9, 0xF0], &SPS_640, &[0x68, 0xCE]])), Some(640 * 368));
        assert_eq!(pixels(Codec::H264, &[0x65, 0x88, 0x84]), None);
    }

    #[test]
    fn vp8_says_it_behind_its_start_code() {
        let frame = [0x90, 0x80, 0x05, 0x10, 0x02, 0x00, 0x9D, 0x01, 0x2A, 0xC0, 0x03, 0x1C, 0x42, 0xFF];
        assert_eq!(pixels(Codec::Vp8, &frame), Some(960 * 540));
        let mut inter = frame;
        inter[3] |= 1;
        assert_eq!(pixels(Codec::Vp8, &inter), None);
    }

    #[test]
    fn vp9_says_it_in_the_structure_or_in_the_frame() {
        let mut structure = vec![0x8A, 0x01, 0x30];
        for (width, height) in [(480u16, 270u16), (960, 540)] {
            structure.extend_from_slice(&width.to_be_bytes());
            structure.extend_from_slice(&height.to_be_bytes());
        }
        assert_eq!(pixels(Codec::Vp9, &structure), Some(960 * 540));
        // marker 10, profile 00, show_existing 0, key 0, show 1, resilient 0; sync code; colours 001 0; sizes
        let fields: [(u32, u32); 8] =
            [(2, 2), (0, 2), (0, 1), (0, 1), (2, 2), (0x49_83_42, 24), (0b0010, 4), ((959 << 16) | 539, 32)];
        let mut frame = vec![0x88, 0x01];
        let (mut bits, mut count) = (0u128, 0);
        for (value, width) in fields {
            bits = bits << width | u128::from(value);
            count += width;
        }
        frame.extend_from_slice(&(bits << (128 - count)).to_be_bytes());
        assert_eq!(pixels(Codec::Vp9, &frame), Some(960 * 540));
    }

    #[test]
    fn av1_says_it_in_the_sequence_header() {
        // profile 0, no still picture, no timing info, no delays, one operating point of level 4, then 10 bits each
        let fields: [(u32, u32); 10] =
            [(0, 4), (0, 1), (0, 1), (0, 1), (0, 5), (0, 12), (4, 5), (9, 4), (9, 4), ((959 << 10) | 539, 20)];
        let (mut bits, mut count) = (0u128, 0);
        for (value, width) in fields {
            bits = bits << width | u128::from(value);
            count += width;
        }
        let mut payload = vec![0x18, av1::OBU_SEQUENCE_HEADER << 3];
        payload.extend_from_slice(&(bits << (128 - count)).to_be_bytes());
        assert_eq!(pixels(Codec::Av1, &payload), Some(960 * 540));
    }

    #[test]
    fn nothing_that_comes_panics() {
        let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
        let mut bytes = [0; 64];
        for round in 0..20_000_u32 {
            for byte in &mut bytes {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                *byte = seed as u8 & if round % 2 == 0 { 0xFF } else { 0x0F };
            }
            bytes[0] = [0x67, 0x18, 24, bytes[0]][round as usize % 4];
            let length = seed as usize % 65;
            for codec in [Codec::Opus, Codec::H264, Codec::Vp8, Codec::Vp9, Codec::Av1] {
                let _ = pixels(codec, &bytes[..length]);
            }
        }
    }
}
