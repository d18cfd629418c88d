//! Everything at once, by chance: whoever is there in the end is served, and nothing is left behind.

use sfu::api::{Codec, Command, Config, Reason};
use sfu::time::{Span, Time};

use super::coming::nothing_is_left;
use crate::support::checks;
use crate::support::client::State;
use crate::support::network::Link;
use crate::support::publisher::Media;
use crate::support::seeds;
use crate::support::viewer::Watching;
use crate::support::world::World;

const CODECS: [Codec; 4] = [Codec::H264, Codec::Vp8, Codec::Vp9, Codec::Av1];

fn any_media(world: &mut World) -> Media {
    let codec = CODECS[world.rng.below(4) as usize];
    let media = match world.rng.below(3) {
        0 => Media::new(codec),
        1 => Media { packets: [1, 2, 5], bytes: 700, ..Media::simulcast(codec) },
        _ if codec == Codec::H264 => Media::simulcast(codec),
        _ if codec == Codec::Vp9 => {
            Media { temporal_layers: 2, spatial_layers: 3, packets: [1, 2, 3], ..Media::new(codec) }
        }
        _ => Media { temporal_layers: 2 + world.rng.below(2) as u8, ..Media::new(codec) },
    };
    Media { retransmits: world.rng.chance(0.9), transport_cc: world.rng.chance(0.8), ..media }
}

fn something_happens(world: &mut World, rooms: &[u64], publishers: &mut [usize], viewers: &mut Vec<usize>) {
    let shards = world.shards.len() as u64;
    let at = world.rng.below(rooms.len() as u64) as usize;
    let somebody = viewers.get(world.rng.below(viewers.len() as u64) as usize).copied();
    match (world.rng.below(13), somebody) {
        (0..=2, _) => {
            let (shard, watching) = (world.rng.below(shards) as u8, Watching::any(&mut world.rng));
            let viewer = world.watch(rooms[at], shard, watching);
            world.clients[viewer].consent = Span::millis(world.rng.between(500, 2500));
            viewers.push(viewer);
        }
        (3, _) => {
            let media = any_media(world);
            publishers[at] = world.publish(rooms[at], media);
        }
        (4, _) => world.clients[publishers[at]].silent = true,
        (5, Some(viewer)) => world.clients[viewer].silent = true,
        (6, Some(viewer)) => world.close(viewer, Reason::Deleted),
        (7, Some(viewer)) => world.rebind(viewer),
        (8, Some(viewer)) if world.ended(viewer).is_none() => {
            let moved = world.rng.chance(0.5);
            world.restart(viewer, moved);
        }
        (9, Some(viewer)) => {
            world.clients[viewer].down.bps = [200_000, 500_000, 2_000_000, 0][world.rng.below(4) as usize];
        }
        (10, Some(viewer)) => {
            let rough = Link::rough(&mut world.rng);
            world.clients[viewer].down = rough;
        }
        (11, _) => {
            let rough = Link::rough(&mut world.rng);
            world.clients[publishers[at]].up = rough;
        }
        _ => {
            let (home, on) = (world.rooms[&rooms[at]].home, world.rng.chance(0.5));
            world.command(home, Command::Tap { room: rooms[at], on });
        }
    }
}

fn run(seed: u64) {
    let shards = 1 + (seed % 3) as u8;
    let mut world = World::new(seed, shards, Config::default());
    world.message_delay = Span(world.rng.below(3000));
    let rooms: Vec<u64> = (0..1 + seed % 2).map(|at| world.room((at % u64::from(shards)) as u8)).collect();
    let mut publishers = Vec::new();
    for room in &rooms {
        let media = any_media(&mut world);
        publishers.push(world.publish(*room, media));
    }
    world.run(Span::millis(500));
    let mut viewers = Vec::new();
    for _ in 0..60 {
        something_happens(&mut world, &rooms, &mut publishers, &mut viewers);
        let pause = Span(world.rng.below(400_000));
        world.run(pause);
    }
    for client in &mut world.clients {
        client.up = Link::default();
        client.down = Link::default();
    }
    // Rooms end with a publisher of which all can be expected.
    for (room, publisher) in rooms.iter().zip(&mut publishers) {
        let media = any_media(&mut world);
        *publisher = world.publish(*room, Media { retransmits: true, ..media });
    }
    world.run(Span::secs(4));
    let from = world.now;
    world.run(Span::millis(2500));
    checks::no_faults(&world);
    checks::events_make_sense(&world);
    let to = Time(world.now.0 - 500_000);
    for viewer in viewers {
        let client = &world.clients[viewer];
        if client.silent || client.state != State::Connected || world.ended(viewer).is_some() {
            continue;
        }
        let at = rooms.iter().position(|room| *room == world.clients[viewer].room).unwrap();
        // Which layers a slow start has come to is not the question here.
        checks::frames_came(&mut world, publishers[at], viewer, from, to, 0);
        checks::switches_are_clean(&world.clients[viewer].sink().tracks[1], "viewer");
        checks::order_is_kept(&world.clients[viewer].sink().tracks[1], true, "viewer");
        checks::time_goes_on(&world.clients[viewer].sink().tracks[1], from, "viewer");
        let sink = world.clients[viewer].sink();
        checks::pictures_are_continuous(sink, from, true, "viewer");
    }
    for room in rooms {
        let home = world.rooms[&room].home;
        world.command(home, Command::EndRoom { room, reason: Reason::RoomEnded });
    }
    world.run(Span::millis(500));
    checks::events_make_sense(&world);
    nothing_is_left(&world);
}

#[test]
fn whatever_happens_those_who_are_there_are_served() {
    for seed in seeds(80) {
        run(seed);
    }
}
