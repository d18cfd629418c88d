//! What sealing a 1200-byte RTP packet costs, with ring's bare call beside it, and what a peer's state weighs.
//!
//! `cargo run --release --example srtp_bench -p sfu`

use std::hint::black_box;
use std::time::Instant;

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use sfu::srtp::{Master, Opener, Profile, Sealer};

const HEADER: usize = 20;
const PACKET: usize = 1200;
const ROUNDS: u64 = 200_000;

/// The best of seven runs: other programs share this machine.
fn measure(mut run: impl FnMut(u64)) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..7 {
        let began = Instant::now();
        for index in 0..ROUNDS {
            run(index);
        }
        best = best.min(began.elapsed().as_nanos() as f64 / ROUNDS as f64);
    }
    best
}

fn clear() -> Vec<u8> {
    let mut packet = vec![0x5a; PACKET];
    packet[..4].copy_from_slice(&[0x90, 96, 0, 0]);
    packet[12..16].copy_from_slice(&[0xbe, 0xde, 0, 1]);
    packet
}

fn main() {
    let master = Master { key: [7; 16], salt: [0; 14] };
    let bare = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &[7; 16]).expect("a key"));
    let mut packet = clear();
    packet.resize(PACKET + 16, 0);
    let ring = measure(|index| {
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&index.to_be_bytes());
        let (header, rest) = packet.split_at_mut(HEADER);
        let (body, tag) = rest.split_at_mut(PACKET - HEADER);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let sealed = bare.seal_in_place_separate_tag(nonce, Aad::from(&*header), body).expect("sealed");
        tag.copy_from_slice(sealed.as_ref());
        black_box(&packet);
    });
    println!("ring, bare call            {ring:7.1} ns");
    for profile in [Profile::AeadAes128Gcm, Profile::Aes128CmSha1_80] {
        let sealer = Sealer::new(profile, &master);
        let mut packet = clear();
        packet.resize(PACKET + sealer.tag_len(), 0);
        let seal = measure(|index| {
            sealer.seal_rtp(&mut packet, HEADER, index);
            black_box(&packet);
        });
        println!("{profile:?} seal  {seal:7.1} ns");
        // Opening consumes the packet, so each round seals it too.
        let mut opener = Opener::new(profile, &master);
        let mut next = 0u64;
        let both = measure(|_| {
            packet[2..4].copy_from_slice(&(next as u16).to_be_bytes());
            sealer.seal_rtp(&mut packet, HEADER, next);
            opener.open_rtp(&mut packet).expect("authentic");
            next += 1;
        });
        println!("{profile:?} open  {:7.1} ns", both - seal);
    }
    println!("Sealer {} bytes, Opener {} bytes", size_of::<Sealer>(), size_of::<Opener>());
}
