//! Whether a queue grows: one-way delay of frames, its trend against an adaptive threshold, and its level above the
//! smallest seen (draft-ietf-rmcat-gcc-02 section 5, libwebrtc's trendline filter).
//!
//! A group is what left at one moment: here a frame's train. Its delay is that of its *first* packet, because the rest
//! of a train waits behind itself. What the spread of the train tells is the rate of the bottleneck.
//!
//! Keyframes are several times larger than the other frames and queue on any path. So the queue that our own bursts
//! make on a path of the *estimated* rate is computed and taken off: only a delay beyond it speaks against the estimate.

use crate::time::Time;

/// Packets sent within this long of each other are one group.
const BURST_US: i64 = 5_000;
const WINDOW: usize = 20;
/// Trend samples older than this are left out: at low frame rates 20 groups are too long a memory.
const WINDOW_US: i64 = 700_000;
const LEAST_SAMPLES: usize = 5;
/// Gains and bounds of libwebrtc's detector, in ms.
const GAIN: f32 = 4.0;
const MOST_DELTAS: u32 = 60;
const THRESHOLD_START: f32 = 12.5;
const THRESHOLD_LEAST: f32 = 6.0;
const THRESHOLD_MOST: f32 = 600.0;
const THRESHOLD_UP: f32 = 0.0087;
const THRESHOLD_DOWN: f32 = 0.039;
const THRESHOLD_JUMP: f32 = 15.0;
/// No queue to speak of: a trend below this level is jitter ...
const LEVEL_LEAST_US: i64 = 25_000;
/// ... and so it is below this many times the usual change from one group to the next.
const LEVEL_NOISE: f32 = 3.0;
/// A change beyond this is not noise, µs.
const NOISE_MOST_US: i64 = 60_000;
/// The smallest delay is taken over the last one to two of these: clocks drift and routes change.
const BASE_US: i64 = 10_000_000;
/// A train shows the rate of the bottleneck when it arrived over at least this long (its largest gap left out) ...
const SPREAD_LEAST_US: i64 = 60_000;
/// ... in at least so many packets.
const SPREAD_LEAST_PACKETS: u32 = 4;
/// A peer's clock that jumps by more than this has begun anew.
const JUMP_US: i64 = 20_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Usage {
    Normal,
    Over,
    Under,
}

#[derive(Clone, Copy, Debug)]
struct Group {
    sent_us: i64,
    first_us: i64,
    last_us: i64,
    packets: u32,
    /// Bytes after the first packet, and in the packets that ended the largest gap.
    bytes: u32,
    gap_us: i64,
    gap_bytes: u32,
    /// Lost bytes since the last packet that arrived.
    lost: u32,
    /// All bytes, lost or not.
    sent: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    arrival_us: i64,
    delay_us: i64,
    /// Delay above the base that our own bursts do not explain, at least 0.
    excess_us: i64,
}

#[derive(Clone, Debug)]
pub(super) struct Delay {
    group: Option<Group>,
    samples: [Sample; WINDOW],
    /// Samples taken since the start; the newest is at `(taken - 1) % WINDOW`.
    taken: usize,
    base_us: i64,
    base_before_us: i64,
    base_since_us: i64,
    deltas: u32,
    threshold: f32,
    trend_before: f32,
    over: u32,
    /// Mean change of delay from group to group, µs.
    noise_us: f32,
    /// Queue that what we sent makes at the estimated rate, µs, when the last group was sent.
    own_us: f32,
    own_at_us: i64,
    us_per_byte: f32,
    usage: Usage,
}

impl Delay {
    pub(super) fn new() -> Self {
        Self {
            group: None,
            samples: [Sample::default(); WINDOW],
            taken: 0,
            base_us: i64::MAX,
            base_before_us: i64::MAX,
            base_since_us: 0,
            deltas: 0,
            threshold: THRESHOLD_START,
            trend_before: 0.0,
            over: 0,
            noise_us: 0.0,
            own_us: 0.0,
            own_at_us: 0,
            us_per_byte: 8.0,
            usage: Usage::Normal,
        }
    }

    /// The rate in bit/s that the path is believed to have.
    pub(super) fn believe(&mut self, bps: f32) {
        self.us_per_byte = 8e6 / bps.max(1.0);
    }

    /// A packet sent at `sent` arrived at `arrival_us` on the peer's clock. In order of sequence.
    pub(super) fn arrived(&mut self, sent: Time, arrival_us: i64, bytes: u32) {
        let sent_us = sent.0 as i64;
        let Some(group) = &mut self.group else {
            self.group = Some(Group::new(sent_us, arrival_us, bytes));
            return;
        };
        let later = sent_us - group.sent_us;
        if later < 0 {
            return;
        }
        if later > BURST_US {
            let done = *group;
            self.group = Some(Group::new(sent_us, arrival_us, bytes));
            self.sample(done);
            return;
        }
        let gap = arrival_us - group.last_us;
        let bytes = bytes.saturating_add(std::mem::take(&mut group.lost));
        group.packets += 1;
        group.sent = group.sent.saturating_add(bytes);
        group.bytes = group.bytes.saturating_add(bytes);
        group.first_us = group.first_us.min(arrival_us);
        group.last_us = group.last_us.max(arrival_us);
        if gap > group.gap_us {
            group.gap_us = gap;
            group.gap_bytes = bytes;
        }
    }

    /// A packet sent at `sent` did not arrive. Its bytes count for the train's rate: it may have been lost behind the
    /// bottleneck, and a rate that is too high does no harm here.
    pub(super) fn lost(&mut self, sent: Time, bytes: u32) {
        if let Some(group) = &mut self.group
            && (0..=BURST_US).contains(&(sent.0 as i64 - group.sent_us))
        {
            // Taken over into the other sums by the next arrival.
            group.lost = group.lost.saturating_add(bytes);
        }
    }

    pub(super) fn usage(&self) -> Usage {
        self.usage
    }

    /// How long the queue is, in µs: the least delay of the last three groups above the base.
    pub(super) fn queue_us(&self) -> i64 {
        let recent = (0..3.min(self.taken)).map(|back| self.back(back).delay_us);
        recent.min().map_or(0, |delay| delay.saturating_sub(self.base()).max(0))
    }

    /// The bottleneck's rate in bit/s, if the train that is arriving shows it. Known long before the trend: on a link
    /// that became ten times slower the next frame alone takes a third of a second.
    pub(super) fn spread_bps(&self) -> Option<f32> {
        let group = self.group.filter(|g| g.packets >= SPREAD_LEAST_PACKETS)?;
        if self.taken == 0 {
            return None;
        }
        // One pause (a radio link's retransmission, a busy host) is not a rate.
        let spread = group.last_us - group.first_us - group.gap_us;
        let queued = group.last_us - group.sent_us - self.base() > SPREAD_LEAST_US;
        (spread >= SPREAD_LEAST_US && queued).then(|| {
            let bytes = group.bytes.saturating_sub(group.gap_bytes);
            bytes as f32 * 8e6 / spread as f32
        })
    }

    /// The part of it that our own bursts do not explain.
    pub(super) fn excess_us(&self) -> i64 {
        (0..3.min(self.taken)).map(|back| self.back(back).excess_us).min().unwrap_or(0)
    }

    /// Below this the queue may be jitter, µs.
    pub(super) fn level_us(&self) -> i64 {
        LEVEL_LEAST_US.max((self.noise_us * LEVEL_NOISE) as i64)
    }

    fn base(&self) -> i64 {
        self.base_us.min(self.base_before_us)
    }

    /// The sample taken `back` samples ago (0: the newest).
    fn back(&self, back: usize) -> Sample {
        self.samples[(self.taken + WINDOW - 1 - back) % WINDOW]
    }

    fn sample(&mut self, group: Group) {
        let delay_us = group.first_us - group.sent_us;
        if self.taken > 0 {
            let change = (delay_us - self.back(0).delay_us).abs();
            if change > JUMP_US {
                *self = Self { group: self.group, us_per_byte: self.us_per_byte, ..Self::new() };
            } else {
                self.noise_us += (change.min(NOISE_MOST_US) as f32 - self.noise_us) / 32.0;
            }
        }
        let since = self.base_since_us;
        if self.base_us == i64::MAX || group.first_us - since > BASE_US {
            self.base_since_us = group.first_us;
            self.base_before_us = self.base_us;
            self.base_us = delay_us;
        }
        self.base_us = self.base_us.min(delay_us);

        let passed = (group.sent_us - self.own_at_us).max(0) as f32;
        let own_us = (self.own_us - passed).max(0.0);
        self.own_us = own_us + (group.sent.saturating_add(group.lost) as f32 * self.us_per_byte).min(5e6);
        self.own_at_us = group.sent_us;

        let excess_us = (delay_us - self.base() - own_us as i64).max(0);
        let sample = Sample { arrival_us: group.first_us, delay_us, excess_us };
        self.samples[self.taken % WINDOW] = sample;
        self.taken += 1;
        // The phase of the ring is kept when the count wraps.
        if self.taken == 2 * WINDOW {
            self.taken = WINDOW;
        }

        let elapsed = if self.taken > 1 { (sample.arrival_us - self.back(1).arrival_us) as f32 / 1000.0 } else { 0.0 };
        self.deltas = (self.deltas + 1).min(MOST_DELTAS);
        if let Some(slope) = self.slope() {
            self.detect(slope * self.deltas as f32 * GAIN, elapsed);
        }
    }

    /// Least squares of excess delay over arrival time: how much the queue grows in a unit of time.
    fn slope(&self) -> Option<f32> {
        let newest = self.back(0);
        let count = (0..self.taken.min(WINDOW))
            .take_while(|&back| newest.arrival_us - self.back(back).arrival_us <= WINDOW_US)
            .count();
        if count < LEAST_SAMPLES {
            return None;
        }
        // Relative to the newest, so that f32 is exact enough.
        let (mut x, mut y, mut xx, mut xy) = (0.0, 0.0, 0.0, 0.0);
        for back in 0..count {
            let sample = self.back(back);
            let a = (sample.arrival_us - newest.arrival_us) as f32 / 1000.0;
            let d = (sample.excess_us - newest.excess_us) as f32 / 1000.0;
            x += a;
            y += d;
            xx += a * a;
            xy += a * d;
        }
        let n = count as f32;
        let spread = n * xx - x * x;
        (spread > 1.0).then(|| (n * xy - x * y) / spread)
    }

    fn detect(&mut self, trend: f32, elapsed_ms: f32) {
        self.usage = if trend > self.threshold && self.excess_us() >= self.level_us() {
            self.over += 1;
            // Twice in a row and not getting better.
            if self.over >= 2 && trend >= self.trend_before { Usage::Over } else { self.usage }
        } else {
            self.over = 0;
            if trend < -self.threshold { Usage::Under } else { Usage::Normal }
        };
        self.trend_before = trend;

        // Follow the noise slowly up and quickly down, but do not learn a real onset as noise.
        let size = trend.abs();
        if size <= self.threshold + THRESHOLD_JUMP {
            let gain = if size < self.threshold { THRESHOLD_DOWN } else { THRESHOLD_UP };
            self.threshold += gain * (size - self.threshold) * elapsed_ms.clamp(0.0, 100.0);
            self.threshold = self.threshold.clamp(THRESHOLD_LEAST, THRESHOLD_MOST);
        }
    }
}

impl Group {
    fn new(sent_us: i64, arrival_us: i64, bytes: u32) -> Self {
        Self {
            sent_us,
            first_us: arrival_us,
            last_us: arrival_us,
            packets: 1,
            bytes: 0,
            gap_us: 0,
            gap_bytes: 0,
            lost: 0,
            sent: bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames of 10 packets at 30 fps through a link of `bps`; jitter of up to `jitter` µs on each packet.
    fn frames(delay: &mut Delay, from: u64, count: u64, bps: u64, free: &mut u64, jitter: u64) {
        let mut x = 7u64 + count;
        for frame in from..from + count {
            let sent = 10_000_000 + frame * 33_333;
            for _ in 0..10 {
                x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(99);
                *free = (*free).max(sent) + 1200 * 8_000_000 / bps;
                let noise = if jitter > 0 { (x >> 33) % jitter } else { 0 };
                delay.arrived(Time(sent), (*free + noise) as i64 - 5_000_000, 1200);
            }
        }
    }

    #[test]
    fn a_link_that_is_wide_enough_is_normal_with_and_without_jitter() {
        for jitter in [0, 5_000, 20_000, 40_000] {
            let (mut delay, mut free) = (Delay::new(), 0);
            for second in 0..60 {
                frames(&mut delay, second * 30, 30, 5_000_000, &mut free, jitter);
                assert_ne!(delay.usage(), Usage::Over, "jitter {jitter}, second {second}");
                assert!(delay.queue_us() < 30_000);
                assert!(delay.spread_bps().is_none());
            }
        }
    }

    #[test]
    fn a_link_a_little_too_narrow_is_noticed_within_a_second() {
        let (mut delay, mut free) = (Delay::new(), 0);
        delay.believe(3_500_000.0);
        frames(&mut delay, 0, 60, 5_000_000, &mut free, 2_000);
        frames(&mut delay, 60, 30, 2_600_000, &mut free, 2_000);
        assert_eq!(delay.usage(), Usage::Over);
        let queue = delay.queue_us();
        assert!((50_000..200_000).contains(&queue), "{queue}");
        // It drains once the link is wide again.
        frames(&mut delay, 90, 15, 9_000_000, &mut free, 2_000);
        assert_ne!(delay.usage(), Usage::Over);
        frames(&mut delay, 105, 60, 9_000_000, &mut free, 2_000);
        assert_eq!(delay.usage(), Usage::Normal);
    }

    #[test]
    fn a_keyframe_of_ours_is_no_overuse_but_the_same_queue_by_others_is() {
        for ours in [true, false] {
            let (mut delay, mut free) = (Delay::new(), 0);
            delay.believe(3_000_000.0);
            frames(&mut delay, 0, 60, 3_200_000, &mut free, 0);
            let bytes = if ours { 60_000 } else { 1200 };
            delay.arrived(Time(12_000_000), 7_000_400, bytes);
            let mut over = false;
            for frame in 0..20 {
                // 140 ms of queue that drains by 6 ms per frame.
                let queue = 140_000 - 6_000 * frame as i64;
                let sent = 12_020_000 + frame * 33_000;
                delay.arrived(Time(sent), sent as i64 - 5_000_000 + queue, 10_000);
                over |= delay.usage() == Usage::Over;
            }
            assert_eq!(over, !ours);
        }
    }

    #[test]
    fn the_first_frame_on_a_collapsed_link_shows_its_rate() {
        let (mut delay, mut free) = (Delay::new(), 0);
        frames(&mut delay, 0, 60, 3_000_000, &mut free, 0);
        for packet in 1..=5 {
            delay.arrived(Time(20_000_000), 15_000_000 + packet * 32_000, 1200);
        }
        let bps = delay.spread_bps().unwrap();
        assert!((bps - 300_000.0).abs() < 10_000.0, "{bps}");
    }

    #[test]
    fn one_pause_in_a_train_is_not_a_rate() {
        let (mut delay, mut free) = (Delay::new(), 0);
        frames(&mut delay, 0, 60, 3_000_000, &mut free, 0);
        for packet in 0..10 {
            let stall = if packet > 4 { 300_000 } else { 0 };
            delay.arrived(Time(20_000_000), 15_000_000 + packet * 3_000 + stall, 1200);
        }
        assert_eq!(delay.spread_bps(), None);
    }

    #[test]
    fn a_clock_that_jumps_begins_anew() {
        let mut delay = Delay::new();
        for i in 0..40i64 {
            let jump = if i > 20 { -900_000_000 } else { 0 };
            delay.arrived(Time(i as u64 * 33_000), i * 33_000 + jump, 1000);
        }
        assert_eq!((delay.queue_us(), delay.usage()), (0, Usage::Normal));
    }
}
