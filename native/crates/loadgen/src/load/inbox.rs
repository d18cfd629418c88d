//! What comes in: trains cut into datagrams, told apart by their first byte (RFC 7983), counted, and for checked
//! viewers opened and compared.

use super::{Load, PUBLISHER};
use crate::peer::Peer;
use crate::rtp::{self, Header};
use crate::sys::{self, Train};

impl Load {
    pub(super) fn receive(&mut self, number: usize) {
        let Some(fd) = self.peers.get(number).and_then(Peer::fd) else {
            return;
        };
        let mut receiver = std::mem::take(&mut self.receiver);
        receiver.receive(fd, |train| self.train(number, train));
        self.receiver = receiver;
    }

    pub(super) fn train(&mut self, number: usize, train: Train<'_>) {
        let now = sys::now();
        let mut media = false;
        for datagram in train.bytes.chunks_mut(train.segment) {
            match datagram[0] {
                0..4 => self.peers[number].stun(datagram, now, &self.shared, &mut self.totals),
                20..64 => self.peers[number].dtls(datagram, now, &mut self.totals),
                128..192 if matches!(datagram.get(1), Some(192..224)) => self.control(number, datagram, now),
                128..192 => {
                    media = true;
                    self.media(number, datagram, now, train.arrived);
                }
                _ => {}
            }
        }
        self.totals.trains += u64::from(media);
    }

    pub(super) fn control(&mut self, number: usize, datagram: &mut [u8], now: i64) {
        let mut keyframes = 0;
        let mut nacks = 0;
        self.peers[number].rtcp(datagram, now, &mut self.totals, |format, kind, _| {
            keyframes += u64::from(kind == 206 && matches!(format, 1 | 4));
            nacks += u64::from(kind == 205 && format == 1);
        });
        if number == PUBLISHER {
            self.totals.keyframes_asked += keyframes;
            self.totals.nacked += nacks;
            if keyframes > 0
                && let Some(source) = &mut self.source
            {
                source.keyframe_next = true;
            }
        }
    }

    pub(super) fn media(&mut self, number: usize, datagram: &mut [u8], now: i64, arrived: i64) {
        let peer = &mut self.peers[number];
        let Some(header) = rtp::read(datagram) else {
            self.totals.strangers += 1;
            return;
        };
        let extension = peer.answer.transport_cc;
        if extension != 0
            && !self.shared.remb_only
            && let Some(seq) = rtp::extension(datagram, extension)
        {
            peer.arrivals.packet(seq, arrived / 1000);
        }
        if header.ssrc != peer.answer.ssrc {
            if header.ssrc == peer.answer.rtx_ssrc && header.ssrc != 0 {
                self.totals.retransmitted += 1;
                self.check(number, &header, datagram, true);
            } else {
                self.totals.strangers += 1;
            }
            return;
        }
        if peer.first_media == 0 {
            peer.first_media = now;
            self.streaming += 1;
        }
        peer.received += 1;
        let extended = peer.reception.highest & 0xFFFF_0000 | u32::from(header.seq);
        match peer.first_seq {
            None => {
                peer.first_seq = Some(u32::from(header.seq));
                peer.reception.highest = u32::from(header.seq);
            }
            Some(_) => {
                let ahead = header.seq.wrapping_sub(peer.reception.highest as u16);
                if ahead < 0x8000 {
                    let wrapped = u32::from(header.seq < peer.reception.highest as u16) << 16;
                    peer.reception.highest = extended.wrapping_add(wrapped);
                }
            }
        }
        self.totals.packets += 1;
        self.totals.bytes += datagram.len() as u64;
        if header.marker
            && let Some(offset) = self.offset
            && let Some(frame) =
                self.source.as_mut().and_then(|s| s.by_timestamp(header.timestamp.wrapping_sub(offset)))
        {
            frame.arrived += 1;
            frame.latest = frame.latest.max(arrived);
            if let Some(measure) = self.measure.as_mut().filter(|measure| !frame.key && frame.number >= measure.frame) {
                measure.each.push(arrived - frame.sent);
            }
        }
        self.check(number, &header, datagram, false);
    }

    /// A checked viewer opens the packet and compares.
    pub(super) fn check(&mut self, number: usize, header: &Header, datagram: &mut [u8], again: bool) {
        let peer = &mut self.peers[number];
        let (Some(checker), Some(half)) = (&mut peer.checker, &peer.receive) else {
            return;
        };
        let rollover = &mut peer.rollovers[usize::from(again)];
        let index = rollover.index(header.seq);
        let Some(length) = half.open_rtp(datagram, header.length, index) else {
            self.totals.forged += 1;
            return;
        };
        rollover.accepted(index);
        let plain = &datagram[..length];
        if again {
            self.totals.padding += u64::from(rtp::payload(plain, header).is_some_and(<[u8]>::is_empty));
            return;
        }
        if let Some(source) = &self.source {
            checker.packet(header, plain, index, source);
            if let Some(offset) = checker.offset {
                self.offsets_differ |= self.offset.is_some_and(|other| other != offset);
                self.offset = Some(offset);
            }
        }
    }
}
