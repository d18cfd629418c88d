//! A bottleneck, a simulcast source and a viewer in virtual time: what the congestion tests run on.
//! Everything random comes from one seed.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use sfu::api::Layer;
use sfu::bwe::Estimator;
use sfu::select::{Rung, Selector};
use sfu::time::{Span, Time};
use sfu::twcc::{Receiver, SendHistory};

pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// 0 to 1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Feedback {
    /// Transport-wide feedback every so many ms.
    Every(u64),
    /// As `twcc::Receiver::due` says.
    Due,
    /// 5 % of the received rate, between 50 and 250 ms, as libwebrtc does.
    Chrome,
    /// No transport feedback: REMB of a receiver after GCC.
    Remb,
}

/// What happens on the path, by time in seconds.
pub struct Path {
    pub bps: fn(f64) -> f64,
    /// Longest queue in ms at the present rate.
    pub queue_ms: f64,
    /// How often the server chooses layers and asks whether to probe, s.
    pub tick_s: f64,
    /// Bytes that pass at once after a quiet time (token bucket).
    pub burst: f64,
    /// One way, each direction.
    pub delay_ms: f64,
    /// Up to this much more per packet; order is kept.
    pub jitter_ms: f64,
    pub loss: fn(f64) -> f64,
    /// Share of feedback packets lost.
    pub feedback_loss: fn(f64) -> f64,
    /// Other traffic through the same queue, bit/s.
    pub cross_bps: fn(f64) -> f64,
}

pub const ZERO: fn(f64) -> f64 = |_| 0.0;

impl Path {
    pub fn steady(bps: fn(f64) -> f64) -> Self {
        Self {
            bps,
            queue_ms: 400.0,
            tick_s: 0.05,
            burst: 0.0,
            delay_ms: 20.0,
            jitter_ms: 2.0,
            loss: ZERO,
            feedback_loss: ZERO,
            cross_bps: ZERO,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Point {
    pub at_s: f64,
    pub estimate: f64,
    pub encoding: u8,
    pub queue_ms: f64,
}

#[derive(Default)]
pub struct Outcome {
    /// Every 20 ms.
    pub points: Vec<Point>,
    /// Longest wait in the bottleneck by second.
    pub queue_by_second: Vec<f64>,
    pub received_bytes: f64,
    pub padding_bytes: f64,
    pub switches: usize,
    /// Time without video because of a backlog.
    pub held_s: f64,
}

impl Outcome {
    /// Seconds after `from` until the encoding is as asked and stays for `stays` s.
    pub fn until(&self, from: f64, stays: f64, wanted: impl Fn(u8) -> bool) -> f64 {
        let mut since = None;
        for p in self.points.iter().filter(|p| p.at_s >= from) {
            match (wanted(p.encoding), since) {
                (true, None) => since = Some(p.at_s),
                (true, Some(s)) if p.at_s - s >= stays => return s - from,
                (true, Some(_)) => {}
                (false, _) => since = None,
            }
        }
        f64::INFINITY
    }

    /// Share of the time from `from` to `to` that the encoding was `encoding` or better.
    pub fn share(&self, from: f64, to: f64, encoding: u8) -> f64 {
        let of = |p: &&Point| p.at_s >= from && p.at_s < to;
        let all = self.points.iter().filter(of).count();
        let good = self.points.iter().filter(of).filter(|p| p.encoding >= encoding).count();
        good as f64 / all.max(1) as f64
    }

    pub fn estimate(&self, from: f64, to: f64) -> (f64, f64) {
        let within = self.points.iter().filter(|p| p.at_s >= from && p.at_s < to);
        within.fold((f64::INFINITY, 0.0), |(low, high), p| (low.min(p.estimate), high.max(p.estimate)))
    }

    pub fn queue(&self, from: usize, to: usize) -> f64 {
        self.queue_by_second[from..to.min(self.queue_by_second.len())].iter().fold(0.0, |a, &b| a.max(b))
    }

    /// Share of points with a queue over `ms`.
    pub fn seconds_over(&self, from: f64, to: f64, ms: f64) -> f64 {
        let step = self.points.get(1).map_or(0.0, |p| p.at_s - self.points[0].at_s);
        self.points.iter().filter(|p| p.at_s >= from && p.at_s < to && p.queue_ms > ms).count() as f64 * step
    }
}

#[derive(Clone, Copy)]
struct Packet {
    seq: u16,
    bytes: f64,
    kind: Sort,
    sent: f64,
    resent: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Sort {
    Media,
    Padding,
    Cross,
}

enum Event {
    Frame(u64),
    Audio,
    Cross,
    Tick,
    Arrive(Packet),
    Send(Packet),
    Feedback,
    Told(Vec<u8>),
    Remb(u64),
    Report(u8),
}

/// Rates of the three encodings, bit/s.
pub const RATES: [f64; 3] = [150_000.0, 500_000.0, 2_500_000.0];
const FPS: f64 = 30.0;
const KEY: f64 = 6.0;
const MTU: f64 = 1200.0;

struct Link<'a> {
    path: &'a Path,
    free: f64,
    tokens: f64,
    tokens_at: f64,
    last_arrival: f64,
}

impl Link<'_> {
    /// When a packet that enters at `now` comes out, and how long it waited; `None` when the queue is full.
    fn enter(&mut self, now: f64, bytes: f64) -> Option<(f64, f64)> {
        let bps = (self.path.bps)(now);
        let wait = (self.free - now).max(0.0);
        if wait * 1000.0 > self.path.queue_ms {
            return None;
        }
        if wait == 0.0 {
            self.tokens = (self.tokens + (now - self.tokens_at) * bps / 8.0).min(self.path.burst);
            self.tokens_at = now;
            if self.tokens >= bytes {
                self.tokens -= bytes;
                self.free = now;
                return Some((now, 0.0));
            }
        }
        self.free = now.max(self.free) + bytes * 8.0 / bps;
        self.tokens_at = self.free;
        Some((self.free, wait))
    }
}

/// Run the loop of estimator, selector, source and viewer for `seconds`.
pub fn run(path: &Path, feedback: Feedback, seconds: f64, seed: u64) -> Outcome {
    let mut random = Random::new(seed);
    let mut estimator = Estimator::new(600_000);
    let mut selector = Selector::new();
    let mut history = SendHistory::new();
    let mut receiver = Receiver::new();
    let mut outcome = Outcome { queue_by_second: vec![0.0; seconds as usize + 1], ..Outcome::default() };
    let mut link = Link { path, free: 0.0, tokens: 0.0, tokens_at: 0.0, last_arrival: 0.0 };
    let mut heap: BinaryHeap<Reverse<(u64, u64)>> = BinaryHeap::new();
    let mut events: Vec<Option<Event>> = Vec::new();
    // The viewer's clock has another zero.
    let skew = random.unit() * 1e6;

    let mut measured = RATES;
    let mut shown = 1u8;
    let mut target = 1u8;
    let mut held = false;
    let mut key_at = f64::INFINITY;
    let mut next_key = 3.0;
    let (mut got, mut lost_since, mut got_since) = (VecDeque::<(f64, f64)>::new(), 0u32, 0u32);
    let mut remb_bps = 300_000.0f64;
    let mut remb_base = f64::INFINITY;
    let mut remb_delay = 0.0f64;

    macro_rules! at {
        ($t:expr, $e:expr) => {{
            heap.push(Reverse((($t * 1e6) as u64, events.len() as u64)));
            events.push(Some($e));
        }};
    }
    at!(0.0, Event::Frame(0));
    at!(0.001, Event::Audio);
    at!(0.002, Event::Tick);
    at!(0.05, Event::Feedback);
    at!(0.0, Event::Cross);

    while let Some(Reverse((us, index))) = heap.pop() {
        let now = us as f64 / 1e6;
        if now >= seconds {
            break;
        }
        let time = Time(us + 5_000_000);
        match events[index as usize].take().unwrap() {
            Event::Frame(n) => {
                at!((n + 1) as f64 / FPS, Event::Frame(n + 1));
                // The publisher's keyframes come when someone asks: another viewer, or ours for its switch.
                let key = now >= key_at || now >= next_key;
                if now >= next_key {
                    next_key = now + 2.0 + 6.0 * random.unit();
                }
                let backlog = estimator.backlog(&history, time);
                if held && backlog <= Span::millis(200) && key_at == f64::INFINITY {
                    key_at = now + 0.1;
                } else if backlog >= Span::millis(600) {
                    held = true;
                    key_at = f64::INFINITY;
                }
                if held {
                    outcome.held_s += 1.0 / FPS;
                }
                if key && backlog < Span::millis(600) {
                    held = false;
                    shown = target;
                    key_at = f64::INFINITY;
                }
                for (i, rate) in RATES.iter().enumerate() {
                    let size = rate / 8.0 / FPS * (0.7 + 0.6 * random.unit()) * if key { KEY } else { 0.95 };
                    measured[i] += (size * 8.0 * FPS - measured[i]) / (5.0 * FPS);
                    if i as u8 == shown && !held {
                        let count = (size / MTU).ceil();
                        let each = (size / count) as u16;
                        let first = history.sent(count as u16, each, time);
                        for k in 0..count as u16 {
                            let seq = first.wrapping_add(k);
                            at!(
                                now,
                                Event::Send(Packet {
                                    seq,
                                    bytes: each.into(),
                                    kind: Sort::Media,
                                    sent: now,
                                    resent: false
                                })
                            );
                        }
                    }
                }
            }
            Event::Audio => {
                at!(now + 0.02, Event::Audio);
                let seq = history.sent(1, 120, time);
                at!(now, Event::Send(Packet { seq, bytes: 120.0, kind: Sort::Media, sent: now, resent: false }));
            }
            Event::Cross => {
                let bps = (path.cross_bps)(now);
                at!(now + if bps > 0.0 { 12_000.0 / bps } else { 0.1 }, Event::Cross);
                if bps > 0.0 {
                    at!(
                        now,
                        Event::Send(Packet { seq: 0, bytes: 1500.0, kind: Sort::Cross, sent: now, resent: false })
                    );
                }
            }
            Event::Send(mut packet) => {
                if packet.resent && packet.sent != now {
                    packet.seq = history.sent(1, packet.bytes as u16, time);
                    packet.sent = now;
                }
                let second = (now as usize).min(outcome.queue_by_second.len() - 1);
                let out = link.enter(now, packet.bytes);
                if let Some((_, wait)) = out {
                    let worst = &mut outcome.queue_by_second[second];
                    *worst = worst.max(wait * 1000.0);
                }
                let dropped = random.unit() < (path.loss)(now);
                match out {
                    Some((out, _)) if !dropped => {
                        let arrival = out + (path.delay_ms + path.jitter_ms * random.unit()) / 1000.0;
                        link.last_arrival = link.last_arrival.max(arrival);
                        if packet.kind != Sort::Cross {
                            at!(link.last_arrival, Event::Arrive(packet));
                        }
                    }
                    _ if packet.kind == Sort::Media => {
                        // NACK and retransmission, once: a round trip and some waiting later.
                        lost_since += 1;
                        let seq_at = now + path.delay_ms * 2.0 / 1000.0 + 0.03;
                        if !packet.resent || random.unit() < 0.5 {
                            at!(seq_at, Event::Send(Packet { resent: true, ..packet }));
                        }
                    }
                    _ => {}
                }
            }
            Event::Arrive(packet) => {
                outcome.received_bytes += packet.bytes;
                got_since += 1;
                got.push_back((now, packet.bytes));
                while got.front().is_some_and(|g| g.0 < now - 0.5) {
                    got.pop_front();
                }
                let delay = now - packet.sent;
                remb_base = remb_base.min(delay);
                remb_delay = delay - remb_base;
                receiver.packet(packet.seq, Time(((now + skew) * 1e6) as u64));
            }
            Event::Feedback => {
                let rate = got.iter().map(|g| g.1).sum::<f64>() * 8.0 / 0.5;
                let interval = match feedback {
                    Feedback::Every(ms) => ms as f64 / 1000.0,
                    Feedback::Due => 0.005,
                    Feedback::Chrome => (60.0 * 8.0 / (0.05 * rate.max(1.0))).clamp(0.05, 0.25),
                    Feedback::Remb => 0.5,
                };
                at!(now + interval, Event::Feedback);
                if feedback == Feedback::Remb {
                    if now < 0.5 {
                        continue;
                    }
                    // After GCC: 8 % per second up to 1.5 of what arrives, 0.85 of it on a growing queue.
                    remb_bps = if remb_delay > 0.25 {
                        remb_bps.min(0.85 * rate)
                    } else {
                        let most = (1.5 * rate + 10_000.0).max(remb_bps);
                        (remb_bps * (1.0 + 0.08 * interval)).min(most)
                    };
                    let lost = lost_since as f64 / (lost_since + got_since).max(1) as f64;
                    (lost_since, got_since) = (0, 0);
                    at!(now + path.delay_ms / 1000.0, Event::Remb(remb_bps as u64));
                    at!(now + path.delay_ms / 1000.0, Event::Report((lost * 255.0) as u8));
                } else if feedback != Feedback::Due || receiver.due(Time(((now + skew) * 1e6) as u64)) {
                    let mut out = Vec::new();
                    while receiver.write(1, 2, &mut out) {
                        let padding = if out[0] & 0x20 != 0 { *out.last().unwrap() as usize } else { 0 };
                        let fci = out[12..out.len() - padding].to_vec();
                        out.clear();
                        if random.unit() >= (path.feedback_loss)(now) {
                            at!(now + path.delay_ms / 1000.0, Event::Told(fci));
                        }
                    }
                }
            }
            Event::Told(fci) => estimator.on_feedback(&fci, &history, time),
            Event::Remb(bps) => estimator.on_remb(bps, time),
            Event::Report(lost) => estimator.on_report(lost, Some(Span::millis(path.delay_ms as u64 * 2)), time),
            Event::Tick => {
                at!(now + path.tick_s, Event::Tick);
                let rungs = [0, 1, 2].map(|i| Rung {
                    layer: Layer { encoding: i as u8, ..Layer::default() },
                    bps: measured[i] as u64 + 48_000,
                    active: true,
                });
                let chosen = selector.choose(&rungs, estimator.estimate(), time).encoding;
                if chosen != target {
                    target = chosen;
                    outcome.switches += 1;
                    // Down: a keyframe is asked for at once; up: the same. The publisher answers a little later.
                    key_at = now + 0.1;
                }
                if target == shown && !held {
                    key_at = f64::INFINITY;
                }
                if let Some(wanted) = selector.wanted(&rungs)
                    && let Some(probe) = estimator.probe(wanted, time)
                {
                    let count = (probe.bytes as f64 / MTU).ceil().max(4.0);
                    let each = (probe.bytes as f64 / count) as u16;
                    outcome.padding_bytes += count * f64::from(each);
                    let first = history.sent(count as u16, each, time);
                    for k in 0..count as u16 {
                        let seq = first.wrapping_add(k);
                        at!(
                            now,
                            Event::Send(Packet {
                                seq,
                                bytes: each.into(),
                                kind: Sort::Padding,
                                sent: now,
                                resent: false
                            })
                        );
                    }
                    estimator.probe_sent(first, first.wrapping_add(count as u16 - 1), time);
                }
                outcome.points.push(Point {
                    at_s: now,
                    estimate: estimator.estimate().unwrap_or(0) as f64,
                    encoding: shown,
                    queue_ms: (link.free - now).max(0.0) * 1000.0,
                });
            }
        }
    }
    outcome
}
