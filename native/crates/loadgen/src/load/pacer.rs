//! The publisher: its frames in time, spread as a browser's pacer does, and the turns of all peers.
//!
//! Knows when, not what: frames are made in `video`, reports in `feedback`.

use super::{Load, MS, PUBLISHER, SECOND};
use crate::feedback;
use crate::sys;
use crate::video::Source;

/// A browser's pacer spreads a frame: so many packets every 4 ms.
const BURST: usize = 3;
const BURST_EVERY: i64 = 4 * MS;
/// Every peer has its turn once in this time.
const ROUND: i64 = 100 * MS;

impl Load {
    /// Sends what is due of the publisher's packets.
    pub(super) fn pace(&mut self) {
        if self.interval == 0 && self.pending.is_empty() {
            return;
        }
        let mut now = sys::now();
        while now >= self.due {
            if self.pending.is_empty() {
                if self.interval == 0 {
                    return;
                }
                self.next_frame();
            }
            self.send_burst();
            now = sys::now();
        }
        self.timer.arm(self.due);
    }

    pub(super) fn next_frame(&mut self) {
        let Some(source) = &mut self.source else {
            return;
        };
        let timestamp = ((self.frame_due - self.epoch) / 1000 * 9 / 100) as u32;
        let mut packets = Vec::new();
        source.next(timestamp, self.streaming, &mut packets);
        self.pending.extend(packets);
        if self.frame_due >= self.next_report {
            self.next_report = self.frame_due + SECOND;
            let mut report = Vec::with_capacity(64);
            let (packets, bytes) = (source.packets, source.bytes);
            feedback::write_sender_report(source.ssrc, sys::wall(), timestamp, packets, bytes, &mut report);
            self.peers[PUBLISHER].send_rtcp(&mut report, &mut self.totals);
        }
        self.frame_due += self.interval;
    }

    pub(super) fn send_burst(&mut self) {
        let burst = BURST.max(self.pending.len().div_ceil(10)); // a large frame is not spread over more than 40 ms
        for _ in 0..burst {
            let Some((mut packet, header, index)) = self.pending.pop_front() else {
                break;
            };
            if self.pending.is_empty()
                && let Some(frame) = self.source.as_mut().and_then(Source::newest)
            {
                frame.sent = sys::wall();
            }
            self.peers[PUBLISHER].send_rtp(&mut packet, header, index, &mut self.totals);
        }
        let bursts = self.options.packets.div_ceil(BURST) as i64;
        let spacing = BURST_EVERY.min(self.interval.max(MS) / (bursts + 1));
        self.due = if self.pending.is_empty() { self.frame_due } else { self.due + spacing };
    }

    /// Each peer's turn once a round, evenly spread.
    pub(super) fn turns(&mut self) {
        let now = sys::now();
        let count = self.peers.len() as i64;
        let due = ((now - self.turned) * count / ROUND).min(count);
        if due < 1 {
            return;
        }
        self.turned = now;
        for _ in 0..due {
            self.cursor = (self.cursor + 1) % self.peers.len();
            let chance = self.chance();
            self.peers[self.cursor].turn(now, chance, &self.shared, &mut self.totals);
        }
    }
}
