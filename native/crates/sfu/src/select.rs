//! Which layer of the video a viewer gets, from what the layers need and what the estimate allows.
//! Knows rates and times only: not how the estimate came to be, nor how a switch is done.

use crate::api::Layer;
use crate::time::{Span, Time};

/// A layer that a viewer could be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rung {
    pub layer: Layer,
    /// What it takes to send it (with the layers it depends on), bit/s, as the room measures it.
    pub bps: u64,
    /// Whether the encoder sends it now.
    pub active: bool,
}

/// A rung needs its rate times this before it is climbed.
const HEADROOM_PERCENT: u64 = 115;
/// An estimate falls to nine tenths of what arrives when the path is full, so that a rung may need a little more.
const ENOUGH_PERCENT: u64 = 95;
/// An estimate below that leads down after this long; it may be one bad measurement.
const SHORT: Span = Span::millis(300);
/// An estimate below this share of the need leads down at once: a queue is growing.
const FAR_BELOW_PERCENT: u64 = 80;
/// Least time on a rung before the next is climbed.
const STAY: Span = Span::secs(2);
/// Most time on a rung, after climbs that failed again and again.
const STAY_MOST: Span = Span::secs(30);
/// A climb that did not last this long failed.
const FAILED: Span = Span::secs(10);
/// The estimate must be high enough for this long before a climb; a single high value is not trusted.
const ENOUGH: Span = Span::millis(300);
/// A viewer of whom nothing is known gets the best rung below this: video at once without filling a slow link.
const UNKNOWN_BPS: u64 = 700_000;

/// The choice for one viewer.
#[derive(Clone, Debug)]
pub struct Selector {
    current: Option<Layer>,
    switched: Time,
    /// The last climb, until it has lasted.
    climbed: Option<Time>,
    stay: Span,
    short_since: Option<Time>,
    enough_since: Option<Time>,
}

impl Default for Selector {
    fn default() -> Self {
        Self::new()
    }
}

impl Selector {
    pub fn new() -> Self {
        Self { current: None, switched: Time(0), climbed: None, stay: STAY, short_since: None, enough_since: None }
    }

    /// The layer to send from now on. `rungs` ascend by rate; `estimate` is in bit/s.
    ///
    /// The lowest active rung is always allowed. Down at once when the estimate is far below the need or has been
    /// short of it for 300 ms; up after 2 s on a rung when the estimate has 15 % to spare. After a climb that failed
    /// within 10 s the next waits twice as long, at most 30 s. A rung that its encoder stopped sending is left at once
    /// and without such consequence. Call it on each tick and after each feedback; it costs a few comparisons.
    pub fn choose(&mut self, rungs: &[Rung], estimate: Option<u64>, now: Time) -> Layer {
        let current = self.current.and_then(|layer| rungs.iter().position(|r| r.layer == layer));
        let Some(at) = current.filter(|&i| rungs[i].active) else {
            return self.enter(rungs, estimate, now);
        };
        let Some(estimate) = estimate else {
            return rungs[at].layer;
        };
        if self.climbed.is_some_and(|then| now.since(then) >= FAILED) {
            self.climbed = None;
            self.stay = STAY;
        }

        if estimate < percent(rungs[at].bps, ENOUGH_PERCENT) {
            self.enough_since = None;
            let since = *self.short_since.get_or_insert(now);
            let far = estimate < percent(rungs[at].bps, FAR_BELOW_PERCENT);
            if far || now.since(since) >= SHORT {
                return self.descend(rungs, at, estimate, now);
            }
            return rungs[at].layer;
        }
        self.short_since = None;

        let better = rungs[at + 1..].iter().rev().find(|r| r.active && need(r) <= estimate);
        let Some(better) = better.filter(|r| r.bps > rungs[at].bps) else {
            self.enough_since = None;
            return rungs[at].layer;
        };
        let since = *self.enough_since.get_or_insert(now);
        if now.since(since) >= ENOUGH && now.since(self.switched) >= self.stay {
            self.climbed = Some(now);
            self.switch(better.layer, now)
        } else {
            rungs[at].layer
        }
    }

    /// The rate (bit/s) that the estimate must show before the next better rung is climbed: the target of a probe.
    /// `None` when the best active rung is being sent, or none at all.
    pub fn wanted(&self, rungs: &[Rung]) -> Option<u64> {
        let at = rungs.iter().position(|r| Some(r.layer) == self.current)?;
        rungs[at + 1..].iter().find(|r| r.active && r.bps > rungs[at].bps).map(need)
    }

    /// How many layers can be climbed to is decided anew: after the publisher changed or the path did.
    pub fn forget_failures(&mut self) {
        self.climbed = None;
        self.stay = STAY;
    }

    /// No current rung, or its encoder stopped: the best that fits.
    fn enter(&mut self, rungs: &[Rung], estimate: Option<u64>, now: Time) -> Layer {
        let allowed = estimate.unwrap_or(UNKNOWN_BPS);
        let active = || rungs.iter().filter(|r| r.active);
        let best = active().rev().find(|r| r.bps <= allowed).or(active().next());
        match best {
            Some(rung) => self.switch(rung.layer, now),
            // Nothing is sent: stay, so that the same layer goes on when the publisher does.
            None => self.current.or(rungs.first().map(|r| r.layer)).unwrap_or_default(),
        }
    }

    fn descend(&mut self, rungs: &[Rung], at: usize, estimate: u64, now: Time) -> Layer {
        let active = || rungs[..at].iter().filter(|r| r.active);
        let Some(rung) = active().rev().find(|r| r.bps <= estimate).or(active().next()) else {
            return rungs[at].layer;
        };
        if self.climbed.take().is_some() {
            self.stay = Span((self.stay.0 * 2).min(STAY_MOST.0));
        }
        self.switch(rung.layer, now)
    }

    fn switch(&mut self, layer: Layer, now: Time) -> Layer {
        self.current = Some(layer);
        self.switched = now;
        self.short_since = None;
        self.enough_since = None;
        layer
    }
}

fn percent(bps: u64, percent: u64) -> u64 {
    bps.saturating_mul(percent) / 100
}

fn need(rung: &Rung) -> u64 {
    percent(rung.bps, HEADROOM_PERCENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(encoding: u8) -> Layer {
        Layer { encoding, ..Layer::default() }
    }

    fn ladder() -> [Rung; 3] {
        [150_000, 500_000, 2_500_000].map(|bps| Rung { layer: layer((bps / 500_000).min(2) as u8), bps, active: true })
    }

    /// Chooses every 20 ms until `until` (ms); the last choice.
    fn run(s: &mut Selector, rungs: &[Rung], bps: u64, now: &mut u64, until: u64) -> u8 {
        let mut last = Layer::default();
        while *now < until {
            last = s.choose(rungs, Some(bps), Time::from_millis(*now));
            *now += 20;
        }
        last.encoding
    }

    #[test]
    fn a_joiner_sees_the_middle_and_then_what_fits() {
        let (mut s, mut now) = (Selector::new(), 0);
        assert_eq!(s.wanted(&ladder()), None);
        assert_eq!(s.choose(&ladder(), None, Time(0)), layer(1));
        assert_eq!(s.wanted(&ladder()), Some(2_875_000));
        assert_eq!(run(&mut s, &ladder(), 4_000_000, &mut now, 2000), 1);
        assert_eq!(run(&mut s, &ladder(), 4_000_000, &mut now, 2100), 2);
        assert_eq!(s.wanted(&ladder()), None);
        // A single rung, however large, is always allowed.
        let only = [ladder()[2]];
        assert_eq!(Selector::new().choose(&only, None, Time(0)), layer(2));
        assert_eq!(Selector::new().choose(&only, Some(1000), Time(0)), layer(2));
        assert_eq!(Selector::new().choose(&[], Some(1000), Time(0)), Layer::default());
    }

    #[test]
    fn down_is_quick_but_not_for_one_measurement() {
        let (mut s, mut now) = (Selector::new(), 0);
        run(&mut s, &ladder(), 4_000_000, &mut now, 3000);
        assert_eq!(run(&mut s, &ladder(), 2_300_000, &mut now, 3200), 2);
        assert_eq!(run(&mut s, &ladder(), 2_600_000, &mut now, 3220), 2);
        assert_eq!(run(&mut s, &ladder(), 2_300_000, &mut now, 3500), 2);
        assert_eq!(run(&mut s, &ladder(), 2_300_000, &mut now, 3600), 1);
        // Far below: at once, over as many rungs as it takes.
        run(&mut s, &ladder(), 4_000_000, &mut now, 20_000);
        assert_eq!(s.choose(&ladder(), Some(300_000), Time::from_millis(now)), layer(0));
        assert_eq!(s.choose(&ladder(), Some(0), Time::from_millis(now + 20)), layer(0));
    }

    #[test]
    fn headroom_keeps_it_from_flapping() {
        let (mut s, mut now) = (Selector::new(), 0);
        run(&mut s, &ladder(), 600_000, &mut now, 100);
        assert_eq!(run(&mut s, &ladder(), 2_800_000, &mut now, 60_000), 1);
        assert_eq!(run(&mut s, &ladder(), 2_875_000, &mut now, 61_000), 2);
        assert_eq!(run(&mut s, &ladder(), 2_500_000, &mut now, 120_000), 2);
    }

    #[test]
    fn failed_climbs_back_off_and_lasting_ones_forgive() {
        let (mut s, mut now) = (Selector::new(), 0);
        run(&mut s, &ladder(), 600_000, &mut now, 3000);
        let mut waits = Vec::new();
        for _ in 0..6 {
            let from = now;
            while s.choose(&ladder(), Some(3_000_000), Time::from_millis(now)) != layer(2) {
                now += 20;
            }
            waits.push((now - from).div_ceil(1000));
            now += 500;
            assert_eq!(s.choose(&ladder(), Some(600_000), Time::from_millis(now)), layer(1));
        }
        assert_eq!(waits, [1, 4, 8, 16, 30, 30]);
        run(&mut s, &ladder(), 3_000_000, &mut now, 400_000);
        s.choose(&ladder(), Some(600_000), Time::from_millis(now));
        let from = now;
        while s.choose(&ladder(), Some(3_000_000), Time::from_millis(now)) != layer(2) {
            now += 20;
        }
        assert_eq!((now - from).div_ceil(1000), 2);
    }

    #[test]
    fn a_layer_that_the_encoder_stopped_is_skipped_at_once_and_without_penalty() {
        let (mut s, mut now) = (Selector::new(), 0);
        let mut rungs = ladder();
        run(&mut s, &rungs, 4_000_000, &mut now, 3000);
        rungs[2].active = false;
        assert_eq!(s.choose(&rungs, Some(4_000_000), Time::from_millis(now)), layer(1));
        assert_eq!(s.wanted(&rungs), None);
        rungs[2].active = true;
        assert_eq!(run(&mut s, &rungs, 4_000_000, &mut now, 5200), 2);
        rungs[1].active = false;
        assert_eq!(s.choose(&rungs, Some(600_000), Time::from_millis(now)), layer(0));
        assert_eq!(s.wanted(&rungs), Some(2_875_000));
        // All stopped: it stays, and goes on with the first that comes back.
        rungs.iter_mut().for_each(|r| r.active = false);
        assert_eq!(s.choose(&rungs, Some(600_000), Time::from_millis(now)), layer(0));
        rungs[1].active = true;
        assert_eq!(s.choose(&rungs, Some(600_000), Time::from_millis(now)), layer(1));
    }

    #[test]
    fn sub_layers_are_rungs_too() {
        let rungs: Vec<_> = [(0, 0, 400), (0, 1, 600), (1, 0, 900), (1, 1, 1500)]
            .map(|(spatial, temporal, kbps)| Rung {
                layer: Layer { encoding: 0, spatial, temporal },
                bps: kbps * 1000,
                active: true,
            })
            .to_vec();
        let (mut s, mut now) = (Selector::new(), 0);
        assert_eq!(s.choose(&rungs, None, Time(0)), rungs[1].layer);
        assert_eq!(s.wanted(&rungs), Some(1_035_000));
        run(&mut s, &rungs, 2_000_000, &mut now, 2500);
        assert_eq!(s.choose(&rungs, Some(2_000_000), Time::from_millis(now)), rungs[3].layer);
        assert_eq!(s.choose(&rungs, Some(1_000_000), Time::from_millis(now)), rungs[2].layer);
    }

    #[test]
    fn it_never_chooses_what_is_not_there() {
        let mut x = 88_172_645_463_325_252u64;
        let mut random = |n: u64| {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            x % n
        };
        let mut s = Selector::new();
        let mut now = 0;
        for _ in 0..200_000 {
            now += random(500);
            let mut rungs = ladder();
            rungs.iter_mut().for_each(|r| r.active = random(4) > 0);
            let rungs = &rungs[..random(4) as usize];
            let estimate = (random(10) > 0).then(|| random(4_000_000));
            let chosen = s.choose(rungs, estimate, Time::from_millis(now));
            let rung = rungs.iter().find(|r| r.layer == chosen);
            assert!(rung.is_none_or(|r| r.active) || rungs.iter().all(|r| !r.active));
            assert!(rung.is_some() || rungs.iter().all(|r| !r.active));
        }
    }
}
