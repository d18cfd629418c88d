//! One peer at its own end: checks, handshake, keys; what it publishes or watches is its part.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Instant;

use sfu::api::{Digest, PeerId, RoomId};
use sfu::dtls::{Dtls, Identity, Status};
use sfu::srtp::{Opener, Reject, Sealer};
use sfu::stun;
use sfu::time::{Span, Time};

use super::Rng;
use super::network::Link;
use super::publisher::Source;
use super::viewer::Sink;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Checking,
    Handshaking,
    Connected,
    Gone,
}

pub enum Part {
    Publisher(Box<Source>),
    Viewer(Box<Sink>),
}

/// Credentials of an ICE session, ours and the server's.
#[derive(Clone, Debug)]
pub struct Ice {
    pub local_ufrag: String,
    pub server_ufrag: String,
    pub server_password: String,
}

pub struct Client {
    pub peer: PeerId,
    pub room: RoomId,
    pub shard: u8,
    pub addr: SocketAddr,
    pub ice: Ice,
    pub dtls: Dtls,
    pub state: State,
    pub connected_at: Option<Time>,
    pub part: Part,
    pub up: Link,
    pub down: Link,
    /// Neither sends nor hears: killed, or out of reach.
    pub silent: bool,
    /// Between two checks once one was answered.
    pub consent: Span,
    pub rng: Rng,
    pub out: Vec<Vec<u8>>,
    /// Numbers that packets came with: (SSRC, 48-bit index).
    seen: BTreeSet<(u32, u64)>,
    /// What must not happen and did.
    pub faults: Vec<String>,
    pub checks_answered: u32,
    /// What its SRTCP said at the end.
    pub goodbyes: u32,
    dialling: bool,
    /// Our password, when it is the server that dials.
    pub called: Option<String>,
    next_check: Time,
    transactions: Vec<[u8; 12]>,
    sealer: Option<Sealer>,
    opener: Option<Opener>,
}

pub fn fingerprint(identity: &Identity) -> (Digest, Vec<u8>) {
    let (_, hex) = identity.fingerprint().split_once(' ').unwrap();
    (Digest::Sha256, hex.split(':').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect())
}

pub struct Begin<'a> {
    pub peer: PeerId,
    pub room: RoomId,
    pub shard: u8,
    pub addr: SocketAddr,
    pub ice: Ice,
    pub identity: &'a Identity,
    pub server: (Digest, Vec<u8>),
    /// We open the handshake.
    pub active: bool,
    pub epoch: Instant,
    pub now: Time,
    pub part: Part,
    pub rng: Rng,
}

impl Client {
    pub fn new(begin: Begin<'_>) -> Self {
        let dtls = Dtls::new(begin.identity, begin.active, vec![begin.server], begin.epoch, begin.now);
        Self {
            peer: begin.peer,
            room: begin.room,
            shard: begin.shard,
            addr: begin.addr,
            ice: begin.ice,
            dtls,
            state: State::Checking,
            connected_at: None,
            part: begin.part,
            up: Link::default(),
            down: Link::default(),
            silent: false,
            consent: Span::millis(2500),
            rng: begin.rng,
            out: Vec::new(),
            seen: BTreeSet::new(),
            faults: Vec::new(),
            checks_answered: 0,
            goodbyes: 0,
            dialling: begin.active,
            called: None,
            next_check: begin.now,
            transactions: Vec::new(),
            sealer: None,
            opener: None,
        }
    }

    pub fn next(&self) -> Time {
        if self.state == State::Gone || self.silent {
            return Time(u64::MAX);
        }
        let mut next = if self.called.is_some() { Time(u64::MAX) } else { self.next_check };
        if let Some(at) = self.dtls.next_timeout() {
            next = next.min(at);
        }
        if self.state == State::Connected {
            next = next.min(match &self.part {
                Part::Publisher(source) => source.next(),
                Part::Viewer(sink) => sink.next(),
            });
        }
        next
    }

    pub fn tick(&mut self, now: Time) {
        if self.state == State::Gone || self.silent {
            return;
        }
        if now >= self.next_check && self.called.is_none() {
            self.check(true);
            let soon = self.state == State::Checking || self.checks_answered == 0;
            self.next_check = now + if soon { Span::millis(50) } else { self.consent };
        }
        if self.dtls.next_timeout().is_some_and(|at| at <= now) {
            let mut sent = Vec::new();
            let status = self.dtls.timeout(now, &mut |datagram| sent.push(datagram.to_vec()));
            self.out.append(&mut sent);
            self.after_dtls(status, now);
        }
        if self.state == State::Connected {
            self.run_part(now);
        }
    }

    fn run_part(&mut self, now: Time) {
        let Some(sealer) = self.sealer.as_mut() else { return };
        match &mut self.part {
            Part::Publisher(source) => source.run(now, sealer, &mut self.out),
            Part::Viewer(sink) => sink.run(now, sealer, &mut self.out),
        }
    }

    /// Checks with other credentials from now on, as after a restart.
    pub fn restart(&mut self, ice: Ice, now: Time) {
        self.ice = ice;
        self.transactions.clear();
        self.checks_answered = 0;
        self.next_check = now;
    }

    fn check(&mut self, nominate: bool) {
        let mut transaction = [0; 12];
        for chunk in transaction.chunks_mut(4) {
            chunk.copy_from_slice(&(self.rng.next() as u32).to_be_bytes());
        }
        if self.transactions.len() >= 32 {
            self.transactions.remove(0);
        }
        self.transactions.push(transaction);
        let username = format!("{}:{}", self.ice.server_ufrag, self.ice.local_ufrag);
        let mut request = Vec::new();
        let password = self.ice.server_password.as_bytes();
        stun::write_request(&transaction, &username, password, 77, nominate, &mut request);
        self.out.push(request);
    }

    /// `copy`: the network made it; a replayed packet is then no fault.
    pub fn receive(&mut self, bytes: &mut [u8], copy: bool, now: Time) {
        if self.state == State::Gone || self.silent {
            return;
        }
        match bytes.first() {
            Some(0..=3) => self.stun(bytes, now),
            Some(20..=63) => {
                let mut sent = Vec::new();
                let status = self.dtls.receive(bytes, now, &mut |datagram| sent.push(datagram.to_vec()));
                self.out.append(&mut sent);
                self.after_dtls(status, now);
            }
            Some(128..=191) => self.secured(bytes, copy, now),
            _ => self.faults.push(format!("an unknown datagram: {:02x?}", bytes.first())),
        }
    }

    fn stun(&mut self, bytes: &[u8], now: Time) {
        if let Some(password) = self.called.clone() {
            return self.answer(bytes, &password);
        }
        let Some(response) = stun::read_response(bytes, self.ice.server_password.as_bytes()) else { return };
        if !self.transactions.contains(&response.transaction) {
            return;
        }
        if !response.success {
            self.faults.push(format!("a check was refused: {}", response.error));
            return;
        }
        self.checks_answered += 1;
        if self.state == State::Checking {
            self.state = State::Handshaking;
            self.next_check = now + self.consent;
            if self.dialling {
                let mut sent = Vec::new();
                let status = self.dtls.start(now, &mut |datagram| sent.push(datagram.to_vec()));
                self.out.append(&mut sent);
                self.after_dtls(status, now);
            }
        } else if self.checks_answered == 1 {
            self.next_check = now + self.consent;
        }
    }

    /// As a lite agent that is called does.
    fn answer(&mut self, bytes: &[u8], password: &str) {
        let Some(request) = stun::read_request(bytes).filter(|request| request.verify(password.as_bytes())) else {
            return self.faults.push("a check that is none".to_owned());
        };
        if request.claims_controlled || request.local_ufrag != self.ice.local_ufrag {
            self.faults.push(format!("a strange check: {request:?}"));
        }
        let mut answer = Vec::new();
        let seen = SocketAddr::from(([10, 9, 9, 9], 5000));
        stun::write_success(&request.transaction, seen, password.as_bytes(), &mut answer);
        self.out.push(answer);
        self.checks_answered += 1;
        if self.state == State::Checking {
            self.state = State::Handshaking;
        }
    }

    fn after_dtls(&mut self, status: Status, now: Time) {
        match status {
            Status::Handshaking | Status::Open => {}
            Status::Connected(keys) => {
                let sealer = Sealer::new(keys.profile, &keys.send);
                let opener = Opener::new(keys.profile, &keys.receive);
                (self.sealer, self.opener) = (Some(sealer), Some(opener));
                self.state = State::Connected;
                self.connected_at = Some(now);
                match &mut self.part {
                    Part::Publisher(source) => source.begin(now),
                    Part::Viewer(sink) => sink.begin(now),
                }
            }
            Status::Closed => self.state = State::Gone,
            Status::Failed(failure) => {
                self.faults.push(format!("handshake: {}", failure.as_str()));
                self.state = State::Gone;
            }
        }
    }

    fn secured(&mut self, bytes: &mut [u8], copy: bool, now: Time) {
        // Media may overtake the end of the handshake.
        let Some(opener) = self.opener.as_mut() else { return };
        if sfu::rtp::is_rtcp(bytes) {
            match opener.open_rtcp(bytes) {
                Ok(length) => {
                    let packet = &bytes[..length];
                    match &mut self.part {
                        Part::Publisher(source) => source.control(packet, now),
                        Part::Viewer(sink) => sink.control(packet, now),
                    }
                    sfu::rtcp::read(packet, &mut |item| {
                        if let sfu::rtcp::Item::Bye { .. } = item {
                            self.goodbyes += 1;
                        }
                    });
                    self.run_part(now);
                }
                Err(Reject::Replay) if copy => {}
                Err(reject) => self.faults.push(format!("SRTCP: {}", reject.as_str())),
            }
            return;
        }
        let ssrc = bytes.get(8..12).map(|b| u32::from_be_bytes(b.try_into().unwrap())).unwrap_or_default();
        match opener.open_rtp(bytes) {
            Ok(opened) => match &mut self.part {
                Part::Publisher(_) => self.faults.push("media to a publisher".to_owned()),
                Part::Viewer(sink) => {
                    if !self.seen.insert((ssrc, opened.index)) {
                        self.faults.push(format!("number {} of {ssrc:08x} was opened twice", opened.index));
                    }
                    if !sink.keep && self.seen.len() > 100_000 {
                        self.seen.clear();
                    }
                    sink.media(&bytes[..opened.len], opened.index, now, &mut self.faults);
                }
            },
            Err(Reject::Replay) if copy => {}
            Err(Reject::Replay) => {
                // Too old for the window, or a number that was used twice: then under GCM the key is given away.
                let newest = self.seen.range((ssrc, 0)..=(ssrc, u64::MAX)).next_back().map_or(0, |(_, at)| *at);
                let index = sfu::rtp::unwrap_seq(u16::from_be_bytes([bytes[2], bytes[3]]), newest);
                if self.seen.contains(&(ssrc, index)) {
                    self.faults.push(format!("number {index} of {ssrc:08x} was used twice, {} ago", newest - index));
                }
            }
            Err(reject) => self.faults.push(format!("SRTP of {ssrc:08x}: {}", reject.as_str())),
        }
    }

    pub fn sealer(&mut self) -> Option<&mut Sealer> {
        self.sealer.as_mut()
    }

    pub fn source(&mut self) -> &mut Source {
        match &mut self.part {
            Part::Publisher(source) => source,
            Part::Viewer(_) => panic!("a viewer publishes nothing"),
        }
    }

    pub fn sink(&mut self) -> &mut Sink {
        match &mut self.part {
            Part::Viewer(sink) => sink,
            Part::Publisher(_) => panic!("a publisher watches nothing"),
        }
    }
}
