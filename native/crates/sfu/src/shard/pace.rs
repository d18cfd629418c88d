//! Timers: repeated requests, reports, stalled publishers, handshakes and peers that are overdue.

use crate::api::{Event, Reason, RoomId};
use crate::io::Transmit;
use crate::peer::Part;
use crate::slab::Key;
use crate::time::{Span, Time};

use super::{Message, Shard};

const TICK: Span = Span::millis(50);
const EXPIRE: Span = Span::millis(250);
const REPORT: Span = Span::secs(1);
const RUNGS: Span = Span::millis(500);

impl Shard {
    /// When `tick` has something to do again.
    pub fn next(&self) -> Time {
        let hold = self.config.hold;
        let held = self
            .held
            .iter()
            .filter_map(|room| self.homes.get(room))
            .flat_map(|home| &home.tracks)
            .filter_map(|track| track.held_until(hold))
            .min();
        let tick = self.tick_at;
        held.map_or(tick, |held| held.min(tick))
    }

    /// Timers that are due; at latest every 50 ms.
    pub fn tick(&mut self, now: Time, tx: &mut impl Transmit) {
        if now >= self.tick_at {
            self.tick_at = now + TICK;
            self.tick_homes(now, tx);
            self.tick_stages(now, tx);
            if !self.dialling.is_empty() {
                self.dial(now, tx);
            }
        }
        if now >= self.expire_at {
            self.expire_at = now + EXPIRE;
            self.expire(now, tx);
        }
        if now >= self.report_at {
            self.report_at = now + REPORT;
            let live: Vec<Key> = self.homes.values().filter_map(|home| home.publisher).collect();
            for key in live {
                self.tell_publisher(key, now, tx);
            }
        }
    }

    fn tick_homes(&mut self, now: Time, tx: &mut impl Transmit) {
        let rooms: Vec<RoomId> = self.homes.keys().copied().collect();
        for room in rooms {
            let Some(home) = self.homes.get_mut(&room) else { continue };
            let Some(key) = home.publisher else { continue };
            let rungs_due = now.since(home.rungs_at) >= RUNGS;
            for encoding in &mut home.tracks[1].encodings {
                if encoding.need_keyframe {
                    encoding.throttle.ask();
                }
            }
            self.ask_keyframes(room, now, tx);
            self.ask_again(key, now, tx);
            self.tell_arrivals(key, now, tx);
            if rungs_due {
                self.publish_rungs(room, now, tx);
            }
            let stall = self.config.stall;
            if let Some(peer) = self.peers.get_mut(key)
                && let Part::Publisher(publisher) = &mut peer.part
                && publisher.flowing
                && now.since(publisher.last_media) > stall
            {
                publisher.flowing = false;
                self.events.push(Event::Stalled { room, peer: peer.id });
            }
        }
    }

    /// Measure the encodings anew and tell the viewers' shards when there is something to choose.
    pub(super) fn publish_rungs(&mut self, room: RoomId, now: Time, tx: &mut impl Transmit) {
        let Some(home) = self.homes.get_mut(&room) else { return };
        home.rungs_at = now;
        home.tracks[1].roll_meters(now);
        let rungs = home.tracks[1].rungs(now);
        let same = rungs.len() == home.rungs.len()
            && rungs.len() < 2
            && rungs.iter().zip(&home.rungs).all(|(a, b)| a.layer == b.layer && a.active == b.active);
        if same {
            return;
        }
        home.rungs.clone_from(&rungs);
        self.tell_watchers(room, &Message::Rungs { room, rungs: std::sync::Arc::new(rungs) }, now, tx);
    }

    /// End what is overdue: handshakes, silent peers, rooms nobody came back to.
    fn expire(&mut self, now: Time, tx: &mut impl Transmit) {
        let (silence, handshake) = (self.config.silence, self.config.handshake);
        let mut overdue: Vec<(Key, Reason)> = Vec::new();
        let mut waiting: Vec<Key> = Vec::new();
        for (key, peer) in self.peers.iter_mut() {
            if peer.connected() {
                if now.since(peer.seen) > silence {
                    overdue.push((key, Reason::Lost));
                } else if peer.dtls.next_timeout().is_some_and(|at| at <= now) {
                    waiting.push(key);
                }
            } else if now.since(peer.created) > handshake {
                overdue.push((key, Reason::Handshake));
            } else if peer.dtls.next_timeout().is_some_and(|at| at <= now) {
                waiting.push(key);
            }
        }
        for (key, reason) in overdue {
            self.end(key, reason, false, now, tx);
        }
        for key in waiting {
            self.handling = Some(key);
            self.dtls_timeout(key, now, tx);
        }
        self.handling = None;
        let resume = self.config.resume;
        let over: Vec<RoomId> = self
            .homes
            .iter()
            .filter(|(_, home)| {
                home.pending.is_none() && home.away_since.is_some_and(|since| now.since(since) > resume)
            })
            .map(|(room, _)| *room)
            .collect();
        for room in over {
            self.drop_room(room, Reason::RoomEnded, now, tx);
        }
    }
}
