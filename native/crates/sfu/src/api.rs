//! The words between a shard and whoever drives it: settings, what a peer was promised in SDP, commands, events.
//!
//! Plain data. Room and peer numbers are given by the caller and never used twice in one run.

use std::net::SocketAddr;

use crate::time::Span;

pub type PeerId = u64;
pub type RoomId = u64;

/// Which end of the room a peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Publisher,
    Viewer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Audio,
    Video,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Codec {
    Opus,
    H264,
    Vp8,
    Vp9,
    Av1,
}

impl Codec {
    pub const fn kind(self) -> Kind {
        match self {
            Codec::Opus => Kind::Audio,
            _ => Kind::Video,
        }
    }

    /// RTP clock in Hz.
    pub const fn clock_hz(self) -> u32 {
        match self {
            Codec::Opus => 48_000,
            _ => 90_000,
        }
    }
}

/// RTP header extensions by the id that the peer gave them (1..=14, one-byte form; 0: not negotiated).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Extensions {
    /// http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01
    pub transport_cc: u8,
    /// http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time
    pub abs_capture_time: u8,
    /// urn:ietf:params:rtp-hdrext:sdes:mid
    pub mid: u8,
    /// urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id
    pub rid: u8,
    /// urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id
    pub repaired_rid: u8,
    /// https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension
    pub dependency_descriptor: u8,
    /// urn:3gpp:video-orientation
    pub video_orientation: u8,
}

/// One payload type of a section and what it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PayloadType {
    pub number: u8,
    pub codec: Codec,
    /// Payload type of its retransmissions (RFC 4588), if negotiated.
    pub rtx: Option<u8>,
}

/// One accepted media section of a peer, as the SDP answer promised it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    pub kind: Kind,
    pub mid: String,
    pub payload_types: Vec<PayloadType>,
    pub extensions: Extensions,
    /// Publisher: the SSRCs of `a=ssrc` lines (may be empty). Viewer: empty.
    pub ssrcs: Vec<u32>,
    /// Publisher: simulcast RIDs, lowest quality first (empty without simulcast).
    pub rids: Vec<String>,
    pub nack: bool,
    pub pli: bool,
    pub transport_cc: bool,
    pub remb: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    Sha256,
    Sha384,
    Sha512,
}

/// Set when *we* offered (a pull from another node): a controlling agent checks the remote's candidates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dial {
    pub remote_password: String,
    pub candidates: Vec<SocketAddr>,
}

/// All that a shard must know of a peer before its first datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerSpec {
    pub id: PeerId,
    pub room: RoomId,
    pub role: Role,
    /// Ours. The first character is `shard_char(shard)`: the network layer routes by it.
    pub ufrag: String,
    pub password: String,
    pub remote_ufrag: String,
    /// Every one must match the certificate that the peer shows.
    pub fingerprints: Vec<(Digest, Vec<u8>)>,
    /// Whether we open the DTLS handshake.
    pub dtls_client: bool,
    pub sections: Vec<Section>,
    pub dial: Option<Dial>,
}

/// What viewers of a room's audio or video are told in their answers; made when the room is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotSpec {
    pub ssrc: u32,
    pub rtx_ssrc: u32,
    pub first_seq: u16,
    pub first_timestamp: u32,
}

/// Where a room's video was at some moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// RTP time (90 kHz) of the newest frame on the room's time line.
    pub timestamp: u32,
    /// When it arrived.
    pub at: crate::time::Time,
    /// When it was captured by the publisher's clock (NTP), once a sender report told.
    pub captured_ntp: Option<u64>,
}

/// Written by the room's home shard with each frame, read by anybody.
#[derive(Clone, Debug, Default)]
pub struct RoomClock(std::sync::Arc<std::sync::Mutex<Option<Moment>>>);

impl RoomClock {
    pub fn set(&self, moment: Moment) {
        if let Ok(mut held) = self.0.lock() {
            *held = Some(moment);
        }
    }

    /// None before the first frame.
    pub fn get(&self) -> Option<Moment> {
        self.0.lock().ok().and_then(|held| *held)
    }
}

#[derive(Clone, Debug)]
pub struct RoomSpec {
    pub id: RoomId,
    /// The shard that has the room's publishers.
    pub home: u8,
    pub audio: SlotSpec,
    pub video: SlotSpec,
    pub cname: String,
    pub clock: RoomClock,
}

/// The ufrag's first character names the shard that owns the peer.
pub const fn shard_char(shard: u8) -> char {
    const LETTERS: &[u8; 62] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    LETTERS[(shard as usize) % 62] as char
}

/// The shard named by a ufrag's first byte.
pub const fn shard_of(first: u8) -> Option<u8> {
    match first {
        b'0'..=b'9' => Some(first - b'0'),
        b'a'..=b'z' => Some(first - b'a' + 10),
        b'A'..=b'Z' => Some(first - b'A' + 36),
        _ => None,
    }
}

/// Bounds of a shard. Same meanings as `EngineConfig` in `streamserver/media/engine.py`.
#[derive(Clone, Debug)]
pub struct Config {
    pub max_video_bps: u64,
    pub handshake: Span,
    pub silence: Span,
    pub stall: Span,
    pub resume: Span,
    pub keyframe_interval: Span,
    /// Packets of each layer kept for retransmission; a power of two.
    pub ring_packets: usize,
    /// Longest wait for the rest of a video frame; zero sends at the end of each `flush`.
    pub hold: Span,
    pub nack_packets_per_s: f64,
    pub publisher_packets_per_s: f64,
    /// Datagrams taken from one viewer (feedback, checks).
    pub viewer_packets_per_s: f64,
    /// Batches that may wait for their turn before a new one is dropped whole.
    pub max_jobs: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_video_bps: 4_000_000,
            handshake: Span::secs(10),
            silence: Span::secs(9),
            stall: Span::secs(2),
            resume: Span::secs(30),
            keyframe_interval: Span::millis(500),
            ring_packets: 1024,
            hold: Span::millis(20),
            nack_packets_per_s: 400.0,
            publisher_packets_per_s: 6000.0,
            viewer_packets_per_s: 2000.0,
            max_jobs: 256,
        }
    }
}

/// What the caller asks of a shard. `AddRoom`, `AddPeer` of publishers and `EndRoom` go to the room's home shard;
/// `AddRoom` also to every shard before its first viewer of that room.
#[derive(Clone, Debug)]
pub enum Command {
    AddRoom(RoomSpec),
    AddPeer(Box<PeerSpec>),
    /// New local credentials (ICE restart). Both work until a check with the new ones passes.
    Restart {
        peer: PeerId,
        ufrag: String,
        password: String,
        remote_ufrag: String,
    },
    /// Candidates trickled by the other side of a dialled session.
    Candidates {
        peer: PeerId,
        candidates: Vec<SocketAddr>,
    },
    Close {
        peer: PeerId,
        reason: Reason,
    },
    EndRoom {
        room: RoomId,
        reason: Reason,
    },
    /// Whether encoded frames of the room are wanted.
    Tap {
        room: RoomId,
        on: bool,
    },
    /// The process stood still for so long: move every deadline.
    Forgive(Span),
}

/// Why a session ended. `as_str` is the word of the Python interface and of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    Deleted,
    Left,
    Lost,
    Replaced,
    RoomEnded,
    Shutdown,
    Handshake,
    /// A fault of ours while handling this peer: it is ended so that the others live.
    Failed,
}

impl Reason {
    pub const ALL: [Reason; 8] = [
        Reason::Deleted,
        Reason::Left,
        Reason::Lost,
        Reason::Replaced,
        Reason::RoomEnded,
        Reason::Shutdown,
        Reason::Handshake,
        Reason::Failed,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::Deleted => "deleted",
            Reason::Left => "left",
            Reason::Lost => "lost",
            Reason::Replaced => "replaced",
            Reason::RoomEnded => "room_ended",
            Reason::Shutdown => "shutdown",
            Reason::Handshake => "handshake",
            Reason::Failed => "failed",
        }
    }
}

/// What happened, in order, per shard.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Handshake done. `join` is the time since `AddPeer`.
    Connected {
        room: RoomId,
        peer: PeerId,
        role: Role,
        join: Span,
    },
    /// The first media packet of a publisher's session.
    MediaStarted {
        room: RoomId,
        peer: PeerId,
    },
    Stalled {
        room: RoomId,
        peer: PeerId,
    },
    Resumed {
        room: RoomId,
        peer: PeerId,
    },
    /// `connected` tells whether `Connected` was reported before.
    Ended {
        room: RoomId,
        peer: PeerId,
        role: Role,
        connected: bool,
        reason: Reason,
    },
    /// The room and all that it had on this shard are gone.
    RoomGone {
        room: RoomId,
    },
    /// A viewer is now shown another layer of the video.
    LayerSwitched {
        room: RoomId,
        peer: PeerId,
        from: Layer,
        to: Layer,
    },
    /// The codec that the room's publisher sends now.
    CodecChanged {
        room: RoomId,
        codec: Codec,
    },
}

/// A choice of what a viewer gets: simulcast encoding (0 the lowest), spatial and temporal layer within it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Layer {
    pub encoding: u8,
    pub spatial: u8,
    pub temporal: u8,
}
