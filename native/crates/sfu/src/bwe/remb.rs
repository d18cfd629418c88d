//! Padding for viewers that tell only REMB: their estimate follows what arrives, so that it rises no further than some
//! half above the rate of the layer they get.

use crate::time::{Span, Time};

use super::Probe;

/// A receiver's estimate is at most this part above what arrives (libwebrtc, GCC section 5.5).
const ABOVE: f32 = 1.5;
/// Padding goes on while REMB rises by 2 % in this long.
const PATIENCE: Span = Span::secs(2);
const PAUSE: Span = Span::secs(2);
const PAUSE_MOST: Span = Span::secs(30);
const MOST_BYTES: usize = 16_000;
const LEAST_BYTES: usize = 600;

#[derive(Clone, Debug)]
pub(super) struct Padding {
    /// While padding: up to when it was sent.
    sent_to: Option<Time>,
    begun_bps: f32,
    best: f32,
    risen: Time,
    next: Time,
    pause: Span,
}

impl Padding {
    pub(super) fn new() -> Self {
        Self { sent_to: None, begun_bps: 0.0, best: 0.0, risen: Time(0), next: Time(0), pause: PAUSE }
    }

    pub(super) fn heard(&mut self, bps: f32, now: Time) {
        if bps > self.best * 1.02 {
            self.best = bps;
            self.risen = now;
        }
        if self.sent_to.is_some() && bps < 0.9 * self.best {
            self.stop(now);
        }
    }

    /// Padding so that twice the layer's room is in use: what REMB allows, and no more than `wanted`.
    pub(super) fn poll(&mut self, wanted: f32, remb: f32, now: Time) -> Option<Probe> {
        if remb >= wanted {
            self.sent_to = None;
            self.pause = PAUSE;
            return None;
        }
        let Some(sent_to) = self.sent_to else {
            if now >= self.next {
                *self = Self { sent_to: Some(now), begun_bps: remb, best: remb, risen: now, ..*self };
            }
            return None;
        };
        if now.since(self.risen) > PATIENCE {
            self.stop(now);
            return None;
        }
        // The layer itself is about what REMB was when padding began, less its half.
        let media = self.begun_bps / ABOVE;
        let rate = (remb.min(wanted) - media).max(0.0);
        let elapsed = now.since(sent_to);
        let bytes = (f64::from(rate) * elapsed.as_secs_f64() / 8.0) as usize;
        if bytes < LEAST_BYTES {
            return None;
        }
        self.sent_to = Some(now);
        Some(Probe { bytes: bytes.min(MOST_BYTES) })
    }

    fn stop(&mut self, now: Time) {
        self.sent_to = None;
        self.next = now + self.pause;
        self.pause = Span((self.pause.0 * 2).min(PAUSE_MOST.0));
    }
}
