//! The peers of one thread and the rooms they are in: datagrams, commands and time in; datagrams and events out.
//!
//! Invariant: a route is in `routes` only while ICE has validated it, so nothing but a check is looked at before.
//! The work is in the parts: `connect` (ICE, DTLS, coming and going), `ingest` (what publishers send), `serve` (what
//! viewers get and say), `pace` (timers).

mod connect;
mod ingest;
mod pace;
mod serve;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use crate::api::{Command, Config, Event, Kind, PeerId, Reason, Role, RoomId};
use crate::counters::{Counters, Drop};
use crate::dtls::Identity;
use crate::fanout::Plain;
use crate::home::Home;
use crate::io::{Route, Transmit};
use crate::packet::Batch;
use crate::peer::{Part, Peer};
use crate::rtp;
use crate::select::Rung;
use crate::slab::{Key, Slab};
use crate::stage::Stage;
use crate::time::{Span, Time};

/// What shards tell one another.
#[derive(Clone, Debug)]
pub enum Message {
    /// To every shard with viewers of the room.
    Batch(Arc<Batch>),
    /// A sender report on the room's time line.
    Report { room: RoomId, kind: Kind, encoding: u8, ntp: u64, timestamp: u32 },
    /// What viewers of the room may choose from.
    Rungs { room: RoomId, rungs: Arc<Vec<Rung>> },
    /// To the home shard: how many viewers the sender has now.
    Watch { room: RoomId, shard: u8, viewers: u32 },
    /// To the home shard: somebody cannot go on without a keyframe.
    WantKeyframe { room: RoomId, encoding: u8 },
    /// The room is over on its home shard.
    RoomGone { room: RoomId, reason: Reason },
}

/// Random numbers for what need not be secret (SSRCs, first numbers): SplitMix64.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

pub struct Shard {
    index: u8,
    shards: u8,
    config: Config,
    identity: Identity,
    epoch: Instant,
    dice: Dice,
    pub counters: Arc<Counters>,
    peers: Slab<Peer>,
    ids: HashMap<PeerId, Key>,
    ufrags: HashMap<String, Key>,
    routes: HashMap<Route, Key>,
    dialling: Vec<Key>,
    homes: HashMap<RoomId, Home>,
    stages: HashMap<RoomId, Stage>,
    /// Rooms whose jobs wait; each gets a slice in turn.
    runnable: VecDeque<RoomId>,
    waiting: usize,
    /// Rooms that hold packets back for the rest of a frame.
    held: Vec<RoomId>,
    /// Spare plaintext buffers; boxed because a job holds one for each of its layouts, most of them none.
    #[allow(clippy::vec_box)]
    plains: Vec<Box<Plain>>,
    lone: Box<Plain>,
    scratch: Vec<u8>,
    pending: u64,
    events: Vec<Event>,
    messages: Vec<(u8, Message)>,
    notices: Vec<(Route, bool)>,
    taps: Vec<Arc<Batch>>,
    /// Whose datagram or command is being handled: who is ended when handling it fails.
    handling: Option<Key>,
    tick_at: Time,
    expire_at: Time,
    report_at: Time,
}

impl std::fmt::Debug for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Shard({} of {}, {} peers)", self.index, self.shards, self.peers.len())
    }
}

impl Shard {
    pub fn new(
        index: u8,
        shards: u8,
        config: Config,
        identity: Identity,
        epoch: Instant,
        seed: u64,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            index,
            shards: shards.max(1),
            config,
            identity,
            epoch,
            dice: Dice(seed),
            counters,
            peers: Slab::default(),
            ids: HashMap::new(),
            ufrags: HashMap::new(),
            routes: HashMap::new(),
            dialling: Vec::new(),
            homes: HashMap::new(),
            stages: HashMap::new(),
            runnable: VecDeque::new(),
            waiting: 0,
            held: Vec::new(),
            plains: Vec::new(),
            lone: Box::default(),
            scratch: Vec::with_capacity(2048),
            pending: 0,
            events: Vec::new(),
            messages: Vec::new(),
            notices: Vec::new(),
            taps: Vec::new(),
            handling: None,
            tick_at: Time::default(),
            expire_at: Time::default(),
            report_at: Time::default(),
        }
    }

    // inputs ----------------------------------------------------------------------------------------------------

    /// One datagram, whatever it is. Decrypts in place.
    pub fn receive(&mut self, route: Route, datagram: &mut [u8], now: Time, tx: &mut impl Transmit) {
        match datagram.first() {
            Some(128..=191) => self.media(route, datagram, now, tx),
            Some(0..=3) => self.stun(route, datagram, now, tx),
            Some(20..=63) => match self.routes.get(&route).copied() {
                None => self.counters.dropped(Drop::Unvalidated, 1),
                Some(key) => {
                    self.handling = Some(key);
                    self.dtls_received(key, datagram, now, tx);
                }
            },
            _ => self.counters.dropped(Drop::Unknown, 1),
        }
        self.handling = None;
    }

    fn media(&mut self, route: Route, datagram: &mut [u8], now: Time, tx: &mut impl Transmit) {
        let found = self.routes.get(&route).copied().and_then(|key| Some((key, self.peers.get_mut(key)?)));
        let Some((key, peer)) = found.filter(|(_, peer)| peer.keys.is_some()) else {
            self.counters.dropped(Drop::Unvalidated, 1);
            return;
        };
        self.handling = Some(key);
        let control = rtp::is_rtcp(datagram);
        match &mut peer.part {
            Part::Publisher(_) if control => self.publisher_control(key, datagram, now, tx),
            Part::Publisher(_) => self.publisher_media(key, datagram, now, tx),
            Part::Viewer(viewer) => {
                if !viewer.budget.take(now) {
                    self.counters.dropped(Drop::Policed, 1);
                } else if control {
                    self.viewer_control(key, datagram, now, tx);
                } else {
                    self.counters.dropped(Drop::Unexpected, 1);
                }
            }
        }
    }

    pub fn command(&mut self, command: Command, now: Time, tx: &mut impl Transmit) {
        match command {
            Command::AddRoom(spec) => {
                if spec.home == self.index && !self.homes.contains_key(&spec.id) {
                    self.homes.insert(spec.id, Home::new(spec.clone(), self.shards));
                }
                self.stages.entry(spec.id).or_insert_with(|| Stage::new(spec));
            }
            Command::AddPeer(spec) => self.add_peer(*spec, now, tx),
            Command::Restart { peer, ufrag, password, remote_ufrag } => {
                if let Some(key) = self.ids.get(&peer).copied() {
                    self.handling = Some(key);
                    self.restart(key, ufrag, password, remote_ufrag);
                }
            }
            Command::Candidates { peer, candidates } => {
                if let Some(dialling) =
                    self.ids.get(&peer).and_then(|key| self.peers.get_mut(*key)).and_then(|p| p.dialling.as_mut())
                {
                    dialling.candidates.extend(candidates);
                    dialling.candidates.truncate(16);
                    dialling.next_check = now;
                }
            }
            Command::Close { peer, reason } => {
                if let Some(key) = self.ids.get(&peer).copied() {
                    self.handling = Some(key);
                    self.end(key, reason, true, now, tx);
                }
            }
            Command::EndRoom { room, reason } => self.end_room(room, reason, now, tx),
            Command::Tap { room, on } => {
                if let Some(home) = self.homes.get_mut(&room) {
                    home.tapped = on;
                }
            }
            Command::Forgive(span) => self.forgive(span),
        }
        self.handling = None;
    }

    pub fn message(&mut self, message: Message, now: Time, tx: &mut impl Transmit) {
        match message {
            Message::Batch(batch) => self.perform(batch, now),
            Message::Report { room, kind, encoding, ntp, timestamp } => {
                self.pass_report(room, kind, encoding, ntp, timestamp, tx);
            }
            Message::Rungs { room, rungs } => {
                if let Some(stage) = self.stages.get_mut(&room) {
                    stage.rungs.clone_from(&rungs);
                    self.choose_layers(room, now, tx);
                }
            }
            Message::Watch { room, shard, viewers } => self.watch(room, shard, viewers, now, tx),
            Message::WantKeyframe { room, encoding } => self.want_keyframe(room, encoding, now, tx),
            Message::RoomGone { room, reason } => self.clear_room(room, reason, now, tx),
        }
    }

    /// A datagram or command could not be handled (a fault of ours): its peer is ended, so that the others live.
    pub fn poison(&mut self, now: Time, tx: &mut impl Transmit) {
        self.counters.dropped(Drop::Failed, 1);
        if let Some(key) = self.handling.take() {
            self.end(key, Reason::Failed, false, now, tx);
        }
    }

    // outputs ---------------------------------------------------------------------------------------------------

    pub fn events(&mut self) -> std::vec::Drain<'_, Event> {
        self.events.drain(..)
    }

    pub fn messages(&mut self) -> std::vec::Drain<'_, (u8, Message)> {
        self.messages.drain(..)
    }

    /// Routes that became, or ceased to be, this shard's.
    pub fn routes(&mut self) -> std::vec::Drain<'_, (Route, bool)> {
        self.notices.drain(..)
    }

    pub fn taps(&mut self) -> std::vec::Drain<'_, Arc<Batch>> {
        self.taps.drain(..)
    }

    /// Peers of this shard.
    pub fn len(&self) -> usize {
        self.peers.len()
    }

    pub fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    /// Entries of every table: what is not zero without peers and rooms was left behind.
    pub fn census(&self) -> [(&'static str, usize); 9] {
        [
            ("peers", self.peers.len()),
            ("ids", self.ids.len()),
            ("ufrags", self.ufrags.len()),
            ("routes", self.routes.len()),
            ("dialling", self.dialling.len()),
            ("homes", self.homes.len()),
            ("stages", self.stages.len()),
            ("jobs", self.runnable.len() + self.waiting + self.pending as usize),
            ("held", self.held.len()),
        ]
    }

    // between shards --------------------------------------------------------------------------------------------

    /// To another shard, or at once when it is this one.
    fn tell(&mut self, shard: u8, message: Message, now: Time, tx: &mut impl Transmit) {
        if shard == self.index {
            self.message(message, now, tx);
        } else {
            self.messages.push((shard, message));
        }
    }

    /// To the room's home.
    fn tell_home(&mut self, room: RoomId, message: Message, now: Time, tx: &mut impl Transmit) {
        if let Some(home) = self.stages.get(&room).map(|stage| stage.spec.home) {
            self.tell(home, message, now, tx);
        }
    }

    /// To every shard with viewers of the room.
    fn tell_watchers(&mut self, room: RoomId, message: &Message, now: Time, tx: &mut impl Transmit) {
        let Some(home) = self.homes.get(&room) else { return };
        let shards: Vec<u8> = (0..self.shards).filter(|at| home.watchers[usize::from(*at)] > 0).collect();
        for shard in shards {
            self.tell(shard, message.clone(), now, tx);
        }
    }

    fn set_gauges(&self) {
        let counters = &self.counters;
        counters.pending.set(self.pending);
        counters.live_rooms.set(self.homes.values().filter(|home| home.publisher.is_some()).count() as u64);
        counters.waiting.set(self.waiting as u64);
    }

    fn gauge_of(&self, role: Role) -> &crate::counters::Count {
        match role {
            Role::Publisher => &self.counters.publishers,
            Role::Viewer => &self.counters.viewers,
        }
    }

    fn forgive(&mut self, span: Span) {
        for (_, peer) in self.peers.iter_mut() {
            peer.seen = peer.seen + span;
            peer.created = peer.created + span;
            if let Part::Publisher(publisher) = &mut peer.part {
                publisher.last_media = publisher.last_media + span;
            }
        }
        for home in self.homes.values_mut() {
            home.away_since = home.away_since.map(|since| since + span);
        }
    }
}
