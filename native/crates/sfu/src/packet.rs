//! What crosses from a publisher to its viewers: packets on the room's own time line, in batches of one frame.
//!
//! Immutable once made: every shard and every viewer shares one copy. Knows no keys and no viewers.

use std::sync::Arc;

use crate::api::{Codec, Kind, RoomId};
use crate::codec::Facts;
use crate::time::Time;

/// Most packets of one batch: more would keep other rooms waiting behind a keyframe.
pub const BATCH_PACKETS: usize = 16;

/// One RTP packet of an encoding, without the parts that differ between viewers.
#[derive(Clone, Debug)]
pub struct Packet {
    /// Position in the encoding's unbroken numbering; distances are those of the publisher.
    pub index: u64,
    /// RTP time on the room's time line, the same for all encodings and across publishers.
    pub timestamp: u32,
    pub marker: bool,
    pub facts: Facts,
    pub payload: Box<[u8]>,
    /// `abs-capture-time` as it came (8 or 16 bytes).
    pub capture: Option<Box<[u8]>>,
    /// AV1 dependency descriptor as it came.
    pub descriptor: Option<Box<[u8]>>,
    /// `urn:3gpp:video-orientation` as it came.
    pub orientation: Option<u8>,
}

/// Packets that leave together: the rest of a frame, or a part of a large one.
#[derive(Clone, Debug)]
pub struct Batch {
    pub room: RoomId,
    pub kind: Kind,
    pub codec: Codec,
    pub encoding: u8,
    /// Counts the sources of the encoding: another one's picture numbers begin anew.
    pub generation: u32,
    pub packets: Vec<Packet>,
    /// When its newest packet arrived.
    pub arrived: Time,
    /// The newest sender report of the encoding: (NTP, room time).
    pub clock: Option<(u64, u32)>,
}

impl Batch {
    /// Position of the first packet of a frame that decodes on its own.
    pub fn keyframe(&self) -> Option<usize> {
        match self.kind {
            Kind::Audio => Some(0),
            Kind::Video => self.packets.iter().position(|p| p.facts.keyframe_start),
        }
    }
}

/// The last packets of one encoding, by index, shared by all its viewers. `size` is a power of two.
pub struct Ring {
    slots: Vec<Option<(u64, u8, Arc<Batch>)>>,
    newest: u64,
}

impl Ring {
    pub fn new(size: usize) -> Self {
        let size = size.max(2).next_power_of_two();
        Self { slots: vec![None; size], newest: 0 }
    }

    pub fn put(&mut self, batch: &Arc<Batch>) {
        let mask = self.slots.len() as u64 - 1;
        for (position, packet) in batch.packets.iter().enumerate() {
            if packet.index + mask < self.newest {
                continue; // so late that its place is a newer one's
            }
            self.slots[(packet.index & mask) as usize] = Some((packet.index, position as u8, Arc::clone(batch)));
            self.newest = self.newest.max(packet.index);
        }
    }

    /// The packet of this index and its codec, if it is still there.
    pub fn find(&self, index: u64) -> Option<(&Packet, Codec)> {
        let mask = self.slots.len() as u64 - 1;
        let (at, position, batch) = self.slots[(index & mask) as usize].as_ref()?;
        if *at == index { Some((batch.packets.get(usize::from(*position))?, batch.codec)) } else { None }
    }

    /// Index of the newest packet.
    pub fn newest(&self) -> u64 {
        self.newest
    }

    pub fn clear(&mut self) {
        self.slots.iter_mut().for_each(|slot| *slot = None);
    }
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ring({} slots, newest {})", self.slots.len(), self.newest)
    }
}
