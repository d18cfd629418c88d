//! Decisions about incoming streams: numbering, gaps, keyframe requests, budgets, reception reports.
//!
//! The twin of `streamserver/media/routing.py`. Pure; knows no sockets, no keys and no sessions.

use crate::rtcp::ReportBlock;
use crate::time::{Span, Time};

/// A larger jump is a sender that started afresh (RFC 3550 appendix A.1).
pub const MAX_DROPOUT: i32 = 3000;
/// Late packets of the source just replaced are dropped for this long.
const RETIRED: Span = Span::secs(2);

/// How far `newer` is ahead of `older` in 16-bit sequence space: −32768 … 32767.
pub fn seq_distance(newer: u16, older: u16) -> i32 {
    i32::from(newer.wrapping_sub(older) as i16)
}

/// The room's time line of one kind: what viewers' players see as RTP time.
#[derive(Clone, Debug)]
pub struct TimeLine {
    clock_hz: u32,
    /// RTP time of the newest packet.
    pub timestamp: u32,
    /// When a packet last came.
    pub last: Option<Time>,
    /// Whoever wrote it is gone; the next source is another publisher's.
    interrupted: bool,
}

impl TimeLine {
    pub fn new(clock_hz: u32, first_timestamp: u32) -> Self {
        Self { clock_hz, timestamp: first_timestamp, last: None, interrupted: false }
    }

    /// The next source is another publisher's.
    pub fn interrupt(&mut self) {
        self.interrupted = true;
    }

    /// Where a new source begins: moved on by the wall time that passed; where it follows another one, never by less
    /// than a frame. A further encoding of the same picture begins beside the others.
    fn next(&self, follows: bool, now: Time) -> u32 {
        let Some(last) = self.last else { return self.timestamp };
        let least = if follows || self.interrupted { 1_000_000 / 60 } else { 0 };
        let passed = now.since(last).0.max(least);
        self.timestamp.wrapping_add((passed as u128 * u128::from(self.clock_hz) / 1_000_000) as u32)
    }

    fn seen(&mut self, timestamp: u32, now: Time) {
        if (timestamp.wrapping_sub(self.timestamp) as i32) > 0 {
            self.timestamp = timestamp;
        }
        self.last = Some(now);
        self.interrupted = false;
    }
}

/// Maps whatever sources feed an encoding onto one unbroken numbering and the room's time line.
///
/// Guarantees: within a source, distances of sequence numbers and timestamps are kept; the first packet of a new
/// source follows the highest index so far. Two packets never get the same index unless the source repeated one.
#[derive(Clone, Debug)]
pub struct Sequence {
    index_delta: i64,
    /// Unwrapped number of the newest packet of the source.
    newest: u64,
    /// How far the source has come since it was adopted.
    span: u64,
    ts_delta: u32,
    retired: Option<(u32, Time)>,
    pub source: Option<u32>,
    /// Highest index given out.
    pub highest: u64,
}

impl Sequence {
    /// `first` is the index before the first one.
    pub fn new(first: u64) -> Self {
        Self { index_delta: 0, newest: 0, span: 0, ts_delta: 0, retired: None, source: None, highest: first }
    }

    /// The source is gone; whatever comes next, even the same SSRC, is a new one.
    pub fn detach(&mut self, now: Time) {
        if let Some(source) = self.source.take() {
            self.retired = Some((source, now));
        }
    }

    /// Of the current source, and within what reordering and retransmission explain.
    pub fn is_near(&self, ssrc: u32, seq: u16) -> bool {
        self.source == Some(ssrc) && seq_distance(seq, self.newest as u16).abs() <= MAX_DROPOUT
    }

    /// Of the source that was replaced, and late.
    pub fn is_straggler(&self, ssrc: u32, now: Time) -> bool {
        self.source.is_some_and(|source| source != ssrc)
            && self.retired.is_some_and(|(retired, at)| retired == ssrc && now.since(at) < RETIRED)
    }

    /// Index and room time; None for a straggler of the source before this one, or from before its start.
    pub fn map(&mut self, ssrc: u32, seq: u16, timestamp: u32, line: &mut TimeLine, now: Time) -> Option<(u64, u32)> {
        if self.source != Some(ssrc) {
            if self.is_straggler(ssrc, now) {
                return None;
            }
            self.adopt(ssrc, seq, timestamp, line, now);
        }
        let mut ahead = seq_distance(seq, self.newest as u16);
        if ahead.abs() > MAX_DROPOUT {
            self.adopt(ssrc, seq, timestamp, line, now);
            ahead = 0;
        }
        if ahead < 0 && u64::from(ahead.unsigned_abs()) > self.span {
            return None;
        }
        let unwrapped = self.newest.wrapping_add_signed(i64::from(ahead));
        let index = unwrapped.wrapping_add_signed(self.index_delta);
        let out = timestamp.wrapping_add(self.ts_delta);
        if ahead > 0 {
            self.newest = unwrapped;
            self.span += ahead as u64;
            self.highest = index;
        }
        line.seen(out, now);
        Some((index, out))
    }

    /// The room's time for a sender report of the current source.
    pub fn map_timestamp(&self, ssrc: u32, timestamp: u32) -> Option<u32> {
        (self.source == Some(ssrc)).then(|| timestamp.wrapping_add(self.ts_delta))
    }

    /// Move this source on the time line by `ticks` (aligning encodings by their sender reports).
    pub fn shift(&mut self, ticks: i32) {
        self.ts_delta = self.ts_delta.wrapping_add_signed(ticks);
    }

    fn adopt(&mut self, ssrc: u32, seq: u16, timestamp: u32, line: &TimeLine, now: Time) {
        if let Some(source) = self.source
            && source != ssrc
        {
            self.retired = Some((source, now));
        }
        let follows = self.source.replace(ssrc).is_some();
        // Far from zero, so that a number before the first one stays positive.
        self.newest = (1 << 32) | u64::from(seq);
        self.span = 0;
        self.highest += 1;
        self.index_delta = self.highest.wrapping_sub(self.newest) as i64;
        self.ts_delta = line.next(follows, now).wrapping_sub(timestamp);
    }
}

const OUTSTANDING: usize = 256;
const RETRY: Span = Span::millis(60);
const TRIES: u8 = 8;

/// Which packets to ask the publisher for again. Bounded: 256 outstanding, 8 tries each, 60 ms apart.
#[derive(Clone, Debug, Default)]
pub struct GapTracker {
    highest: Option<u16>,
    missing: Vec<(u16, Time, u8)>,
}

impl GapTracker {
    /// Note a packet; true when it revealed a new gap.
    pub fn received(&mut self, seq: u16, now: Time) -> bool {
        let Some(highest) = self.highest else {
            self.highest = Some(seq);
            return false;
        };
        let ahead = seq_distance(seq, highest);
        if ahead <= 0 {
            if let Some(at) = self.missing.iter().position(|(missing, ..)| *missing == seq) {
                self.missing.remove(at);
            }
            if ahead < -MAX_DROPOUT {
                self.restart(seq);
            }
            return false;
        }
        if ahead as usize > OUTSTANDING {
            self.restart(seq);
            return false;
        }
        for step in 1..ahead as u16 {
            if self.missing.len() >= OUTSTANDING {
                self.missing.remove(0);
            }
            self.missing.push((highest.wrapping_add(step), now, 0));
        }
        self.highest = Some(seq);
        ahead > 1
    }

    /// The packets to ask for now, oldest first, into `asked`.
    pub fn due(&mut self, now: Time, asked: &mut Vec<u16>) {
        self.missing.retain_mut(|(seq, when, tries)| {
            if *when > now {
                return true;
            }
            if *tries >= TRIES {
                return false;
            }
            *when = now + RETRY;
            *tries += 1;
            asked.push(*seq);
            true
        });
    }

    pub fn outstanding(&self) -> usize {
        self.missing.len()
    }

    fn restart(&mut self, seq: u16) {
        self.missing.clear();
        self.highest = Some(seq);
    }
}

/// Merges many viewers' requests into at most one to the publisher per interval.
#[derive(Clone, Debug, Default)]
pub struct KeyframeThrottle {
    pending: bool,
    last: Option<Time>,
}

impl KeyframeThrottle {
    pub fn ask(&mut self) {
        self.pending = true;
    }

    /// A keyframe came: whoever asked before it is served by it.
    pub fn arrived(&mut self) {
        self.pending = false;
    }

    /// True when a request is to be sent now; the caller then sends exactly one.
    pub fn due(&mut self, now: Time, interval: Span) -> bool {
        if !self.pending || self.last.is_some_and(|last| now.since(last) < interval) {
            return false;
        }
        self.pending = false;
        self.last = Some(now);
        true
    }
}

/// A token bucket: `rate` per second, at most a second's worth at once.
#[derive(Clone, Debug)]
pub struct Budget {
    rate: f64,
    tokens: f64,
    at: Option<Time>,
}

impl Budget {
    pub fn new(rate: f64) -> Self {
        Self { rate, tokens: rate, at: None }
    }

    pub fn take(&mut self, now: Time) -> bool {
        if let Some(at) = self.at {
            self.tokens = (self.tokens + now.since(at).as_secs_f64() * self.rate).min(self.rate);
        }
        self.at = Some(now);
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }
}

/// Loss and jitter of one incoming stream for receiver reports (RFC 3550 appendix A.3 and A.8).
#[derive(Clone, Debug)]
pub struct Reception {
    pub ssrc: u32,
    clock_hz: u32,
    base: u64,
    highest: u64,
    received: u64,
    expected_before: u64,
    received_before: u64,
    transit: Option<f64>,
    jitter: f64,
    report: Option<(u32, Time)>,
}

impl Reception {
    pub fn new(ssrc: u32, clock_hz: u32, seq: u16) -> Self {
        Self {
            ssrc,
            clock_hz,
            base: u64::from(seq),
            highest: u64::from(seq),
            received: 0,
            expected_before: 0,
            received_before: 0,
            transit: None,
            jitter: 0.0,
            report: None,
        }
    }

    pub fn packet(&mut self, seq: u16, timestamp: u32, now: Time) {
        self.received += 1;
        let ahead = seq_distance(seq, self.highest as u16);
        if ahead <= 0 && self.received > 1 {
            return;
        }
        self.highest += ahead.max(0) as u64;
        let transit = now.as_secs_f64() * f64::from(self.clock_hz) - f64::from(timestamp);
        if let Some(before) = self.transit {
            let change = (transit - before).abs();
            // A wrapped or restarted clock is not jitter.
            if change < f64::from(self.clock_hz) * 10.0 {
                self.jitter += (change - self.jitter) / 16.0;
            }
        }
        self.transit = Some(transit);
    }

    pub fn sender_report(&mut self, ntp: u64, now: Time) {
        self.report = Some(((ntp >> 16) as u32, now));
    }

    /// The report block for the time since the one before.
    pub fn report(&mut self, now: Time) -> ReportBlock {
        let expected = self.highest - self.base + 1;
        let lost_total = (expected as i64 - self.received as i64).clamp(-0x80_0000, 0x7F_FFFF) as i32;
        let expected_now = expected - self.expected_before;
        let lost_now = expected_now as i64 - (self.received - self.received_before) as i64;
        self.expected_before = expected;
        self.received_before = self.received;
        let fraction =
            if expected_now > 0 && lost_now > 0 { ((lost_now << 8) / expected_now as i64).min(255) as u8 } else { 0 };
        let (last_sr, delay) =
            self.report.map_or((0, 0), |(ntp, at)| (ntp, (now.since(at).as_secs_f64() * 65_536.0) as u32));
        ReportBlock {
            ssrc: self.ssrc,
            fraction_lost: fraction,
            cumulative_lost: lost_total,
            highest_seq: self.highest as u32,
            jitter: self.jitter as u32,
            last_sr,
            delay_since_sr: delay,
        }
    }
}

/// Bits per second over about five seconds, from bytes as they come: over less, keyframes make the rate of an encoding
/// swing by more than the headroom of a choice.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    bytes: u64,
    since: Option<Time>,
    /// Seconds it has run: the first values count for more.
    age: f64,
    bps: f64,
}

impl Meter {
    pub fn add(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// Call every 250 ms or so.
    pub fn roll(&mut self, now: Time) {
        let Some(since) = self.since else {
            self.since = Some(now);
            self.bytes = 0;
            return;
        };
        let passed = now.since(since).as_secs_f64();
        if passed < 0.2 {
            return;
        }
        let fresh = self.bytes as f64 * 8.0 / passed;
        self.bps = if self.bps == 0.0 {
            fresh
        } else {
            self.bps + (fresh - self.bps) * (passed / self.age.clamp(1.0, 5.0)).min(1.0)
        };
        self.age += passed;
        self.bytes = 0;
        self.since = Some(now);
    }

    pub fn bps(&self) -> u64 {
        self.bps as u64
    }
}
