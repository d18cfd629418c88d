//! A whole shard, with a publisher and a viewer that are connected: datagrams of strangers, and what the two of them
//! could send with their own keys.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;

use sfu::api::{Codec, Config, Event};
use sfu::rtp::{self, Outgoing};
use sfu::time::Span;

use super::support::publisher::Media;
use super::support::viewer::Watching;
use super::support::world::World;

/// After so many inputs with one shard the next gets a fresh one.
const RUNS: u32 = 300;
const CODECS: [Codec; 4] = [Codec::H264, Codec::Vp8, Codec::Vp9, Codec::Av1];

struct Stage {
    world: World,
    publisher: usize,
    viewer: usize,
    /// By client and SSRC: the newest index.
    indexes: HashMap<(usize, u32), u64>,
    runs: u32,
}

impl Stage {
    fn new(codec: Codec) -> Self {
        let mut world = World::new(11, 1, Config::default());
        let room = world.room(0);
        let publisher = world.publish(room, Media::simulcast(codec));
        let viewer = world.watch(room, 0, Watching::new());
        world.run(Span::millis(400));
        assert!(world.has(|event| matches!(event, Event::MediaStarted { .. })));
        world.clients[publisher].source().stopped = true;
        world.clients[viewer].sink().keep = false;
        Self { world, publisher, viewer, indexes: HashMap::new(), runs: 0 }
    }

    /// What a client could send: any packet, sealed with its key.
    fn seal_rtp(&mut self, client: usize, packet: &[u8]) -> Option<Vec<u8>> {
        let header = rtp::header_len(packet)?;
        let ssrc = u32::from_be_bytes(packet.get(8..12)?.try_into().ok()?);
        let seq = u16::from_be_bytes([packet[2], packet[3]]);
        let before = self.indexes.get(&(client, ssrc)).copied();
        let own = self.known(ssrc);
        let index = rtp::unwrap_seq(seq, before.or(own).unwrap_or(u64::from(seq)));
        self.indexes.insert((client, ssrc), before.unwrap_or(0).max(index));
        let sealer = self.world.clients[client].sealer()?;
        let mut sealed = packet.to_vec();
        sealed.resize(packet.len() + sealer.tag_len(), 0);
        sealer.seal_rtp(&mut sealed, header, index);
        Some(sealed)
    }

    fn known(&mut self, ssrc: u32) -> Option<u64> {
        let source = self.world.clients[self.publisher].source();
        source.streams.iter().find(|stream| stream.ssrc == ssrc).map(|stream| stream.seq)
    }

    fn seal_rtcp(&mut self, client: usize, packet: &[u8]) -> Option<Vec<u8>> {
        let mut sealed = packet.to_vec();
        self.world.clients[client].sealer()?.seal_rtcp(&mut sealed);
        Some(sealed)
    }

    /// The next packet of one of the publisher's streams with this payload.
    fn next_packet(&mut self, op: u8, payload: &[u8]) -> Option<Vec<u8>> {
        let source = self.world.clients[self.publisher].source();
        let count = source.streams.len();
        let stream = &mut source.streams[usize::from(op >> 3) % count];
        let rtx = op & 0x80 != 0;
        if !rtx {
            stream.seq += 1;
        }
        let audio = stream.kind == sfu::api::Kind::Audio;
        let head = Outgoing {
            payload_type: if audio { 111 } else { 96 + u8::from(rtx) },
            marker: op & 0x40 != 0,
            padding: false,
            seq: stream.seq as u16,
            timestamp: stream.ts_offset.wrapping_add(stream.seq as u32 * 1500),
            ssrc: if rtx { stream.rtx_ssrc } else { stream.ssrc },
        };
        let mut packet = Vec::new();
        // What the payload begins with stands for a dependency descriptor, too.
        let descriptor = &payload[..payload.len().min(usize::from(op & 31))];
        let elements = [(12, descriptor)];
        rtp::write_header(&mut packet, &head, if descriptor.is_empty() { &[] } else { &elements });
        packet.extend_from_slice(payload);
        Some(packet)
    }

    fn step(&mut self, op: u8, bytes: &[u8]) {
        let (publisher, viewer) = (self.publisher, self.viewer);
        let (client, datagram) = match op & 7 {
            0 => {
                let stranger = SocketAddr::from(([192, 168, 0, 9], 9));
                return self.world.inject(stranger, bytes.to_vec());
            }
            1 => (publisher, Some(bytes.to_vec())),
            2 => (viewer, Some(bytes.to_vec())),
            3 => {
                let packet = self.next_packet(op, bytes).unwrap_or_default();
                (publisher, self.seal_rtp(publisher, &packet))
            }
            4 => (publisher, self.seal_rtp(publisher, bytes)),
            5 => (publisher, self.seal_rtcp(publisher, bytes)),
            6 => (viewer, if op & 0x80 == 0 { self.seal_rtcp(viewer, bytes) } else { self.seal_rtp(viewer, bytes) }),
            _ => return self.world.run(Span::millis(bytes.len() as u64)),
        };
        if let Some(datagram) = datagram.filter(|datagram| !datagram.is_empty()) {
            let from = self.world.clients[client].addr;
            self.world.inject(from, datagram);
        }
    }
}

thread_local!(static STAGES: RefCell<[Option<Stage>; 4]> = const { RefCell::new([const { None }; 4]) });

/// The first byte chooses the codec; then steps: what, the length in two bytes, bytes.
pub fn shard(data: &[u8]) {
    let Some((&mode, mut rest)) = data.split_first() else { return };
    let at = usize::from(mode & 3);
    // Taken out, so that a panic leaves no half-done stage behind.
    let stage = STAGES.with_borrow_mut(|stages| stages[at].take());
    let mut stage = stage.unwrap_or_else(|| Stage::new(CODECS[at]));
    while let Some((&[op, high, low], behind)) = rest.split_first_chunk::<3>() {
        let length = usize::from(u16::from_be_bytes([high, low])).min(behind.len()).min(1500);
        let (bytes, behind) = behind.split_at(length);
        rest = behind;
        stage.step(op, bytes);
    }
    stage.world.run(Span::millis(60));
    stage.runs += 1;
    let ended = stage.world.has(|event| matches!(event, Event::Ended { .. }));
    for client in &mut stage.world.clients {
        client.faults.clear(); // a publisher may send its viewers nonsense
    }
    assert!(stage.world.dropped(sfu::counters::Drop::Failed) == 0);
    if !ended && stage.runs < RUNS {
        STAGES.with_borrow_mut(|stages| stages[at] = Some(stage));
    }
}
