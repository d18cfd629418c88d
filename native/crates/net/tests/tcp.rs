//! ICE over TCP: framing, owners, limits, slow readers.

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use net::{Clock, MAX_FRAME, Net, NetConfig, StreamLimits};
use sfu::api::{Command, Reason};
use support::*;

fn config(threads: usize) -> NetConfig {
    NetConfig { tcp: vec!["127.0.0.1:0".parse().unwrap(), "[::1]:0".parse().unwrap()], ..local(threads) }
}

fn connect(net: &Net<Echo>, listener: usize) -> TcpStream {
    let stream = TcpStream::connect(net.tcp_addresses()[listener]).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

fn is_closed(stream: &mut TcpStream) -> bool {
    let mut byte = [0];
    match stream.read(&mut byte) {
        Ok(n) => n == 0,
        Err(e) => e.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

#[test]
fn a_connection_belongs_to_the_shard_of_its_first_check() {
    for threads in [1, 2, 4] {
        let net = start(config(threads));
        for shard in 0..threads as u8 {
            for listener in 0..2 {
                let mut stream = connect(&net, listener);
                write_frame(&mut stream, &check(shard));
                assert_eq!(read_frame(&mut stream), [1, shard]);
                write_frame(&mut stream, &ask(50, 1200));
                for i in 0..50 {
                    assert_eq!(read_frame(&mut stream), vec![i; 1200]);
                }
            }
        }
    }
}

#[test]
fn frames_may_come_byte_by_byte_or_all_at_once() {
    let net = start(config(2));
    let mut stream = connect(&net, 0);
    let mut bytes = Vec::new();
    for frame in [check(1), ask(1, 7), Vec::new(), ask(2, 9)] {
        bytes.extend((frame.len() as u16).to_be_bytes());
        bytes.extend(frame);
    }
    for byte in &bytes {
        stream.write_all(&[*byte]).unwrap();
        net.barrier();
    }
    let expected: [&[u8]; 4] = [&[1, 1], &[0; 7], &[0; 9], &[1; 9]];
    for frame in expected {
        assert_eq!(read_frame(&mut stream), frame);
    }
    // the whole again in one piece: the first frame travels to another thread with the rest behind it
    let mut stream = connect(&net, 0);
    stream.write_all(&bytes).unwrap();
    let mut got: Vec<_> = expected.iter().map(|_| read_frame(&mut stream)).collect();
    got.sort();
    let mut expected = expected.map(<[u8]>::to_vec);
    expected.sort();
    assert_eq!(got, expected);
}

#[test]
fn strangers_and_giants_are_closed() {
    let net = start(config(2));
    for first in [&[0xff, 0xff, 0, 1][..], &[0, 4, 0x80, 1, 2, 3], &[0, 0], &[0, 2, 0, 1], b"GET / HTTP/1.1\r\n\r\n"] {
        let mut stream = connect(&net, 0);
        stream.write_all(first).unwrap();
        assert!(is_closed(&mut stream), "{first:?}");
    }
    // also after a good beginning
    let mut stream = connect(&net, 0);
    write_frame(&mut stream, &check(1));
    read_frame(&mut stream);
    write_frame(&mut stream, &vec![0x80; MAX_FRAME + 1]);
    assert!(is_closed(&mut stream));
    net.barrier();
    assert_eq!(counter(&net, "streams_invalid"), 6);
    assert_eq!(counter(&net, "streams_closed"), 6);
}

#[test]
fn silent_connections_are_closed_after_ten_seconds() {
    let time = Arc::new(AtomicU64::new(0));
    let net = start(NetConfig { clock: Clock::Manual(time.clone()), ..config(1) });
    let mut silent = connect(&net, 0);
    let mut peer = connect(&net, 0);
    write_frame(&mut peer, &check(0));
    read_frame(&mut peer);
    net.barrier();
    time.store(9_900_000, Ordering::Release);
    std::thread::sleep(Duration::from_millis(30));
    assert_eq!(counter(&net, "streams_closed"), 0);
    time.store(11_100_000, Ordering::Release);
    assert!(is_closed(&mut silent));
    write_frame(&mut peer, &ask(1, 5));
    assert_eq!(read_frame(&mut peer), [0; 5], "an authenticated one stays");
    // until its peer is gone
    net.command(0, Command::Close { peer: 1, reason: Reason::Left }).unwrap();
    assert!(is_closed(&mut peer));
}

#[test]
fn connections_are_limited_for_each_address_and_in_all() {
    let net = start(NetConfig { streams: StreamLimits { total: 3, per_address: 2 }, ..config(1) });
    let mut kept: Vec<_> = (0..2).map(|_| connect(&net, 0)).collect();
    for stream in &mut kept {
        write_frame(stream, &check(0));
        read_frame(stream);
    }
    assert!(is_closed(&mut connect(&net, 0)), "a third of one address");
    let mut other = connect(&net, 1);
    write_frame(&mut other, &check(0));
    read_frame(&mut other);
    assert!(is_closed(&mut connect(&net, 1)), "a fourth in all");
    kept.clear();
    let until = Instant::now() + Duration::from_secs(5);
    while counter(&net, "streams_closed") < 2 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(1));
    }
    let mut again = connect(&net, 0);
    write_frame(&mut again, &check(0));
    assert_eq!(read_frame(&mut again), [1, 0]);
}

#[test]
fn a_slow_reader_loses_whole_frames_and_delays_nobody() {
    let net = start(config(1));
    let mut slow = connect(&net, 0);
    write_frame(&mut slow, &check(0));
    assert_eq!(read_frame(&mut slow), [1, 0]);
    // fills the client's receive buffer, the kernel's queue and ours
    let mut asked = 0u64;
    let until = Instant::now() + Duration::from_secs(10);
    while counter(&net, "streams_full") == 0 && Instant::now() < until {
        write_frame(&mut slow, &ask(50, 1200));
        asked += 50;
        net.barrier();
    }
    assert!(counter(&net, "streams_full") > 0, "after {asked} packets");
    let udp = client(net.addresses()[0]);
    join(&udp, 0);
    udp.send(&ask(9, 1200)).unwrap();
    expect_train(&udp, 9, 1200);

    // what does arrive is whole, and when there is room again it goes on
    net.barrier();
    let arriving = asked - counter(&net, "streams_full");
    for i in 0..arriving {
        let frame = read_frame(&mut slow);
        assert_eq!(frame.len(), 1200, "frame {i} of {arriving}");
        assert!(frame.iter().all(|b| *b == frame[0]));
    }
    write_frame(&mut slow, &ask(3, 20));
    for i in 0..3 {
        assert_eq!(read_frame(&mut slow), [i; 20]);
    }
}
