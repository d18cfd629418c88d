//! Padding that asks whether the path carries more than is being sent.
//!
//! Two steps, because the cheap one can be wrong. A short train shows the rate of the bottleneck by how far it is
//! spread out: too slow, and the matter is settled for some kilobytes. A shaper with a token bucket lets any train
//! through, so a path that passed is then filled with padding to the wanted rate for 600 ms, and what arrives decides.

use crate::time::{Span, Time};

use super::Probe;

/// A train takes this long at the wanted rate.
const TRAIN: Span = Span::millis(30);
const TRAIN_BYTES: std::ops::RangeInclusive<usize> = 4_800..=14_000;
/// Fewer packets show no rate.
const TRAIN_PACKETS: u32 = 4;
const FILL: Span = Span::millis(600);
/// Results that did not come within this are lost.
const SETTLE: Span = Span::millis(1_000);
/// Fill at a little more than wanted, so that what arrives proves enough.
const FILL_ABOVE: f32 = 1.02;
/// Part of the wanted rate that a train must show: it is a short look, and what passes is looked at again.
const TRAIN_ENOUGH: f32 = 0.75;
/// Part of the wanted rate that must arrive while filling.
const ENOUGH: f32 = 0.95;
/// Loss beyond the path's own that fails a fill.
const LOSS_MOST: f32 = 0.10;
/// Most bytes of one call while filling.
const MOST_BYTES: usize = 16_000;
/// Least bytes worth a packet.
const LEAST_BYTES: usize = 600;
/// Pause after a result; doubled by each failure. A fill that failed cost the viewer more than a train.
const PAUSE: Span = Span::millis(1_000);
const TRAIN_PAUSE_MOST: Span = Span::secs(5);
const FILL_PAUSE_LEAST: Span = Span::secs(4);
const FILL_PAUSE_MOST: Span = Span::secs(12);
/// The delay that a fill may add, µs. More: the path is full.
const QUEUE_US: i64 = 70_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Idle,
    /// A train was asked for and is on its way.
    Train,
    Filling,
    /// All padding is sent; its last packets are awaited.
    Settling,
}

/// What to do with the estimate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Verdict {
    Pending,
    /// This rate (bit/s) was carried.
    Carried(f32),
    Failed,
}

#[derive(Clone, Debug)]
pub(super) struct Prober {
    step: Step,
    target: f32,
    begun: Time,
    next: Time,
    pause: Span,
    /// The last fill sent less than it should have.
    fell_short: bool,
    /// Media rate when filling began, bit/s; padding fills up the rest.
    media: f32,
    padded: u64,
    queue_us: i64,
    /// Sequence numbers of padding: the first and the last of this step.
    range: Option<(u16, u16)>,
    first_us: i64,
    last_us: i64,
    packets: u32,
    bytes: u64,
    lost_bytes: u64,
}

impl Prober {
    pub(super) fn new() -> Self {
        Self {
            step: Step::Idle,
            target: 0.0,
            begun: Time(0),
            next: Time(0),
            pause: PAUSE,
            fell_short: false,
            media: 0.0,
            padded: 0,
            queue_us: 0,
            range: None,
            first_us: 0,
            last_us: 0,
            packets: 0,
            bytes: 0,
            lost_bytes: 0,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.step == Step::Idle
    }

    /// Whether padding may be the reason for what was measured just now.
    pub(super) fn is_loading(&self, now: Time) -> bool {
        !self.is_idle() || (self.begun.0 > 0 && now.since(self.begun) < FILL + SETTLE)
    }

    /// No probe before `at`.
    pub(super) fn postpone(&mut self, at: Time) {
        self.next = self.next.max(at);
    }

    /// Padding to send now. `media`: bit/s of media, `queue_us`: the queue as it is.
    pub(super) fn poll(&mut self, wanted: f32, media: f32, queue_us: i64, now: Time) -> Option<Probe> {
        match self.step {
            Step::Idle => {
                if now < self.next || wanted <= media {
                    return None;
                }
                self.begin(Step::Train, wanted, media, queue_us, now);
                let bytes = (wanted * TRAIN.as_secs_f64() as f32 / 8.0) as usize;
                Some(Probe { bytes: bytes.clamp(*TRAIN_BYTES.start(), *TRAIN_BYTES.end()) })
            }
            Step::Train => {
                // Never sent, or nothing heard of it.
                if now.since(self.begun) >= SETTLE {
                    self.fail(now);
                }
                None
            }
            Step::Filling => {
                let elapsed = now.since(self.begun);
                if elapsed >= FILL {
                    self.step = Step::Settling;
                    return None;
                }
                let rate = (self.target * FILL_ABOVE - self.media).max(0.0);
                let due = (f64::from(rate) * elapsed.as_secs_f64() / 8.0) as u64;
                let bytes = (due.saturating_sub(self.padded) as usize).min(MOST_BYTES);
                if bytes < LEAST_BYTES {
                    return None;
                }
                self.padded += bytes as u64;
                Some(Probe { bytes })
            }
            Step::Settling => {
                if now.since(self.begun) >= FILL + SETTLE {
                    self.fail(now);
                }
                None
            }
        }
    }

    pub(super) fn sent(&mut self, first: u16, last: u16) {
        if !self.is_idle() {
            self.range = Some((self.range.map_or(first, |r| r.0), last));
        }
    }

    /// A packet arrived; in order of sequence.
    pub(super) fn arrived(&mut self, seq: u16, arrival_us: i64, bytes: u32) {
        if !self.covers(seq) {
            return;
        }
        if self.packets == 0 {
            self.first_us = arrival_us;
            self.last_us = arrival_us;
        } else {
            self.bytes += u64::from(bytes);
        }
        self.packets += 1;
        self.last_us = self.last_us.max(arrival_us);
    }

    pub(super) fn lost(&mut self, seq: u16, bytes: u32) {
        if self.packets > 0 && self.covers(seq) {
            self.lost_bytes += u64::from(bytes);
        }
    }

    /// Bytes before `seq` of which no feedback came: taken as arrived.
    pub(super) fn lost_feedback(&mut self, seq: u16, bytes: u32) {
        if self.packets > 0 && self.covers(seq) {
            self.bytes += u64::from(bytes);
        }
    }

    fn covers(&self, seq: u16) -> bool {
        self.range.is_some_and(|(first, last)| seq.wrapping_sub(first) <= last.wrapping_sub(first))
    }

    /// After a feedback that told of everything before `next`. `own_loss`: the share that the
    /// path loses anyway; `congested`: the delay or the loss says so.
    pub(super) fn conclude(&mut self, next: u16, queue_us: i64, own_loss: f32, congested: bool, now: Time) -> Verdict {
        let Some((_, last)) = self.range else {
            return Verdict::Pending;
        };
        let told = (next.wrapping_sub(last) as i16) > 0;
        match self.step {
            Step::Idle => Verdict::Pending,
            Step::Train if !told => Verdict::Pending,
            Step::Train => {
                if self.packets >= TRAIN_PACKETS && self.rate() >= TRAIN_ENOUGH * self.target {
                    let (target, media) = (self.target, self.media);
                    self.begin(Step::Filling, target, media, queue_us, now);
                    return Verdict::Pending;
                }
                self.fail(now);
                Verdict::Failed
            }
            Step::Filling | Step::Settling => {
                if congested || queue_us > self.queue_us + QUEUE_US {
                    self.fail(now);
                    return Verdict::Failed;
                }
                if self.step == Step::Filling || !told {
                    return Verdict::Pending;
                }
                let rate = self.rate();
                let lost = self.lost_bytes as f32 / (self.bytes + self.lost_bytes).max(1) as f32;
                if lost > own_loss + LOSS_MOST {
                    self.fail(now);
                    return Verdict::Failed;
                }
                self.step = Step::Idle;
                self.range = None;
                if rate < ENOUGH * self.target {
                    // Neither queue nor loss: not the path was at its end but what we sent. Soon again.
                    self.pause = if self.fell_short { self.pause + self.pause } else { PAUSE };
                    self.pause = self.pause.min(FILL_PAUSE_MOST);
                    self.fell_short = true;
                    self.next = now + self.pause;
                    return Verdict::Carried(rate);
                }
                self.fell_short = false;
                self.pause = PAUSE;
                self.next = now + PAUSE;
                // What is missing to the target is the error of the measurement.
                Verdict::Carried(rate.clamp(self.target, self.target * FILL_ABOVE))
            }
        }
    }

    fn begin(&mut self, step: Step, target: f32, media: f32, queue_us: i64, now: Time) {
        let (next, pause, fell_short) = (self.next, self.pause, self.fell_short);
        *self = Self { fell_short, step, target, media, queue_us, begun: now, next, pause, ..Self::new() };
    }

    fn fail(&mut self, now: Time) {
        let pause =
            if self.step == Step::Train { self.pause.min(TRAIN_PAUSE_MOST) } else { self.pause.max(FILL_PAUSE_LEAST) };
        self.step = Step::Idle;
        self.range = None;
        self.fell_short = false;
        self.next = now + pause;
        self.pause = Span((pause.0 * 2).min(FILL_PAUSE_MOST.0));
    }

    /// Bit/s between the first and the last packet of the padding, as if none had been lost: what the path loses at any
    /// rate says nothing of its capacity.
    fn rate(&self) -> f32 {
        (self.bytes + self.lost_bytes) as f32 * 8e6 / (self.last_us - self.first_us).max(500) as f32
    }
}
