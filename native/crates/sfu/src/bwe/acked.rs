//! How much arrives: bytes by arrival time on the receiver's clock, in a fixed ring.

use crate::time::Span;

const BUCKET_US: i64 = 20_000;
const BUCKETS: i64 = 64;

/// Bytes per 20 ms over the last 1.28 s.
#[derive(Clone, Debug)]
pub(super) struct Acked {
    buckets: [u32; BUCKETS as usize],
    /// Bucket numbers, `arrival / BUCKET_US`; `newest < oldest` while empty.
    newest: i64,
    oldest: i64,
}

impl Acked {
    pub(super) fn new() -> Self {
        Self { buckets: [0; BUCKETS as usize], newest: -1, oldest: 0 }
    }

    /// Bytes that arrived at `arrival_us`. Older than the window: not counted.
    pub(super) fn add(&mut self, arrival_us: i64, bytes: u32) {
        let bucket = arrival_us.div_euclid(BUCKET_US);
        if self.newest < self.oldest || bucket - self.newest >= BUCKETS {
            // A pause says nothing of the path: begin again rather than average over silence.
            *self = Self { newest: bucket, oldest: bucket, ..Self::new() };
        }
        while self.newest < bucket {
            self.newest += 1;
            self.buckets[index(self.newest)] = 0;
        }
        self.oldest = self.oldest.max(self.newest - BUCKETS + 1);
        if bucket >= self.oldest {
            let sum = &mut self.buckets[index(bucket)];
            *sum = sum.saturating_add(bytes);
        }
    }

    /// Bits per second over the last `window` of whole buckets; `None` before there are 5 (100 ms).
    pub(super) fn rate(&self, window: Span) -> Option<f32> {
        let wanted = (window.0 as i64 / BUCKET_US).clamp(5, BUCKETS - 1);
        let count = wanted.min(self.newest - self.oldest);
        if count < 5 {
            return None;
        }
        // The newest bucket is not full yet.
        let sum: u64 = (self.newest - count..self.newest).map(|b| u64::from(self.buckets[index(b)])).sum();
        Some(sum as f32 * 8e6 / (count * BUCKET_US) as f32)
    }
}

fn index(bucket: i64) -> usize {
    bucket.rem_euclid(BUCKETS) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_a_steady_and_a_falling_rate() {
        let mut acked = Acked::new();
        assert_eq!(acked.rate(Span::millis(500)), None);
        for ms in 0..3000 {
            acked.add(-1_000_000 + ms * 1000, 125);
        }
        let near = |rate: Option<f32>, to: f32| (rate.unwrap() - to).abs() < to * 0.02;
        assert!(near(acked.rate(Span::millis(500)), 1e6));
        for ms in 3000..3200 {
            acked.add(-1_000_000 + ms * 1000, 25);
        }
        assert!(acked.rate(Span::millis(180)).unwrap() < 210_000.0);
        assert!(acked.rate(Span::secs(9)).unwrap() > 500_000.0);
    }

    #[test]
    fn begins_again_after_a_pause_and_takes_any_time() {
        let mut acked = Acked::new();
        for at in [0, 50_000_000, 40_000_000, i64::MAX / 2, i64::MIN / 2, 0] {
            acked.add(at, u32::MAX);
            assert_eq!(acked.rate(Span::millis(500)), None);
        }
    }
}
