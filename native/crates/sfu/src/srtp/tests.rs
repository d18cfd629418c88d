use super::*;

pub(super) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).expect("a hexadecimal digit") as u8)
        .collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

const PROFILES: [Profile; 2] = [Profile::AeadAes128Gcm, Profile::Aes128CmSha1_80];
const SSRC: u32 = 0xcafe_babe;

fn master(seed: u8) -> Master {
    Master { key: [seed; 16], salt: [seed ^ 0x5a, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0, 0] }
}

fn pair(profile: Profile) -> (Sealer, Opener) {
    (Sealer::new(profile, &master(3)), Opener::new(profile, &master(3)))
}

/// A packet in the clear, with a CSRC and a header extension.
fn plain(ssrc: u32, index: u64, payload: usize) -> (Vec<u8>, usize) {
    let mut packet = vec![0x91, 96];
    packet.extend_from_slice(&(index as u16).to_be_bytes());
    packet.extend_from_slice(&[0, 0, 0, 9]);
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(&[1, 2, 3, 4, 0xbe, 0xde, 0, 1, 0x10, 0xff, 0, 0]);
    let header = packet.len();
    packet.extend((0..payload).map(|n| (n as u64 ^ index) as u8));
    (packet, header)
}

fn sealed(sealer: &Sealer, ssrc: u32, index: u64) -> Vec<u8> {
    let (mut packet, header) = plain(ssrc, index, 100);
    packet.resize(packet.len() + sealer.tag_len(), 0);
    sealer.seal_rtp(&mut packet, header, index);
    packet
}

fn open(opener: &mut Opener, packet: &[u8]) -> Result<u64, Reject> {
    let mut packet = packet.to_vec();
    let opened = opener.open_rtp(&mut packet)?;
    let ssrc = u32::from_be_bytes(*packet[8..].first_chunk().unwrap());
    assert_eq!(packet[..opened.len], plain(ssrc, opened.index, 100).0);
    Ok(opened.index)
}

mod rfc_7714 {
    use super::*;

    const RTP: &str = "8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976
        69736120 696e2070 61727465 73207472 6573";
    const RTP_SEALED: &str = "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca
        be633bd5 0d294e6f 42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce";
    const RTCP: &str = "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61
        deadbeef deadbeef deadbeef deadbeef deadbeef";
    const RTCP_SEALED: &str = "81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7
        6c06f32d c676a5f1 730d6fda 4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade
        800005d4";
    const RTCP_TAGGED: &str = "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61
        deadbeef deadbeef deadbeef deadbeef deadbeef 841dd968 3dd78ec9 2ae58790 125f62b3 000005d4";

    /// The vectors give session keys, not master keys.
    fn cipher() -> Cipher {
        let key = hex("000102030405060708090a0b0c0d0e0f").try_into().unwrap();
        let salt = hex("517569642070726f2071756f").try_into().unwrap();
        Cipher::Gcm(gcm::Gcm::new(&key, &salt))
    }

    fn session() -> (Sealer, Opener) {
        let (mut sealer, mut opener) = pair(Profile::AeadAes128Gcm);
        sealer.replace_ciphers(cipher(), cipher());
        opener.replace_ciphers(cipher(), cipher());
        (sealer, opener)
    }

    #[test]
    fn rtp() {
        let (sealer, mut opener) = session();
        let mut packet = hex(RTP);
        packet.resize(packet.len() + 16, 0);
        sealer.seal_rtp(&mut packet, 12, 0xf17b);
        assert_eq!(packet, hex(RTP_SEALED));
        let opened = opener.open_rtp(&mut packet).unwrap();
        assert_eq!(opened.index, 0xf17b);
        assert_eq!(packet[..opened.len], hex(RTP));
    }

    #[test]
    fn rtcp() {
        let (mut sealer, mut opener) = session();
        sealer.set_rtcp_index(0x5d3);
        let mut packet = hex(RTCP);
        sealer.seal_rtcp(&mut packet);
        assert_eq!(packet, hex(RTCP_SEALED));
        let len = opener.open_rtcp(&mut packet).unwrap();
        assert_eq!(packet[..len], hex(RTCP));
    }

    #[test]
    fn rtcp_in_the_clear_is_refused() {
        let (_, mut opener) = session();
        assert_eq!(opener.open_rtcp(&mut hex(RTCP_TAGGED)), Err(Reject::Auth));
    }
}

#[test]
fn round_trips_of_every_size() {
    for profile in PROFILES {
        let (sealer, mut opener) = pair(profile);
        for payload in 0..300 {
            let (clear, header) = plain(SSRC, payload as u64, payload);
            let mut packet = clear.clone();
            packet.resize(clear.len() + sealer.tag_len(), 0);
            sealer.seal_rtp(&mut packet, header, payload as u64);
            assert_eq!(packet[..header], clear[..header]);
            let opened = opener.open_rtp(&mut packet).unwrap();
            assert_eq!(packet[..opened.len], clear);
        }
    }
}

#[test]
fn follows_the_counter_over_many_wraps() {
    for profile in PROFILES {
        let (sealer, mut opener) = pair(profile);
        let mut index = 65_000;
        while index < 20 << 16 {
            assert_eq!(open(&mut opener, &sealed(&sealer, SSRC, index)), Ok(index));
            index += 9_999;
        }
        // As after 2^32 packets, and at the very end of the index space.
        for start in [(1u64 << 32) - 5, (1 << 48) - 5] {
            opener.set_highest(SSRC, start);
            for index in start + 1..start + 5 {
                assert_eq!(open(&mut opener, &sealed(&sealer, SSRC, index)), Ok(index));
            }
        }
        let after_the_end = sealed(&sealer, SSRC, 0);
        assert_eq!(open(&mut opener, &after_the_end), Err(Reject::Replay));
    }
}

#[test]
fn takes_packets_out_of_order_across_a_wrap() {
    for profile in PROFILES {
        let (sealer, mut opener) = pair(profile);
        for index in [65_530, 65_538, 65_535, 65_536, 65_531, 65_537, 65_540, 65_539, 65_534] {
            assert_eq!(open(&mut opener, &sealed(&sealer, SSRC, index)), Ok(index));
            assert_eq!(open(&mut opener, &sealed(&sealer, SSRC, index)), Err(Reject::Replay));
        }
    }
}

#[test]
fn a_forgery_changes_nothing() {
    for profile in PROFILES {
        let (sealer, mut opener) = pair(profile);
        assert_eq!(open(&mut opener, &sealed(&sealer, SSRC, 10)), Ok(10));
        let honest = sealed(&sealer, SSRC, 11);
        for at in 0..honest.len() {
            for bit in 0..8 {
                let mut forged = honest.clone();
                forged[at] ^= 1 << bit;
                let result = opener.open_rtp(&mut forged);
                assert!(result.is_err(), "bit {bit} of byte {at}: {result:?}");
            }
        }
        // Far ahead: must not move the window, or 11 would be old.
        let mut ahead = sealed(&sealer, SSRC, 30_000);
        *ahead.last_mut().unwrap() ^= 1;
        assert_eq!(opener.open_rtp(&mut ahead), Err(Reject::Auth));
        assert_eq!(open(&mut opener, &honest), Ok(11));
    }
}

#[test]
fn forged_ssrcs_take_no_room_and_authentic_ones_are_bounded() {
    for profile in PROFILES {
        let (sealer, mut opener) = pair(profile);
        for ssrc in 0..1000 {
            let mut forged = sealed(&sealer, ssrc, 1);
            forged[20] ^= 1;
            assert_eq!(opener.open_rtp(&mut forged), Err(Reject::Auth));
        }
        for ssrc in 0..MAX_SSRCS as u32 {
            assert_eq!(open(&mut opener, &sealed(&sealer, ssrc, 1)), Ok(1));
        }
        assert_eq!(open(&mut opener, &sealed(&sealer, 1000, 1)), Err(Reject::TooManySsrcs));
        assert_eq!(open(&mut opener, &sealed(&sealer, 0, 2)), Ok(2));
    }
}

#[test]
fn rtcp_round_trips_once() {
    for profile in PROFILES {
        let (mut sealer, mut opener) = pair(profile);
        let clear = hex("80c90001 cafebabe 81ce0002 cafebabe 00000001");
        for length in [8, 12, clear.len()] {
            let mut packet = clear[..length].to_vec();
            sealer.seal_rtcp(&mut packet);
            assert_eq!(packet.len(), length + profile.rtcp_trailer_len());
            let mut again = packet.clone();
            let mut forged = packet.clone();
            forged[length / 2] ^= 1;
            assert!(matches!(opener.open_rtcp(&mut forged), Err(Reject::Auth)));
            assert_eq!(opener.open_rtcp(&mut packet), Ok(length));
            assert_eq!(packet[..length], clear[..length]);
            assert_eq!(opener.open_rtcp(&mut again), Err(Reject::Replay));
        }
    }
}

#[test]
fn a_used_up_rtcp_key_seals_nothing() {
    let (mut sealer, _) = pair(Profile::AeadAes128Gcm);
    sealer.set_rtcp_index(0x7fff_fffe);
    let mut packet = hex("80c90001 cafebabe");
    sealer.seal_rtcp(&mut packet);
    assert_eq!(packet.len(), 8 + 20);
    for _ in 0..2 {
        let mut packet = hex("80c90001 cafebabe");
        sealer.seal_rtcp(&mut packet);
        assert!(packet.is_empty());
    }
}

/// Any bytes at all: never a panic, never an acceptance.
#[test]
fn noise_is_rejected() {
    let mut state = 0x1234_5678_9abc_def1u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for profile in PROFILES {
        let (_, mut opener) = pair(profile);
        for round in 0..100_000u64 {
            let mut packet: Vec<u8> = (0..random() % 64).map(|_| random() as u8).collect();
            if let Some(first) = packet.first_mut().filter(|_| round % 4 > 0) {
                *first = 0x80 | *first & 0x3f;
            }
            assert!(opener.open_rtp(&mut packet.clone()).is_err());
            assert!(opener.open_rtcp(&mut packet).is_err());
        }
    }
}
