use super::*;

const BLOCK: ReportBlock = ReportBlock {
    ssrc: 0xAABB_CCDD,
    fraction_lost: 25,
    cumulative_lost: -3,
    highest_seq: 0x1FFFF,
    jitter: 40,
    last_sr: 0x1234_5678,
    delay_since_sr: 65_536,
};

fn hex(write: impl Fn(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    out.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn items(packet: &[u8]) -> Vec<Item<'_>> {
    let mut items = Vec::new();
    read(packet, &mut |item| items.push(item));
    items
}

// Expected bytes: what the Python twin (`streamserver/media/rtp.py`) writes for the same arguments.

#[test]
fn reports_are_what_the_python_twin_writes() {
    assert_eq!(
        hex(|out| write_sender_report(out, 0x1122_3344, 0xE1A2_B3C4_D5E6_F708, 90_000, 77, 88_888)),
        "80c8000611223344e1a2b3c4d5e6f70800015f900000004d00015b38"
    );
    let second = ReportBlock { ssrc: 9, cumulative_lost: 70_000, ..BLOCK };
    assert_eq!(
        hex(|out| write_receiver_report(out, 1, &[BLOCK, second])),
        "82c9000d00000001aabbccdd19fffffd0001ffff00000028123456780001000000000009190111700001ffff00000028\
         1234567800010000"
    );
    assert_eq!(hex(|out| write_cname(out, 5, "abc")), "81ca0003000000050103616263000000");
    assert_eq!(hex(|out| write_cname(out, 5, "abcd")), "81ca0003000000050104616263640000");
    assert_eq!(hex(|out| write_cname(out, 5, "ab")), "81ca0003000000050102616200000000");
    assert_eq!(hex(|out| write_bye(out, 7)), "81cb000100000007");
}

#[test]
fn feedback_is_what_the_python_twin_writes() {
    assert_eq!(hex(|out| write_pli(out, 1, 2)), "81ce00020000000100000002");
    assert_eq!(
        hex(|out| write_nack(out, 1, 2, &[65530, 65531, 5, 10, 11, 27, 27, 28])),
        "81cd00050000000100000002fffa8401000b8000001c0000"
    );
    assert_eq!(hex(|out| write_nack(out, 1, 2, &[])), "");
    for (bps, tail) in [
        (30_000, "02007530"),
        (4_000_000, "0213d090"),
        (262_143, "0203ffff"),
        (262_144, "02060000"),
        (1 << 40, "025e0000"),
    ] {
        let expected = format!("8fce0006000000010000000052454d42{tail}0000000200000003");
        assert_eq!(hex(|out| write_remb(out, 1, bps, &[2, 3])), expected);
    }
}

#[test]
fn a_compound_reads_back_in_order() {
    let mut out = Vec::new();
    write_sender_report(&mut out, 1, 0xE1A2_B3C4_D5E6_F708, 90_000, 77, 88_888);
    write_cname(&mut out, 1, "somebody");
    write_receiver_report(&mut out, 1, &[BLOCK, ReportBlock { cumulative_lost: 8_388_607, ..BLOCK }]);
    write_nack(&mut out, 1, 2, &[65_530, 65_531, 5, 40]);
    write_pli(&mut out, 1, 3);
    write_remb(&mut out, 1, 2_500_000, &[2]);
    write_bye(&mut out, 1);
    let items = items(&out);
    assert_eq!(items[0], Item::SenderReport { ssrc: 1, ntp: 0xE1A2_B3C4_D5E6_F708, timestamp: 90_000 });
    assert_eq!(items[1], Item::Report(BLOCK));
    assert!(matches!(items[2], Item::Report(ReportBlock { cumulative_lost: 8_388_607, .. })));
    let Item::Nack { media_ssrc: 2, seqs } = items[3].clone() else { panic!("{:?}", items[3]) };
    assert_eq!(seqs.collect::<Vec<_>>(), [65_530, 65_531, 5, 40]);
    assert_eq!(items[4..], [Item::Pli { media_ssrc: 3 }, Item::Remb { bps: 2_500_000 }, Item::Bye { ssrc: 1 },]);
    for length in 0..out.len() {
        read(&out[..length], &mut |_| {});
    }
}

#[test]
fn a_fir_names_each_of_its_streams() {
    let packet = [
        0x84, 206, 0, 6, 0, 0, 0, 1, 0, 0, 0, 0, //
        0, 0, 0, 9, 1, 0, 0, 0, 0, 0, 0, 8, 2, 0, 0, 0,
    ];
    assert_eq!(items(&packet), [Item::Fir { media_ssrc: 9 }, Item::Fir { media_ssrc: 8 }]);
}

#[test]
fn transport_feedback_is_handed_on_without_its_padding() {
    let packet = [0xAF, 205, 0, 4, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 0, 2];
    let body = &[1, 2, 3, 4, 5, 6][..];
    assert_eq!(items(&packet), [Item::TransportFeedback { media_ssrc: 2, body }]);
    for wrong in [0, 17, 255] {
        let mut packet = packet;
        packet[19] = wrong;
        assert_eq!(items(&packet), []);
    }
}

#[test]
fn reading_is_bounded() {
    let bye = [0x81, 203, 0, 1, 0, 0, 0, 7];
    assert_eq!(items(&bye.repeat(500)).len(), MAX_ITEMS);
    let mut many = vec![0x9F, 203, 0, 31];
    many.resize(4 + 31 * 4, 1);
    assert_eq!(items(&many.repeat(9)).len(), MAX_ITEMS);
    let mut nack = vec![0x81, 205, 1, 2, 0, 0, 0, 1, 0, 0, 0, 2];
    nack.resize(4 + 4 * 0x102, 0xFF);
    let Item::Nack { seqs, .. } = items(&nack).remove(0) else { panic!() };
    assert_eq!(seqs.count(), MAX_NACK_SEQS);
    let remb = [0x8F, 206, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, b'R', b'E', b'M', b'B', 0, 0xFF, 0xFF, 0xFF];
    assert_eq!(items(&remb), [Item::Remb { bps: u64::MAX }]);
}

#[test]
fn the_round_trip_of_rfc_3550_figure_2() {
    let block = ReportBlock { last_sr: 0xB705_2000, delay_since_sr: 0x0005_4000, ..BLOCK };
    assert_eq!(block.round_trip(0xB710_8000), Some(0x0006_2000));
    assert_eq!(block.round_trip(0xB705_2001), None);
    assert_eq!(ReportBlock::default().round_trip(5), None);
}

#[test]
fn another_implementation_reads_what_is_written() {
    use rtcp_types::{Compound, Nack, Packet, Pli};
    let mut out = Vec::new();
    write_receiver_report(&mut out, 1, &[BLOCK]);
    write_cname(&mut out, 1, "somebody");
    write_nack(&mut out, 1, 2, &[65_530, 65_531, 5, 40]);
    write_pli(&mut out, 1, 3);
    let packets: Vec<_> = Compound::parse(&out).unwrap().collect::<Result<_, _>>().unwrap();
    let [Packet::Rr(rr), Packet::Sdes(sdes), Packet::TransportFeedback(nack), Packet::PayloadFeedback(pli)] =
        &packets[..]
    else {
        panic!("{packets:?}")
    };
    let block = rr.report_blocks().next().unwrap();
    assert_eq!((block.ssrc(), block.fraction_lost(), block.interarrival_jitter()), (BLOCK.ssrc, 25, 40));
    assert_eq!(sdes.chunks().next().unwrap().items().next().unwrap().get_value_string().unwrap(), "somebody");
    let seqs: Vec<u16> = nack.parse_fci::<Nack>().unwrap().entries().collect();
    assert_eq!(seqs, [65_530, 65_531, 5, 40]);
    assert_eq!(pli.media_ssrc(), 3);
    pli.parse_fci::<Pli>().unwrap();
}
