//! Shards, clients and the network between them, driven through virtual time.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use sfu::api::{
    Command, Config, Dial, Digest, Event, PeerId, PeerSpec, Reason, Role, RoomClock, RoomId, RoomSpec, SlotSpec,
    shard_char, shard_of,
};
use sfu::counters::{Counters, Drop};
use sfu::dtls::Identity;
use sfu::io::{MAX_SEGMENTS, MAX_TRAIN_BYTES, Route, Transmit};
use sfu::packet::Batch;
use sfu::shard::{Message, Shard};
use sfu::stun;
use sfu::time::{Span, Time};

use super::Rng;
use super::client::{Begin, Client, Ice, Part, fingerprint};
use super::publisher::{Media, Source};
use super::viewer::{Sink, Watching};

/// Takes what a shard sends apart into datagrams, and sees that it keeps its promises.
#[derive(Default)]
pub struct Outbox {
    buffer: Vec<u8>,
    pub sent: Vec<(Route, Vec<u8>)>,
    pub trains: u64,
}

impl Transmit for Outbox {
    fn buffer(&mut self, bytes: usize) -> &mut [u8] {
        assert!(bytes <= MAX_TRAIN_BYTES, "a train of {bytes} bytes");
        self.buffer.clear();
        self.buffer.resize(bytes, 0xEE);
        &mut self.buffer
    }

    fn commit(&mut self, route: Route, bytes: usize, segment: usize) {
        assert!(bytes <= self.buffer.len() && bytes > 0 && segment > 0);
        let segments = self.buffer[..bytes].chunks(segment);
        assert!(segments.len() <= MAX_SEGMENTS);
        self.trains += 1;
        self.sent.extend(segments.map(|segment| (route, segment.to_vec())));
    }
}

enum Delivery {
    Shard { from: SocketAddr, bytes: Vec<u8> },
    Client { to: SocketAddr, bytes: Vec<u8>, copy: bool },
    Message { shard: u8, message: Message },
}

pub struct World {
    pub seed: u64,
    pub now: Time,
    pub rng: Rng,
    pub shards: Vec<Shard>,
    pub counters: Vec<Arc<Counters>>,
    pub clients: Vec<Client>,
    pub events: Vec<(Time, Event)>,
    pub rooms: HashMap<RoomId, RoomSpec>,
    /// Keep datagrams that came from clients, for attackers.
    pub recording: bool,
    pub recorded: Vec<(SocketAddr, Vec<u8>)>,
    /// What was tapped.
    pub taps: Vec<Arc<Batch>>,
    /// Between shards.
    pub message_delay: Span,
    pub identity: Identity,
    server: (Digest, Vec<u8>),
    /// Clients show one of these: making keys is slow.
    identities: Vec<Identity>,
    epoch: Instant,
    queue: BTreeMap<(Time, u64), Delivery>,
    order: u64,
    by_address: HashMap<SocketAddr, usize>,
    owners: HashMap<Route, u8>,
    next_port: u16,
    tx: Outbox,
}

thread_local! {
    static IDENTITIES: Vec<Identity> = (0..3).map(|_| Identity::generate().unwrap()).collect();
}

impl World {
    pub fn new(seed: u64, shards: u8, config: Config) -> Self {
        let mut rng = Rng::new(seed);
        let epoch = Instant::now();
        let identities = IDENTITIES.with(Clone::clone);
        let identity = identities[0].clone();
        let counters: Vec<Arc<Counters>> = (0..shards).map(|_| Arc::default()).collect();
        let shards: Vec<Shard> = (0..shards)
            .map(|at| {
                let counters = Arc::clone(&counters[usize::from(at)]);
                Shard::new(at, shards, config.clone(), identity.clone(), epoch, rng.next(), counters)
            })
            .collect();
        Self {
            seed,
            now: Time::from_millis(1_000),
            rng,
            shards,
            counters,
            clients: Vec::new(),
            events: Vec::new(),
            rooms: HashMap::new(),
            recording: false,
            recorded: Vec::new(),
            taps: Vec::new(),
            message_delay: Span(200),
            server: fingerprint(&identity),
            identity,
            identities,
            epoch,
            queue: BTreeMap::new(),
            order: 0,
            by_address: HashMap::new(),
            owners: HashMap::new(),
            next_port: 10_000,
            tx: Outbox::default(),
        }
    }

    /// A room whose home is shard `home`.
    pub fn room(&mut self, home: u8) -> RoomId {
        let slot = |rng: &mut Rng| SlotSpec {
            ssrc: rng.next() as u32 & !3,
            rtx_ssrc: rng.next() as u32 | 1,
            first_seq: rng.below(1 << 15) as u16,
            first_timestamp: rng.next() as u32,
        };
        let (audio, video) = (slot(&mut self.rng), slot(&mut self.rng));
        self.room_with(home, audio, video)
    }

    pub fn room_with(&mut self, home: u8, audio: SlotSpec, video: SlotSpec) -> RoomId {
        let id = 100 + self.rooms.len() as u64;
        let spec = RoomSpec { id, home, audio, video, cname: "room".to_owned(), clock: RoomClock::default() };
        self.rooms.insert(id, spec.clone());
        for shard in 0..self.shards.len() as u8 {
            self.command(shard, Command::AddRoom(spec.clone()));
        }
        id
    }

    pub fn address(&mut self) -> SocketAddr {
        self.next_port += 1;
        SocketAddr::from(([10, 0, 0, 7], self.next_port))
    }

    pub fn publish(&mut self, room: RoomId, media: Media) -> usize {
        let id = self.clients.len() as u16;
        let sections = media.sections();
        let source = Source::new(id, media, self.rng.fork());
        let home = self.rooms[&room].home;
        self.join(room, home, Role::Publisher, sections, Part::Publisher(Box::new(source)))
    }

    pub fn watch(&mut self, room: RoomId, shard: u8, watching: Watching) -> usize {
        let spec = &self.rooms[&room];
        let slots = [spec.audio, spec.video];
        let sections = watching.sections();
        self.join(room, shard, Role::Viewer, sections, Part::Viewer(Box::new(Sink::new(watching, slots))))
    }

    pub fn credentials(&mut self, shard: u8) -> Ice {
        let roll = self.rng.next();
        Ice {
            local_ufrag: format!("C{:06x}", roll & 0xFF_FFFF),
            server_ufrag: format!("{}s{:07x}", shard_char(shard), roll >> 36),
            server_password: format!("password{:016x}", self.rng.next()),
        }
    }

    fn join(&mut self, room: RoomId, shard: u8, role: Role, sections: Vec<sfu::api::Section>, part: Part) -> usize {
        let peer = 1 + self.clients.len() as PeerId;
        let ice = self.credentials(shard);
        let identity = self.identities[1 + self.clients.len() % 2].clone();
        let active = self.rng.chance(0.7);
        let addr = self.address();
        let client = Client::new(Begin {
            peer,
            room,
            shard,
            addr,
            ice: ice.clone(),
            identity: &identity,
            server: self.server.clone(),
            active,
            epoch: self.epoch,
            now: self.now + Span(1000),
            part,
            rng: self.rng.fork(),
        });
        self.clients.push(client);
        self.by_address.insert(addr, self.clients.len() - 1);
        let spec = PeerSpec {
            id: peer,
            room,
            role,
            ufrag: ice.server_ufrag,
            password: ice.server_password,
            remote_ufrag: ice.local_ufrag,
            fingerprints: vec![fingerprint(&identity)],
            dtls_client: !active,
            sections,
            dial: None::<Dial>,
        };
        self.command(shard, Command::AddPeer(Box::new(spec)));
        self.clients.len() - 1
    }

    /// A publisher that the shard dials; `late`: its address is told only by `Candidates`.
    pub fn dial(&mut self, room: RoomId, media: Media, late: bool) -> usize {
        let id = self.clients.len() as u16;
        let sections = media.sections();
        let source = Source::new(id, media, self.rng.fork());
        let shard = self.rooms[&room].home;
        let (peer, ice, addr) = (1 + u64::from(id), self.credentials(shard), self.address());
        let identity = self.identities[1].clone();
        let (epoch, now, rng) = (self.epoch, self.now, self.rng.fork());
        let part = Part::Publisher(Box::new(source));
        let (server, active) = (self.server.clone(), false);
        let begin = Begin {
            peer,
            room,
            shard,
            addr,
            ice: ice.clone(),
            identity: &identity,
            server,
            active,
            epoch,
            now,
            part,
            rng,
        };
        let mut client = Client::new(begin);
        client.called = Some("password-of-the-called-one".to_owned());
        self.clients.push(client);
        self.by_address.insert(addr, self.clients.len() - 1);
        let nowhere = SocketAddr::from(([10, 0, 0, 7], 9));
        let spec = PeerSpec {
            id: peer,
            room,
            role: Role::Publisher,
            ufrag: ice.server_ufrag,
            password: ice.server_password,
            remote_ufrag: ice.local_ufrag,
            fingerprints: vec![fingerprint(&identity)],
            dtls_client: true,
            sections,
            dial: Some(Dial {
                remote_password: "password-of-the-called-one".to_owned(),
                candidates: if late { vec![nowhere] } else { vec![nowhere, addr] },
            }),
        };
        self.command(shard, Command::AddPeer(Box::new(spec)));
        if late {
            self.run(Span::millis(300));
            self.command(shard, Command::Candidates { peer, candidates: vec![addr] });
        }
        self.clients.len() - 1
    }

    /// The client has another address from now on and does not know.
    pub fn rebind(&mut self, client: usize) {
        let addr = self.address();
        self.by_address.remove(&self.clients[client].addr);
        self.clients[client].addr = addr;
        self.by_address.insert(addr, client);
    }

    /// New credentials at both ends; `moved`: from another address, too.
    pub fn restart(&mut self, client: usize, moved: bool) {
        let shard = self.clients[client].shard;
        let ice = self.credentials(shard);
        if moved {
            self.rebind(client);
        }
        let now = self.now;
        let peer = self.clients[client].peer;
        let (ufrag, password) = (ice.server_ufrag.clone(), ice.server_password.clone());
        let remote_ufrag = ice.local_ufrag.clone();
        self.clients[client].restart(ice, now);
        self.command(shard, Command::Restart { peer, ufrag, password, remote_ufrag });
    }

    pub fn close(&mut self, client: usize, reason: Reason) {
        let (shard, peer) = (self.clients[client].shard, self.clients[client].peer);
        self.command(shard, Command::Close { peer, reason });
    }

    pub fn command(&mut self, shard: u8, command: Command) {
        let now = self.now;
        self.with(shard, |shard, tx| shard.command(command, now, tx));
    }

    /// A datagram from anywhere, at once.
    pub fn inject(&mut self, from: SocketAddr, bytes: Vec<u8>) {
        self.deliver(Delivery::Shard { from, bytes });
    }

    /// One call of a shard, and all that follows from it.
    fn with(&mut self, at: u8, call: impl FnOnce(&mut Shard, &mut Outbox)) {
        let now = self.now;
        let shard = &mut self.shards[usize::from(at)];
        call(shard, &mut self.tx);
        let mut rounds = 0;
        while shard.flush(now, &mut self.tx) {
            rounds += 1;
            assert!(rounds < 10_000, "flush has no end");
        }
        for (route, added) in shard.routes() {
            if added {
                self.owners.insert(route, at);
            } else if self.owners.get(&route) == Some(&at) {
                self.owners.remove(&route);
            }
        }
        self.events.extend(shard.events().map(|event| (now, event)));
        let messages: Vec<(u8, Message)> = shard.messages().collect();
        self.taps.extend(shard.taps());
        for (to, message) in messages {
            let due = now + Span(1 + self.rng.below(self.message_delay.0 + 1));
            // In order between two shards, as through a mailbox.
            let last = self.queue.iter().rev().find_map(|((when, _), delivery)| match delivery {
                Delivery::Message { shard, .. } if *shard == to => Some(*when),
                _ => None,
            });
            self.push(due.max(last.unwrap_or(due)), Delivery::Message { shard: to, message });
        }
        for (route, bytes) in std::mem::take(&mut self.tx.sent) {
            let Some(&client) = self.by_address.get(&route.remote) else { continue };
            let (at, copy) = self.clients[client].down.carry(bytes.len(), &mut self.rng, now);
            let to = route.remote;
            if let Some(copy) = copy {
                self.push(copy, Delivery::Client { to, bytes: bytes.clone(), copy: true });
            }
            if let Some(at) = at {
                self.push(at, Delivery::Client { to, bytes, copy: false });
            }
        }
    }

    fn push(&mut self, at: Time, delivery: Delivery) {
        self.order += 1;
        self.queue.insert((at, self.order), delivery);
    }

    fn deliver(&mut self, delivery: Delivery) {
        let now = self.now;
        match delivery {
            Delivery::Shard { from, mut bytes } => {
                let route = Route { socket: 0, remote: from };
                // As the network layer does: by ufrag, by route, and answers to checks by their transaction.
                let named = stun::peek_ufrag(&bytes).and_then(|ufrag| shard_of(*ufrag.first()?));
                let dialling = bytes.get(8).copied().filter(|_| bytes[0] == 1);
                let shard = named.or_else(|| self.owners.get(&route).copied()).or(dialling).unwrap_or(0);
                if usize::from(shard) < self.shards.len() {
                    self.with(shard, |shard, tx| shard.receive(route, &mut bytes, now, tx));
                }
            }
            Delivery::Client { to, mut bytes, copy } => {
                if let Some(&client) = self.by_address.get(&to) {
                    self.clients[client].receive(&mut bytes, copy, now);
                    self.sent_by(client);
                }
            }
            Delivery::Message { shard, message } => {
                self.with(shard, |shard, tx| shard.message(message, now, tx));
            }
        }
    }

    fn sent_by(&mut self, client: usize) {
        let now = self.now;
        let from = self.clients[client].addr;
        for bytes in std::mem::take(&mut self.clients[client].out) {
            let (at, copy) = self.clients[client].up.carry(bytes.len(), &mut self.rng, now);
            if let Some(copy) = copy {
                self.push(copy, Delivery::Shard { from, bytes: bytes.clone() });
            }
            if let Some(at) = at {
                self.push(at, Delivery::Shard { from, bytes });
            }
        }
    }

    pub fn run(&mut self, span: Span) {
        let end = self.now + span;
        loop {
            let mut next = self.queue.first_key_value().map_or(Time(u64::MAX), |((at, _), _)| *at);
            for shard in &self.shards {
                next = next.min(shard.next());
            }
            for client in &self.clients {
                next = next.min(client.next());
            }
            if next > end {
                self.now = end;
                return;
            }
            self.now = self.now.max(next);
            let now = self.now;
            while let Some(entry) = self.queue.first_entry() {
                if entry.key().0 > now {
                    break;
                }
                let delivery = entry.remove();
                if let (true, Delivery::Shard { from, bytes }) = (self.recording, &delivery) {
                    self.recorded.push((*from, bytes.clone()));
                }
                self.deliver(delivery);
            }
            for at in 0..self.shards.len() as u8 {
                if self.shards[usize::from(at)].next() <= now {
                    self.with(at, |shard, tx| shard.tick(now, tx));
                    assert!(self.shards[usize::from(at)].next() > now, "a shard that is due again at once");
                }
            }
            for client in 0..self.clients.len() {
                if self.clients[client].next() <= now {
                    self.clients[client].tick(now);
                    self.sent_by(client);
                }
            }
        }
    }

    /// Of all shards.
    pub fn dropped(&self, reason: Drop) -> u64 {
        self.counters.iter().map(|counters| counters.drops[reason as usize].get()).sum()
    }

    pub fn peers(&self) -> usize {
        self.shards.iter().map(Shard::len).sum()
    }

    pub fn owned_routes(&self) -> usize {
        self.owners.len()
    }

    pub fn ended(&self, client: usize) -> Option<(Time, Reason)> {
        let wanted = self.clients[client].peer;
        self.events.iter().find_map(|(at, event)| match event {
            Event::Ended { peer, reason, .. } if *peer == wanted => Some((*at, *reason)),
            _ => None,
        })
    }

    pub fn has(&self, wanted: impl Fn(&Event) -> bool) -> bool {
        self.events.iter().any(|(_, event)| wanted(event))
    }
}

/// A failed run tells where it stood.
impl std::ops::Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        eprintln!("seed {} at {:?}", self.seed, self.now);
        for (at, counters) in self.counters.iter().enumerate() {
            let mut line = String::new();
            counters.collect(&mut |name, value| {
                if value != 0.0 && !name.contains("bucket") {
                    line += &format!(" {}={value}", name.trim_start_matches("media_"));
                }
            });
            eprintln!("shard {at}:{line}");
        }
        for (at, client) in self.clients.iter().enumerate() {
            eprintln!(
                "client {at}: {:?} since {:?}, up {}/{}, down {}/{}",
                client.state,
                client.connected_at,
                client.up.lost,
                client.up.carried,
                client.down.lost,
                client.down.carried
            );
        }
        for (at, event) in self.events.iter().rev().take(12).rev() {
            eprintln!("{at:?} {event:?}");
        }
    }
}
