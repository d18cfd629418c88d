//! Which layer a viewer gets, and that a change of it is never seen as a break.

use sfu::api::{Codec, Config, Event};
use sfu::time::{Span, Time};

use crate::support::checks;
use crate::support::publisher::Media;
use crate::support::seeds;
use crate::support::viewer::Watching;
use crate::support::world::World;

const CODECS: [Codec; 4] = [Codec::H264, Codec::Vp8, Codec::Vp9, Codec::Av1];

/// Three encodings of about 0.2, 0.4 and 1.2 Mbit/s.
fn ladder(codec: Codec) -> Media {
    Media { packets: [1, 2, 6], bytes: 800, ..Media::simulcast(codec) }
}

fn encoding_at(world: &mut World, viewer: usize) -> u8 {
    world.clients[viewer].sink().tracks[1].got.last_key_value().map_or(9, |(_, got)| got.info.encoding)
}

/// How long until the viewer gets this encoding.
fn until(world: &mut World, viewer: usize, encoding: u8, most: Span) -> Span {
    let since = world.now;
    while encoding_at(world, viewer) != encoding {
        assert!(world.now.since(since) < most, "viewer {viewer} has not got encoding {encoding} in {most:?}");
        world.run(Span::millis(50));
    }
    world.now.since(since)
}

#[test]
fn the_layer_follows_the_bandwidth() {
    for (seed, codec) in (1..).zip(CODECS) {
        let mut world = World::new(seed, 2, Config::default());
        let room = world.room(0);
        let publisher = world.publish(room, ladder(codec));
        let viewer = world.watch(room, 1, Watching::new());
        let other = world.watch(room, 0, Watching::new());
        world.clients[viewer].down.bps = 3_000_000;
        world.run(Span::secs(1));
        until(&mut world, viewer, 2, Span::secs(15));
        world.run(Span::secs(3));
        world.clients[viewer].down.bps = 300_000;
        let down = until(&mut world, viewer, 0, Span::secs(3));
        world.run(Span::secs(5));
        assert_eq!(encoding_at(&mut world, viewer), 0);
        world.clients[viewer].down.bps = 3_000_000;
        let up = until(&mut world, viewer, 2, Span::secs(15));
        println!("{codec:?}: down after {down:?}, up after {up:?}");
        world.run(Span::secs(4));
        checks::no_faults(&world);
        checks::events_make_sense(&world);
        let (healed, to) = (Time(world.now.0 - 2_000_000), Time(world.now.0 - 500_000));
        for viewer in [viewer, other] {
            checks::viewer_is_served(&mut world, viewer, healed, false);
            checks::frames_came(&mut world, publisher, viewer, healed, to, 0);
            checks::time_goes_on(&world.clients[viewer].sink().tracks[1], Time(0), "viewer");
            checks::one_time_line(
                &world.clients[viewer].sink().tracks[1],
                publisher,
                Time::from_millis(2500),
                "viewer",
            );
        }
        // Nobody else noticed.
        assert_eq!(encoding_at(&mut world, other), 2);
        assert!(world.clients[other].sink().tracks[1].given_up.is_empty());
    }
}

/// Paths whose bandwidth goes up and down, with loss: switches, thinning and retransmission at once.
#[test]
fn changes_of_layer_are_seamless() {
    let mut switches = 0;
    for seed in seeds(24) {
        let mut world = World::new(seed, 1 + (seed % 3) as u8, Config::default());
        let shards = world.shards.len() as u8;
        let room = world.room((seed % u64::from(shards)) as u8);
        let codec = CODECS[(seed % 4) as usize];
        let media = match seed / 4 % 3 {
            0 => ladder(codec),
            1 if codec != Codec::H264 => {
                Media { temporal_layers: 2 + (seed % 2) as u8, packets: [3, 3, 3], bytes: 900, ..Media::new(codec) }
            }
            2 if codec == Codec::Vp9 => {
                Media { temporal_layers: 2, spatial_layers: 3, packets: [1, 2, 4], bytes: 800, ..Media::new(codec) }
            }
            _ => Media { key_every: 60, ..ladder(codec) },
        };
        let thinned = media.temporal_layers > 1 || media.spatial_layers > 1;
        let publisher = world.publish(room, media);
        let mut viewers = Vec::new();
        for at in 0..3 {
            let watching = Watching::any(&mut world.rng);
            viewers.push(world.watch(room, at % shards, watching));
        }
        (world.clients[publisher].up.loss, world.clients[publisher].up.reorder) = (0.01, 0.03);
        world.run(Span::secs(2));
        for _ in 0..10 {
            for viewer in &viewers {
                let bps = [150_000, 300_000, 600_000, 1_500_000, 4_000_000, 0][world.rng.below(6) as usize];
                let link = &mut world.clients[*viewer].down;
                (link.bps, link.loss, link.reorder) = (bps, 0.01, 0.01);
                if world.clients[*viewer].sink().watching.remb.is_some() {
                    let remb = if bps == 0 { 5_000_000 } else { bps * 8 / 10 };
                    world.clients[*viewer].sink().watching.remb = Some(remb);
                }
            }
            world.run(Span::millis(1500));
        }
        for client in &mut world.clients {
            client.up.heal();
            client.down.heal();
            client.down.bps = 0;
        }
        world.run(Span::secs(3));
        let healed = world.now;
        world.run(Span::secs(3));
        checks::no_faults(&world);
        checks::events_make_sense(&world);
        let to = Time(world.now.0 - 500_000);
        for viewer in viewers {
            checks::viewer_is_served(&mut world, viewer, healed, thinned);
            checks::frames_came(&mut world, publisher, viewer, healed, to, 0);
            checks::clocks_agree(&mut world, publisher, viewer, healed);
        }
        switches += world.events.iter().filter(|(_, event)| matches!(event, Event::LayerSwitched { .. })).count();
    }
    assert!(switches > 20, "only {switches} switches");
}

/// What was lost on the way to one viewer comes again, whatever it was lost with.
#[test]
fn every_request_is_answered() {
    for (seed, codec) in (1..).zip(CODECS) {
        let mut world = World::new(seed, 1, Config::default());
        let room = world.room(0);
        let publisher = world.publish(room, Media::new(codec));
        let viewers: Vec<usize> = (0..3).map(|_| world.watch(room, 0, Watching::new())).collect();
        world.run(Span::secs(1));
        for (viewer, loss) in viewers.iter().zip([0.05, 0.10, 0.30]) {
            world.clients[*viewer].down.loss = loss;
        }
        world.run(Span::secs(8));
        for viewer in &viewers {
            world.clients[*viewer].down.heal();
        }
        world.run(Span::secs(2));
        checks::no_faults(&world);
        let to = Time(world.now.0 - 300_000);
        for viewer in viewers {
            checks::viewer_is_served(&mut world, viewer, Time::from_millis(2000), false);
            checks::frames_came(&mut world, publisher, viewer, Time::from_millis(2000), to, 0);
            let track = &world.clients[viewer].sink().tracks[1];
            assert!(track.answered > 20, "only {} answered", track.answered);
        }
    }
}

/// A packet that the publisher never got through is missing for everybody; asking for it brings nothing else.
#[test]
fn nothing_wrong_is_sent_for_what_never_came() {
    for (seed, codec) in (1..).zip(CODECS) {
        let mut world = World::new(seed, 1, Config::default());
        let room = world.room(0);
        let media = Media { retransmits: false, key_every: 30, ..Media::new(codec) };
        let publisher = world.publish(room, media);
        let viewer = world.watch(room, 0, Watching::new());
        world.run(Span::secs(6)); // until every place of the histories has been used
        world.clients[publisher].up.loss = 0.05;
        world.run(Span::secs(20));
        checks::no_faults(&world);
        let track = &world.clients[viewer].sink().tracks[1];
        checks::order_is_kept(track, false, "viewer");
        assert!(track.given_up.len() > 20);
    }
}
