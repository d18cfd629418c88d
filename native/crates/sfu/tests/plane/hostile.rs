//! What strangers, forgers and floods can do: nothing to others.

use std::net::SocketAddr;

use sfu::api::{Codec, Config, Event};
use sfu::time::{Span, Time};

use crate::support::publisher::Media;
use crate::support::viewer::Watching;
use crate::support::world::World;
use crate::support::{Rng, checks};

/// What a viewer got, without what differs by the keys.
fn story(world: &mut World, viewer: usize) -> Vec<(u64, u64, u32)> {
    let sink = world.clients[viewer].sink();
    sink.tracks.iter().flat_map(|track| &track.got).map(|(at, got)| (*at, got.at.0, got.timestamp)).collect()
}

/// A run with an attacker, or without.
fn run(seed: u64, attack: Option<fn(&mut World, &mut Rng)>) -> (Vec<(u64, u64, u32)>, usize) {
    let mut world = World::new(seed, 2, Config::default());
    world.recording = true;
    let room = world.room(0);
    world.publish(room, Media::new(Codec::Vp8));
    let viewer = world.watch(room, 1, Watching::new());
    let mut chance = Rng::new(seed ^ 77);
    for _ in 0..300 {
        world.run(Span::millis(10));
        if let Some(attack) = attack {
            attack(&mut world, &mut chance);
        }
    }
    checks::no_faults(&world);
    checks::events_make_sense(&world);
    assert!(!world.has(|event| matches!(event, Event::Ended { .. })), "somebody was ended");
    (story(&mut world, viewer), world.events.len())
}

fn changes_nothing(attack: fn(&mut World, &mut Rng)) {
    for seed in 1..=4 {
        let (quiet, attacked) = (run(seed, None), run(seed, Some(attack)));
        assert!(quiet.0.len() > 200);
        assert!(quiet == attacked, "seed {seed}: {} and {} packets", quiet.0.len(), attacked.0.len());
    }
}

fn noise(chance: &mut Rng, first: u8) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..chance.between(1, 300)).map(|_| chance.next() as u8).collect();
    bytes[0] = first;
    bytes
}

/// Any client's address: the attacker can write it on its datagrams.
fn somebody(world: &World, chance: &mut Rng) -> SocketAddr {
    world.clients[chance.below(world.clients.len() as u64) as usize].addr
}

#[test]
fn strangers_are_not_heard() {
    changes_nothing(|world, chance| {
        for first in [0u8, 1, 20, 22, 23, 25, 63, 64, 128, 129, 144, 255] {
            let from = SocketAddr::from(([192, 168, 1, 1], 1000 + chance.below(5) as u16));
            world.inject(from, noise(chance, first));
        }
    });
}

#[test]
fn forged_media_and_control_are_not_heard() {
    changes_nothing(|world, chance| {
        for kind in [96u8, 97, 111, 200, 201, 205, 206] {
            let first = 0x80 | (chance.next() as u8 & 0x3F);
            let mut bytes = noise(chance, first);
            if bytes.len() > 12 {
                bytes[1] = kind;
                // a known SSRC half of the time
                let streams = &world.clients[0].source().streams;
                let ssrc = streams[chance.below(streams.len() as u64) as usize].ssrc;
                let at = if kind >= 200 { 4 } else { 8 };
                bytes[at..at + 4].copy_from_slice(&ssrc.to_be_bytes());
            }
            let from = somebody(world, chance);
            world.inject(from, bytes);
        }
    });
}

#[test]
fn damaged_and_replayed_packets_are_not_heard() {
    changes_nothing(|world, chance| {
        for _ in 0..6 {
            if world.recorded.is_empty() {
                return;
            }
            let (from, mut bytes) = world.recorded[chance.below(world.recorded.len() as u64) as usize].clone();
            if !(128..192).contains(&bytes[0]) {
                continue; // checks are another matter: see below
            }
            // As it was from there, from elsewhere, or damaged.
            let from = match chance.below(3) {
                0 => from,
                1 => somebody(world, chance),
                _ => {
                    let at = chance.between(1, bytes.len() as u64 - 1) as usize;
                    bytes[at] ^= 1 << chance.below(8);
                    from
                }
            };
            world.inject(from, bytes);
        }
    });
}

#[test]
fn forged_checks_are_not_heard() {
    changes_nothing(|world, chance| {
        let victim = chance.below(world.clients.len() as u64) as usize;
        let ice = world.clients[victim].ice.clone();
        let username = format!("{}:{}", ice.server_ufrag, ice.local_ufrag);
        let mut check = Vec::new();
        sfu::stun::write_request(&[chance.next() as u8; 12], &username, b"not the password", 1, true, &mut check);
        let from = if chance.chance(0.5) { somebody(world, chance) } else { SocketAddr::from(([192, 168, 1, 1], 5)) };
        world.inject(from, check);
    });
}

/// Whoever can write a peer's address on a datagram cannot end its association. (A handshake under way he can, with
/// every implementation: its first records are not authenticated.)
#[test]
fn forged_handshake_records_are_not_heard() {
    changes_nothing(|world, chance| {
        if world.now < Time::from_millis(1500) {
            return;
        }
        for _ in 0..4 {
            let kind = [20u8, 21, 22, 23, 25, 26, 0x2F, 0x3F][chance.below(8) as usize];
            let mut bytes = noise(chance, kind);
            if bytes.len() > 13 && chance.chance(0.7) {
                let length = (bytes.len() - 13) as u16;
                bytes[1..3].copy_from_slice(&[0xFE, 0xFD]);
                bytes[3..11].fill(0);
                bytes[10] = chance.next() as u8 & 7;
                if chance.chance(0.5) {
                    bytes[4] = 1; // of the encrypted epoch
                }
                bytes[11..13].copy_from_slice(&length.to_be_bytes());
            }
            if chance.chance(0.2) {
                bytes = [&[21u8, 0xFE, 0xFD][..], &[0; 7], &[chance.next() as u8, 0, 2, 2, 40]].concat();
            }
            let from = somebody(world, chance);
            world.inject(from, bytes);
        }
    });
}

/// Records of the real handshake, again and damaged.
#[test]
fn replayed_handshake_records_are_not_heard() {
    for seed in 1..=8 {
        let mut world = World::new(seed, 2, Config::default());
        world.recording = true;
        let room = world.room(0);
        let publisher = world.publish(room, Media::new(Codec::Vp8));
        let viewer = world.watch(room, 1, Watching::new());
        let mut chance = Rng::new(seed ^ 78);
        for _ in 0..200 {
            world.run(Span::millis(10));
            let records: Vec<_> =
                world.recorded.iter().filter(|(_, bytes)| (20..64).contains(&bytes[0])).cloned().collect();
            if records.is_empty() {
                continue;
            }
            let (from, mut bytes) = records[chance.below(records.len() as u64) as usize].clone();
            if chance.chance(0.6) {
                let at = chance.below(bytes.len() as u64) as usize;
                bytes[at] ^= 1 << chance.below(8);
            }
            world.inject(from, bytes);
        }
        world.run(Span::secs(1));
        checks::no_faults(&world);
        assert!(!world.has(|event| matches!(event, Event::Ended { .. })), "seed {seed}: somebody was ended");
        let (from, to) = (Time(world.now.0 - 1_000_000), Time(world.now.0 - 300_000));
        checks::frames_came(&mut world, publisher, viewer, from, to, 0);
    }
}

/// One that sends far more than it may is cut, and the others do not notice.
#[test]
fn a_flood_is_cut_and_others_do_not_notice() {
    let mut world = World::new(3, 1, Config::default());
    let (rude, fine) = (world.room(0), world.room(0));
    let flooder = world.publish(rude, Media { packets: [400, 400, 400], bytes: 120, ..Media::new(Codec::Vp8) });
    let witness = world.watch(rude, 0, Watching { nack: false, ..Watching::new() });
    let publisher = world.publish(fine, Media::new(Codec::Vp8));
    let viewer = world.watch(fine, 0, Watching::new());
    world.clients[witness].sink().keep = false;
    world.run(Span::secs(5));
    assert!(world.dropped(sfu::counters::Drop::Policed) > 10_000);
    let forwarded = world.counters[0].received[1].get() + world.counters[0].received[0].get();
    assert!(forwarded < 6000 * 6 + 2000, "{forwarded} of a flood were taken");
    checks::no_faults(&world);
    let to = Time(world.now.0 - 300_000);
    checks::frames_came(&mut world, publisher, viewer, Time::from_millis(2000), to, 0);
    assert!(world.clients[flooder].source().streams[1].seq > 50_000);
}

/// A viewer that asks for everything again all the time gets what its budget allows.
#[test]
fn requests_without_end_are_limited() {
    let mut world = World::new(4, 1, Config::default());
    let room = world.room(0);
    let publisher = world.publish(room, Media::new(Codec::Vp8));
    let greedy = world.watch(room, 0, Watching::new());
    let viewer = world.watch(room, 0, Watching::new());
    world.run(Span::secs(2));
    let media = world.clients[greedy].sink().slots[1].ssrc;
    for _ in 0..500 {
        world.run(Span::millis(10));
        let newest = world.clients[greedy].sink().tracks[1].newest.unwrap_or(0) as u16;
        let seqs: Vec<u16> = (0..200).map(|back| newest.wrapping_sub(back)).collect();
        let mut packet = Vec::new();
        sfu::rtcp::write_nack(&mut packet, 1, media, &seqs);
        for _ in 0..20 {
            sfu::rtcp::write_pli(&mut packet, 1, media);
        }
        world.clients[greedy].sealer().unwrap().seal_rtcp(&mut packet);
        let from = world.clients[greedy].addr;
        world.inject(from, packet);
    }
    let again = world.clients[greedy].sink().rtx_packets;
    assert!(again > 1000 && again < 400 * 7, "{again} retransmissions");
    checks::no_faults(&world);
    assert!(world.clients[publisher].source().plis < 20, "{}", world.clients[publisher].source().plis);
    let to = Time(world.now.0 - 300_000);
    checks::frames_came(&mut world, publisher, viewer, Time::from_millis(2500), to, 0);
}
