//! Joining: offers posted as fast as the server answers, and what came of each.
//!
//! Knows HTTP statuses and the states of peers, and no packets.

use super::{Load, MS, POST, PUBLISHER, SECOND};
use crate::http::{Post, Progress};
use crate::peer::{Peer, State};
use crate::summary::{Object, percentile};
use crate::video::Source;
use crate::{sdp, sys};

const RETRY: i64 = 200 * MS;
const ATTEMPTS: u32 = 50;
const JOIN_LIMIT: i64 = 60 * SECOND;

/// A `join` under way.
pub(super) struct Join {
    pub(super) first: usize,
    pub(super) count: usize,
    pub(super) began: i64,
    pub(super) answered: usize,
    pub(super) answered_at: i64,
    pub(super) refused: u64,
    pub(super) looked: i64,
    /// CPU time of this process when it began.
    pub(super) cpu: i64,
}

impl Load {
    pub(super) fn start_posts(&mut self) {
        let now = sys::now();
        while self.retries.front().is_some_and(|(due, _)| now >= *due) {
            self.queue.extend(self.retries.pop_front().map(|(_, number)| number));
        }
        while !self.queue.is_empty() {
            let Some(slot) = self.posts.iter().position(Option::is_none) else {
                return;
            };
            let Some(number) = self.queue.pop_front() else {
                return;
            };
            let publisher = number == PUBLISHER;
            let template = if publisher { &self.options.publisher_offer } else { &self.options.viewer_offer };
            let peer = &mut self.peers[number];
            peer.asked = if peer.asked == 0 { now } else { peer.asked };
            peer.attempts += 1;
            let (session, ssrc) = (0x5000_0000 + number as u64, 0x1234_5678);
            let fingerprint = &self.shared.fingerprint;
            let offer = sdp::offer(template, &peer.ufrag, &peer.password, fingerprint, session, ssrc);
            let path = format!("/{}/{}", if publisher { "whip" } else { "whep" }, self.options.room);
            match Post::open(number, self.server, &path, &offer) {
                Ok(post) => {
                    let _ = self.poll.add(post.fd(), POST | slot as u64, true);
                    self.posts[slot] = Some(post);
                    self.advance_post(slot);
                }
                Err(error) => self.fail(number, error),
            }
        }
    }

    pub(super) fn advance_post(&mut self, slot: usize) {
        let Some(post) = self.posts.get_mut(slot).and_then(Option::as_mut) else {
            return;
        };
        let number = post.owner;
        match post.advance() {
            Progress::Wait(writing) => {
                let _ = self.poll.change(post.fd(), POST | slot as u64, writing);
                return;
            }
            Progress::Done { status: 201, body } => self.answered(number, &body),
            Progress::Done { status, body } => {
                if let Some(join) = &mut self.join {
                    join.refused += 1;
                }
                if status == 503 && self.peers[number].attempts < ATTEMPTS {
                    self.retries.push_back((sys::now() + RETRY, number));
                } else {
                    self.fail(number, format!("HTTP {status}: {}", body.chars().take(200).collect::<String>()));
                }
            }
            Progress::Failed(error) => self.fail(number, error),
        }
        self.posts[slot] = None;
    }

    pub(super) fn answered(&mut self, number: usize, body: &str) {
        let now = sys::now();
        if let Some(join) = self.join.as_mut().filter(|join| number >= join.first) {
            join.answered += 1;
            join.answered_at = now;
        }
        let started = sdp::read_answer(body)
            .and_then(|answer| self.peers[number].start(answer, now, &mut self.totals))
            .and_then(|fd| self.poll.add(fd, number as u64, false).map_err(|error| error.to_string()));
        if let Err(error) = started {
            self.fail(number, error);
        }
    }

    pub(super) fn fail(&mut self, number: usize, why: String) {
        self.peers[number].fail(why);
    }

    pub(super) fn look_at_join(&mut self) {
        let now = sys::now();
        if self.source.is_none() {
            self.look_at_publisher();
        }
        let Some(join) = self.join.as_mut().filter(|join| now - join.looked >= 10 * MS) else {
            return;
        };
        join.looked = now;
        let peers = &self.peers[join.first..join.first + join.count];
        let streaming = self.interval != 0;
        let waits = |peer: &&Peer| match peer.state {
            State::Failed => false,
            State::Connected => streaming && peer.first_media == 0,
            _ => true,
        };
        let late = now - join.began > JOIN_LIMIT;
        if !late && peers.iter().any(|peer| waits(&peer)) {
            return;
        }
        let failed = peers.iter().filter(|peer| waits(peer) || peer.state == State::Failed).count();
        let mut connect: Vec<i64> = peers.iter().filter(|p| p.connected != 0).map(|p| p.connected - p.asked).collect();
        let mut media: Vec<i64> =
            peers.iter().filter(|p| p.first_media != 0).map(|p| p.first_media - p.asked).collect();
        let last = peers.iter().map(|peer| peer.connected).max().unwrap_or(now);
        let seconds = (last - join.began).max(1) as f64 / 1e9;
        let why = peers.iter().find(|peer| peer.state == State::Failed).map_or("", |peer| peer.failure.as_str());
        Object::new("joined")
            .count("viewers", (join.count - failed) as u64)
            .count("failed", failed as u64)
            .count("refused", join.refused)
            .number("seconds", seconds)
            .number("joins_per_s", connect.len() as f64 / seconds)
            .number("answers_per_s", join.answered as f64 * 1e9 / (join.answered_at - join.began).max(1) as f64)
            .number("client_core_share", (sys::cpu() - join.cpu) as f64 / (now - join.began).max(1) as f64)
            .ms("connect_ms_p50", percentile(&mut connect, 0.5))
            .ms("connect_ms_p99", percentile(&mut connect, 0.99))
            .ms("first_media_ms_p50", percentile(&mut media, 0.5))
            .ms("first_media_ms_p99", percentile(&mut media, 0.99))
            .text("failure", why)
            .print();
        self.join = None;
    }

    pub(super) fn look_at_publisher(&mut self) {
        match self.peers.first() {
            Some(peer) if peer.state == State::Connected => {
                let answer = &peer.answer;
                let (ssrc, kind) = (0x1234_5678, answer.payload_type);
                self.source = Some(Source::new(ssrc, kind, answer.transport_cc, self.options.packets));
                Object::new("published").count("transport_cc", u64::from(answer.transport_cc)).print();
            }
            Some(peer) if peer.state == State::Failed => {
                Object::new("failed").text("failure", &peer.failure).print();
                self.ended = true;
            }
            _ => {}
        }
    }
}
