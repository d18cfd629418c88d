//! The load itself: one loop over all sockets, the publisher's pacer, and the phases that the bench asks for.
//!
//! One thread, so that it stays on one core and off the server's.

mod inbox;
mod join;
mod measure;
mod pacer;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use dimpl::Config;
use ring::rand::{SecureRandom, SystemRandom};

use crate::http::Post;
use crate::peer::{Peer, Shared, Totals};
use crate::sys::{self, Poll, Receiver, Timer};
use crate::video::Source;
use join::Join;
use measure::Measure;

const SECOND: i64 = 1_000_000_000;
const MS: i64 = 1_000_000;

const STDIN: u64 = 1 << 32;
const PACER: u64 = 2 << 32;
const POST: u64 = 3 << 32;
const PUBLISHER: usize = 0;

#[derive(Default)]
pub struct Options {
    pub server: Option<SocketAddr>,
    pub publisher_offer: String,
    pub viewer_offer: String,
    pub room: String,
    pub core: Option<usize>,
    pub connections: usize,
    pub sample: usize,
    pub packets: usize,
    pub dtls12: bool,
    pub remb_only: bool,
}

pub struct Load {
    options: Options,
    server: SocketAddr,
    shared: Shared,
    poll: Poll,
    timer: Timer,
    receiver: Receiver,
    /// The publisher is number 0.
    peers: Vec<Peer>,
    source: Option<Source>,
    totals: Totals,
    queue: VecDeque<usize>,
    retries: VecDeque<(i64, usize)>,
    posts: Vec<Option<Post>>,
    join: Option<Join>,
    measure: Option<Measure>,
    commands: String,
    ended: bool,
    /// Nanoseconds between frames; 0: none are sent.
    interval: i64,
    due: i64,
    pending: VecDeque<(Vec<u8>, usize, u64)>,
    frame_due: i64,
    next_report: i64,
    epoch: i64,
    cursor: usize,
    turned: i64,
    streaming: u32,
    offset: Option<u32>,
    offsets_differ: bool,
    random: u64,
}

impl Load {
    pub fn new(mut options: Options) -> Result<Self, String> {
        let io = |error: std::io::Error| error.to_string();
        options.connections = if options.connections == 0 { 64 } else { options.connections };
        options.packets = if options.packets == 0 { 9 } else { options.packets };
        if options.room.is_empty() {
            options.room = "bench".to_owned();
        }
        if let Some(core) = options.core {
            sys::pin(core).map_err(|error| format!("core {core}: {error}"))?;
        }
        sys::raise_file_limit();
        let (certificate, fingerprint) = crate::certificate::generate()?;
        let config = Config::builder().build().map_err(|error| error.to_string())?;
        let shared = Shared {
            certificate,
            fingerprint,
            config: Arc::new(config),
            dtls12: options.dtls12,
            remb_only: options.remb_only,
        };
        let mut seed = [0; 8];
        SystemRandom::new().fill(&mut seed).map_err(|_| "no randomness")?;
        let poll = Poll::new().map_err(io)?;
        let timer = Timer::new().map_err(io)?;
        poll.add(timer.fd(), PACER, false).map_err(io)?;
        poll.add(0, STDIN, false).map_err(|error| format!("standard input must be a pipe: {error}"))?;
        Ok(Self {
            server: options.server.ok_or("no server")?,
            posts: (0..options.connections).map(|_| None).collect(),
            options,
            shared,
            poll,
            timer,
            receiver: Receiver::default(),
            peers: Vec::new(),
            source: None,
            totals: Totals::default(),
            queue: VecDeque::new(),
            retries: VecDeque::new(),
            join: None,
            measure: None,
            commands: String::new(),
            ended: false,
            interval: 0,
            due: 0,
            pending: VecDeque::new(),
            frame_due: 0,
            next_report: 0,
            epoch: sys::now(),
            cursor: 0,
            turned: sys::now(),
            streaming: 0,
            offset: None,
            offsets_differ: false,
            random: u64::from_be_bytes(seed) | 1,
        })
    }

    fn chance(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    pub fn run(&mut self) -> Result<(), String> {
        let mut ready = Vec::with_capacity(256);
        while !self.ended {
            self.poll.wait(1, &mut ready);
            for (count, token) in ready.iter().enumerate() {
                if count % 16 == 0 {
                    self.pace();
                }
                match token & !0xFFFF_FFFF {
                    STDIN => self.read_commands()?,
                    PACER => self.pace(),
                    POST => self.advance_post(*token as u32 as usize),
                    _ => self.receive(*token as usize),
                }
            }
            self.pace();
            self.turns();
            self.start_posts();
            self.look_at_join();
            self.look_at_measure();
        }
        Ok(())
    }

    fn read_commands(&mut self) -> Result<(), String> {
        let mut buffer = [0; 1024];
        let count = sys::read_stdin(&mut buffer).map_err(|error| error.to_string())?;
        self.ended |= count == 0;
        self.commands.push_str(&String::from_utf8_lossy(&buffer[..count]));
        while let Some((line, rest)) = self.commands.split_once('\n') {
            let (line, rest) = (line.to_owned(), rest.to_owned());
            self.commands = rest;
            self.command(&line)?;
        }
        Ok(())
    }

    fn command(&mut self, line: &str) -> Result<(), String> {
        let (name, value) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        let number = value.parse::<f64>().ok().filter(|number| (0.0..=100_000.0).contains(number));
        let now = sys::now();
        match (name, number) {
            ("publish", _) if self.peers.is_empty() => self.add_peer(),
            ("rate", Some(rate)) if self.source.is_some() => {
                self.interval = if rate == 0.0 { 0 } else { (1e9 / rate) as i64 };
                self.due = now;
                self.frame_due = now;
                self.timer.arm(now);
            }
            ("join", Some(count)) if self.join.is_none() && !self.peers.is_empty() => {
                let first = self.peers.len();
                let count = count as usize;
                (0..count).for_each(|_| self.add_peer());
                let mut wanted = self.options.sample.min(count);
                while wanted > 0 {
                    let chosen = first + (self.chance() % count as u64) as usize;
                    wanted -= usize::from(self.peers[chosen].checker.is_none());
                    self.peers[chosen].checker.get_or_insert_default();
                }
                let (began, answered_at) = (now, now);
                self.join = Some(Join {
                    first,
                    count,
                    began,
                    answered: 0,
                    answered_at,
                    refused: 0,
                    looked: now,
                    cpu: sys::cpu(),
                });
            }
            ("measure", Some(seconds)) if self.measure.is_none() && self.source.is_some() => {
                let frame = self.source.as_mut().and_then(Source::newest).map_or(0, |frame| frame.number + 1);
                self.measure = Some(Measure {
                    began: now,
                    until: now + (seconds * 1e9) as i64,
                    totals: self.totals,
                    end: None,
                    cpu: sys::cpu(),
                    frame,
                    last: Vec::new(),
                    key_last: Vec::new(),
                    each: Vec::new(),
                    incomplete: 0,
                    findings: self.findings(),
                });
            }
            ("quit", _) => self.ended = true,
            _ => return Err(format!("not understood or not now: {line}")),
        }
        Ok(())
    }

    fn add_peer(&mut self) {
        let number = self.peers.len();
        let mut random = self.random;
        let peer = Peer::new(number, &mut || {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random
        });
        self.random = random;
        self.peers.push(peer);
        self.queue.push_back(number);
    }
}
