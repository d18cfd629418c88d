//! How much is lost, and how much of that is ours to mend by sending less.
//!
//! A radio link loses at any rate; a full queue or a policer loses because of the rate. What stays the same when the
//! rate changes is learned as the path's own and left alone; only the excess lowers the estimate.

use crate::time::{Span, Time};

/// A share is taken over at least this long ...
const WINDOW: Span = Span::millis(400);
/// ... and so many packets.
const LEAST_PACKETS: u32 = 30;
/// Packets or not, a window ends after this long.
const WINDOW_MOST: Span = Span::secs(2);
/// An excess below this is left to retransmission.
const EXCESS_LEAST: f32 = 0.08;
/// The path's own share is learned with this time constant, and forgotten faster.
const LEARN: f32 = 2.0;
const OWN_MOST: f32 = 0.5;

#[derive(Clone, Debug)]
pub(super) struct Loss {
    packets: u32,
    lost: u32,
    since: Option<Time>,
    /// Smoothed share of packets lost, 0 to 1.
    share: f32,
    own: f32,
}

impl Loss {
    pub(super) fn new() -> Self {
        Self { packets: 0, lost: 0, since: None, share: 0.0, own: 0.0 }
    }

    pub(super) fn arrived(&mut self) {
        self.packets = self.packets.saturating_add(1);
    }

    pub(super) fn lost(&mut self) {
        self.packets = self.packets.saturating_add(1);
        self.lost = self.lost.saturating_add(1);
    }

    /// A packet that was told lost arrived after all.
    pub(super) fn found(&mut self) {
        self.lost = self.lost.saturating_sub(1);
    }

    /// Share of packets lost lately, 0 to 1.
    pub(super) fn share(&self) -> f32 {
        self.share
    }

    /// The part of it that belongs to the path whatever we send, 0 to 0.5.
    pub(super) fn own(&self) -> f32 {
        self.own
    }

    /// End the window if it is time. The excess share when the rate must fall for it. `queued`: the delay says that
    /// the loss is the queue's.
    pub(super) fn conclude(&mut self, queued: bool, now: Time) -> Option<f32> {
        let length = now.since(*self.since.get_or_insert(now));
        if length < WINDOW || (self.packets < LEAST_PACKETS && length < WINDOW_MOST) {
            return None;
        }
        let (packets, lost) = (self.packets, self.lost);
        (self.packets, self.lost, self.since) = (0, 0, Some(now));
        if packets < 5 {
            return None;
        }
        self.take(lost as f32 / packets as f32, packets, length, queued)
    }

    /// A window's share as the peer measured it (RFC 3550 receiver report).
    pub(super) fn report(&mut self, share: f32, now: Time) -> Option<f32> {
        let length = now.since(self.since.replace(now).unwrap_or(now));
        self.take(share, 100, length, false)
    }

    fn take(&mut self, share: f32, packets: u32, length: Span, queued: bool) -> Option<f32> {
        self.share += (share - self.share) * 0.5;
        let excess = share - self.own;
        if share < self.own {
            self.own += (share - self.own) * 0.3;
        } else if !queued {
            let part = (length.as_secs_f64() as f32 / LEARN).min(0.5);
            self.own = (self.own + excess * part).min(OWN_MOST);
        }
        // A few packets lost by chance are no trend: the smaller the window, the more it takes.
        (excess > EXCESS_LEAST + 0.8 / (packets as f32).sqrt()).then_some(excess)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `seconds` at `pps` with random loss; the product of what each excess would leave of the rate.
    fn run(loss: &mut Loss, now: &mut u64, seconds: u64, pps: u64, share: f64, seed: u64) -> f32 {
        let (mut x, mut left) = (seed, 1.0);
        for _ in 0..seconds * 20 {
            for _ in 0..pps / 20 {
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                if ((x >> 11) as f64) < share * (1u64 << 53) as f64 { loss.lost() } else { loss.arrived() }
            }
            *now += 50_000;
            if let Some(excess) = loss.conclude(false, Time(*now)) {
                left *= 1.0 - 0.5 * excess;
            }
        }
        left
    }

    #[test]
    fn random_loss_of_ten_percent_costs_little_and_thirty_not_all() {
        // Without the growth that makes up for it between the windows.
        for seed in 1..30 {
            for (pps, kept) in [(60, 0.4), (250, 0.7)] {
                let (mut loss, mut now) = (Loss::new(), 0);
                assert!(run(&mut loss, &mut now, 60, pps, 0.05, seed) > 0.8, "{seed} {pps}");
                assert!(run(&mut loss, &mut now, 60, pps, 0.10, seed) > kept, "{seed} {pps}");
                assert!((loss.share() - 0.1).abs() < 0.15);
                let left = run(&mut loss, &mut now, 20, pps, 0.30, seed);
                assert!(left > 0.3, "{seed} {pps} {left}");
                run(&mut loss, &mut now, 4, pps, 0.0, seed);
                assert!(loss.own() < 0.15 && loss.share() < 0.03);
            }
        }
    }

    #[test]
    fn loss_by_a_policer_leads_down_at_once() {
        let (mut loss, mut now) = (Loss::new(), 0);
        run(&mut loss, &mut now, 5, 250, 0.01, 5);
        assert!(run(&mut loss, &mut now, 1, 250, 0.6, 5) < 0.75);
    }

    #[test]
    fn found_packets_do_not_count() {
        let mut loss = Loss::new();
        for i in 0..100 {
            loss.lost();
            loss.found();
            loss.conclude(false, Time(i * 10_000));
        }
        assert_eq!(loss.share(), 0.0);
    }
}
