//! How much a viewer's path carries, from what the viewer tells of arrivals (transport-wide feedback), or, failing
//! that, from REMB and receiver reports. After draft-ietf-rmcat-gcc-02, changed where our traffic differs: a frame
//! leaves as one train without pacing, and a viewer is often sent less than its path would carry.
//! Knows no packets, layers or sockets.

use crate::time::{Span, Time};
use crate::twcc::{self, SendHistory};

mod acked;
mod delay;
mod loss;
mod probe;
mod remb;

use acked::Acked;
use delay::{Delay, Usage};
use loss::Loss;
use probe::{Prober, Verdict};
use remb::Padding;

/// Padding to send now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// RTP payload bytes in total, to be split into packets as the caller likes (at least 4 of them).
    pub bytes: usize,
}

const LEAST_BPS: f32 = 30_000.0;
const MOST_BPS: f32 = 100_000_000.0;
/// After an overuse the estimate is this part of what arrives; after another within a second, less.
const BETA: f32 = 0.90;
const BETA_AGAIN: f32 = 0.80;
const AGAIN: Span = Span::secs(1);
/// Growth per second far from the last known capacity.
const GROWTH: f32 = 0.08;
/// Without a probe the estimate grows no further than this above what arrives.
const UNPROVEN: f32 = 1.5;
/// The window for what arrives, in general and when the rate has just changed.
const LONG: Span = Span::millis(600);
const QUICK: Span = Span::millis(200);
/// A queue this long beyond our own bursts is overuse, whatever its trend, and one twice as long in any case: µs.
const QUEUE_MOST_US: i64 = 250_000;
/// A shorter one may yet be jitter: then a fall is bounded, and the next waits until this one shows.
const QUEUE_SURE_US: i64 = 120_000;
const UNSURE: f32 = 0.7;
/// The estimate does not grow while the queue is longer than this.
const QUEUE_HOLD_US: i64 = 60_000;
/// A train that arrives slower than this part of the sent rate shows a link that cannot carry it.
const SPREAD_PART: f32 = 0.7;
/// A jam that was not seen for so long is over.
const JAM: Span = Span::millis(1_500);
/// No probe for so long after the estimate fell.
const CALM: Span = Span::secs(2);
/// No probe before there is something to compare with.
const FIRST_PROBE: Span = Span::millis(300);
/// Feedback that tells of a later time than this is from a clock that began anew: µs.
const CLOCK_JUMP_US: i64 = 60_000_000;
/// Growth ceiling of a viewer of whom only receiver reports come.
const REPORTS_MOST_BPS: f32 = 4_000_000.0;
const MAP_WORDS: usize = twcc::HISTORY_PACKETS as usize / 64;

/// Where knowledge of the path comes from. The better one wins, for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    Nothing,
    Reports,
    Remb,
    Transport,
}

/// One viewer's path. About 1.2 KiB; allocates nothing.
pub struct Estimator {
    source: Source,
    bps: f32,
    /// Where the path was full before, bit/s: growth is careful around it.
    full: Option<f32>,
    fell: Time,
    /// The queue when it fell, µs.
    fell_queue_us: i64,
    /// When a queue was seen for certain: long, or growing too quickly to wait for the trend.
    jammed: Option<Time>,
    /// Mean size of a packet.
    packet_bytes: f32,
    known_since: Time,
    last: Time,
    rtt: Option<Span>,
    rtt_is_reported: bool,
    rtt_least: Span,
    /// One past the highest sequence number told of.
    next: u16,
    /// Which of the last 1,024 numbers were told to have arrived, by `seq % 1024`.
    arrived: [u64; MAP_WORDS],
    /// The peer's clock without its wrap, µs.
    clock: Option<i64>,
    acked: Acked,
    delay: Delay,
    loss: Loss,
    prober: Prober,
    remb: Padding,
}

impl Estimator {
    /// `start_bps` is assumed from the first feedback on until something better is known.
    pub fn new(start_bps: u64) -> Self {
        Self {
            source: Source::Nothing,
            bps: (start_bps as f32).clamp(LEAST_BPS, MOST_BPS),
            full: None,
            fell: Time(0),
            fell_queue_us: 0,
            jammed: None,
            packet_bytes: 600.0,
            known_since: Time(0),
            last: Time(0),
            rtt: None,
            rtt_is_reported: false,
            rtt_least: Span::secs(1),
            next: 0,
            arrived: [0; MAP_WORDS],
            clock: None,
            acked: Acked::new(),
            delay: Delay::new(),
            loss: Loss::new(),
            prober: Prober::new(),
            remb: Padding::new(),
        }
    }

    /// What the path carries, bit/s with all headers that [`SendHistory`] was told of; `None` before any feedback.
    pub fn estimate(&self) -> Option<u64> {
        (self.source != Source::Nothing).then_some(self.bps as u64)
    }

    /// Share of packets lost lately, 0 to 1.
    pub fn loss(&self) -> f32 {
        self.loss.share()
    }

    /// The part of that loss which the path has at any rate, 0 to 0.5; what a full queue drops is left out.
    pub fn own_loss(&self) -> f32 {
        self.loss.own()
    }

    /// Round-trip time: from receiver reports, else from feedback (then with the viewer's feedback interval in it).
    pub fn rtt(&self) -> Option<Span> {
        self.rtt
    }

    /// How long packets wait at the bottleneck now, as far as transport feedback tells.
    pub fn queue(&self) -> Span {
        Span(self.delay.queue_us().max(0) as u64)
    }

    /// How long what is still on its way will take beyond the round-trip time, if the path is known to be jammed; else
    /// zero. Sees a queue before the packets in it have arrived: with over half a second of it the caller should send
    /// no more video until it has drained, rather than show it late.
    pub fn backlog(&self, history: &SendHistory, now: Time) -> Span {
        let jammed = self.jammed.is_some_and(|then| now.since(then) < JAM);
        if !jammed || self.source != Source::Transport {
            return Span::ZERO;
        }
        let packets = history.next().wrapping_sub(self.next).min(twcc::HISTORY_PACKETS);
        let us = f32::from(packets) * self.packet_bytes * 8e6 / self.bps;
        Span((us as u64).saturating_sub(self.rtt_least.0))
    }

    /// Transport-wide feedback: the FCI, without the two SSRCs and without RTCP padding. Malformed: no effect.
    pub fn on_feedback(&mut self, fci: &[u8], history: &SendHistory, now: Time) {
        let mut newest_sent = None;
        twcc::read_feedback(fci, &mut |seq, arrival| {
            if let Some((sent, bytes)) = history.lookup(seq) {
                self.status(seq, arrival, sent, u32::from(bytes));
                if arrival.is_some() {
                    newest_sent = Some(sent);
                }
            }
        });
        let Some(sent) = newest_sent else { return };
        if self.source != Source::Transport {
            self.source = Source::Transport;
            self.known_since = now;
            self.last = now;
        }
        self.rtt_least = self.rtt_least.min(now.since(sent));
        if !self.rtt_is_reported {
            self.smooth_rtt(now.since(sent));
        }
        self.update(now);
    }

    /// Receiver Estimated Maximum Bitrate (draft-alvestrand-rmcat-remb-03). Ignored once transport feedback came.
    pub fn on_remb(&mut self, bps: u64, now: Time) {
        if self.source == Source::Transport {
            return;
        }
        self.source = Source::Remb;
        self.bps = (bps as f32).clamp(LEAST_BPS, MOST_BPS);
        self.remb.heard(self.bps, now);
    }

    /// A receiver report: `fraction_lost` in 1/256, `rtt` if the report told it. Its loss counts only while there is
    /// nothing better.
    pub fn on_report(&mut self, fraction_lost: u8, rtt: Option<Span>, now: Time) {
        if let Some(rtt) = rtt {
            if !self.rtt_is_reported {
                self.rtt = None;
                self.rtt_is_reported = true;
            }
            self.smooth_rtt(rtt);
        }
        if self.source == Source::Transport {
            return;
        }
        let elapsed = now.since(self.last).as_secs_f64().min(5.0) as f32;
        self.last = now;
        let excess = self.loss.report(f32::from(fraction_lost) / 256.0, now);
        if self.source == Source::Remb {
            // The peer's own estimate knows of loss, too.
            return;
        }
        if self.source == Source::Nothing {
            self.source = Source::Reports;
        } else if let Some(excess) = excess {
            self.fall_to(self.bps * (1.0 - 0.5 * excess), now);
        } else if self.loss.share() < 0.05 {
            let most = REPORTS_MOST_BPS.max(self.bps);
            self.bps = (self.bps * (1.0 + GROWTH * elapsed)).min(most);
        }
    }

    /// Whether to send padding now, to find out if the path carries `wanted_bps` (the rate of the next better layer,
    /// with its headroom). Call it on each tick, every 5 to 50 ms, while a better layer is wanted; send the bytes at
    /// once as at least 4 packets, and then call [`probe_sent`](Self::probe_sent).
    pub fn probe(&mut self, wanted_bps: u64, now: Time) -> Option<Probe> {
        let wanted = (wanted_bps as f32).min(MOST_BPS);
        match self.source {
            Source::Nothing | Source::Reports => None,
            Source::Remb => self.remb.poll(wanted, self.bps, now),
            Source::Transport => {
                if self.prober.is_idle() {
                    let calm = now.since(self.known_since) >= FIRST_PROBE
                        && (self.fell == Time(0) || now.since(self.fell) >= CALM)
                        && self.delay.usage() != Usage::Over
                        && self.delay.queue_us() < QUEUE_HOLD_US;
                    if !calm || self.bps >= wanted {
                        return None;
                    }
                }
                let media = self.acked.rate(LONG)?;
                self.prober.poll(wanted, media, self.delay.queue_us(), now)
            }
        }
    }

    /// The padding of the last [`probe`](Self::probe) left with these transport-wide numbers.
    pub fn probe_sent(&mut self, first_seq: u16, last_seq: u16, _now: Time) {
        self.prober.sent(first_seq, last_seq);
    }

    fn status(&mut self, seq: u16, arrival: Option<i64>, sent: Time, bytes: u32) {
        if self.clock.is_none() {
            // The first ever: nothing before it is awaited.
            self.next = seq;
        }
        let ahead = seq.wrapping_sub(self.next) as i16;
        let is_new = ahead >= 0;
        if is_new {
            self.pass(ahead as u16);
            self.next = seq.wrapping_add(1);
            self.mark(seq, arrival.is_some());
        }
        let Some(arrival) = arrival else {
            if is_new {
                self.loss.lost();
                self.delay.lost(sent, bytes);
                self.prober.lost(seq, bytes);
            }
            return;
        };
        let arrival = self.unwrap(arrival);
        if is_new {
            if ahead > 0 {
                // A feedback packet was lost, not what it told of.
                let unknown = u32::from(ahead as u16).min(64) * bytes;
                self.acked.add(arrival, unknown);
                self.delay.lost(sent, unknown);
                self.prober.lost_feedback(seq, unknown);
            }
            self.loss.arrived();
            self.delay.arrived(sent, arrival, bytes);
            self.packet_bytes += (bytes as f32 - self.packet_bytes) / 64.0;
            self.prober.arrived(seq, arrival, bytes);
        } else if self.has(seq) {
            return;
        } else {
            self.mark(seq, true);
            self.loss.found();
        }
        self.acked.add(arrival, bytes);
    }

    /// Numbers that no feedback told of are taken as arrived: they must not be counted again, nor as lost.
    fn pass(&mut self, count: u16) {
        if count >= twcc::HISTORY_PACKETS {
            self.arrived = [u64::MAX; MAP_WORDS];
            return;
        }
        for i in 0..count {
            self.mark(self.next.wrapping_add(i), true);
        }
    }

    fn mark(&mut self, seq: u16, has: bool) {
        let at = usize::from(seq % twcc::HISTORY_PACKETS);
        let bit = 1u64 << (at % 64);
        if has {
            self.arrived[at / 64] |= bit;
        } else {
            self.arrived[at / 64] &= !bit;
        }
    }

    fn has(&self, seq: u16) -> bool {
        let at = usize::from(seq % twcc::HISTORY_PACKETS);
        self.arrived[at / 64] >> (at % 64) & 1 == 1
    }

    /// The peer's clock without the wrap of its reference time.
    fn unwrap(&mut self, arrival: i64) -> i64 {
        let unwrapped = match self.clock {
            None => arrival,
            Some(before) => {
                let half = twcc::CLOCK_WRAP_US / 2;
                let ahead = (arrival - before + half).rem_euclid(twcc::CLOCK_WRAP_US) - half;
                if ahead.abs() > CLOCK_JUMP_US {
                    self.acked = Acked::new();
                    self.delay = Delay::new();
                    arrival
                } else {
                    before + ahead
                }
            }
        };
        self.clock = Some(unwrapped);
        unwrapped
    }

    fn update(&mut self, now: Time) {
        let elapsed = now.since(self.last).as_secs_f64().min(0.3) as f32;
        self.last = now;
        let queue_us = self.delay.queue_us();
        let usage = self.delay.usage();
        let spread = self.spread_too_slow();
        let over = usage == Usage::Over || self.delay.excess_us() > QUEUE_MOST_US || queue_us > 2 * QUEUE_MOST_US;
        let excess = self.loss.conclude(queue_us > QUEUE_HOLD_US, now);

        let congested = over || spread.is_some() || excess.is_some();
        let own = self.loss.own();
        let verdict = self.prober.conclude(self.next, queue_us, own, congested, now);
        match verdict {
            Verdict::Carried(bps) => {
                self.bps = self.bps.max(bps);
                self.full = self.full.filter(|&full| full > bps);
            }
            Verdict::Failed => self.prober.postpone(now + CALM),
            Verdict::Pending => {}
        }

        if spread.is_some() || (queue_us > QUEUE_SURE_US && !self.prober.is_loading(now)) {
            self.jammed = Some(now);
        }
        if let Some(bps) = spread {
            self.fall_to(BETA * bps, now);
        } else if self.prober.is_loading(now) && queue_us < QUEUE_MOST_US {
            // Our own padding did it, and it has ended.
        } else if over {
            self.overused(queue_us, now);
        } else if let Some(excess) = excess {
            let acked = self.acked.rate(LONG).unwrap_or(self.bps);
            let sent = acked / (1.0 - self.loss.share()).max(0.2);
            let least = BETA * self.acked.rate(QUICK).unwrap_or(0.0);
            self.fall_to((self.bps.min(sent) * (1.0 - 0.5 * excess)).max(least), now);
        } else if usage == Usage::Normal && queue_us < QUEUE_HOLD_US {
            self.grow(elapsed);
        }
        self.delay.believe(self.bps);
    }

    /// What arrives now is what the path carries.
    fn overused(&mut self, queue_us: i64, now: Time) {
        let response = self.rtt.unwrap_or(Span::millis(100)).0.min(400_000) + 100_000;
        if queue_us <= QUEUE_SURE_US && self.fell != Time(0) && now.since(self.fell).0 < response {
            return;
        }
        let Some(acked) = self.acked.rate(QUICK) else {
            return;
        };
        let carried = acked / (1.0 - self.loss.own());
        // A second fall only after the first had time to show, and if it did not help.
        let since = now.since(self.fell).0;
        let persists = since > response && since < response + AGAIN.0 && queue_us >= self.fell_queue_us;
        let beta = if self.fell != Time(0) && persists { BETA_AGAIN } else { BETA };
        if self.bps > beta * carried {
            self.full = Some(match self.full {
                Some(full) if (full - carried).abs() < 0.3 * full => 0.7 * full + 0.3 * carried,
                _ => carried,
            });
            let least = if queue_us > QUEUE_SURE_US { 0.0 } else { UNSURE * self.bps };
            self.fall_to((beta * carried).max(least), now);
        }
    }

    fn fall_to(&mut self, bps: f32, now: Time) {
        if bps < self.bps {
            self.bps = bps.max(LEAST_BPS);
            self.fell = now;
            self.fell_queue_us = self.delay.queue_us();
        }
    }

    fn grow(&mut self, elapsed: f32) {
        let Some(acked) = self.acked.rate(LONG) else {
            return;
        };
        let most = (UNPROVEN * acked / (1.0 - self.loss.own()) + 10_000.0).max(self.bps);
        if self.full.is_some_and(|full| self.bps > 1.3 * full) {
            self.full = None;
        }
        let near = self.full.is_some_and(|full| self.bps > 0.8 * full);
        let step = if near {
            // One packet per response time, as GCC does near the maximum.
            let response = self.rtt.unwrap_or(Span::millis(100)).as_secs_f64() as f32 + 0.1;
            1200.0 * 8.0 / response * elapsed
        } else {
            self.bps * GROWTH * elapsed
        };
        self.bps = (self.bps + step).min(most).min(MOST_BPS);
    }

    /// The bottleneck's rate, when a train shows that it is below what we send.
    fn spread_too_slow(&self) -> Option<f32> {
        let spread = self.delay.spread_bps()?;
        let acked = self.acked.rate(LONG)?;
        (spread < SPREAD_PART * acked.min(self.bps)).then_some(spread)
    }

    fn smooth_rtt(&mut self, rtt: Span) {
        let rtt = rtt.0.min(10_000_000);
        self.rtt = Some(match self.rtt {
            None => Span(rtt),
            Some(before) => Span((before.0 * 7 + rtt) / 8),
        });
    }
}
