//! A machine that echoes: every shard accepts the checks that name it, answers a request with a train, and tells
//! what it saw by events. And the sockets of its clients.
#![allow(dead_code)]

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::Duration;
use std::vec::Drain;

use net::{Machine, Net, NetConfig};
use sfu::api::{Command, Event, Role, shard_char};
use sfu::io::{Route, Transmit};
use sfu::time::{Span, Time};

/// Sent by a client: answer with this many datagrams of this size, each beginning with its number.
pub fn ask(packets: u8, size: u16) -> Vec<u8> {
    let [high, low] = size.to_be_bytes();
    vec![0x80, packets, high, low]
}

/// Candidates of this peer take 2 ms.
pub const SLOW: u64 = u64::MAX;
/// Makes the machine panic.
pub const PANIC: &[u8] = &[0x81];
/// Makes the shard send shard 0 a message.
pub const TELL: &[u8] = &[0x82];
/// Is answered by 50 small trains at once: more than one batch.
pub const STORM: &[u8] = &[0x83];

/// A Binding request that names a shard.
pub fn check(shard: u8) -> Vec<u8> {
    let name = format!("{}abc:far", shard_char(shard));
    let mut out = vec![0, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42];
    out.extend([9; 12]);
    out.extend([0, 6, 0, name.len() as u8]);
    out.extend(name.bytes());
    out
}

pub struct Echo {
    index: u8,
    mine: HashSet<Route>,
    waiting: Vec<(Route, u8, u16)>,
    events: Vec<Event>,
    messages: Vec<(u8, u64)>,
    routes: Vec<(Route, bool)>,
    taps: Vec<Arc<Vec<u8>>>,
    last_tick: Time,
}

impl Echo {
    pub fn new(index: u8) -> Self {
        Self {
            index,
            mine: HashSet::new(),
            waiting: Vec::new(),
            events: Vec::new(),
            messages: Vec::new(),
            routes: Vec::new(),
            taps: Vec::new(),
            last_tick: Time(0),
        }
    }
}

fn train(tx: &mut impl Transmit, route: Route, packets: u8, size: u16) {
    let size = usize::from(size);
    let bytes = usize::from(packets) * size;
    let buffer = tx.buffer(bytes);
    for (i, packet) in buffer[..bytes].chunks_mut(size).enumerate() {
        packet.fill(i as u8);
    }
    tx.commit(route, bytes, size);
}

impl Machine for Echo {
    type Message = u64;
    type Tapped = Vec<u8>;
    type Frame = Vec<u8>;
    type Assembler = ();

    fn receive(&mut self, route: Route, datagram: &mut [u8], now: Time, tx: &mut impl Transmit) {
        match datagram {
            [0x81] => panic!("asked to"),
            [0x82] => self.messages.push((0, u64::from(self.index) + 100)),
            [0x80, packets, high, low] if self.mine.contains(&route) => {
                // sent by `flush`
                self.waiting.push((route, *packets, u16::from_be_bytes([*high, *low])));
            }
            [0x83] if self.mine.contains(&route) => {
                for size in 1..=50 {
                    train(tx, route, 2, size);
                }
            }
            [0, 1, ..] => {
                if self.mine.insert(route) {
                    self.routes.push((route, true));
                }
                // an answer that says which shard it was
                tx.send(route, &[1, self.index]);
                self.events.push(Event::Connected {
                    room: u64::from(self.index),
                    peer: now.0,
                    role: Role::Viewer,
                    join: Span::ZERO,
                });
            }
            _ => {}
        }
    }

    fn command(&mut self, command: Command, _: Time, _: &mut impl Transmit) {
        match command {
            Command::EndRoom { room, .. } => self.events.push(Event::RoomGone { room }),
            Command::Tap { room, .. } => self.taps.push(Arc::new(vec![room as u8; 3])),
            Command::Forgive(_) => panic!("asked to"),
            Command::Candidates { peer: SLOW, .. } => std::thread::sleep(Duration::from_millis(2)),
            Command::Close { .. } => {
                for route in self.mine.drain() {
                    self.routes.push((route, false));
                }
            }
            _ => {}
        }
    }

    fn message(&mut self, message: u64, _: Time, _: &mut impl Transmit) {
        self.events.push(Event::RoomGone { room: message });
    }

    fn flush(&mut self, _: Time, tx: &mut impl Transmit) -> bool {
        if let Some((route, packets, size)) = self.waiting.pop() {
            train(tx, route, packets, size);
        }
        !self.waiting.is_empty()
    }

    fn tick(&mut self, now: Time, _: &mut impl Transmit) {
        self.last_tick = now;
    }

    fn next(&self) -> Time {
        self.last_tick + Span::millis(20)
    }

    fn events(&mut self) -> Drain<'_, Event> {
        self.events.drain(..)
    }

    fn messages(&mut self) -> Drain<'_, (u8, u64)> {
        self.messages.drain(..)
    }

    fn routes(&mut self) -> Drain<'_, (Route, bool)> {
        self.routes.drain(..)
    }

    fn taps(&mut self) -> Drain<'_, Arc<Vec<u8>>> {
        self.taps.drain(..)
    }

    fn poison(&mut self, _: Time, _: &mut impl Transmit) {}

    fn assemble(_: &mut (), tapped: &Vec<u8>, frames: &mut Vec<Vec<u8>>) {
        frames.push(tapped.clone());
    }
}

pub fn start(config: NetConfig) -> Net<Echo> {
    Net::start_with(config, Echo::new).unwrap()
}

pub fn local(threads: usize) -> NetConfig {
    NetConfig {
        binds: vec!["127.0.0.1:0".parse().unwrap(), "[::1]:0".parse().unwrap()],
        threads,
        ..NetConfig::default()
    }
}

pub fn counter(net: &Net<Echo>, wanted: &str) -> u64 {
    let mut sum = 0;
    net.snapshot(|_, name, value| sum += if name == wanted { value } else { 0 });
    sum
}

/// A client's socket.
pub fn client(to: SocketAddr) -> UdpSocket {
    let ip = if to.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
    let socket = UdpSocket::bind(ip).unwrap();
    socket.connect(to).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket
}

pub fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = [0; 65_536];
    let n = socket.recv(&mut buffer).expect("an answer within 5 s");
    buffer[..n].to_vec()
}

/// Sends a check and returns the shard that answered.
pub fn join(socket: &UdpSocket, shard: u8) -> u8 {
    socket.send(&check(shard)).unwrap();
    let answer = receive(socket);
    assert_eq!(answer.len(), 2);
    answer[1]
}

pub fn expect_train(socket: &UdpSocket, packets: u8, size: u16) {
    for i in 0..packets {
        assert_eq!(receive(socket), vec![i; usize::from(size)], "packet {i}");
    }
}

pub fn write_frame(stream: &mut TcpStream, frame: &[u8]) {
    stream.write_all(&(frame.len() as u16).to_be_bytes()).unwrap();
    stream.write_all(frame).unwrap();
}

pub fn read_frame(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).expect("a frame within 5 s");
    let mut frame = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut frame).expect("the rest of a frame");
    frame
}
