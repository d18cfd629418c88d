//! What viewers get and say: batches in turns, sender reports, retransmissions, layers, probes.

use std::sync::Arc;

use crate::api::{Codec, Event, Kind, Layer, Reason, RoomId};
use crate::counters::{Counters, Drop};
use crate::fanout::{self, Layout, Plain};
use crate::io::Transmit;
use crate::packet::{Batch, Packet};
use crate::peer::{Keyring, Peer};
use crate::rtcp::{self, Item};
use crate::slab::{Key, Slab};
use crate::stage::{Job, Stage};
use crate::time::{Span, Time};
use crate::viewer::{NOTHING, Plan, Viewer, widen};

use super::Message;
use super::Shard;
use super::ingest::rejected;

/// Viewers served before the caller gets its turn to receive.
const SLICE: usize = 64;
/// Viewers of one room served before the next room gets its turn.
const TURN: usize = 32;
/// Most packets that one feedback message may have sent again at once.
const MAX_NACKS: usize = 256;
/// On a path that loses this much by itself, a packet that is asked for again is sent twice: a browser that knows no
/// round trip asks anew only after 100 ms, and two of those in a row are a freeze.
const LOSSY: f32 = 0.02;
/// With a queue like this the loss may be the queue's.
const QUEUED: Span = Span::millis(60);
/// Packets of a probe.
const MAX_PROBE: usize = 32;
/// More of a jammed path's queue than this, and video waits for it to drain; below the other it goes on.
const JAMMED: Span = Span::millis(600);
const DRAINED: Span = Span::millis(200);

impl Shard {
    // coming and going ------------------------------------------------------------------------------------------

    pub(super) fn join_stage(&mut self, key: Key, room: RoomId, now: Time, tx: &mut impl Transmit) {
        let Some(viewer) = self.peers.get_mut(key).and_then(Peer::viewer) else { return };
        let Some(stage) = self.stages.get_mut(&room) else { return };
        stage.viewers.push(key);
        viewer.joined = now;
        let mut reports: Vec<(Kind, u8)> = Vec::new();
        for kind in [Kind::Audio, Kind::Video] {
            if viewer.plans[kind as usize].is_none() {
                continue;
            }
            let track = stage.track(kind);
            track.members.push(key);
            track.dirty = true;
            if kind == Kind::Audio {
                viewer.streams[0].target.encoding = 0;
            }
        }
        if !stage.rungs.is_empty() {
            let estimate = viewer.estimator.as_ref().and_then(|estimator| estimator.estimate());
            viewer.streams[1].target = viewer.selector.choose(&stage.rungs, estimate, now);
        }
        let encoding = viewer.streams[1].target.encoding;
        for (kind, at) in [(Kind::Audio, 0), (Kind::Video, encoding)] {
            if stage.tracks[kind as usize].clocks[usize::from(at)].is_some() && viewer.plans[kind as usize].is_some() {
                reports.push((kind, at));
            }
        }
        let viewers = stage.viewers.len() as u32;
        let wants = viewer.plans[1].is_some();
        for (kind, at) in reports {
            self.send_report(key, room, kind, at, tx);
        }
        self.tell_home(room, Message::Watch { room, shard: self.index, viewers }, now, tx);
        if wants {
            self.tell_home(room, Message::WantKeyframe { room, encoding }, now, tx);
        }
    }

    pub(super) fn leave_stage(&mut self, key: Key, room: RoomId, now: Time, tx: &mut impl Transmit) {
        let Some(stage) = self.stages.get_mut(&room) else { return };
        stage.leave(key);
        let viewers = stage.viewers.len() as u32;
        self.tell_home(room, Message::Watch { room, shard: self.index, viewers }, now, tx);
    }

    /// On the home shard: a shard's viewers changed. One that had none is told how the room stands.
    pub(super) fn watch(&mut self, room: RoomId, shard: u8, viewers: u32, now: Time, tx: &mut impl Transmit) {
        let Some(home) = self.homes.get_mut(&room) else {
            // It crossed the room's end on its way here.
            if viewers > 0 {
                self.tell(shard, Message::RoomGone { room, reason: Reason::RoomEnded }, now, tx);
            }
            return;
        };
        let Some(count) = home.watchers.get_mut(usize::from(shard)) else { return };
        let fresh = *count == 0 && viewers > 0;
        *count = viewers;
        if !fresh {
            return;
        }
        let mut messages = vec![Message::Rungs { room, rungs: Arc::new(home.rungs.clone()) }];
        for track in &home.tracks {
            for (at, clock) in track.clocks().into_iter().enumerate() {
                if let Some((ntp, timestamp)) = clock {
                    messages.push(Message::Report { room, kind: track.kind, encoding: at as u8, ntp, timestamp });
                }
            }
        }
        for message in messages {
            self.tell(shard, message, now, tx);
        }
    }

    // media out -------------------------------------------------------------------------------------------------

    /// Take a batch for the viewers of this shard: it waits for its turn.
    pub(super) fn perform(&mut self, batch: Arc<Batch>, _now: Time) {
        let Some(stage) = self.stages.get_mut(&batch.room) else { return };
        let ring_packets = self.config.ring_packets;
        let peers = &self.peers;
        let kind = batch.kind;
        let track = &mut stage.tracks[kind as usize];
        track.ring(batch.encoding, ring_packets).put(&batch);
        let members = track.interested(batch.encoding, |key, at| {
            peers.get(key).and_then(Peer::viewing).is_some_and(|viewer| viewer.streams[kind as usize].interested(at))
        });
        if members.is_empty() {
            return;
        }
        if stage.jobs.len() >= self.config.max_jobs {
            self.counters.dropped(Drop::Queue, (batch.packets.len() * members.len()) as u64);
            stage.broken = true;
            return;
        }
        let keyframe = batch.keyframe().is_some();
        stage.jobs.push_back(Job { batch, members, next: 0, plains: Vec::new(), keyframe });
        self.waiting += 1;
        if !stage.queued {
            stage.queued = true;
            self.runnable.push_back(stage.spec.id);
        }
    }

    /// Send a slice of what waits; true when there is more.
    pub fn flush(&mut self, now: Time, tx: &mut impl Transmit) -> bool {
        self.flush_held(now, tx);
        let mut left = SLICE;
        while left > 0
            && let Some(room) = self.runnable.pop_front()
        {
            let turn = left.min(TURN);
            let more = self.run_jobs(room, turn, now, tx);
            left -= turn;
            if more {
                self.runnable.push_back(room);
            }
        }
        self.counters.waiting.set(self.waiting as u64);
        !self.runnable.is_empty()
    }

    /// Serve up to `turn` viewers of a room; true when more wait.
    fn run_jobs(&mut self, room: RoomId, mut turn: usize, now: Time, tx: &mut impl Transmit) -> bool {
        let Some(stage) = self.stages.get_mut(&room) else { return false };
        while turn > 0 {
            let Some(mut job) = stage.jobs.pop_front() else { break };
            let end = (job.next + turn).min(job.members.len());
            let members = Arc::clone(&job.members);
            let mut served = 0;
            for key in &members[job.next..end] {
                let done = serve_one(
                    &mut self.peers,
                    stage,
                    &mut job,
                    *key,
                    &mut self.plains,
                    &mut self.lone,
                    &mut self.events,
                    &self.counters,
                    now,
                    tx,
                );
                served += u64::from(done);
            }
            if served > 0 {
                self.counters.forwarded(now.since(job.batch.arrived), served);
            }
            turn -= end - job.next;
            job.next = end;
            if job.next < members.len() {
                stage.jobs.push_front(job);
                break;
            }
            self.plains.extend(job.plains.into_iter().flatten().take(64_usize.saturating_sub(self.plains.len())));
            self.waiting -= 1;
        }
        stage.queued = !stage.jobs.is_empty();
        stage.queued
    }

    // reports ---------------------------------------------------------------------------------------------------

    pub(super) fn pass_report(
        &mut self,
        room: RoomId,
        kind: Kind,
        encoding: u8,
        ntp: u64,
        timestamp: u32,
        tx: &mut impl Transmit,
    ) {
        let Some(stage) = self.stages.get_mut(&room) else { return };
        let track = stage.track(kind);
        let Some(clock) = track.clocks.get_mut(usize::from(encoding)) else { return };
        *clock = Some((ntp, timestamp));
        let members = track.members.clone();
        for key in members {
            let shown = self
                .peers
                .get(key)
                .and_then(Peer::viewing)
                .is_some_and(|viewer| viewer.streams[kind as usize].shows(encoding));
            if shown {
                self.send_report(key, room, kind, encoding, tx);
            }
        }
    }

    fn send_report(&mut self, key: Key, room: RoomId, kind: Kind, encoding: u8, tx: &mut impl Transmit) {
        let Some(stage) = self.stages.get_mut(&room) else { return };
        let Some((ntp, timestamp)) = stage.tracks[kind as usize].clocks[usize::from(encoding)] else { return };
        let ssrc = stage.slot(kind).ssrc;
        let Some(peer) = self.peers.get_mut(key) else { return };
        let Some(viewer) = peer.viewer() else { return };
        let stream = &viewer.streams[kind as usize];
        let (packets, octets) = (stream.packets as u32, stream.octets as u32);
        self.scratch.clear();
        rtcp::write_sender_report(&mut self.scratch, ssrc, ntp, timestamp, packets, octets);
        rtcp::write_cname(&mut self.scratch, ssrc, &stage.spec.cname);
        peer.send_rtcp(&mut self.scratch, tx);
    }

    // feedback in -----------------------------------------------------------------------------------------------

    pub(super) fn viewer_control(&mut self, key: Key, datagram: &mut [u8], now: Time, tx: &mut impl Transmit) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let Some(keys) = peer.keys.as_mut() else { return };
        let bytes = match keys.opener.open_rtcp(datagram) {
            Ok(bytes) => bytes,
            Err(reject) => return self.counters.dropped(rejected(reject, true), 1),
        };
        peer.seen = now;
        let room = peer.room;
        let Some(stage) = self.stages.get(&room) else { return };
        let (audio, video) = (stage.spec.audio.ssrc, stage.spec.video.ssrc);
        let crate::peer::Part::Viewer(viewer) = &mut peer.part else { return };
        let Viewer { estimator, history, .. } = &mut **viewer;
        let mut wants: u64 = 0;
        let mut nacks: Vec<(Kind, u16)> = Vec::new();
        let counters = &self.counters;
        rtcp::read(&datagram[..bytes], &mut |item| match item {
            Item::Nack { media_ssrc, seqs } => {
                let kind = match media_ssrc {
                    ssrc if ssrc == video => Kind::Video,
                    ssrc if ssrc == audio => Kind::Audio,
                    _ => return,
                };
                for seq in seqs {
                    counters.viewer_nacked.one();
                    if nacks.len() < MAX_NACKS {
                        nacks.push((kind, seq));
                    } else {
                        counters.rtx_limited.one();
                    }
                }
            }
            Item::Pli { media_ssrc } | Item::Fir { media_ssrc } if media_ssrc == video => wants += 1,
            Item::TransportFeedback { body, .. } => {
                counters.feedback.one();
                if let (Some(estimator), Some(history)) = (estimator.as_mut(), history.as_ref()) {
                    estimator.on_feedback(body, history, now);
                }
            }
            Item::Remb { bps } => {
                if let Some(estimator) = estimator.as_mut() {
                    estimator.on_remb(bps, now);
                }
            }
            Item::Report(block) if block.ssrc == video => {
                if let Some(estimator) = estimator.as_mut() {
                    estimator.on_report(block.fraction_lost, None, now);
                }
            }
            _ => {}
        });
        if !nacks.is_empty() {
            self.send_again(key, room, &nacks, now, tx);
        }
        if wants > 0 {
            self.counters.keyframes_wanted.add(wants);
            let viewer = self.peers.get(key).and_then(Peer::viewing);
            let encoding = viewer.map_or(0, |viewer| match viewer.streams[1].current {
                NOTHING => viewer.streams[1].target.encoding,
                current => current,
            });
            self.tell_home(room, Message::WantKeyframe { room, encoding }, now, tx);
        }
    }

    // retransmission --------------------------------------------------------------------------------------------

    /// Always on the RTX SSRC (RFC 4588): a number of the media's own is encrypted only once.
    fn send_again(&mut self, key: Key, room: RoomId, nacks: &[(Kind, u16)], now: Time, tx: &mut impl Transmit) {
        let Some(stage) = self.stages.get(&room) else { return };
        let Some(peer) = self.peers.get_mut(key) else { return };
        for (kind, seq) in nacks {
            let Some(viewer) = peer.viewer() else { return };
            let Some((encoding, low)) = viewer.streams[*kind as usize].origin(*seq) else {
                self.counters.rtx_miss.one();
                continue;
            };
            let ring = stage.tracks[*kind as usize].rings.get(usize::from(encoding)).and_then(Option::as_ref);
            let found = ring.and_then(|ring| ring.find(widen(low, ring.newest())));
            let Some((packet, codec)) = found else {
                self.counters.rtx_miss.one();
                continue;
            };
            let negotiated = viewer.plans[*kind as usize].as_ref().and_then(|plan| plan.payload_type(codec)?.rtx);
            let Some(payload_type) = negotiated else {
                self.counters.rtx_not_negotiated.one();
                continue;
            };
            if !viewer.nacks.take(now) {
                self.counters.rtx_limited.one();
                continue;
            }
            self.counters.rtx_hit.one();
            let ssrc = stage.slot(*kind).rtx_ssrc;
            send_rtx(peer, *kind, codec, packet, *seq, payload_type, ssrc, now, tx);
            let Some(viewer) = peer.viewer() else { return };
            let lossy = viewer.estimator.as_ref().is_some_and(|e| e.own_loss() >= LOSSY && e.queue() < QUEUED);
            if lossy && viewer.nacks.take(now) {
                self.counters.rtx_repeated.one();
                send_rtx(peer, *kind, codec, packet, *seq, payload_type, ssrc, now, tx);
            }
        }
    }

    /// Padding that probes a viewer's path: its newest packets once more, on the RTX SSRC.
    fn send_probe(&mut self, key: Key, room: RoomId, bytes: usize, now: Time, tx: &mut impl Transmit) {
        let Some(stage) = self.stages.get(&room) else { return };
        let Some(peer) = self.peers.get_mut(key) else { return };
        let Some(viewer) = peer.viewer() else { return };
        let Some(first) = viewer.history.as_ref().map(|history| history.next()) else { return };
        let newest = viewer.streams[1].newest_seq();
        let mut sent = 0;
        let mut count = 0u16;
        for back in 0..64u16 {
            if sent >= bytes || usize::from(count) >= MAX_PROBE {
                break;
            }
            let seq = newest.wrapping_sub(back);
            let Some(viewer) = peer.viewer() else { return };
            let Some((encoding, low)) = viewer.streams[1].origin(seq) else { break };
            let ring = stage.tracks[1].rings.get(usize::from(encoding)).and_then(Option::as_ref);
            let Some((packet, codec)) = ring.and_then(|ring| ring.find(widen(low, ring.newest()))) else { break };
            let plan = viewer.plans[1].as_ref();
            let Some(payload_type) = plan.and_then(|plan| plan.payload_type(codec)?.rtx) else { break };
            sent += packet.payload.len() + 40;
            count += 1;
            let ssrc = stage.spec.video.rtx_ssrc;
            send_rtx(peer, Kind::Video, codec, packet, seq, payload_type, ssrc, now, tx);
        }
        if count > 0 {
            self.counters.probes.add(u64::from(count));
            if let Some(estimator) = peer.viewer().and_then(|viewer| viewer.estimator.as_mut()) {
                estimator.probe_sent(first, first.wrapping_add(count - 1), now);
            }
        }
    }

    // layers ----------------------------------------------------------------------------------------------------

    /// Let every viewer of a room have what its path carries. Call when the choice changed, and every tick: a probe is
    /// sent in parts of no more than 50 ms.
    pub(super) fn choose_layers(&mut self, room: RoomId, now: Time, tx: &mut impl Transmit) {
        let Some(stage) = self.stages.get_mut(&room) else { return };
        if stage.rungs.is_empty() {
            return;
        }
        let mut wanted = [false; crate::publisher::MAX_ENCODINGS];
        let mut probes: Vec<(Key, usize)> = Vec::new();
        let several = stage.rungs.len() > 1;
        let rungs = std::mem::take(&mut stage.rungs);
        for key in &stage.tracks[1].members {
            let Some(viewer) = self.peers.get_mut(*key).and_then(Peer::viewer) else { continue };
            let estimate = viewer.estimator.as_ref().and_then(|estimator| estimator.estimate());
            let target = if several { viewer.selector.choose(&rungs, estimate, now) } else { rungs[0].layer };
            let backlog = match (&viewer.estimator, &viewer.history) {
                (Some(estimator), Some(history)) => estimator.backlog(history, now),
                _ => Span::ZERO,
            };
            let stream = &mut viewer.streams[1];
            let target = stream.fitting(target);
            if backlog > JAMMED && !stream.held {
                stream.hold();
                stage.tracks[1].dirty = true;
            }
            let released = stream.held && backlog < DRAINED;
            if released {
                stream.held = false;
            }
            if stream.target != target || released {
                stream.target = target;
                stage.tracks[1].dirty = true;
                if stream.wants_keyframe() {
                    wanted[usize::from(target.encoding).min(wanted.len() - 1)] = true;
                }
            }
            if several && viewer.history.is_some() && stream.current == target.encoding && !stream.held {
                let probe = viewer.selector.wanted(&rungs).and_then(|bps| viewer.estimator.as_mut()?.probe(bps, now));
                if let Some(probe) = probe {
                    probes.push((*key, probe.bytes));
                }
            }
        }
        stage.rungs = rungs;
        for (key, bytes) in probes {
            self.send_probe(key, room, bytes, now, tx);
        }
        for (encoding, wanted) in wanted.iter().enumerate() {
            if *wanted {
                self.tell_home(room, Message::WantKeyframe { room, encoding: encoding as u8 }, now, tx);
            }
        }
    }

    /// Timers of the rooms that have viewers here.
    pub(super) fn tick_stages(&mut self, now: Time, tx: &mut impl Transmit) {
        let rooms: Vec<RoomId> = self.stages.keys().copied().collect();
        for room in rooms {
            let Some(stage) = self.stages.get_mut(&room) else { continue };
            let mut wanted = [stage.broken && stage.jobs.is_empty(); crate::publisher::MAX_ENCODINGS];
            if wanted[0] {
                stage.broken = false;
            }
            // Also without a choice: somebody who was held must be let go.
            let mut due = stage.rungs.len() > 1;
            for key in &stage.tracks[1].members {
                let Some(viewer) = self.peers.get(*key).and_then(Peer::viewing) else { continue };
                due |= viewer.streams[1].held;
                if viewer.streams[1].wants_keyframe() {
                    let at = usize::from(viewer.streams[1].target.encoding);
                    wanted[at.min(wanted.len() - 1)] = true;
                }
            }
            for (encoding, wanted) in wanted.iter().enumerate() {
                if *wanted {
                    self.tell_home(room, Message::WantKeyframe { room, encoding: encoding as u8 }, now, tx);
                }
            }
            if due {
                self.choose_layers(room, now, tx);
            }
        }
    }
}

/// One batch to one viewer; true when it got something.
#[allow(clippy::too_many_arguments, clippy::vec_box)] // parts of the shard, borrowed apart from one another
fn serve_one(
    peers: &mut Slab<Peer>,
    stage: &mut Stage,
    job: &mut Job,
    key: Key,
    spare: &mut Vec<Box<Plain>>,
    lone: &mut Box<Plain>,
    events: &mut Vec<Event>,
    counters: &Counters,
    now: Time,
    tx: &mut impl Transmit,
) -> bool {
    let Some(peer) = peers.get_mut(key) else { return false };
    let (id, room) = (peer.id, peer.room);
    let Some(route) = peer.route else { return false };
    let Some(keys) = peer.keys.as_deref_mut() else { return false };
    let crate::peer::Part::Viewer(viewer) = &mut peer.part else { return false };
    let Viewer { plans, streams, history, first_media, joined, .. } = &mut **viewer;
    let batch = &job.batch;
    let kind = batch.kind as usize;
    let stream = &mut streams[kind];
    let Some(plan) = &plans[kind] else { return false };
    if stream.held || (stream.current != batch.encoding && !job.keyframe) {
        return false;
    }
    let before = Layer { encoding: stream.current, spatial: stream.spatial, temporal: stream.temporal };
    let Some((from, switched)) = stream.enter(batch) else { return false };
    if switched {
        stage.tracks[kind].dirty = true;
        stream.layout = u16::MAX;
        if before.encoding != NOTHING {
            counters.layer_switches.one();
            let to = Layer { encoding: stream.current, spatial: stream.spatial, temporal: stream.temporal };
            events.push(Event::LayerSwitched { room, peer: id, from: before, to });
        }
    }
    let tag = keys.sealer.tag_len();
    let ssrc = stage.slot(batch.kind).ssrc;
    let track = &mut stage.tracks[kind];
    if stream.layout == u16::MAX || stream.layout_codec != batch.codec {
        let Some(layout) = layout_of(plan, batch.codec, tag) else { return false };
        stream.layout_codec = batch.codec;
        stream.layout = track.layout(layout);
    }
    let at = usize::from(stream.layout);
    let plain = if at < track.layouts.len() {
        if job.plains.len() <= at {
            job.plains.resize_with(at + 1, || None);
        }
        &*job.plains[at].get_or_insert_with(|| {
            let mut plain = spare.pop().unwrap_or_default();
            plain.build(batch, &track.layouts[at], ssrc);
            plain
        })
    } else {
        // More layouts than are kept: built for this viewer alone.
        let Some(layout) = layout_of(plan, batch.codec, tag) else { return false };
        lone.build(batch, &layout, ssrc);
        &*lone
    };
    let history = if plan.extensions.transport_cc != 0 { history.as_deref_mut() } else { None };
    let mut target = fanout::Target { stream, sealer: &keys.sealer, history, route };
    let sent = fanout::send(batch, plain, tag, from, &mut target, now, tx);
    counters.sent[kind].add(sent.packets);
    counters.sent_bytes[kind].add(sent.bytes);
    counters.trains.add(sent.trains);
    if sent.packets > 0 && !*first_media && batch.kind == Kind::Video {
        *first_media = true;
        counters.first_media.one();
        counters.first_media_us.add(now.since(*joined).0);
    }
    sent.packets > 0
}

fn layout_of(plan: &Plan, codec: Codec, tag: usize) -> Option<Layout> {
    plan.payload_type(codec).map(|known| Layout::new(known.number, tag, &plan.extensions))
}

/// One packet again, on the RTX SSRC.
#[allow(clippy::too_many_arguments)] // facts of one packet, each of another owner
fn send_rtx(
    peer: &mut Peer,
    kind: Kind,
    codec: Codec,
    packet: &Packet,
    seq: u16,
    payload_type: u8,
    ssrc: u32,
    now: Time,
    tx: &mut impl Transmit,
) {
    let Some(route) = peer.route else { return };
    let Some(keys) = peer.keys.as_deref() else { return };
    let Keyring { sealer, .. } = keys;
    let crate::peer::Part::Viewer(viewer) = &mut peer.part else { return };
    let Viewer { plans, streams, history, .. } = &mut **viewer;
    let Some(plan) = &plans[kind as usize] else { return };
    let stream = &mut streams[kind as usize];
    let tag = sealer.tag_len();
    let layout = Layout::new(payload_type, tag, &plan.extensions);
    let index = stream.rtx_out;
    stream.rtx_out += 1;
    let mut head: Vec<u8> = Vec::with_capacity(128);
    let encoding = stream.origin(seq).map_or(stream.current, |(encoding, _)| encoding);
    let timestamp = stream.timestamp(encoding, packet);
    let header = fanout::write_header(&mut head, packet, &layout, ssrc, index as u16, timestamp);
    if stream.was_marked(seq) {
        head[1] |= 0x80;
    }
    let (transport, frame_number) = fanout::number_offsets(&head, packet, &layout);
    let patch = stream.patch_of(seq);
    if codec == Codec::Av1 {
        fanout::patch_frame_number(&mut head, frame_number, patch.0);
    }
    let history = if plan.extensions.transport_cc != 0 { history.as_deref_mut() } else { None };
    let bytes = header + 2 + packet.payload.len() + tag;
    if let Some(history) = history {
        let number = history.sent(1, bytes as u16, now);
        head[transport..transport + 2].copy_from_slice(&number.to_be_bytes());
    }
    let out = &mut tx.buffer(bytes)[..bytes];
    out[..header].copy_from_slice(&head);
    out[header..header + 2].copy_from_slice(&seq.to_be_bytes());
    out[header + 2..bytes - tag].copy_from_slice(&packet.payload);
    fanout::patch_payload(codec, &mut out[..bytes - tag], header + 2, patch);
    sealer.seal_rtp(out, header, index);
    tx.commit(route, bytes, bytes);
}
