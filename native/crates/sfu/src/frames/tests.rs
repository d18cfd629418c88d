use super::*;

type Owned = (u32, bool, Vec<u8>);

fn push(assembler: &mut Assembler, codec: Codec, seq: u64, timestamp: u32, marker: bool, payload: &[u8]) -> Vec<Owned> {
    let mut frames = Vec::new();
    assembler.push(&Piece { seq, timestamp, marker, codec, payload }, &mut |frame| {
        assert_eq!(frame.codec, codec);
        frames.push((frame.timestamp, frame.keyframe, frame.data.to_vec()));
    });
    frames
}

/// All frames of packets that come in order, each with (timestamp, marker, payload).
fn assemble(codec: Codec, packets: &[(u32, bool, &[u8])]) -> Vec<Owned> {
    let mut assembler = Assembler::new();
    packets
        .iter()
        .zip(100..)
        .flat_map(|(&(timestamp, marker, payload), seq)| push(&mut assembler, codec, seq, timestamp, marker, payload))
        .collect()
}

#[test]
fn audio_passes_through() {
    let packets = [(1, false, &b"a"[..]), (2, false, b""), (3, true, b"b")];
    let frames = assemble(Codec::Opus, &packets);
    assert_eq!(frames, [(1, true, b"a".to_vec()), (3, true, b"b".to_vec())]);
}

#[test]
fn h264_becomes_annex_b() {
    let frames = assemble(
        Codec::H264,
        &[
            (0, true, &[0x41, 0x9A]), // before the first keyframe
            (1, false, &[0x78, 0, 2, 0x67, 1, 0, 2, 0x68, 2]),
            (1, false, &[0x7C, 0x85, 3, 4]),
            (1, false, &[0x7C, 0x05, 5]),
            (1, true, &[0x7C, 0x45, 6]),
            (2, true, &[0x41, 7]),
        ],
    );
    assert_eq!(
        frames,
        [
            (1, true, vec![0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2, 0, 0, 0, 1, 0x65, 3, 4, 5, 6]),
            (2, false, vec![0, 0, 0, 1, 0x41, 7]),
        ]
    );
}

#[test]
fn a_change_of_timestamp_ends_a_frame_too() {
    let frames = assemble(
        Codec::Vp8,
        &[
            (1, false, &[0x10, 0x00, 1]),
            (1, false, &[0x00, 2]),
            (2, false, &[0x10, 0x01, 3]),
            (3, false, &[]), // padding
            (4, true, &[0x10, 0x01, 4]),
        ],
    );
    assert_eq!(frames, [(1, true, vec![0, 1, 2]), (2, false, vec![1, 3]), (4, false, vec![1, 4])]);
}

#[test]
fn packets_are_put_in_order_and_copies_ignored() {
    let mut assembler = Assembler::new();
    let mut next =
        |seq, timestamp, marker, payload: &[u8]| push(&mut assembler, Codec::Vp8, seq, timestamp, marker, payload);
    assert_eq!(next(10, 1, false, &[0x10, 0x00, 1]), []);
    assert_eq!(next(13, 2, true, &[0x10, 0x01, 4]), []);
    assert_eq!(next(12, 1, true, &[0x00, 3]), []);
    assert_eq!(next(12, 1, true, &[0x00, 3]), []);
    assert_eq!(next(11, 1, false, &[0x00, 2]), [(1, true, vec![0, 1, 2, 3]), (2, false, vec![1, 4])]);
    assert_eq!(next(11, 1, false, &[0x00, 2]), []);
    assert_eq!(next(14, 3, true, &[0x10, 0x01, 5]), [(3, false, vec![1, 5])]);
}

#[test]
fn a_lost_packet_skips_to_the_next_keyframe() {
    let mut assembler = Assembler::new();
    let mut given = Vec::new();
    let key_at = 300;
    for seq in 0..900u64 {
        if seq == 5 {
            continue;
        }
        let tag = if seq == 0 || seq == key_at { 0 } else { 1 };
        for (timestamp, keyframe, _) in push(&mut assembler, Codec::Vp8, seq, seq as u32, true, &[0x10, tag]) {
            assert_eq!(keyframe, tag_is_key(u64::from(timestamp), key_at));
            given.push(timestamp);
        }
    }
    let expected: Vec<u32> = (0..5).chain(key_at as u32..900).collect();
    assert_eq!(given, expected);
    assert_eq!(assembler.skipped(), 1);
}

fn tag_is_key(seq: u64, key_at: u64) -> bool {
    seq == 0 || seq == key_at
}

#[test]
fn without_a_keyframe_held_it_waits_for_one() {
    let mut assembler = Assembler::new();
    let mut next = |seq, payload: &[u8]| push(&mut assembler, Codec::Vp8, seq, seq as u32, true, payload);
    assert_eq!(next(0, &[0x10, 0]).len(), 1);
    assert_eq!(next(2, &[0x10, 1]).len(), 0);
    assert_eq!(next(1 << 40, &[0x10, 1]).len(), 0, "a jump: what was held is given up");
    assert_eq!(next((1 << 40) + 1, &[0x10, 1]).len(), 0);
    assert_eq!(next((1 << 40) + 2, &[0x10, 0]).len(), 1);
    assert_eq!(next(3, &[0x10, 0]).len(), 0, "long past");
    assert_eq!(next(u64::MAX, &[0x10, 0]).len(), 0);
}

#[test]
fn a_frame_of_too_many_packets_is_lost() {
    let mut assembler = Assembler::new();
    for seq in 0..MAX_PIECES as u64 + 10 {
        let payload: &[u8] = if seq == 0 { &[0x10, 0] } else { &[0x00, 9] };
        assert_eq!(push(&mut assembler, Codec::Vp8, seq, 1, false, payload), []);
    }
    assert_eq!(assembler.skipped(), 1);
    assert_eq!(push(&mut assembler, Codec::Vp8, 900, 2, true, &[0x10, 0]).len(), 1);
}

#[test]
fn vp9_layers_of_a_picture_become_a_superframe() {
    // I P L B E, 7-bit id, TID/SID, TL0PICIDX
    let frames = assemble(
        Codec::Vp9,
        &[
            (1, false, &[0xA8, 1, 0x00, 0, 0xAA, 0xAB]),
            (1, false, &[0xA4, 1, 0x00, 0, 0xAC]),
            (1, true, &[0xAC, 1, 0x03, 0, 0xBA, 0xBB]),
            (2, true, &[0xEC, 2, 0x00, 1, 0xCC]),
        ],
    );
    assert_eq!(frames, [(1, true, vec![0xAA, 0xAB, 0xAC, 0xBA, 0xBB, 0xC1, 3, 2, 0xC1]), (2, false, vec![0xCC]),]);
}

#[test]
fn a_large_superframe_has_wide_sizes() {
    let mut payload = vec![0xAC, 1, 0x00, 0];
    payload.extend([7; 300]);
    let frames = assemble(Codec::Vp9, &[(1, false, &payload), (1, true, &[0xAC, 1, 0x03, 0, 8])]);
    assert_eq!(frames[0].2[301..], [0xC9, 0x2C, 1, 1, 0, 0xC9]);
}

#[test]
fn av1_elements_become_obus_with_sizes() {
    let frames = assemble(
        Codec::Av1,
        &[
            // N W=3: temporal delimiter, sequence header, the beginning of a frame with extension
            (1, false, &[0x78, 1, 0x10, 3, 0x08, 1, 2, 0x34, 0x20, 3]),
            // Z Y W=1
            (1, false, &[0xD0, 4, 5]),
            // Z W=0: the end of the frame, a tile group that kept its size
            (1, true, &[0x80, 1, 6, 4, 0x22, 2, 7, 8]),
            (2, true, &[0x10, 0x30, 9]),
        ],
    );
    assert_eq!(
        frames,
        [(1, true, vec![0x0A, 2, 1, 2, 0x36, 0x20, 4, 3, 4, 5, 6, 0x22, 2, 7, 8]), (2, false, vec![0x32, 1, 9]),]
    );
}

#[test]
fn malformed_av1_gives_what_can_be_read() {
    let frames = assemble(
        Codec::Av1,
        &[
            (1, false, &[0x18, 0x08, 1]),
            (1, false, &[0x90, 9]),          // goes on with nothing
            (1, false, &[0x50, 0x30, 1]),    // never gone on with
            (1, false, &[0x00, 9, 1]),       // longer than the packet
            (1, false, &[0x10, 0x32, 9, 1]), // its own size is longer than the element
            (1, true, &[]),
        ],
    );
    assert_eq!(frames, [(1, true, vec![0x0A, 1, 1])]);
}

#[test]
fn capture_times_are_those_of_the_python_twin() {
    // 1.5 s after 1970, one second before and after the reference
    let ntp = (2_208_988_801u64 << 32) | 1 << 31;
    assert_eq!(capture_ms(ntp, 5, 90_005, 90_000), 2500.0);
    assert_eq!(capture_ms(ntp, 5, 5u32.wrapping_sub(90_000), 90_000), 500.0);
}
