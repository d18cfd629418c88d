//! The receiving direction: which packets are authentic, new, and from an SSRC that there is room for.
//!
//! Nothing is remembered of a packet before it proved authentic.

use super::replay::{RtcpWindow, Window};
use super::{Cipher, ENCRYPTED, INDEX_WORD, Master, Profile, RTCP_FIXED, RTP_FIXED, Use, be32};

/// SSRCs of one peer that state is kept for, RTP and RTCP together.
pub const MAX_SSRCS: usize = 64;

/// Why a packet was not opened. Its bytes are then undefined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reject {
    /// Not a whole SRTP or SRTCP packet.
    Short,
    /// Seen before, or too old to tell.
    Replay,
    /// Forged, damaged, or not encrypted.
    Auth,
    /// Its SSRC is new, and [`MAX_SSRCS`] are known.
    TooManySsrcs,
}

impl Reject {
    pub const fn as_str(self) -> &'static str {
        match self {
            Reject::Short => "short",
            Reject::Replay => "replay",
            Reject::Auth => "auth",
            Reject::TooManySsrcs => "too_many_ssrcs",
        }
    }
}

/// An RTP packet in the clear: the first `len` bytes of what was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    pub len: usize,
    /// ROC << 16 | SEQ, the extended sequence number of RFC 3711 3.3.1.
    pub index: u64,
}

/// What is remembered of one authentic SSRC.
struct Source {
    ssrc: u32,
    rtcp: RtcpWindow,
    /// Made by the first RTP packet: viewers send only RTCP.
    rtp: Option<Box<Window>>,
}

/// Opens what one peer sends.
pub struct Opener {
    profile: Profile,
    master: Master,
    rtcp: Cipher,
    /// Made by the first RTP packet: viewers send only RTCP.
    rtp: Option<Box<Cipher>>,
    sources: Vec<Source>,
    /// Where the last packet's SSRC was found; most packets follow one of the same SSRC.
    last: usize,
}

impl Opener {
    pub fn new(profile: Profile, master: &Master) -> Self {
        Self {
            profile,
            master: master.clone(),
            rtcp: Cipher::derive(profile, master, Use::Rtcp),
            rtp: None,
            sources: Vec::new(),
            last: 0,
        }
    }

    /// Opens an SRTP packet in place.
    ///
    /// # Errors
    /// See [`Reject`]; the packet's bytes are then undefined and its sender is to be told nothing.
    pub fn open_rtp(&mut self, packet: &mut [u8]) -> Result<Opened, Reject> {
        let header_len = rtp_header_len(packet).ok_or(Reject::Short)?;
        let len = packet.len().checked_sub(self.profile.rtp_tag_len()).ok_or(Reject::Short)?;
        if len < header_len {
            return Err(Reject::Short);
        }
        let &[_, _, high, low, ..] = &*packet else {
            return Err(Reject::Short);
        };
        let seq = u16::from_be_bytes([high, low]);
        let ssrc = be32(packet, 8).ok_or(Reject::Short)?;

        let known = self.find(ssrc)?;
        let window = known.and_then(|at| self.sources[at].rtp.as_deref());
        let index = match window {
            Some(window) => {
                let index = window.estimate(seq).ok_or(Reject::Replay)?;
                if !window.admits(index) {
                    return Err(Reject::Replay);
                }
                index
            }
            None => u64::from(seq),
        };

        let cipher = self.rtp.get_or_insert_with(|| Box::new(Cipher::derive(self.profile, &self.master, Use::Rtp)));
        let authentic = match &**cipher {
            Cipher::Gcm(gcm) => {
                let (header, sealed) = packet.split_at_mut(header_len);
                gcm.open(ssrc, index, header, sealed)
            }
            Cipher::Cm(cm) => {
                let (covered, tag) = packet.split_at_mut(len);
                let authentic = cm.verify(covered, &((index >> 16) as u32).to_be_bytes(), tag);
                if authentic {
                    cm.crypt(ssrc, index, &mut covered[header_len..]);
                }
                authentic
            }
        };
        if !authentic {
            return Err(Reject::Auth);
        }
        match &mut self.source(known, ssrc).rtp {
            Some(window) => window.record(index),
            none => *none = Some(Box::new(Window::begin(seq))),
        }
        Ok(Opened { len, index })
    }

    /// Opens an SRTCP packet in place; gives the length of the compound packet. One that is only authenticated, not
    /// encrypted, is refused: no profile of ours allows it.
    ///
    /// # Errors
    /// See [`Reject`]; the packet's bytes are then undefined and its sender is to be told nothing.
    pub fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Reject> {
        if packet.first().is_none_or(|first| first >> 6 != 2) {
            return Err(Reject::Short);
        }
        let len = packet.len().checked_sub(self.profile.rtcp_trailer_len()).ok_or(Reject::Short)?;
        if len < RTCP_FIXED {
            return Err(Reject::Short);
        }
        let ssrc = be32(packet, 4).ok_or(Reject::Short)?;
        let word_at = match self.rtcp {
            Cipher::Gcm(_) => packet.len() - INDEX_WORD,
            Cipher::Cm(_) => len,
        };
        let word = be32(packet, word_at).ok_or(Reject::Short)?;
        if word & ENCRYPTED == 0 {
            return Err(Reject::Auth);
        }
        let index = word & !ENCRYPTED;

        let known = self.find(ssrc)?;
        if known.is_some_and(|at| !self.sources[at].rtcp.admits(index)) {
            return Err(Reject::Replay);
        }
        let authentic = match &self.rtcp {
            Cipher::Gcm(gcm) => {
                let mut covered = [0; RTCP_FIXED + INDEX_WORD];
                let (header, sealed) = packet[..word_at].split_at_mut(RTCP_FIXED);
                covered[..RTCP_FIXED].copy_from_slice(header);
                covered[RTCP_FIXED..].copy_from_slice(&word.to_be_bytes());
                gcm.open(ssrc, index.into(), &covered, sealed)
            }
            Cipher::Cm(cm) => {
                let (covered, tag) = packet.split_at_mut(len + INDEX_WORD);
                let authentic = cm.verify(covered, &[], tag);
                if authentic {
                    cm.crypt(ssrc, index.into(), &mut covered[RTCP_FIXED..len]);
                }
                authentic
            }
        };
        if !authentic {
            return Err(Reject::Auth);
        }
        self.source(known, ssrc).rtcp.record(index);
        Ok(len)
    }

    /// Where the SSRC's state is, or that it may get one.
    fn find(&mut self, ssrc: u32) -> Result<Option<usize>, Reject> {
        if self.sources.get(self.last).is_some_and(|source| source.ssrc == ssrc) {
            return Ok(Some(self.last));
        }
        match self.sources.iter().position(|source| source.ssrc == ssrc) {
            Some(at) => {
                self.last = at;
                Ok(Some(at))
            }
            None if self.sources.len() >= MAX_SSRCS => Err(Reject::TooManySsrcs),
            None => Ok(None),
        }
    }

    fn source(&mut self, known: Option<usize>, ssrc: u32) -> &mut Source {
        let at = known.unwrap_or_else(|| {
            self.sources.reserve_exact(1);
            self.sources.push(Source { ssrc, rtcp: RtcpWindow::default(), rtp: None });
            self.sources.len() - 1
        });
        &mut self.sources[at]
    }

    #[cfg(test)]
    pub(super) fn replace_ciphers(&mut self, rtp: Cipher, rtcp: Cipher) {
        (self.rtp, self.rtcp) = (Some(Box::new(rtp)), rtcp);
    }

    #[cfg(test)]
    pub(super) fn set_highest(&mut self, ssrc: u32, index: u64) {
        let known = self.sources.iter().position(|source| source.ssrc == ssrc);
        self.source(known, ssrc).rtp = Some(Box::new(Window::at(index)));
    }
}

/// Bytes before the payload: fixed part, CSRCs and header extension (RFC 3550 5.1 and 5.3.1).
fn rtp_header_len(packet: &[u8]) -> Option<usize> {
    let first = *packet.first()?;
    if first >> 6 != 2 {
        return None;
    }
    let mut len = RTP_FIXED + 4 * usize::from(first & 0x0f);
    if first & 0x10 != 0 {
        let &[_, _, high, low] = packet.get(len..)?.first_chunk()?;
        len += 4 + 4 * usize::from(u16::from_be_bytes([high, low]));
    }
    (packet.len() >= len).then_some(len)
}
