//! The sending direction. Knows session keys and its own SRTCP index; RTP indexes are the caller's.

use super::{Cipher, ENCRYPTED, INDEX_WORD, Master, Profile, RTCP_FIXED, RTP_FIXED, Use, be32, cm, gcm};

/// Seals what we send to one peer.
pub struct Sealer {
    profile: Profile,
    rtp: Cipher,
    rtcp: Cipher,
    /// Of the last packet sealed. One count over all SSRCs: gaps are legal, a repeated nonce is not.
    rtcp_index: u32,
}

impl Sealer {
    pub fn new(profile: Profile, master: &Master) -> Self {
        Self {
            profile,
            rtp: Cipher::derive(profile, master, Use::Rtp),
            rtcp: Cipher::derive(profile, master, Use::Rtcp),
            // The first packet is number one as in libsrtp and every browser; zero would be legal but untried.
            rtcp_index: 0,
        }
    }

    /// Bytes of room that `seal_rtp` needs at the end of a packet.
    pub fn tag_len(&self) -> usize {
        self.profile.rtp_tag_len()
    }

    /// Seals `packet` in place: header, payload, and room for the tag at its end.
    ///
    /// `index` is ROC << 16 | SEQ. The caller never uses one twice with the same SSRC: under GCM the second packet
    /// would give away the key stream and the authentication key. `header_len` counts CSRCs and extensions; a packet
    /// that cannot hold it and the tag is a fault of the caller's, and is zeroed.
    #[inline]
    pub fn seal_rtp(&self, packet: &mut [u8], header_len: usize, index: u64) {
        debug_assert!(header_len >= RTP_FIXED && header_len + self.tag_len() <= packet.len());
        let Some(ssrc) = be32(packet, 8) else {
            return packet.fill(0);
        };
        match &self.rtp {
            Cipher::Gcm(gcm) => {
                let Some((covered, tag)) = packet.split_last_chunk_mut::<{ gcm::TAG }>() else {
                    return packet.fill(0);
                };
                let Some((header, body)) = covered.split_at_mut_checked(header_len) else {
                    return packet.fill(0);
                };
                *tag = gcm.seal(ssrc, index, header, body);
            }
            Cipher::Cm(cm) => {
                let Some((covered, tag)) = packet.split_last_chunk_mut::<{ cm::TAG }>() else {
                    return packet.fill(0);
                };
                let Some(body) = covered.get_mut(header_len..) else {
                    return packet.fill(0);
                };
                cm.crypt(ssrc, index, body);
                *tag = cm.tag(covered, &((index >> 16) as u32).to_be_bytes());
            }
        }
    }

    /// Seals a compound RTCP packet in place and appends its trailer; what is too short to be one is emptied.
    ///
    /// So is everything after 2^31 - 1 packets: the key is used up.
    pub fn seal_rtcp(&mut self, packet: &mut Vec<u8>) {
        let index = self.rtcp_index + 1;
        let Some(ssrc) = be32(packet, 4).filter(|_| index < ENCRYPTED) else {
            return packet.clear();
        };
        self.rtcp_index = index;
        let word = (ENCRYPTED | index).to_be_bytes();
        let (header, body) = packet.split_at_mut(RTCP_FIXED);
        match &self.rtcp {
            Cipher::Gcm(gcm) => {
                // RFC 7714 9.2: the index word is covered after the header but sent after the tag.
                let mut covered = [0; RTCP_FIXED + INDEX_WORD];
                covered[..RTCP_FIXED].copy_from_slice(header);
                covered[RTCP_FIXED..].copy_from_slice(&word);
                let tag = gcm.seal(ssrc, index.into(), &covered, body);
                packet.extend_from_slice(&tag);
                packet.extend_from_slice(&word);
            }
            Cipher::Cm(cm) => {
                cm.crypt(ssrc, index.into(), body);
                packet.extend_from_slice(&word);
                let tag = cm.tag(packet, &[]);
                packet.extend_from_slice(&tag);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn replace_ciphers(&mut self, rtp: Cipher, rtcp: Cipher) {
        (self.rtp, self.rtcp) = (rtp, rtcp);
    }

    #[cfg(test)]
    pub(super) fn set_rtcp_index(&mut self, index: u32) {
        self.rtcp_index = index;
    }
}
