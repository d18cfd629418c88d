//! Monotonic time as the machines see it: microseconds since an arbitrary beginning, given by the caller.

use std::ops::{Add, Sub};

/// A moment, in microseconds. Never read from a clock in this crate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

/// A length of time, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub u64);

impl Time {
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms * 1000)
    }

    pub fn from_secs_f64(s: f64) -> Self {
        Self((s * 1e6) as u64)
    }

    /// How long ago `earlier` was; zero when it is not earlier.
    pub const fn since(self, earlier: Time) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }

    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

impl Span {
    pub const ZERO: Span = Span(0);

    pub const fn millis(ms: u64) -> Self {
        Self(ms * 1000)
    }

    pub const fn secs(s: u64) -> Self {
        Self(s * 1_000_000)
    }

    pub fn from_secs_f64(s: f64) -> Self {
        Self((s.max(0.0) * 1e6) as u64)
    }

    pub const fn as_millis(self) -> u64 {
        self.0 / 1000
    }

    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    pub fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_micros(self.0)
    }
}

impl Add<Span> for Time {
    type Output = Time;
    fn add(self, span: Span) -> Time {
        Time(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for Time {
    type Output = Time;
    fn sub(self, span: Span) -> Time {
        Time(self.0.saturating_sub(span.0))
    }
}

impl Add for Span {
    type Output = Span;
    fn add(self, other: Span) -> Span {
        Span(self.0.saturating_add(other.0))
    }
}
