//! Trains, fallbacks, handing over, bounds: real sockets on loopback, an echoing machine.

mod support;

use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use net::{COMMANDS, Clock, EVENTS, NetConfig, SendWay};
use sfu::api::{Command, Event, Reason};
use sfu::time::Span;
use support::*;

#[test]
fn trains_arrive_whole_by_every_way_of_sending() {
    for way in [SendWay::Trains, SendWay::Many, SendWay::Single] {
        for batch in [1, 32] {
            let net = start(NetConfig { way, batch, ..local(1) });
            for to in net.addresses() {
                let socket = client(*to);
                assert_eq!(join(&socket, 0), 0);
                for (packets, size) in [(1, 1), (9, 1200), (50, 1200), (64, 3), (2, 1)] {
                    socket.send(&ask(packets, size)).unwrap();
                    expect_train(&socket, packets, size);
                }
            }
            assert!(net.barrier());
            assert_eq!(counter(&net, "trains_out") > 0, way == SendWay::Trains, "{way:?}");
            assert_eq!(counter(&net, "datagrams_out"), 2 * (1 + 126));
            assert_eq!(counter(&net, "socket_errors") + counter(&net, "gso_refused"), 0);
        }
    }
}

#[test]
fn a_train_beyond_the_kernels_bound_is_sent_packet_by_packet() {
    let net = start(local(1));
    let socket = client(net.addresses()[0]);
    join(&socket, 0);
    // the kernel takes at most 64 or 128 segments, by its version; 200 is beyond both
    socket.send(&ask(200, 10)).unwrap();
    expect_train(&socket, 200, 10);
    net.barrier();
    assert_eq!(counter(&net, "datagrams_out"), 201);
}

#[test]
fn what_does_not_fit_one_batch_goes_in_several() {
    let net = start(local(1));
    let socket = client(net.addresses()[0]);
    join(&socket, 0);
    socket.send(STORM).unwrap();
    for size in 1..=50 {
        expect_train(&socket, 2, size);
    }
}

#[test]
fn every_datagram_finds_its_shard() {
    for threads in [2, 4] {
        let net = start(local(threads));
        let clients: Vec<_> = (0..32).map(|i| client(net.addresses()[i % 2])).collect();
        for (i, socket) in clients.iter().enumerate() {
            let shard = (i % threads) as u8;
            assert_eq!(join(socket, shard), shard);
        }
        assert!(net.barrier()); // the notices of who owns which route have arrived
        for socket in &clients {
            socket.send(&ask(9, 1200)).unwrap();
            expect_train(socket, 9, 1200);
        }
        net.barrier();
        // the kernel spreads 32 flows over the threads: some must have landed wrong at first
        assert!(counter(&net, "handed_over") > 0);
        assert_eq!(counter(&net, "handover_full") + counter(&net, "messages_lost"), 0);

        // and when the peers are gone, so are the routes
        net.broadcast(&Command::Close { peer: 1, reason: Reason::Left }).unwrap();
        net.barrier();
        let before = counter(&net, "handed_over");
        for socket in &clients {
            socket.send(&ask(1, 1)).unwrap();
        }
        net.barrier();
        assert_eq!(counter(&net, "handed_over"), before);
    }
}

#[test]
fn shards_tell_each_other() {
    let net = start(local(3));
    let socket = client(net.addresses()[0]);
    assert_eq!(join(&socket, 2), 2);
    net.barrier();
    socket.send(TELL).unwrap();
    assert!(net.barrier());
    let mut events = Vec::new();
    net.drain_events(&mut events);
    assert!(events.contains(&Event::RoomGone { room: 102 }), "{events:?}");
}

#[test]
fn a_panic_ends_nothing_else() {
    let net = start(local(1));
    let socket = client(net.addresses()[0]);
    join(&socket, 0);
    for _ in 0..3 {
        socket.send(PANIC).unwrap();
    }
    net.command(0, Command::Forgive(Span::ZERO)).unwrap();
    socket.send(&ask(9, 100)).unwrap();
    expect_train(&socket, 9, 100);
    net.barrier();
    assert_eq!(counter(&net, "failed"), 4);
}

#[test]
fn events_wake_once_and_the_oldest_are_lost() {
    let net = start(local(1));
    let end = |room| Command::EndRoom { room, reason: Reason::Deleted };
    let readable = || {
        let mut poll = libc::pollfd { fd: net.event_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one pollfd, alive during the call.
        unsafe { libc::poll(&mut poll, 1, 0) == 1 }
    };
    assert!(!readable());
    net.command(0, end(1)).unwrap();
    net.barrier();
    assert!(readable());
    let mut events = Vec::new();
    net.drain_events(&mut events);
    assert_eq!(events, [Event::RoomGone { room: 1 }]);
    assert!(!readable());

    for room in 0..EVENTS as u64 + 5 {
        while net.command(0, end(room)).is_err() {
            net.barrier();
        }
    }
    net.barrier();
    events.clear();
    net.drain_events(&mut events);
    assert_eq!(events.len(), EVENTS);
    assert_eq!(events[0], Event::RoomGone { room: 5 });
    assert_eq!(counter(&net, "events_lost"), 5);
}

#[test]
fn a_full_command_queue_says_so() {
    // a clock that stands still, and a thread that is busy with one slow command after another
    let net = start(local(1));
    let mut refused = 0;
    for _ in 0..4 * COMMANDS {
        refused += u64::from(net.command(0, Command::Candidates { peer: 0, candidates: Vec::new() }).is_err());
    }
    assert!(net.barrier());
    let end = Command::EndRoom { room: 7, reason: Reason::Deleted };
    net.command(0, end).unwrap();
    net.barrier();
    let mut events = Vec::new();
    net.drain_events(&mut events);
    assert_eq!(events, [Event::RoomGone { room: 7 }], "{refused} refused");
    assert!(net.command(9, Command::Forgive(Span::ZERO)).is_err(), "no such shard");
}

#[test]
fn frames_of_tapped_rooms_come_out() {
    let net = start(local(2));
    for room in 0..5 {
        net.command((room % 2) as u8, Command::Tap { room, on: true }).unwrap();
    }
    net.barrier();
    let mut frames = Vec::new();
    let until = Instant::now() + Duration::from_secs(5);
    while frames.len() < 5 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(1));
        net.drain_frames(&mut frames);
    }
    frames.sort();
    assert_eq!(frames, (0..5).map(|room| vec![room; 3]).collect::<Vec<_>>());
}

#[test]
fn a_clock_moved_by_hand_is_seen() {
    let time = Arc::new(AtomicU64::new(0));
    let net = start(NetConfig { clock: Clock::Manual(time.clone()), ..local(2) });
    time.store(77_000_000, Ordering::Release);
    assert!(net.barrier());
    let socket = client(net.addresses()[0]);
    join(&socket, 1);
    net.barrier();
    let mut events = Vec::new();
    net.drain_events(&mut events);
    assert!(matches!(events[..], [Event::Connected { peer: 77_000_000, .. }]), "{events:?}");
}

#[test]
fn a_wildcard_socket_answers_from_the_address_it_was_asked_at() {
    for threads in [1, 2] {
        for (bind, hosts) in [("0.0.0.0:0", ["127.0.0.1", "127.0.0.9"]), ("[::]:0", ["::1", "::1"])] {
            let net = start(NetConfig { binds: vec![bind.parse().unwrap()], ..local(threads) });
            let port = net.addresses()[0].port();
            for shard in 0..threads as u8 {
                for host in hosts {
                    // connected, so an answer from another address would not arrive
                    let socket = client((host.parse::<std::net::IpAddr>().unwrap(), port).into());
                    assert_eq!(join(&socket, shard), shard);
                    net.barrier();
                    socket.send(&ask(9, 1200)).unwrap();
                    expect_train(&socket, 9, 1200);
                }
            }
        }
    }
}

#[test]
fn coalesced_datagrams_come_apart_again() {
    let net = start(local(1));
    let socket = client(net.addresses()[0]);
    join(&socket, 0);
    // GSO on the client's side: the loopback hands the train over in one piece
    let option: libc::c_int = 4;
    // SAFETY: the pointer and length describe `option`.
    let set = unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::IPPROTO_UDP, libc::UDP_SEGMENT, (&raw const option).cast(), 4)
    };
    assert_eq!(set, 0);
    socket.send(&ask(1, 50).repeat(16)).unwrap();
    for _ in 0..16 {
        expect_train(&socket, 1, 50);
    }
    net.barrier();
    assert_eq!(counter(&net, "trains_in"), 1);
    assert_eq!(counter(&net, "datagrams_in"), 17);
}

#[test]
fn stopping_is_quick_and_repeatable() {
    let mut net = start(local(4));
    let began = Instant::now();
    assert!(net.stop());
    assert!(net.stop());
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[test]
fn datagrams_that_come_thick_are_gathered_and_lone_ones_are_not_kept_waiting() {
    let gather = Duration::from_millis(20);
    let net = start(NetConfig { gather, ..local(1) });
    let socket = client(net.addresses()[0]);
    join(&socket, 0);
    std::thread::sleep(Duration::from_millis(100));
    let began = Instant::now();
    socket.send(&ask(1, 1)).unwrap();
    expect_train(&socket, 1, 1);
    assert!(began.elapsed() < gather);

    net.barrier();
    let before = counter(&net, "receive_batches");
    for _ in 0..200 {
        socket.send(&ask(1, 1)).unwrap();
        std::thread::sleep(Duration::from_micros(500));
    }
    expect_train(&socket, 1, 1);
    net.barrier();
    let batches = counter(&net, "receive_batches") - before;
    assert!(batches < 60, "{batches} batches of 200 datagrams in 100 ms");
}

#[test]
fn a_burst_of_orders_leaves_room_for_datagrams() {
    let net = start(local(1));
    let socket = client(net.addresses()[0]);
    join(&socket, 0);
    for _ in 0..500 {
        net.command(0, Command::Candidates { peer: SLOW, candidates: Vec::new() }).unwrap();
    }
    let began = Instant::now();
    socket.send(&ask(1, 1)).unwrap();
    expect_train(&socket, 1, 1);
    assert!(began.elapsed() < Duration::from_millis(400), "the orders take a second: {:?}", began.elapsed());
}
