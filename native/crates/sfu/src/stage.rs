//! A room where its viewers are: rings for retransmission, who watches which encoding, batches waiting to be sent.
//!
//! There is one on every shard that has viewers of the room. Knows no publisher and no keys.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::api::{Kind, RoomSpec, SlotSpec};
use crate::fanout::{Layout, Plain};
use crate::packet::{Batch, Ring};
use crate::publisher::MAX_ENCODINGS;
use crate::select::Rung;
use crate::slab::Key;

/// Layouts that viewers share; more would be somebody making them up.
pub const MAX_LAYOUTS: usize = 64;

/// A batch on its way to the viewers of an encoding.
#[derive(Debug)]
pub struct Job {
    pub batch: Arc<Batch>,
    pub members: Arc<Vec<Key>>,
    pub next: usize,
    pub plains: Vec<Option<Box<Plain>>>,
    /// Whether this batch has the keyframe that lets waiting viewers in.
    pub keyframe: bool,
}

/// One kind of media on this shard.
#[derive(Debug)]
pub struct StageTrack {
    pub rings: [Option<Ring>; MAX_ENCODINGS],
    /// Viewers of this kind, joined.
    pub members: Vec<Key>,
    /// By encoding, those whom its batches may concern; rebuilt when `dirty`.
    interested: [Arc<Vec<Key>>; MAX_ENCODINGS],
    pub dirty: bool,
    pub layouts: Vec<Layout>,
    /// Newest sender report of each encoding: (NTP, room time).
    pub clocks: [Option<(u64, u32)>; MAX_ENCODINGS],
}

impl StageTrack {
    fn new() -> Self {
        Self {
            rings: [None, None, None],
            members: Vec::new(),
            interested: Default::default(),
            dirty: true,
            layouts: Vec::new(),
            clocks: [None; MAX_ENCODINGS],
        }
    }

    /// Those whom batches of `encoding` may concern, by `interested`.
    pub fn interested(&mut self, encoding: u8, mut interested: impl FnMut(Key, u8) -> bool) -> Arc<Vec<Key>> {
        if self.dirty {
            self.dirty = false;
            for at in 0..MAX_ENCODINGS as u8 {
                let keys: Vec<Key> = self.members.iter().copied().filter(|key| interested(*key, at)).collect();
                self.interested[usize::from(at)] = Arc::new(keys);
            }
        }
        Arc::clone(&self.interested[usize::from(encoding)])
    }

    pub fn layout(&mut self, layout: Layout) -> u16 {
        if let Some(at) = self.layouts.iter().position(|known| *known == layout) {
            return at as u16;
        }
        if self.layouts.len() >= MAX_LAYOUTS {
            return MAX_LAYOUTS as u16; // none of those kept: built for each viewer alone
        }
        self.layouts.push(layout);
        (self.layouts.len() - 1) as u16
    }

    pub fn ring(&mut self, encoding: u8, size: usize) -> &mut Ring {
        self.rings[usize::from(encoding)].get_or_insert_with(|| Ring::new(size))
    }
}

#[derive(Debug)]
pub struct Stage {
    pub spec: RoomSpec,
    pub tracks: [StageTrack; 2],
    /// Connected viewers on this shard.
    pub viewers: Vec<Key>,
    pub jobs: VecDeque<Job>,
    /// Whether the shard's list of rooms with work has this one.
    pub queued: bool,
    pub rungs: Vec<Rung>,
    /// A batch was dropped whole: everybody needs a keyframe.
    pub broken: bool,
}

impl Stage {
    pub fn new(spec: RoomSpec) -> Self {
        Self {
            spec,
            tracks: [StageTrack::new(), StageTrack::new()],
            viewers: Vec::new(),
            jobs: VecDeque::new(),
            queued: false,
            rungs: Vec::new(),
            broken: false,
        }
    }

    pub fn track(&mut self, kind: Kind) -> &mut StageTrack {
        &mut self.tracks[kind as usize]
    }

    pub fn slot(&self, kind: Kind) -> SlotSpec {
        match kind {
            Kind::Audio => self.spec.audio,
            Kind::Video => self.spec.video,
        }
    }

    pub fn leave(&mut self, key: Key) {
        self.viewers.retain(|known| *known != key);
        for track in &mut self.tracks {
            let before = track.members.len();
            track.members.retain(|known| *known != key);
            track.dirty |= track.members.len() != before;
            if track.members.is_empty() && self.jobs.is_empty() {
                track.layouts.clear();
            }
        }
    }
}
