//! Numbers that wrap: 16 bits of RTP, 32 bits of SRTP's rollover counter, timestamps, transport-wide numbers.

use sfu::api::{Codec, Config, SlotSpec};
use sfu::time::{Span, Time};

use crate::support::checks;
use crate::support::publisher::Media;
use crate::support::viewer::Watching;
use crate::support::world::World;

/// A stream whose numbers run fast: each picture is followed by a gap that a receiver still follows. Runs until it is
/// `distance` packets on, then asks for what is lost again.
fn run_fast(seed: u64, codec: Codec, first_seq: u16, distance: u64) {
    let mut world = World::new(seed, 1, Config { publisher_packets_per_s: 1e6, ..Config::default() });
    let slot = |ssrc, first_seq| SlotSpec { ssrc, rtx_ssrc: ssrc + 1, first_seq, first_timestamp: u32::MAX - 90_000 };
    let room = world.room_with(0, slot(0x1000, 7), slot(0x2000, first_seq));
    let media = Media {
        audio: false,
        fps: 1000,
        packets: [1, 1, 1],
        bytes: 80,
        skip: 2900,
        first_seq: Some(first_seq),
        key_every: 1000,
        transport_cc: false,
        ..Media::new(codec)
    };
    let publisher = world.publish(room, media);
    let viewer = world.watch(room, 0, Watching { audio: false, nack: false, transport_cc: false, ..Watching::new() });
    world.clients[viewer].sink().keep = false;
    let newest = |world: &mut World| world.clients[viewer].sink().tracks[1].newest.unwrap_or(0);
    world.run(Span::secs(1));
    let from = newest(&mut world);
    while newest(&mut world) < from + distance {
        let before = newest(&mut world);
        world.run(Span::millis(500));
        assert!(newest(&mut world) > before, "it stopped at {before}");
        checks::no_faults(&world);
        let source = world.clients[publisher].source();
        source.captured.clear();
    }
    // Now as usual, with loss.
    world.clients[publisher].source().media.skip = 0;
    world.clients[publisher].source().media.fps = 100;
    world.run(Span::secs(2));
    world.clients[viewer].sink().watching.nack = true;
    world.clients[viewer].down.loss = 0.1;
    let since = world.now;
    world.run(Span::secs(5));
    world.clients[viewer].down.heal();
    world.run(Span::secs(1));
    checks::no_faults(&world);
    let to = Time(world.now.0 - 200_000);
    checks::frames_came(&mut world, publisher, viewer, since, to, 0);
    let track = &world.clients[viewer].sink().tracks[1];
    assert!(track.answered > 10 && track.given_up.is_empty());
    assert!(newest(&mut world) > from + distance);
}

#[test]
fn many_wraps_of_the_sequence_number_are_followed() {
    for (seed, codec) in [(1, Codec::Vp8), (2, Codec::H264)] {
        for first_seq in [0, 1, 32_767, 32_768, 65_535] {
            run_fast(seed, codec, first_seq, 1 << 23);
        }
    }
}

/// The index from which low 30 bits are remembered wraps, too.
#[test]
fn a_billion_packets_are_followed() {
    run_fast(3, Codec::Vp8, 32_760, (1 << 30) + (1 << 20));
}

/// SRTP's rollover counter has 32 bits of its own; here it passes 65,536.
#[test]
fn four_billion_packets_are_followed() {
    run_fast(4, Codec::Vp8, 32_760, (1 << 32) + (1 << 20));
}

/// Without gaps: every number across several wraps comes and is used once.
#[test]
fn no_number_is_missing_across_wraps() {
    let mut world = World::new(5, 1, Config { publisher_packets_per_s: 1e6, ..Config::default() });
    let slot = |ssrc, first_seq| SlotSpec { ssrc, rtx_ssrc: ssrc + 1, first_seq, first_timestamp: u32::MAX - 90_000 };
    let room = world.room_with(0, slot(0x1000, 7), slot(0x2000, 65_000));
    let media = Media { fps: 100, packets: [40, 40, 40], bytes: 60, ..Media::new(Codec::Vp8) };
    let publisher = world.publish(room, media);
    let viewer = world.watch(room, 0, Watching::new());
    world.clients[viewer].down.loss = 0.002;
    world.run(Span::secs(36));
    world.clients[viewer].down.heal();
    world.run(Span::secs(1));
    checks::no_faults(&world);
    checks::viewer_is_served(&mut world, viewer, Time(0), false);
    let to = Time(world.now.0 - 200_000);
    checks::frames_came(&mut world, publisher, viewer, Time::from_millis(1500), to, 0);
    let track = &world.clients[viewer].sink().tracks[1];
    assert!(track.got.len() > 2 << 16 && world.clients[viewer].sink().transport_seen > 2 << 16);
}

/// A publisher may send any old packet once more, and another time. No number is encrypted twice for a viewer: its
/// opener would find a replay.
#[test]
fn no_number_is_used_twice_whatever_is_sent_again() {
    let mut world = World::new(6, 1, Config::default());
    let room = world.room(0);
    let media = Media { fps: 100, packets: [10, 10, 10], bytes: 60, key_every: 100, ..Media::new(Codec::Vp8) };
    let publisher = world.publish(room, media);
    let viewer = world.watch(room, 0, Watching::new());
    world.clients[publisher].up.loss = 0.02;
    for _ in 0..1000 {
        world.run(Span::millis(10));
        let far = world.rng.below(4090) as u16;
        let near = world.rng.below(100) as u16;
        let stream = &world.clients[publisher].source().streams[1];
        let (ssrc, newest) = (stream.ssrc, stream.seq as u16);
        for back in [far, near, near, 2040 + near, 3000 - near] {
            world.clients[publisher].source().ask_again(ssrc, newest.wrapping_sub(back));
        }
    }
    checks::no_faults(&world);
    assert!(world.dropped(sfu::counters::Drop::Twice) > 1000);
    checks::order_is_kept(&world.clients[viewer].sink().tracks[1], false, "viewer");
}
