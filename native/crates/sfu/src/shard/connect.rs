//! Coming and going: ICE checks, DTLS, who takes over a room and who leaves it.

use std::net::SocketAddr;

use crate::api::{Event, Kind, PeerSpec, Reason, Role, RoomId};
use crate::counters::Drop;
use crate::dtls::{Failure, Status};
use crate::io::{Route, Transmit};
use crate::peer::{Credentials, Keyring, Part, Peer};
use crate::publisher::Publisher;
use crate::rtcp;
use crate::slab::Key;
use crate::srtp::{Opener, Sealer};
use crate::stun;
use crate::time::{Span, Time};
use crate::viewer::Viewer;

use super::{Message, Shard};

/// Between checks of a dialled session until one is answered, and between those that renew consent (RFC 7675).
const DIAL_EVERY: Span = Span::millis(100);
const CONSENT_EVERY: Span = Span::millis(3000);

impl Shard {
    pub(super) fn add_peer(&mut self, spec: PeerSpec, now: Time, tx: &mut impl Transmit) {
        let (id, room, role) = (spec.id, spec.room, spec.role);
        let part = match role {
            Role::Publisher if self.homes.contains_key(&room) => {
                Some(Part::Publisher(Box::new(Publisher::new(&spec, self.config.publisher_packets_per_s, now))))
            }
            Role::Viewer => self.stages.get(&room).map(|stage| {
                let (audio, video) = (stage.slot(Kind::Audio), stage.slot(Kind::Video));
                let config = &self.config;
                let (nacks, packets) = (config.nack_packets_per_s, config.viewer_packets_per_s);
                Part::Viewer(Box::new(Viewer::new(&spec, &audio, &video, nacks, packets, now)))
            }),
            Role::Publisher => None,
        };
        let Some(part) = part else {
            self.events.push(Event::Ended { room, peer: id, role, connected: false, reason: Reason::RoomEnded });
            return;
        };
        let ufrag = spec.ufrag.clone();
        let peer = Peer::new(spec, &self.identity, self.epoch, now, self.dice.roll(), part);
        let dialled = peer.dialling.is_some();
        let key = self.peers.insert(peer);
        self.handling = Some(key);
        self.ids.insert(id, key);
        self.ufrags.insert(ufrag, key);
        self.pending += 1;
        if role == Role::Publisher
            && let Some(home) = self.homes.get_mut(&room)
            && let Some(replaced) = home.pending.replace(key)
        {
            self.end(replaced, Reason::Replaced, true, now, tx);
        }
        if dialled {
            self.dialling.push(key);
            self.dial(now, tx);
        }
        self.set_gauges();
    }

    pub(super) fn restart(&mut self, key: Key, ufrag: String, password: String, remote_ufrag: String) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        while peer.credentials.len() > 1 {
            let old = peer.credentials.remove(0);
            self.ufrags.remove(&old.ufrag);
        }
        peer.credentials.push(Credentials { ufrag: ufrag.clone(), password });
        peer.remote_ufrag = remote_ufrag;
        self.ufrags.insert(ufrag, key);
    }

    // ICE -------------------------------------------------------------------------------------------------------

    pub(super) fn stun(&mut self, route: Route, datagram: &[u8], now: Time, tx: &mut impl Transmit) {
        if datagram.first().is_some_and(|first| *first == 1) {
            return self.stun_response(route, datagram, now, tx);
        }
        let request = stun::read_request(datagram);
        let key = request.as_ref().and_then(|request| self.ufrags.get(request.local_ufrag).copied());
        let found = key.and_then(|key| Some((key, self.peers.get_mut(key)?)));
        let (Some(request), Some((key, peer))) = (request, found) else {
            self.counters.dropped(Drop::Stun, 1);
            return;
        };
        self.handling = Some(key);
        let Some(at) = peer.credentials.iter().position(|known| known.ufrag == request.local_ufrag) else {
            return self.counters.dropped(Drop::Stun, 1);
        };
        let password = peer.credentials[at].password.as_bytes();
        if !request.verify(password) {
            return self.counters.dropped(Drop::Stun, 1);
        }
        let mut reply = std::mem::take(&mut self.scratch);
        reply.clear();
        let dialled = peer.dialling.is_some();
        let wrong_role = request.claims_controlled && !dialled;
        if wrong_role {
            stun::write_error(&request.transaction, 487, "Role Conflict", &[], password, &mut reply);
        } else if !request.unknown.is_empty() {
            stun::write_error(&request.transaction, 420, "Unknown Attribute", &request.unknown, password, &mut reply);
        } else {
            stun::write_success(&request.transaction, route.remote, password, &mut reply);
        }
        tx.send(route, &reply);
        self.scratch = reply;
        if wrong_role || !request.unknown.is_empty() {
            return;
        }
        // A dialled session's path is what our own checks find.
        let current = at + 1 == peer.credentials.len();
        if current {
            for old in peer.credentials.drain(..at) {
                self.ufrags.remove(&old.ufrag);
            }
        }
        if dialled {
            peer.seen = now;
        } else {
            self.validated(key, route, request.use_candidate, now, tx);
        }
    }

    fn validated(&mut self, key: Key, route: Route, nominated: bool, now: Time, tx: &mut impl Transmit) {
        if let Some(before) = self.routes.get(&route).copied().filter(|before| *before != key)
            && let Some(other) = self.peers.get_mut(before)
        {
            other.forget(route); // a port of the client's, used again for another session
        }
        let Some(peer) = self.peers.get_mut(key) else { return };
        let result = peer.validated(route, nominated, now);
        if self.routes.insert(route, key).is_none() {
            self.notices.push((route, true));
        }
        if let Some(gone) = result.forgotten {
            self.drop_route(gone, key);
        }
        if result.first {
            self.dtls_start(key, now, tx);
        }
    }

    fn drop_route(&mut self, route: Route, key: Key) {
        if self.routes.get(&route) == Some(&key) {
            self.routes.remove(&route);
            self.notices.push((route, false));
        }
    }

    /// Checks of dialled sessions: to every candidate until one answers, then to keep consent.
    pub(super) fn dial(&mut self, now: Time, tx: &mut impl Transmit) {
        let mut keys = std::mem::take(&mut self.dialling);
        keys.retain(|key| self.peers.get(*key).is_some());
        for key in &keys {
            let roll = [self.dice.roll(), self.dice.roll()];
            let Some(peer) = self.peers.get_mut(*key) else { continue };
            let Some(dialling) = peer.dialling.as_mut().filter(|dialling| dialling.next_check <= now) else { continue };
            let chosen = peer.route;
            dialling.next_check = now + if chosen.is_some() { CONSENT_EVERY } else { DIAL_EVERY };
            dialling.tries += 1;
            if dialling.transactions.len() > 64 {
                dialling.transactions.drain(..32);
            }
            let Some(own) = peer.credentials.last() else { continue };
            let username = format!("{}:{}", peer.remote_ufrag, own.ufrag);
            let targets: Vec<SocketAddr> =
                chosen.map_or_else(|| dialling.candidates.clone(), |route| vec![route.remote]);
            for (at, remote) in targets.into_iter().enumerate() {
                let mut transaction = [0; 12];
                transaction[..8].copy_from_slice(&roll[0].to_be_bytes());
                transaction[8..].copy_from_slice(&((roll[1] as u32).wrapping_add(at as u32)).to_be_bytes());
                transaction[0] = self.index; // an answer carries no ufrag: it finds its shard by this
                dialling.transactions.push((transaction, remote));
                self.scratch.clear();
                let password = dialling.remote_password.as_bytes();
                stun::write_request(&transaction, &username, password, dialling.tie_breaker, true, &mut self.scratch);
                // Sockets of a node are listed by family: the first one of the candidate's serves.
                tx.send(Route { socket: u32::from(remote.is_ipv6()), remote }, &self.scratch);
            }
        }
        self.dialling = keys;
    }

    fn stun_response(&mut self, route: Route, datagram: &[u8], now: Time, tx: &mut impl Transmit) {
        let transaction = datagram.get(8..20).unwrap_or_default();
        let found = self.dialling.iter().copied().find(|key| {
            self.peers.get(*key).and_then(|peer| peer.dialling.as_ref()).is_some_and(|dialling| {
                dialling.transactions.iter().any(|(known, to)| known == transaction && *to == route.remote)
            })
        });
        let Some((key, dialling)) = found.and_then(|key| Some((key, self.peers.get_mut(key)?.dialling.as_mut()?)))
        else {
            return self.counters.dropped(Drop::Stun, 1);
        };
        self.handling = Some(key);
        match stun::read_response(datagram, dialling.remote_password.as_bytes()) {
            Some(response) if response.success => {
                dialling.transactions.retain(|(known, _)| known != &response.transaction);
                self.validated(key, route, true, now, tx);
            }
            _ => self.counters.dropped(Drop::Stun, 1),
        }
    }

    // DTLS ------------------------------------------------------------------------------------------------------

    fn dtls_start(&mut self, key: Key, now: Time, tx: &mut impl Transmit) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let Some(route) = peer.route else { return };
        let status = peer.dtls.start(now, &mut |datagram| tx.send(route, datagram));
        self.dtls_status(key, status, now, tx);
    }

    pub(super) fn dtls_received(&mut self, key: Key, datagram: &[u8], now: Time, tx: &mut impl Transmit) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let Some(route) = peer.route else { return };
        let status = peer.dtls.receive(datagram, now, &mut |datagram| tx.send(route, datagram));
        self.dtls_status(key, status, now, tx);
    }

    pub(super) fn dtls_timeout(&mut self, key: Key, now: Time, tx: &mut impl Transmit) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let Some(route) = peer.route else { return };
        let status = peer.dtls.timeout(now, &mut |datagram| tx.send(route, datagram));
        self.dtls_status(key, status, now, tx);
    }

    fn dtls_status(&mut self, key: Key, status: Status, now: Time, tx: &mut impl Transmit) {
        match status {
            Status::Handshaking | Status::Open => {}
            Status::Connected(keys) => {
                let Some(peer) = self.peers.get_mut(key) else { return };
                let sealer = Sealer::new(keys.profile, &keys.send);
                let opener = Opener::new(keys.profile, &keys.receive);
                peer.keys = Some(Box::new(Keyring { sealer, opener }));
                peer.seen = now;
                self.connected(key, now, tx);
            }
            Status::Failed(failure) => {
                let reason = match failure {
                    Failure::Fingerprint => Drop::DtlsFingerprint,
                    Failure::NoCertificate => Drop::DtlsNoCertificate,
                    Failure::NoSrtpProfile => Drop::DtlsNoSrtpProfile,
                    Failure::Handshake => Drop::DtlsHandshake,
                };
                self.counters.dropped(reason, 1);
                self.end(key, Reason::Handshake, false, now, tx);
            }
            Status::Closed => self.end(key, Reason::Left, false, now, tx),
        }
    }

    fn connected(&mut self, key: Key, now: Time, tx: &mut impl Transmit) {
        let Some(peer) = self.peers.get(key) else { return };
        let (id, room, role, join) = (peer.id, peer.room, peer.role, now.since(peer.created));
        self.pending = self.pending.saturating_sub(1);
        self.counters.joins.one();
        self.counters.handshake_us.add(join.0);
        let gauge = self.gauge_of(role);
        gauge.set(gauge.get() + 1);
        match role {
            Role::Publisher => {
                if let Some(old) = self.homes.get(&room).and_then(|home| home.publisher) {
                    self.end(old, Reason::Replaced, true, now, tx);
                }
                self.detach(room, now, tx);
                if let Some(home) = self.homes.get_mut(&room) {
                    home.publisher = Some(key);
                    if home.pending == Some(key) {
                        home.pending = None;
                    }
                    home.away_since = None;
                }
                if let Some(publisher) = self.peers.get_mut(key).and_then(Peer::publisher) {
                    publisher.last_media = now;
                }
                self.events.push(Event::Connected { room, peer: id, role, join });
            }
            Role::Viewer => {
                self.events.push(Event::Connected { room, peer: id, role, join });
                self.join_stage(key, room, now, tx);
            }
        }
        self.set_gauges();
    }

    // leaving ---------------------------------------------------------------------------------------------------

    /// Free all that a peer had; with `goodbye` it is told first.
    pub(super) fn end(&mut self, key: Key, reason: Reason, goodbye: bool, now: Time, tx: &mut impl Transmit) {
        let Some(mut peer) = self.peers.remove(key) else { return };
        let started = peer.connected();
        if goodbye
            && started
            && let Some(route) = peer.route
        {
            let mut packet = std::mem::take(&mut self.scratch);
            packet.clear();
            rtcp::write_receiver_report(&mut packet, peer.ssrc, &[]);
            rtcp::write_bye(&mut packet, peer.ssrc);
            peer.send_rtcp(&mut packet, tx);
            self.scratch = packet;
            peer.dtls.close(&mut |datagram| tx.send(route, datagram));
        }
        self.ids.remove(&peer.id);
        for credentials in &peer.credentials {
            if self.ufrags.get(&credentials.ufrag) == Some(&key) {
                self.ufrags.remove(&credentials.ufrag);
            }
        }
        for (route, _) in &peer.routes {
            self.drop_route(*route, key);
        }
        self.counters.ended(reason);
        if started {
            let gauge = self.gauge_of(peer.role);
            gauge.set(gauge.get().saturating_sub(1));
        } else {
            self.pending = self.pending.saturating_sub(1);
        }
        let (room, role) = (peer.room, peer.role);
        let ended = Event::Ended { room, peer: peer.id, role, connected: started, reason };
        match role {
            Role::Viewer => {
                self.set_gauges();
                self.events.push(ended);
                if started {
                    self.leave_stage(key, room, now, tx);
                }
            }
            Role::Publisher => {
                let was_live = self.homes.get(&room).is_some_and(|home| home.publisher == Some(key));
                if was_live {
                    self.detach(room, now, tx);
                }
                let mut over = false;
                if let Some(home) = self.homes.get_mut(&room) {
                    if home.pending == Some(key) {
                        home.pending = None;
                    }
                    if was_live {
                        home.publisher = None;
                        home.away_since = Some(now);
                    }
                    over = home.publisher.is_none() && home.pending.is_none() && home.away_since.is_none();
                }
                self.set_gauges();
                self.events.push(ended);
                if over {
                    self.drop_room(room, Reason::RoomEnded, now, tx);
                }
            }
        }
    }

    pub(super) fn end_room(&mut self, room: RoomId, reason: Reason, now: Time, tx: &mut impl Transmit) {
        let Some(home) = self.homes.get(&room) else { return };
        for key in [home.pending, home.publisher].into_iter().flatten() {
            self.end(key, reason, true, now, tx);
        }
        self.drop_room(room, reason, now, tx);
    }

    /// The room is over: on this, its home, and everywhere else.
    pub(super) fn drop_room(&mut self, room: RoomId, reason: Reason, now: Time, tx: &mut impl Transmit) {
        if self.homes.remove(&room).is_none() {
            return;
        }
        for shard in (0..self.shards).filter(|shard| *shard != self.index) {
            self.messages.push((shard, Message::RoomGone { room, reason }));
        }
        self.clear_room(room, reason, now, tx);
        self.events.push(Event::RoomGone { room });
    }

    /// Let every peer of the room on this shard go.
    pub(super) fn clear_room(&mut self, room: RoomId, reason: Reason, now: Time, tx: &mut impl Transmit) {
        let keys: Vec<Key> = self.peers.iter_mut().filter(|(_, peer)| peer.room == room).map(|(key, _)| key).collect();
        for key in keys {
            self.end(key, reason, true, now, tx);
        }
        if let Some(stage) = self.stages.remove(&room) {
            self.waiting -= stage.jobs.len();
        }
        self.runnable.retain(|known| *known != room);
        self.held.retain(|known| *known != room);
        self.set_gauges();
    }
}
