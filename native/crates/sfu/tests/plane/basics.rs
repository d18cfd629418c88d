//! One publisher, some viewers, over a clean and over a bad network.

use sfu::api::{Codec, Config, Event, Reason};
use sfu::frames::{Assembler, Piece};
use sfu::time::{Span, Time};

use crate::support::checks;
use crate::support::network::Link;
use crate::support::publisher::Media;
use crate::support::seeds;
use crate::support::viewer::Watching;
use crate::support::world::World;

const CODECS: [Codec; 4] = [Codec::H264, Codec::Vp8, Codec::Vp9, Codec::Av1];

#[test]
fn a_clean_network_carries_every_frame() {
    for (seed, codec) in (1..).zip(CODECS) {
        for shards in [1, 2, 3] {
            let mut world = World::new(seed, shards, Config::default());
            let room = world.room(0);
            let publisher = world.publish(room, Media::new(codec));
            let mut viewers = Vec::new();
            for at in 0..4 {
                let watching = Watching::any(&mut world.rng);
                viewers.push(world.watch(room, at % shards, watching));
            }
            world.run(Span::secs(4));
            checks::no_faults(&world);
            checks::events_make_sense(&world);
            assert!(world.has(|event| matches!(event, Event::MediaStarted { .. })));
            let to = Time(world.now.0 - 300_000);
            for viewer in viewers {
                checks::viewer_is_served(&mut world, viewer, Time(0), false);
                checks::frames_came(&mut world, publisher, viewer, Time::from_millis(2_000), to, 0);
                assert!(checks::clocks_agree(&mut world, publisher, viewer, Time::from_millis(3000)) > 20);
                assert_eq!(world.clients[viewer].sink().tracks[1].asked, 0);
            }
            assert!(world.clients[publisher].source().feedbacks > 30);
            assert_eq!(world.clients[publisher].source().remb, Some(4_000_000));
        }
    }
}

#[test]
fn a_bad_network_is_mended() {
    for seed in seeds(24) {
        let mut world = World::new(seed, 1 + (seed % 3) as u8, Config::default());
        let shards = world.shards.len() as u8;
        let room = world.room((seed % u64::from(shards)) as u8);
        let codec = CODECS[(seed / 3 % 4) as usize];
        let media = if seed % 2 == 0 { Media::simulcast(codec) } else { Media::new(codec) };
        let publisher = world.publish(room, media);
        let mut viewers = Vec::new();
        for at in 0..3 {
            let watching = Watching::any(&mut world.rng);
            viewers.push(world.watch(room, at % shards, watching));
        }
        for client in &mut world.clients {
            (client.up, client.down) = (Link::rough(&mut world.rng), Link::rough(&mut world.rng));
        }
        world.run(Span::secs(6));
        for client in &mut world.clients {
            client.up.heal();
            client.down.heal();
        }
        world.run(Span::secs(2));
        let healed = world.now;
        world.run(Span::secs(3));
        checks::no_faults(&world);
        checks::events_make_sense(&world);
        let to = Time(world.now.0 - 500_000);
        for viewer in viewers {
            checks::viewer_is_served(&mut world, viewer, healed, false);
            checks::frames_came(&mut world, publisher, viewer, healed, to, 0);
            checks::clocks_agree(&mut world, publisher, viewer, healed);
            let sink = world.clients[viewer].sink();
            checks::one_time_line(&sink.tracks[1], publisher, healed, "a viewer");
        }
    }
}

#[test]
fn all_that_ended_is_forgotten() {
    let mut world = World::new(7, 2, Config::default());
    let room = world.room(1);
    let publisher = world.publish(room, Media::new(Codec::Vp8));
    let viewers: Vec<usize> = (0..5).map(|at| world.watch(room, at % 2, Watching::new())).collect();
    world.run(Span::secs(2));
    assert_eq!(world.peers(), 6);
    world.close(viewers[0], Reason::Deleted);
    world.run(Span::millis(100));
    assert_eq!(world.clients[viewers[0]].goodbyes, 1);
    assert_eq!(world.peers(), 5);
    let home = world.rooms[&room].home;
    world.command(home, sfu::api::Command::EndRoom { room, reason: Reason::RoomEnded });
    world.run(Span::millis(200));
    checks::events_make_sense(&world);
    assert_eq!((world.peers(), world.owned_routes()), (0, 0));
    for client in [publisher, viewers[1], viewers[4]] {
        assert_eq!(world.ended(client).map(|(_, reason)| reason), Some(Reason::RoomEnded));
        assert_eq!(world.clients[client].goodbyes, 1);
    }
    assert!(world.has(|event| matches!(event, Event::RoomGone { .. })));
    for counters in &world.counters {
        assert_eq!((counters.viewers.get(), counters.publishers.get(), counters.pending.get()), (0, 0, 0));
        assert_eq!((counters.waiting.get(), counters.live_rooms.get()), (0, 0));
    }
}

/// Whoever records gets every frame, in order and whole, whoever watches.
#[test]
fn the_tap_has_every_frame() {
    for (seed, codec) in (1..).zip(CODECS) {
        let mut world = World::new(seed, 2, Config::default());
        let room = world.room(1);
        let publisher = world.publish(room, Media::new(codec));
        world.command(1, sfu::api::Command::Tap { room, on: true });
        (world.clients[publisher].up.loss, world.clients[publisher].up.reorder) = (0.03, 0.02);
        world.run(Span::secs(5));
        world.clients[publisher].up.heal();
        world.run(Span::secs(1));
        checks::no_faults(&world);
        let mut assemblers = [Assembler::new(), Assembler::new()];
        let mut frames: [Vec<(u32, bool, usize)>; 2] = Default::default();
        for batch in &world.taps {
            let kind = batch.kind as usize;
            for packet in &batch.packets {
                let piece = Piece {
                    seq: packet.index,
                    timestamp: packet.timestamp,
                    marker: packet.marker,
                    codec: batch.codec,
                    payload: &packet.payload,
                };
                assemblers[kind].push(&piece, &mut |frame| {
                    frames[kind].push((frame.timestamp, frame.keyframe, frame.data.len()));
                });
            }
        }
        let [audio, video] = frames;
        assert!(audio.len() > 5 * 45, "{codec:?}: {} pieces of audio", audio.len());
        assert!(video.len() > 5 * 29, "{codec:?}: {} frames", video.len());
        assert!(video[0].1 && video.iter().all(|(.., bytes)| *bytes > 200));
        assert!(video.windows(2).all(|pair| (pair[1].0.wrapping_sub(pair[0].0) as i32) > 0), "{codec:?}: order");
        let before = world.taps.len();
        world.command(1, sfu::api::Command::Tap { room, on: false });
        world.run(Span::secs(1));
        assert_eq!(world.taps.len(), before);
    }
}
