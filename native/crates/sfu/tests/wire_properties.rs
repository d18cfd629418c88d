//! Whatever bytes come, the wire formats neither panic nor read beyond them; what is written reads back equal.

use std::net::SocketAddr;

use sfu::api::Codec;
use sfu::codec::{self, CodecState, dd};
use sfu::frames::{Assembler, Piece};
use sfu::{rtcp, rtp, stun};

const ROUNDS: usize = 20_000;
const CODECS: [Codec; 5] = [Codec::Opus, Codec::H264, Codec::Vp8, Codec::Vp9, Codec::Av1];

/// xorshift64*: a seed names a whole run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn bytes(&mut self, at_most: usize) -> Vec<u8> {
        let length = self.below(at_most + 1);
        (0..length).map(|_| self.next() as u8).collect()
    }

    /// Mostly zeros and small numbers: lengths and flags that lead further in than noise does.
    fn tame(&mut self, at_most: usize) -> Vec<u8> {
        let length = self.below(at_most + 1);
        (0..length)
            .map(|_| match self.below(4) {
                0 => self.next() as u8,
                1 => self.below(8) as u8,
                _ => 0,
            })
            .collect()
    }

    /// `bytes` with up to four of them changed, or cut, or longer.
    fn mutate(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..self.below(4) + 1 {
            match self.below(6) {
                0 => bytes.truncate(self.below(bytes.len() + 1)),
                1 => bytes.push(self.next() as u8),
                _ if bytes.is_empty() => {}
                _ => {
                    let at = self.below(bytes.len());
                    bytes[at] = self.next() as u8;
                }
            }
        }
        bytes
    }
}

#[test]
fn stun_takes_any_bytes() {
    let mut random = Random(1);
    let mut seeds = vec![Vec::new(); 4];
    let transaction = [7; 12];
    stun::write_request(&transaction, "abcd:efgh", b"password", 1, true, &mut seeds[0]);
    stun::write_success(&transaction, "192.0.2.1:9".parse().unwrap(), b"password", &mut seeds[1]);
    stun::write_error(&transaction, 420, "no", &[1, 2, 3], b"password", &mut seeds[2]);
    for round in 0..ROUNDS {
        let seed = &seeds[round % 4];
        let d = if seed.is_empty() { random.bytes(120) } else { random.mutate(seed) };
        stun::is_stun(&d);
        if let Some(ufrag) = stun::peek_ufrag(&d) {
            assert!(ufrag.len() < d.len());
        }
        if let Some(request) = stun::read_request(&d) {
            assert!(!request.verify(b"password") || d == *seed, "a forged request passed");
        }
        // what is behind the signature may differ, nothing that was read may
        if let Some(response) = stun::read_response(&d, b"password") {
            assert_eq!(Some(response), stun::read_response(seed, b"password"));
        }
    }
}

#[test]
fn stun_reads_what_it_writes() {
    let mut random = Random(2);
    for _ in 0..ROUNDS / 4 {
        let mut transaction = [0; 12];
        transaction.fill_with(|| random.next() as u8);
        let password = random.bytes(40);
        let local = format!("{:x}", random.next());
        let remote = format!("{:x}", random.next());
        let nominate = random.below(2) == 0;
        let mut out = Vec::new();
        stun::write_request(&transaction, &format!("{local}:{remote}"), &password, 5, nominate, &mut out);
        let request = stun::read_request(&out).unwrap();
        assert!(request.verify(&password));
        assert_eq!((request.local_ufrag, request.remote_ufrag), (&local[..], &remote[..]));
        assert_eq!((request.transaction, request.use_candidate), (transaction, nominate));
        assert_eq!(stun::peek_ufrag(&out), Some(local.as_bytes()));
        out.clear();
        let mut ip = [0u8; 16];
        ip.fill_with(|| random.next() as u8);
        let mapped = SocketAddr::from((ip, random.next() as u16));
        stun::write_success(&transaction, mapped, &password, &mut out);
        let response = stun::read_response(&out, &password).unwrap();
        assert!(response.success && response.transaction == transaction);
    }
}

#[test]
fn rtp_takes_any_bytes() {
    let mut random = Random(3);
    for round in 0..ROUNDS {
        let mut packet = if round % 2 == 0 { random.bytes(80) } else { random.tame(80) };
        if let Some(first) = packet.first_mut() {
            *first = *first & 0x3F | 0x80;
        }
        let length = rtp::header_len(&packet);
        if let Some(view) = rtp::read(&packet) {
            assert_eq!(length, Some(view.header_len));
            assert!(view.header_len == view.payload.start && view.payload.start <= view.payload.end);
            assert!(view.payload.end <= packet.len() && view.extensions.end <= view.header_len);
            for id in 0..=255 {
                rtp::extension(&packet, &view, id);
            }
        }
        rtp::is_rtcp(&packet);
    }
}

#[test]
fn rtp_reads_what_it_writes() {
    let mut random = Random(4);
    for round in 0..ROUNDS {
        let head = rtp::Outgoing {
            payload_type: random.next() as u8 & 0x7F,
            marker: random.below(2) == 0,
            padding: false,
            seq: random.next() as u16,
            timestamp: random.next() as u32,
            ssrc: random.next() as u32,
        };
        let longest = if round % 4 == 0 { 255 } else { 16 };
        let ids = if round % 8 == 0 { 255 } else { 14 };
        let mut values: Vec<(u8, Vec<u8>)> = Vec::new();
        for _ in 0..random.below(6) {
            let id = random.below(ids) as u8 + 1;
            if values.iter().all(|(taken, _)| *taken != id) {
                values.push((id, random.bytes(longest)));
            }
        }
        let elements: Vec<(u8, &[u8])> = values.iter().map(|(id, value)| (*id, &value[..])).collect();
        let mut packet = Vec::new();
        let length = rtp::write_header(&mut packet, &head, &elements);
        let payload = random.bytes(30);
        packet.extend_from_slice(&payload);
        let view = rtp::read(&packet).unwrap();
        assert_eq!(view.header_len, length);
        assert_eq!((view.payload_type, view.marker, view.seq), (head.payload_type, head.marker, head.seq));
        assert_eq!((view.timestamp, view.ssrc), (head.timestamp, head.ssrc));
        assert_eq!(&packet[view.payload.clone()], payload);
        for (id, value) in elements {
            assert_eq!(rtp::extension(&packet, &view, id), Some(value));
        }
    }
}

#[test]
fn rtcp_takes_any_bytes() {
    let mut random = Random(5);
    for round in 0..ROUNDS {
        let mut packet = Vec::new();
        for _ in 0..random.below(5) {
            // a head that leads somewhere, with a body that may or may not fit
            let body = if round % 2 == 0 { random.bytes(60) } else { random.tame(60) };
            let words = if random.below(4) == 0 { random.next() as u16 } else { body.len() as u16 / 4 };
            packet.extend_from_slice(&[0x80 | random.next() as u8 & 0x3F, 200 + random.below(8) as u8]);
            packet.extend_from_slice(&words.to_be_bytes());
            packet.extend_from_slice(&body);
        }
        let mut items = 0;
        rtcp::read(&packet, &mut |item| {
            items += 1;
            if let rtcp::Item::Nack { seqs, .. } = item {
                assert!(seqs.count() <= rtcp::MAX_NACK_SEQS);
            }
        });
        assert!(items <= rtcp::MAX_ITEMS);
    }
}

#[test]
fn rtcp_reads_what_it_writes() {
    let mut random = Random(6);
    for _ in 0..ROUNDS {
        let mut seqs = vec![random.next() as u16];
        for _ in 0..random.below(40) {
            let far = if random.below(5) == 0 { 20_000 } else { 4 };
            let step = random.below(far) as u16 + 1;
            seqs.push(seqs[seqs.len() - 1].wrapping_add(step));
        }
        let block = rtcp::ReportBlock {
            ssrc: random.next() as u32,
            fraction_lost: random.next() as u8,
            cumulative_lost: (random.next() as i32) >> 8,
            highest_seq: random.next() as u32,
            jitter: random.next() as u32,
            last_sr: random.next() as u32,
            delay_since_sr: random.next() as u32,
        };
        let bps = random.next() >> random.below(64);
        let mut out = Vec::new();
        rtcp::write_receiver_report(&mut out, 1, &[block]);
        rtcp::write_cname(&mut out, 1, &"name".repeat(random.below(80)));
        rtcp::write_nack(&mut out, 1, 2, &seqs);
        rtcp::write_remb(&mut out, 1, bps, &[2, 3]);
        let mut asked = Vec::new();
        let (mut told, mut blocks) = (0, 0);
        rtcp::read(&out, &mut |item| match item {
            rtcp::Item::Report(read) => {
                assert_eq!(read, block);
                blocks += 1;
            }
            rtcp::Item::Nack { media_ssrc: 2, seqs } => asked.extend(seqs),
            rtcp::Item::Remb { bps } => told = bps,
            other => panic!("{other:?}"),
        });
        asked.dedup();
        assert_eq!((asked, blocks), (seqs, 1));
        assert!(told <= bps && bps - told <= bps >> 17, "{told} of {bps}");
    }
}

#[test]
fn payloads_of_any_bytes_say_something_or_nothing() {
    let mut random = Random(7);
    let mut states = CODECS.map(|_| CodecState::default());
    for round in 0..ROUNDS {
        let mut payload = if round % 2 == 0 { random.bytes(40) } else { random.tame(40) };
        let extension = if round % 3 == 0 { random.bytes(60) } else { random.tame(60) };
        for (codec, state) in CODECS.into_iter().zip(&mut states) {
            let facts = codec::facts(codec, &payload, round % 5 == 0, Some(&extension), state);
            assert!(facts.spatial < codec::MAX_LAYERS && facts.temporal < codec::MAX_LAYERS);
            assert!(state.spatial_layers() <= codec::MAX_LAYERS && state.temporal_layers() <= codec::MAX_LAYERS);
            codec::starts_keyframe(codec, &payload);
        }
        if let Some(dd) = dd::read(&extension, &mut states[0].dd) {
            for target in 0..=255 {
                dd.dti(target);
            }
        }
        let before = payload.clone();
        let (id, tl0) = (random.next() as u16, random.next() as u8);
        codec::patch_vp8(&mut payload, id, tl0);
        codec::patch_vp8(&mut payload, id.wrapping_neg(), tl0.wrapping_neg());
        assert_eq!(payload, before, "a patch and its opposite");
    }
}

#[test]
fn an_assembler_takes_any_packets_in_any_order() {
    for codec in CODECS {
        let mut random = Random(8);
        let mut assembler = Assembler::new();
        let mut base = 0u64;
        for _ in 0..ROUNDS {
            base += random.below(3) as u64;
            if random.below(2000) == 0 {
                base += random.next() >> (16 + random.below(48));
            }
            let payload = if random.below(2) == 0 { random.bytes(30) } else { random.tame(30) };
            let seq = base.saturating_sub(random.below(20) as u64);
            let piece =
                Piece { seq, timestamp: (seq / 4) as u32, marker: random.below(5) == 0, codec, payload: &payload };
            assembler.push(&piece, &mut |frame| assert!(!frame.data.is_empty()));
        }
    }
}

#[test]
fn frames_survive_reordering_and_copies() {
    for seed in 1..200 {
        let mut random = Random(seed);
        let mut packets = Vec::new();
        let mut frames = Vec::new();
        for number in 0..60u32 {
            let key = number == 0 || random.below(20) == 0;
            let count = random.below(6) + 1;
            let mut data = Vec::new();
            for index in 0..count {
                let mut body = random.bytes(20);
                body.insert(0, if index == 0 { u8::from(!key) } else { 0x55 });
                data.extend_from_slice(&body);
                body.insert(0, if index == 0 { 0x10 } else { 0 });
                packets.push((packets.len() as u64 + 65_500, number, index + 1 == count, body));
            }
            frames.push((number, key, data));
        }
        // each packet is put off by up to 15 places; the first one is not, since the stream begins with it
        let mut order: Vec<(u64, usize)> = (0..packets.len())
            .map(|at| (if at == 0 { 0 } else { at as u64 + 1 + random.below(15) as u64 }, at))
            .collect();
        order.extend_from_within(..10);
        order[packets.len()..].iter_mut().for_each(|(when, _)| *when += 40);
        order.sort();
        let mut assembler = Assembler::new();
        let mut given = Vec::new();
        for (_, at) in order {
            let (seq, timestamp, marker, ref payload) = packets[at];
            assembler.push(&Piece { seq, timestamp, marker, codec: Codec::Vp8, payload }, &mut |frame| {
                given.push((frame.timestamp, frame.keyframe, frame.data.to_vec()));
            });
        }
        assert_eq!(given, frames, "seed {seed}");
        assert_eq!(assembler.skipped(), 0);
    }
}
