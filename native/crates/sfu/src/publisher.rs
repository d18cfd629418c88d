//! What a publisher sends: its sources by SSRC, the encodings they belong to, and what it is told back.
//! Knows no rooms and no viewers.

use crate::api::{Codec, Extensions, Kind, PeerSpec};
use crate::routing::{Budget, GapTracker, Reception};
use crate::rtp::{self, View};
use crate::time::Time;
use crate::twcc;

pub const MAX_SOURCES: usize = 12;
/// Simulcast encodings of one video.
pub const MAX_ENCODINGS: usize = 3;

/// What a payload type means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incoming {
    pub payload_type: u8,
    pub kind: Kind,
    pub codec: Codec,
    pub retransmission: bool,
}

/// One SSRC of a publisher.
#[derive(Debug)]
pub struct Source {
    pub ssrc: u32,
    pub incoming: Incoming,
    pub encoding: u8,
    pub reception: Reception,
    pub gaps: GapTracker,
    pub last: Time,
}

/// One media section as agreed.
#[derive(Clone, Debug)]
pub struct Agreed {
    pub kind: Kind,
    pub extensions: Extensions,
    pub rids: Vec<String>,
    pub nack: bool,
}

pub struct Publisher {
    pub incoming: Vec<Incoming>,
    pub agreed: Vec<Agreed>,
    pub sources: Vec<Source>,
    /// SSRC that feeds each encoding now: audio, then video by encoding.
    pub primary: [[Option<u32>; MAX_ENCODINGS]; 2],
    pub transport: Option<twcc::Receiver>,
    pub transport_media: u32,
    pub remb: bool,
    pub budget: Budget,
    pub last_media: Time,
    /// Media has been seen, and not missed since.
    pub flowing: bool,
    pub started: bool,
}

impl Publisher {
    pub fn new(spec: &PeerSpec, packets_per_s: f64, now: Time) -> Self {
        let mut incoming = Vec::new();
        for section in &spec.sections {
            for pt in &section.payload_types {
                let main =
                    Incoming { payload_type: pt.number, kind: section.kind, codec: pt.codec, retransmission: false };
                incoming.push(main);
                if let Some(rtx) = pt.rtx {
                    incoming.push(Incoming { payload_type: rtx, retransmission: true, ..main });
                }
            }
        }
        Self {
            incoming,
            agreed: spec
                .sections
                .iter()
                .map(|section| Agreed {
                    kind: section.kind,
                    extensions: section.extensions,
                    rids: section.rids.iter().take(MAX_ENCODINGS).cloned().collect(),
                    nack: section.nack,
                })
                .collect(),
            sources: Vec::new(),
            primary: Default::default(),
            transport: spec.sections.iter().any(|s| s.transport_cc).then(twcc::Receiver::new),
            transport_media: 0,
            remb: spec.sections.iter().any(|s| s.remb),
            budget: Budget::new(packets_per_s),
            last_media: now,
            flowing: false,
            started: false,
        }
    }

    pub fn agreed(&self, kind: Kind) -> Option<&Agreed> {
        self.agreed.iter().find(|agreed| agreed.kind == kind)
    }

    /// Codec of its video, as agreed.
    pub fn codec(&self, kind: Kind) -> Option<Codec> {
        self.incoming.iter().find(|incoming| incoming.kind == kind && !incoming.retransmission).map(|i| i.codec)
    }

    /// Position of the source of an authentic packet, made when it is new, in place of the idlest when there are
    /// too many. None when the payload type was not negotiated, or the encoding cannot be told yet.
    pub fn source(&mut self, view: &View, packet: &[u8], now: Time) -> Option<usize> {
        let incoming = *self.incoming.iter().find(|known| known.payload_type == view.payload_type)?;
        if let Some(at) = self.sources.iter().position(|source| source.ssrc == view.ssrc) {
            return (self.sources[at].incoming == incoming).then_some(at);
        }
        let encoding = self.encoding_of(&incoming, view, packet)?;
        if self.sources.len() >= MAX_SOURCES {
            let idle = (0..self.sources.len()).min_by_key(|at| self.sources[*at].last)?;
            let gone = self.sources.swap_remove(idle).ssrc;
            self.primary.iter_mut().flatten().for_each(|ssrc| {
                if *ssrc == Some(gone) {
                    *ssrc = None;
                }
            });
        }
        self.sources.push(Source {
            ssrc: view.ssrc,
            incoming,
            encoding,
            reception: Reception::new(view.ssrc, incoming.codec.clock_hz(), view.seq),
            gaps: GapTracker::default(),
            last: now,
        });
        Some(self.sources.len() - 1)
    }

    /// Which simulcast encoding a new SSRC is, by its RID (RFC 8852); without simulcast there is one.
    fn encoding_of(&self, incoming: &Incoming, view: &View, packet: &[u8]) -> Option<u8> {
        let agreed = self.agreed(incoming.kind)?;
        if agreed.rids.is_empty() {
            return Some(0);
        }
        let id = if incoming.retransmission { agreed.extensions.repaired_rid } else { agreed.extensions.rid };
        let rid = (id != 0).then(|| rtp::extension(packet, view, id)).flatten()?;
        agreed.rids.iter().position(|known| known.as_bytes() == rid).map(|at| at as u8)
    }

    pub fn feeds(&mut self, kind: Kind, encoding: u8) -> Option<&mut Option<u32>> {
        self.primary.get_mut(kind as usize)?.get_mut(usize::from(encoding))
    }

    pub fn ssrc_of(&self, kind: Kind, encoding: u8) -> Option<u32> {
        *self.primary.get(kind as usize)?.get(usize::from(encoding))?
    }

    pub fn source_of(&mut self, ssrc: u32) -> Option<&mut Source> {
        self.sources.iter_mut().find(|source| source.ssrc == ssrc)
    }
}
