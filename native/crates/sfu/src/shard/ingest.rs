//! What publishers send: media onto the room's time line, reports onto its clock, and what they are asked for.

use std::sync::Arc;

use crate::api::{Event, Kind, RoomId};
use crate::counters::{Counters, Drop};
use crate::home::{Arrival, Taken};
use crate::io::Transmit;
use crate::packet::Batch;
use crate::peer::Peer;
use crate::publisher::MAX_ENCODINGS;
use crate::rtcp::{self, Item};
use crate::rtp;
use crate::slab::Key;
use crate::srtp::Reject;
use crate::time::{Span, Time};

use super::{Message, Shard};

/// After so long without media the next frame should be a keyframe.
const AFTER_STALL: Span = Span::secs(1);

pub(super) fn rejected(reject: Reject, control: bool) -> Drop {
    match reject {
        Reject::TooManySsrcs => Drop::TooManySsrcs,
        Reject::Replay => Drop::Replay,
        Reject::Short | Reject::Auth if control => Drop::Srtcp,
        Reject::Short | Reject::Auth => Drop::Srtp,
    }
}

impl Shard {
    pub(super) fn publisher_media(&mut self, key: Key, datagram: &mut [u8], now: Time, tx: &mut impl Transmit) {
        let counters = Arc::clone(&self.counters);
        let Some(peer) = self.peers.get_mut(key) else { return };
        let room = peer.room;
        let (id, bytes) = (peer.id, datagram.len());
        let Some(keys) = peer.keys.as_mut() else { return };
        let crate::peer::Part::Publisher(publisher) = &mut peer.part else { return };
        if !publisher.budget.take(now) {
            return counters.dropped(Drop::Policed, 1);
        }
        let opened = match keys.opener.open_rtp(datagram) {
            Ok(opened) => opened,
            Err(reject) => return counters.dropped(rejected(reject, false), 1),
        };
        peer.seen = now;
        let packet = &datagram[..opened.len];
        let Some(view) = rtp::read(packet) else { return counters.dropped(Drop::NotNegotiated, 1) };
        let Some(at) = publisher.source(&view, packet, now) else {
            return counters.dropped(Drop::NotNegotiated, 1);
        };
        let incoming = publisher.sources[at].incoming;
        let (kind, encoding) = (incoming.kind, publisher.sources[at].encoding);
        publisher.sources[at].last = now;
        counters.received[Counters::kind(kind)].one();
        counters.received_bytes[Counters::kind(kind)].add(bytes as u64);
        publisher.sources[at].reception.packet(view.seq, view.timestamp, now);
        let extensions = publisher.agreed(kind).map(|agreed| agreed.extensions).unwrap_or_default();
        if extensions.transport_cc != 0
            && let Some(transport) = publisher.transport.as_mut()
            && let Some(&[high, low]) = rtp::extension(packet, &view, extensions.transport_cc)
        {
            transport.packet(u16::from_be_bytes([high, low]), now);
            publisher.transport_media = view.ssrc;
        }
        if self.homes.get(&room).is_none_or(|home| home.publisher != Some(key)) {
            return counters.dropped(Drop::Fenced, 1);
        }
        let gap = now.since(publisher.last_media);
        publisher.last_media = now;
        let mut first_packet = false;
        if !publisher.flowing {
            publisher.flowing = true;
            first_packet = !publisher.started;
            publisher.started = true;
            self.events.push(if first_packet {
                Event::MediaStarted { room, peer: id }
            } else {
                Event::Resumed { room, peer: id }
            });
        }
        let mut payload = view.payload.clone();
        let mut seq = view.seq;
        let mut ssrc = view.ssrc;
        if incoming.retransmission {
            let primary = publisher.ssrc_of(kind, encoding);
            let (Some(primary), Some(&[high, low])) = (primary, packet.get(payload.start..payload.start + 2)) else {
                return; // padding that probes the bandwidth
            };
            if payload.len() < 2 {
                return;
            }
            (seq, ssrc) = (u16::from_be_bytes([high, low]), primary);
            payload.start += 2;
        } else if let Some(primary) = publisher.feeds(kind, encoding) {
            *primary = Some(ssrc);
        }
        let element = |id: u8| if id == 0 { None } else { rtp::extension(packet, &view, id) };
        let arrival = Arrival {
            ssrc,
            seq,
            again: incoming.retransmission,
            timestamp: view.timestamp,
            marker: view.marker,
            codec: incoming.codec,
            payload: &packet[payload],
            capture: element(extensions.abs_capture_time).filter(|value| matches!(value.len(), 8 | 16)),
            descriptor: element(extensions.dependency_descriptor),
            orientation: element(extensions.video_orientation).and_then(|value| value.first().copied()),
        };
        let taken = self.arrive(room, kind, encoding, &arrival, now, tx);
        // What was not passed on is not received: behind the start of a keyframe it is asked for again.
        let mut new_gap = false;
        if kind == Kind::Video
            && taken == Taken::Yes
            && let Some(source) =
                self.peers.get_mut(key).and_then(Peer::publisher).and_then(|publisher| publisher.source_of(ssrc))
        {
            new_gap = source.gaps.received(seq, now);
        }
        if first_packet {
            // Browsers take a bitrate cap of the first two seconds as leave to start at it.
            self.tell_publisher(key, now, tx);
        }
        if gap > AFTER_STALL && kind == Kind::Video {
            self.want_keyframe(room, encoding, now, tx);
        }
        if new_gap {
            self.ask_again(key, now, tx);
        }
    }

    /// One packet of the publisher of the room.
    fn arrive(
        &mut self,
        room: RoomId,
        kind: Kind,
        encoding: u8,
        arrival: &Arrival<'_>,
        now: Time,
        tx: &mut impl Transmit,
    ) -> Taken {
        let hold = self.config.hold;
        let Some(home) = self.homes.get_mut(&room) else { return Taken::Twice };
        if kind == Kind::Video && home.codec_told != Some(arrival.codec) {
            home.codec_told = Some(arrival.codec);
            self.events.push(Event::CodecChanged { room, codec: arrival.codec });
        }
        let track = &mut home.tracks[kind as usize];
        let mut leaving: Vec<Arc<Batch>> = Vec::new();
        if track.changes(encoding, arrival) {
            leaving.extend((0..MAX_ENCODINGS as u8).filter_map(|at| track.flush(at, room)));
        }
        let was_active = track.encodings[usize::from(encoding)].active(now);
        let taken = track.push(encoding, arrival, now);
        match taken {
            Taken::Yes => {}
            Taken::Early => self.counters.dropped(Drop::Early, 1),
            Taken::Twice => self.counters.dropped(Drop::Twice, 1),
        }
        if taken != Taken::Yes {
            if taken == Taken::Early {
                self.want_keyframe(room, encoding, now, tx);
            }
            return taken;
        }
        if track.ready(encoding, if kind == Kind::Audio { Span::ZERO } else { hold.max(Span(1)) }, now) {
            leaving.extend(track.flush(encoding, room));
        } else if !self.held.contains(&room) {
            self.held.push(room);
        }
        if kind == Kind::Video
            && arrival.marker
            && let Some((timestamp, at)) = track.newest()
        {
            let captured_ntp = track.clock().map(|(ntp, reference)| {
                let ahead = f64::from(timestamp.wrapping_sub(reference) as i32) / f64::from(arrival.codec.clock_hz());
                ntp.wrapping_add_signed((ahead * 4_294_967_296.0) as i64)
            });
            home.spec.clock.set(crate::api::Moment { timestamp, at, captured_ntp });
        }
        if kind == Kind::Video && !was_active {
            self.publish_rungs(room, now, tx);
        }
        for batch in leaving {
            self.deliver(batch, now, tx);
        }
        Taken::Yes
    }

    /// Send what is held back for the rest of a frame and is due.
    pub(super) fn flush_held(&mut self, now: Time, tx: &mut impl Transmit) {
        if self.held.is_empty() {
            return;
        }
        let hold = self.config.hold;
        let held = std::mem::take(&mut self.held);
        for room in held {
            let Some(home) = self.homes.get_mut(&room) else { continue };
            let mut leaving: Vec<Arc<Batch>> = Vec::new();
            let mut more = false;
            for track in &mut home.tracks {
                for at in 0..MAX_ENCODINGS as u8 {
                    if track.ready(at, hold, now) {
                        leaving.extend(track.flush(at, room));
                    }
                }
                more |= track.held_until(hold).is_some();
            }
            if more {
                self.held.push(room);
            }
            for batch in leaving {
                self.deliver(batch, now, tx);
            }
        }
    }

    /// A batch to every shard with viewers, and to whoever records.
    fn deliver(&mut self, batch: Arc<Batch>, now: Time, tx: &mut impl Transmit) {
        let Some(home) = self.homes.get(&batch.room) else { return };
        if home.tapped {
            self.taps.push(Arc::clone(&batch));
        }
        self.tell_watchers(batch.room, &Message::Batch(batch.clone()), now, tx);
    }

    /// The publisher is gone: what comes next starts with a keyframe.
    pub(super) fn detach(&mut self, room: RoomId, now: Time, tx: &mut impl Transmit) {
        let Some(home) = self.homes.get_mut(&room) else { return };
        let mut leaving: Vec<Arc<Batch>> = Vec::new();
        for track in &mut home.tracks {
            leaving.extend((0..MAX_ENCODINGS as u8).filter_map(|at| track.flush(at, room)));
            track.detach(now);
        }
        for batch in leaving {
            self.deliver(batch, now, tx);
        }
    }

    // control in ------------------------------------------------------------------------------------------------

    pub(super) fn publisher_control(&mut self, key: Key, datagram: &mut [u8], now: Time, tx: &mut impl Transmit) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let Some(keys) = peer.keys.as_mut() else { return };
        let bytes = match keys.opener.open_rtcp(datagram) {
            Ok(bytes) => bytes,
            Err(reject) => return self.counters.dropped(rejected(reject, true), 1),
        };
        peer.seen = now;
        let room = peer.room;
        let mut reports: [Option<(u32, u64, u32)>; 4] = [None; 4];
        let mut count = 0;
        rtcp::read(&datagram[..bytes], &mut |item| {
            if let Item::SenderReport { ssrc, ntp, timestamp } = item
                && count < reports.len()
            {
                reports[count] = Some((ssrc, ntp, timestamp));
                count += 1;
            }
        });
        for (ssrc, ntp, timestamp) in reports.into_iter().flatten() {
            let Some(publisher) = self.peers.get_mut(key).and_then(Peer::publisher) else { return };
            let Some(source) = publisher.source_of(ssrc) else { continue };
            source.reception.sender_report(ntp, now);
            let (incoming, encoding) = (source.incoming, source.encoding);
            let Some(home) = self.homes.get_mut(&room) else { return };
            if incoming.retransmission || home.publisher != Some(key) {
                continue;
            }
            let mapped = home.track(incoming.kind).sender_report(encoding, ssrc, ntp, timestamp);
            if let Some((ntp, timestamp)) = mapped {
                let message = Message::Report { room, kind: incoming.kind, encoding, ntp, timestamp };
                self.tell_watchers(room, &message, now, tx);
            }
        }
    }

    // control out -----------------------------------------------------------------------------------------------

    /// Somebody cannot go on without a keyframe; asked now, or when the interval since the last one is over.
    pub(super) fn want_keyframe(&mut self, room: RoomId, encoding: u8, now: Time, tx: &mut impl Transmit) {
        if let Some(home) = self.homes.get_mut(&room)
            && let Some(encoding) = home.tracks[1].encodings.get_mut(usize::from(encoding))
        {
            encoding.throttle.ask();
            self.ask_keyframes(room, now, tx);
        }
    }

    /// Send the keyframe requests of a room that are due.
    pub(super) fn ask_keyframes(&mut self, room: RoomId, now: Time, tx: &mut impl Transmit) {
        let interval = self.config.keyframe_interval;
        let Some(home) = self.homes.get_mut(&room) else { return };
        let Some(peer) = home.publisher.and_then(|key| self.peers.get_mut(key)) else { return };
        for at in 0..MAX_ENCODINGS as u8 {
            let ssrc = peer.publisher().and_then(|publisher| publisher.ssrc_of(Kind::Video, at));
            let Some(ssrc) = ssrc else { continue };
            if home.tracks[1].encodings[usize::from(at)].throttle.due(now, interval) {
                self.counters.keyframes_asked.one();
                self.scratch.clear();
                rtcp::write_receiver_report(&mut self.scratch, peer.ssrc, &[]);
                rtcp::write_pli(&mut self.scratch, peer.ssrc, ssrc);
                peer.send_rtcp(&mut self.scratch, tx);
            }
        }
    }

    /// Ask the publisher for what was lost.
    pub(super) fn ask_again(&mut self, key: Key, now: Time, tx: &mut impl Transmit) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let ssrc = peer.ssrc;
        let Some(publisher) = peer.publisher() else { return };
        if !publisher.agreed(Kind::Video).is_some_and(|agreed| agreed.nack) {
            return;
        }
        let mut packet = std::mem::take(&mut self.scratch);
        packet.clear();
        let mut asked: Vec<u16> = Vec::new();
        for source in publisher.sources.iter_mut().filter(|source| !source.incoming.retransmission) {
            asked.clear();
            source.gaps.due(now, &mut asked);
            if asked.is_empty() {
                continue;
            }
            if packet.is_empty() {
                rtcp::write_receiver_report(&mut packet, ssrc, &[]);
            }
            rtcp::write_nack(&mut packet, ssrc, source.ssrc, &asked);
            self.counters.nacked.add(asked.len() as u64);
        }
        if !packet.is_empty() {
            peer.send_rtcp(&mut packet, tx);
        }
        self.scratch = packet;
    }

    /// Reception and the bitrate it may use: with the first packet, then once a second.
    pub(super) fn tell_publisher(&mut self, key: Key, now: Time, tx: &mut impl Transmit) {
        let max_bps = self.config.max_video_bps;
        let Some(peer) = self.peers.get_mut(key) else { return };
        let ssrc = peer.ssrc;
        let Some(publisher) = peer.publisher() else { return };
        let blocks: Vec<rtcp::ReportBlock> =
            publisher.sources.iter_mut().map(|source| source.reception.report(now)).collect();
        let video: Vec<u32> = publisher.primary[1].iter().flatten().copied().collect();
        let remb = publisher.remb;
        let mut packet = std::mem::take(&mut self.scratch);
        packet.clear();
        rtcp::write_receiver_report(&mut packet, ssrc, &blocks);
        rtcp::write_cname(&mut packet, ssrc, "streamserver");
        if remb {
            rtcp::write_remb(&mut packet, ssrc, max_bps, &video);
        }
        peer.send_rtcp(&mut packet, tx);
        self.scratch = packet;
    }

    /// Arrival times of its packets, for the publisher's own estimate.
    pub(super) fn tell_arrivals(&mut self, key: Key, now: Time, tx: &mut impl Transmit) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let ssrc = peer.ssrc;
        let Some(publisher) = peer.publisher() else { return };
        let media = publisher.transport_media;
        let Some(transport) = publisher.transport.as_mut().filter(|transport| transport.due(now)) else { return };
        let mut packet = std::mem::take(&mut self.scratch);
        packet.clear();
        rtcp::write_receiver_report(&mut packet, ssrc, &[]);
        if transport.write(ssrc, media, &mut packet) {
            peer.send_rtcp(&mut packet, tx);
        }
        self.scratch = packet;
    }
}
