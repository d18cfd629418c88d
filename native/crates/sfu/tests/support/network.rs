//! One direction of a path.

use sfu::time::{Span, Time};

use super::Rng;

/// What a path does to datagrams; everything off is a short wire.
#[derive(Clone, Debug)]
pub struct Link {
    pub delay: Span,
    /// Up to this much more, without overtaking.
    pub jitter: Span,
    /// Shares of datagrams, 0 to 1.
    pub loss: f64,
    pub copies: f64,
    /// Overtaken by those sent within the next 30 ms.
    pub reorder: f64,
    /// 0: no limit. Else a queue of 300 ms, then loss.
    pub bps: u64,
    busy_until: Time,
    last: Time,
    pub carried: u64,
    pub lost: u64,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            delay: Span::millis(5),
            jitter: Span::ZERO,
            loss: 0.0,
            copies: 0.0,
            reorder: 0.0,
            bps: 0,
            busy_until: Time(0),
            last: Time(0),
            carried: 0,
            lost: 0,
        }
    }
}

impl Link {
    pub fn lossy(loss: f64) -> Self {
        Self { loss, ..Self::default() }
    }

    /// Some of everything.
    pub fn rough(rng: &mut Rng) -> Self {
        Self {
            delay: Span::millis(rng.between(1, 80)),
            jitter: Span::millis(rng.below(15)),
            loss: rng.below(8) as f64 / 100.0,
            copies: rng.below(4) as f64 / 100.0,
            reorder: rng.below(4) as f64 / 100.0,
            ..Self::default()
        }
    }

    /// No more loss, reordering or copies.
    pub fn heal(&mut self) {
        (self.loss, self.copies, self.reorder) = (0.0, 0.0, 0.0);
    }

    /// When a datagram arrives, and when a copy of it does.
    pub fn carry(&mut self, bytes: usize, rng: &mut Rng, now: Time) -> (Option<Time>, Option<Time>) {
        let mut sent = now;
        if let Some(wire) = ((bytes as u64 + 28) * 8 * 1_000_000).checked_div(self.bps).map(Span) {
            let start = self.busy_until.max(now);
            if start.since(now) > Span::millis(300) {
                self.lost += 1;
                return (None, None);
            }
            self.busy_until = start + wire;
            sent = self.busy_until;
        }
        if rng.chance(self.loss) {
            self.lost += 1;
            return (None, None);
        }
        self.carried += 1;
        let mut at = sent + self.delay + Span(rng.below(self.jitter.0 + 1));
        if rng.chance(self.reorder) {
            at = at + Span(rng.between(1, 30_000));
        } else {
            at = at.max(self.last);
            self.last = at;
        }
        let copy = rng.chance(self.copies).then(|| at + Span(rng.between(1, 50_000)));
        (Some(at), copy)
    }
}
