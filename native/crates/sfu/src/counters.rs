//! What a shard counts. One writer (the shard), any number of readers; relaxed because each figure stands alone.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::api::{Kind, Reason};
use crate::time::Span;

/// A total with one writer: a load and a store, never a locked instruction.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    pub fn add(&self, amount: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(amount), Relaxed);
    }

    pub fn one(&self) {
        self.add(1);
    }

    pub fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Why a packet was not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drop {
    Unvalidated,
    Unexpected,
    Unknown,
    Stun,
    Srtp,
    Srtcp,
    Replay,
    TooManySsrcs,
    Policed,
    NotNegotiated,
    Fenced,
    Early,
    Twice,
    Queue,
    DtlsFingerprint,
    DtlsNoCertificate,
    DtlsNoSrtpProfile,
    DtlsHandshake,
    Failed,
}

impl Drop {
    pub const ALL: [Drop; 19] = [
        Drop::Unvalidated,
        Drop::Unexpected,
        Drop::Unknown,
        Drop::Stun,
        Drop::Srtp,
        Drop::Srtcp,
        Drop::Replay,
        Drop::TooManySsrcs,
        Drop::Policed,
        Drop::NotNegotiated,
        Drop::Fenced,
        Drop::Early,
        Drop::Twice,
        Drop::Queue,
        Drop::DtlsFingerprint,
        Drop::DtlsNoCertificate,
        Drop::DtlsNoSrtpProfile,
        Drop::DtlsHandshake,
        Drop::Failed,
    ];

    /// The word in `media_dropped_packets_total{reason="…"}`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Drop::Unvalidated => "unvalidated",
            Drop::Unexpected => "unexpected",
            Drop::Unknown => "unknown",
            Drop::Stun => "stun",
            Drop::Srtp => "srtp",
            Drop::Srtcp => "srtcp",
            Drop::Replay => "replay",
            Drop::TooManySsrcs => "too_many_ssrcs",
            Drop::Policed => "policed",
            Drop::NotNegotiated => "not_negotiated",
            Drop::Fenced => "fenced",
            Drop::Early => "before_keyframe",
            Drop::Twice => "twice",
            Drop::Queue => "fanout_late",
            Drop::DtlsFingerprint => "dtls_fingerprint",
            Drop::DtlsNoCertificate => "dtls_no_certificate",
            Drop::DtlsNoSrtpProfile => "dtls_no_SRTP_profile",
            Drop::DtlsHandshake => "dtls_handshake",
            Drop::Failed => "failed",
        }
    }
}

/// Upper edges of the forward-latency histogram, in microseconds; the last bucket is everything above.
pub const FORWARD_EDGES_US: [u64; 10] = [500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000];

#[derive(Debug, Default)]
pub struct Counters {
    pub drops: [Count; Drop::ALL.len()],
    /// By kind: audio, video.
    pub received: [Count; 2],
    pub received_bytes: [Count; 2],
    pub sent: [Count; 2],
    pub sent_bytes: [Count; 2],
    pub trains: Count,
    /// Packets asked of publishers again, and packets that viewers asked for again.
    pub nacked: Count,
    pub viewer_nacked: Count,
    pub keyframes_wanted: Count,
    pub keyframes_asked: Count,
    pub rtx_hit: Count,
    pub rtx_repeated: Count,
    pub rtx_miss: Count,
    pub rtx_limited: Count,
    pub rtx_not_negotiated: Count,
    pub probes: Count,
    pub layer_switches: Count,
    pub feedback: Count,
    pub joins: Count,
    pub handshake_us: Count,
    pub first_media_us: Count,
    pub first_media: Count,
    pub ended: [Count; Reason::ALL.len()],
    pub publishers: Count,
    pub viewers: Count,
    pub pending: Count,
    pub live_rooms: Count,
    /// Batches that wait for their turn to be sent.
    pub waiting: Count,
    pub forward: [Count; FORWARD_EDGES_US.len() + 1],
    pub forward_sum_us: Count,
}

impl Counters {
    pub fn dropped(&self, reason: Drop, amount: u64) {
        self.drops[reason as usize].add(amount);
    }

    pub fn ended(&self, reason: Reason) {
        self.ended[reason as usize].one();
    }

    pub fn kind(kind: Kind) -> usize {
        kind as usize
    }

    /// A batch reached `viewers` viewers after `took`.
    pub fn forwarded(&self, took: Span, viewers: u64) {
        let bucket = FORWARD_EDGES_US.iter().position(|edge| took.0 <= *edge).unwrap_or(FORWARD_EDGES_US.len());
        self.forward[bucket].add(viewers);
        self.forward_sum_us.add(took.0 * viewers);
    }

    /// Every total by its exported name, added to what `out` has from other shards.
    pub fn collect(&self, out: &mut dyn FnMut(&str, f64)) {
        for reason in Drop::ALL {
            let value = self.drops[reason as usize].get();
            if value > 0 {
                out(&format!("media_dropped_packets_total{{reason=\"{}\"}}", reason.as_str()), value as f64);
            }
        }
        for (name, counts) in [
            ("media_received_packets_total", &self.received),
            ("media_received_bytes_total", &self.received_bytes),
            ("media_sent_kind_packets_total", &self.sent),
            ("media_sent_kind_bytes_total", &self.sent_bytes),
        ] {
            for (kind, count) in ["audio", "video"].iter().zip(counts) {
                if count.get() > 0 {
                    out(&format!("{name}{{kind=\"{kind}\"}}"), count.get() as f64);
                }
            }
        }
        out("media_sent_packets_total", (self.sent[0].get() + self.sent[1].get()) as f64);
        out("media_sent_bytes_total", (self.sent_bytes[0].get() + self.sent_bytes[1].get()) as f64);
        out("media_sent_trains_total", self.trains.get() as f64);
        out("media_nacked_packets_total", self.nacked.get() as f64);
        out("media_viewer_nacked_packets_total", self.viewer_nacked.get() as f64);
        out("media_keyframes_wanted_total", self.keyframes_wanted.get() as f64);
        out("media_keyframes_asked_total", self.keyframes_asked.get() as f64);
        for (result, count) in [
            ("hit", &self.rtx_hit),
            ("repeated", &self.rtx_repeated),
            ("miss", &self.rtx_miss),
            ("limited", &self.rtx_limited),
            ("not_negotiated", &self.rtx_not_negotiated),
        ] {
            if count.get() > 0 {
                out(&format!("media_retransmissions_total{{result=\"{result}\"}}"), count.get() as f64);
            }
        }
        out("media_probe_packets_total", self.probes.get() as f64);
        out("media_layer_switches_total", self.layer_switches.get() as f64);
        out("media_feedback_packets_total", self.feedback.get() as f64);
        out("media_joins_total", self.joins.get() as f64);
        out("media_join_seconds_total{phase=\"handshake\"}", self.handshake_us.get() as f64 / 1e6);
        out("media_join_seconds_total{phase=\"first_media\"}", self.first_media_us.get() as f64 / 1e6);
        for reason in Reason::ALL {
            let value = self.ended[reason as usize].get();
            if value > 0 {
                out(&format!("media_sessions_ended_total{{reason=\"{}\"}}", reason.as_str()), value as f64);
            }
        }
        let mut below = 0;
        for (edge, count) in FORWARD_EDGES_US.iter().zip(&self.forward) {
            below += count.get();
            out(&format!("media_forward_seconds_bucket{{le=\"{}\"}}", *edge as f64 / 1e6), below as f64);
        }
        let all: u64 = self.forward.iter().map(Count::get).sum();
        out("media_forward_seconds_bucket{le=\"+Inf\"}", all as f64);
        out("media_forward_seconds_count", all as f64);
        out("media_forward_seconds_sum", self.forward_sum_us.get() as f64 / 1e6);
    }
}
