//! Publishers that replace one another, come back or do not; viewers whose address changes.

use sfu::api::{Codec, Config, Event, Reason};
use sfu::time::{Span, Time};

use crate::support::checks;
use crate::support::network::Link;
use crate::support::publisher::Media;
use crate::support::viewer::Watching;
use crate::support::world::World;

fn longest_gap(world: &mut World, viewer: usize, from: Time) -> Span {
    let now = world.now;
    let mut at: Vec<Time> =
        world.clients[viewer].sink().tracks[1].got.values().map(|got| got.at).filter(|at| *at >= from).collect();
    at.extend([from, now]);
    at.sort();
    at.windows(2).map(|pair| pair[1].since(pair[0])).max().unwrap_or_default()
}

#[test]
fn a_new_publisher_takes_over_for_the_same_viewers() {
    let codecs = [Codec::H264, Codec::Vp8, Codec::Vp9, Codec::Av1];
    for seed in 1..=12 {
        let mut world = World::new(seed, 2, Config::default());
        let room = world.room(0);
        let codec = codecs[(seed % 4) as usize];
        let first = world.publish(room, Media::new(codec));
        let viewers = [world.watch(room, 0, Watching::new()), world.watch(room, 1, Watching::new())];
        for viewer in viewers {
            world.clients[viewer].down = Link::lossy(0.02);
        }
        world.run(Span::secs(3));
        // With another codec, and simulcast, some of the time.
        let codec = codecs[(seed / 2 % 4) as usize];
        let media = if seed % 3 == 0 { Media::simulcast(codec) } else { Media::new(codec) };
        let second = world.publish(room, media);
        world.run(Span::secs(2));
        assert_eq!(world.ended(first).map(|(_, reason)| reason), Some(Reason::Replaced));
        assert_eq!(world.clients[first].goodbyes, 1);
        for viewer in viewers {
            world.clients[viewer].down.heal();
        }
        let healed = world.now;
        world.run(Span::secs(3));
        checks::no_faults(&world);
        checks::events_make_sense(&world);
        let to = Time(world.now.0 - 300_000);
        for viewer in viewers {
            checks::viewer_is_served(&mut world, viewer, Time(0), false);
            checks::frames_came(&mut world, second, viewer, healed, to, 0);
            checks::clocks_agree(&mut world, second, viewer, healed);
            assert!(longest_gap(&mut world, viewer, Time::from_millis(2000)) < Span::millis(800));
            assert!(world.ended(viewer).is_none());
        }
    }
}

#[test]
fn a_lost_publisher_may_come_back() {
    let mut world = World::new(5, 2, Config::default());
    let room = world.room(1);
    let first = world.publish(room, Media::new(Codec::Vp8));
    let viewers = [world.watch(room, 0, Watching::new()), world.watch(room, 1, Watching::new())];
    world.run(Span::secs(3));
    world.clients[first].silent = true;
    world.run(Span::secs(3));
    assert!(world.has(|event| matches!(event, Event::Stalled { .. })));
    assert!(world.ended(first).is_none());
    world.run(Span::secs(10));
    assert_eq!(world.ended(first).map(|(_, reason)| reason), Some(Reason::Lost));
    world.run(Span::secs(15));
    let second = world.publish(room, Media::new(Codec::Vp8));
    let back = world.now;
    world.run(Span::secs(4));
    checks::no_faults(&world);
    checks::events_make_sense(&world);
    let to = Time(world.now.0 - 300_000);
    for viewer in viewers {
        assert!(world.ended(viewer).is_none());
        checks::viewer_is_served(&mut world, viewer, Time(0), false);
        checks::frames_came(&mut world, second, viewer, back + Span::secs(1), to, 0);
        // The time line went on with the clock on the wall.
        let track = &world.clients[viewer].sink().tracks[1];
        let (a, b) = (track.got.first_key_value().unwrap().1, track.got.last_key_value().unwrap().1);
        let passed = f64::from(b.timestamp.wrapping_sub(a.timestamp)) / 90_000.0;
        assert!((passed - b.at.since(a.at).as_secs_f64()).abs() < 0.1, "{passed}");
    }
}

#[test]
fn a_stall_is_told_and_so_is_its_end() {
    let mut world = World::new(6, 1, Config::default());
    let room = world.room(0);
    let publisher = world.publish(room, Media::new(Codec::H264));
    let viewer = world.watch(room, 0, Watching::new());
    world.run(Span::secs(2));
    world.clients[publisher].up.loss = 1.0;
    world.run(Span::secs(4));
    world.clients[publisher].up.loss = 0.0;
    world.run(Span::secs(3));
    let kinds: Vec<u8> = world
        .events
        .iter()
        .filter_map(|(_, event)| match event {
            Event::MediaStarted { .. } => Some(0),
            Event::Stalled { .. } => Some(1),
            Event::Resumed { .. } => Some(2),
            _ => None,
        })
        .collect();
    assert_eq!(kinds, [0, 1, 2]);
    let from = Time(world.now.0 - 1_500_000);
    let to = Time(world.now.0 - 300_000);
    checks::frames_came(&mut world, publisher, viewer, from, to, 0);
}

#[test]
fn a_room_nobody_came_back_to_is_over() {
    let mut world = World::new(8, 3, Config::default());
    let room = world.room(2);
    let publisher = world.publish(room, Media::new(Codec::Vp8));
    let viewers: Vec<usize> = (0..3).map(|at| world.watch(room, at, Watching::new())).collect();
    world.run(Span::secs(2));
    world.close(publisher, Reason::Deleted);
    world.run(Span::secs(29));
    assert_eq!(world.peers(), 3);
    world.run(Span::secs(3));
    for viewer in viewers {
        assert_eq!(world.ended(viewer).map(|(_, reason)| reason), Some(Reason::RoomEnded));
    }
    checks::events_make_sense(&world);
    nothing_is_left(&world);
}

pub fn nothing_is_left(world: &World) {
    for shard in &world.shards {
        for (what, count) in shard.census() {
            assert_eq!(count, 0, "{what} of {shard:?}");
        }
    }
    assert_eq!(world.owned_routes(), 0);
}

#[test]
fn peers_that_never_finish_or_fall_silent_are_forgotten() {
    let mut world = World::new(9, 2, Config::default());
    let room = world.room(0);
    let publisher = world.publish(room, Media::new(Codec::Vp8));
    let mute = world.watch(room, 1, Watching::new());
    world.clients[mute].silent = true;
    let lost = world.watch(room, 0, Watching::new());
    world.run(Span::secs(2));
    world.clients[lost].silent = true;
    world.run(Span::secs(12));
    assert_eq!(world.ended(mute).map(|(_, reason)| reason), Some(Reason::Handshake));
    assert_eq!(world.ended(lost).map(|(_, reason)| reason), Some(Reason::Lost));
    world.clients[publisher].silent = true;
    world.run(Span::secs(60));
    checks::events_make_sense(&world);
    nothing_is_left(&world);
}

/// Hundreds that come and go leave nothing behind, and those who stay are served.
#[test]
fn coming_and_going_leaves_nothing() {
    let mut world = World::new(10, 2, Config::default());
    let room = world.room(0);
    let publisher = world.publish(room, Media { fps: 10, ..Media::new(Codec::Vp8) });
    let stays = world.watch(room, 1, Watching::new());
    let mut here = Vec::new();
    for round in 0..80u64 {
        let watching = Watching::any(&mut world.rng);
        here.push(world.watch(room, (round % 2) as u8, watching));
        world.run(Span(world.rng.clone().below(200_000)));
        if here.len() > 6 {
            let gone = here.remove(world.rng.below(6) as usize);
            match round % 3 {
                0 => world.close(gone, Reason::Deleted),
                1 => world.clients[gone].silent = true,
                _ => world.rebind(gone),
            }
        }
    }
    world.run(Span::secs(12));
    let from = Time(world.now.0 - 2_000_000);
    let to = Time(world.now.0 - 300_000);
    checks::no_faults(&world);
    checks::frames_came(&mut world, publisher, stays, from, to, 0);
    world.command(0, sfu::api::Command::EndRoom { room, reason: Reason::RoomEnded });
    world.run(Span::secs(1));
    checks::events_make_sense(&world);
    nothing_is_left(&world);
}

#[test]
fn a_viewer_behind_a_nat_that_forgot_is_followed() {
    for seed in 1..=6 {
        let mut world = World::new(seed, 2, Config::default());
        let room = world.room(0);
        let publisher = world.publish(room, Media::new(Codec::Vp8));
        let viewer = world.watch(room, 1, Watching::new());
        for client in [publisher, viewer] {
            world.clients[client].consent = Span::millis(1000);
        }
        world.run(Span::secs(3));
        let moved = if seed % 2 == 0 { viewer } else { publisher };
        world.rebind(moved);
        let at = world.now;
        world.run(Span::secs(4));
        checks::no_faults(&world);
        assert!(longest_gap(&mut world, viewer, at) < Span::millis(1500));
        let (from, to) = (at + Span::secs(3), Time(world.now.0 - 300_000));
        checks::frames_came(&mut world, publisher, viewer, from, to, 0);
    }
}

#[test]
fn a_restart_is_followed() {
    for seed in 1..=8 {
        let mut world = World::new(seed, 2, Config::default());
        let room = world.room(0);
        let publisher = world.publish(room, Media::new(Codec::Vp8));
        let viewer = world.watch(room, 1, Watching::new());
        world.run(Span::secs(3));
        let who = if seed % 2 == 0 { viewer } else { publisher };
        world.restart(who, seed % 4 < 2);
        let at = world.now;
        world.run(Span::secs(2));
        // A second one, and the old credentials are worth nothing.
        let old = world.clients[who].ice.clone();
        world.restart(who, seed % 4 > 1);
        world.run(Span::secs(2));
        checks::no_faults(&world);
        checks::events_make_sense(&world);
        assert!(world.clients[who].checks_answered > 0);
        assert!(longest_gap(&mut world, viewer, at) < Span::millis(300), "seed {seed}");
        let before = world.dropped(sfu::counters::Drop::Stun);
        let mut check = Vec::new();
        let username = format!("{}:{}", old.server_ufrag, old.local_ufrag);
        sfu::stun::write_request(&[9; 12], &username, old.server_password.as_bytes(), 1, true, &mut check);
        let from = world.address();
        world.inject(from, check);
        assert_eq!(world.dropped(sfu::counters::Drop::Stun), before + 1);
    }
}

/// A pull from another node: we check, and we open the handshake.
#[test]
fn a_publisher_that_is_dialled_is_served_too() {
    for (seed, late) in [(1, false), (2, true), (3, false), (4, true)] {
        let mut world = World::new(seed, 2, Config::default());
        let room = world.room(1);
        let publisher = world.dial(room, Media::new(Codec::H264), late);
        if seed > 2 {
            (world.clients[publisher].up, world.clients[publisher].down) = (Link::lossy(0.1), Link::lossy(0.1));
        }
        let viewer = world.watch(room, 0, Watching::new());
        world.run(Span::secs(6));
        let checks = world.clients[publisher].checks_answered;
        assert!((1..20).contains(&checks), "{checks} checks");
        world.run(Span::secs(20));
        checks::no_faults(&world);
        checks::events_make_sense(&world);
        assert!(world.ended(publisher).is_none(), "consent is kept");
        let to = Time(world.now.0 - 300_000);
        checks::frames_came(&mut world, publisher, viewer, Time::from_millis(4000), to, 0);
        world.clients[publisher].silent = true;
        world.run(Span::secs(60));
        assert_eq!(world.ended(publisher).map(|(_, reason)| reason), Some(Reason::Lost));
        nothing_is_left(&world);
    }
}

/// A joiner has a picture soon, whenever it comes.
#[test]
fn the_first_picture_comes_within_half_a_second() {
    let mut world = World::new(11, 2, Config::default());
    let room = world.room(0);
    world.publish(room, Media::new(Codec::Vp8));
    world.run(Span::secs(1));
    let mut waits = Vec::new();
    for round in 0..60u64 {
        let viewer = world.watch(room, (round % 2) as u8, Watching::new());
        let pause = Span(world.rng.below(300_000));
        world.run(pause);
        waits.push(viewer);
    }
    world.run(Span::secs(2));
    for viewer in waits {
        let connected = world.clients[viewer].connected_at.unwrap();
        let first = checks::frames(&world.clients[viewer].sink().tracks[1])[0].clone();
        assert!(first.decoded && first.number == first.reference);
        let wait = world.clients[viewer].sink().tracks[1].got[&first.last].at.since(connected);
        // Of the publisher it takes a round trip, and a picture.
        assert!(wait < Span::millis(500 + 60), "viewer {viewer} waited for {wait:?}");
    }
}

/// Time that the process did not have is nobody's fault.
#[test]
fn a_pause_of_the_process_ends_nobody() {
    let mut world = World::new(12, 2, Config::default());
    let room = world.room(0);
    let publisher = world.publish(room, Media::new(Codec::Vp8));
    let viewer = world.watch(room, 1, Watching::new());
    world.run(Span::secs(2));
    world.now = world.now + Span::secs(40);
    for shard in 0..2 {
        world.command(shard, sfu::api::Command::Forgive(Span::secs(40)));
    }
    // what the clients sent meanwhile is lost with the rest
    world.clients[publisher].source().skip_to(world.now);
    world.run(Span::secs(3));
    assert!(world.ended(publisher).is_none() && world.ended(viewer).is_none());
    checks::no_faults(&world);
    let (from, to) = (Time(world.now.0 - 1_500_000), Time(world.now.0 - 300_000));
    checks::frames_came(&mut world, publisher, viewer, from, to, 0);
}
