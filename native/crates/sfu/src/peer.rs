//! One peer: its ICE credentials and routes, its DTLS association and its keys. What it publishes or watches is in
//! `publisher` and `viewer`. Decides nothing about rooms.

use crate::api::{Dial, PeerId, PeerSpec, Role, RoomId};
use crate::dtls::{Dtls, Identity};
use crate::io::{Route, Transmit};
use crate::publisher::Publisher;
use crate::srtp::{Opener, Sealer};
use crate::time::{Span, Time};
use crate::viewer::Viewer;

const MAX_ROUTES: usize = 8;
/// Another route than the one in use is taken without nomination only after so long a silence.
const ROUTE_SILENCE: Span = Span::secs(3);

/// Our ufrag and password of one ICE session.
#[derive(Clone, Debug)]
pub struct Credentials {
    pub ufrag: String,
    pub password: String,
}

/// Keys of both directions, there once the handshake is done.
pub struct Keyring {
    pub sealer: Sealer,
    pub opener: Opener,
}

/// What is different between the two ends of a room.
pub enum Part {
    Publisher(Box<Publisher>),
    Viewer(Box<Viewer>),
}

/// A session that we dialled: checks are ours to send (RFC 8445, controlling).
#[derive(Debug)]
pub struct Dialling {
    pub remote_password: String,
    pub candidates: Vec<std::net::SocketAddr>,
    pub next_check: Time,
    pub tries: u32,
    /// The transaction of each check under way, by candidate.
    pub transactions: Vec<([u8; 12], std::net::SocketAddr)>,
    pub tie_breaker: u64,
}

pub struct Peer {
    pub id: PeerId,
    pub room: RoomId,
    pub role: Role,
    /// Two for a moment after an ICE restart; the last is current.
    pub credentials: Vec<Credentials>,
    pub remote_ufrag: String,
    pub dialling: Option<Box<Dialling>>,
    pub dtls: Dtls,
    pub created: Time,
    /// When something authentic last came.
    pub seen: Time,
    pub route: Option<Route>,
    /// Validated by a check, and when the last one came.
    pub routes: Vec<(Route, Time)>,
    pub keys: Option<Box<Keyring>>,
    /// Sender of our own feedback.
    pub ssrc: u32,
    pub part: Part,
}

/// What a passed check changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Validated {
    pub added: bool,
    pub moved: bool,
    pub first: bool,
    pub forgotten: Option<Route>,
}

impl Peer {
    pub fn new(
        spec: PeerSpec,
        identity: &Identity,
        epoch: std::time::Instant,
        now: Time,
        random: u64,
        part: Part,
    ) -> Self {
        let dialling = spec.dial.map(|Dial { remote_password, candidates }| {
            Box::new(Dialling {
                remote_password,
                candidates,
                next_check: now,
                tries: 0,
                transactions: Vec::new(),
                tie_breaker: random,
            })
        });
        Self {
            id: spec.id,
            room: spec.room,
            role: spec.role,
            credentials: vec![Credentials { ufrag: spec.ufrag, password: spec.password }],
            remote_ufrag: spec.remote_ufrag,
            dialling,
            dtls: Dtls::new(identity, spec.dtls_client, spec.fingerprints, epoch, now),
            created: now,
            seen: now,
            route: None,
            routes: Vec::new(),
            keys: None,
            ssrc: (random >> 32) as u32 | 1,
            part,
        }
    }

    pub fn connected(&self) -> bool {
        self.keys.is_some()
    }

    /// Note a passed check. The nominated route is used; without a nomination the first one, and another one only
    /// when the route in use has had no check for a while (a client behind a NAT that forgot its mapping).
    pub fn validated(&mut self, route: Route, nominated: bool, now: Time) -> Validated {
        let mut result = Validated { first: self.route.is_none(), ..Validated::default() };
        self.seen = now;
        if let Some(known) = self.routes.iter_mut().find(|(known, _)| *known == route) {
            known.1 = now;
        } else {
            if self.routes.len() >= MAX_ROUTES {
                let current = self.route;
                let oldest = self
                    .routes
                    .iter()
                    .enumerate()
                    .filter(|(_, (known, _))| Some(*known) != current)
                    .min_by_key(|(_, (_, at))| *at)
                    .map(|(at, _)| at);
                if let Some(oldest) = oldest {
                    result.forgotten = Some(self.routes.swap_remove(oldest).0);
                }
            }
            self.routes.push((route, now));
            result.added = true;
        }
        let silent = |current: Route| {
            self.routes.iter().find(|(known, _)| *known == current).is_none_or(|(_, at)| now.since(*at) > ROUTE_SILENCE)
        };
        let take = match self.route {
            None => true,
            Some(current) => current != route && (nominated || silent(current)),
        };
        if take {
            self.route = Some(route);
            result.moved = true;
        }
        result
    }

    pub fn forget(&mut self, route: Route) {
        self.routes.retain(|(known, _)| *known != route);
        if self.route == Some(route) {
            self.route = self.routes.iter().max_by_key(|(_, at)| *at).map(|(known, _)| *known);
        }
    }

    /// Seal and send one compound RTCP packet.
    pub fn send_rtcp(&mut self, packet: &mut Vec<u8>, tx: &mut impl Transmit) {
        if let (Some(keys), Some(route)) = (self.keys.as_mut(), self.route) {
            keys.sealer.seal_rtcp(packet);
            tx.send(route, packet);
        }
    }

    pub fn publisher(&mut self) -> Option<&mut Publisher> {
        match &mut self.part {
            Part::Publisher(publisher) => Some(publisher),
            Part::Viewer(_) => None,
        }
    }

    /// Read only.
    pub fn viewing(&self) -> Option<&Viewer> {
        match &self.part {
            Part::Viewer(viewer) => Some(viewer),
            Part::Publisher(_) => None,
        }
    }

    pub fn viewer(&mut self) -> Option<&mut Viewer> {
        match &mut self.part {
            Part::Viewer(viewer) => Some(viewer),
            Part::Publisher(_) => None,
        }
    }
}
