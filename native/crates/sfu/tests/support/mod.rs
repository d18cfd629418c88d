//! A world in virtual time: shards, peers that are real at their end (ICE, DTLS, SRTP, RTP, RTCP), and a seeded
//! network between them that delays, loses, reorders and copies. The same seed gives the same run.
#![allow(dead_code)] // each test binary uses a part

pub mod checks;
pub mod client;
pub mod network;
pub mod payload;
pub mod publisher;
pub mod viewer;
pub mod world;

/// Seeded random numbers (xorshift64*), the only source of chance in these tests.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        let mut rng = Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        rng.next();
        rng
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// 0 ..= n - 1; 0 for n = 0.
    pub fn below(&mut self, n: u64) -> u64 {
        if n == 0 { 0 } else { (self.next() >> 11) % n }
    }

    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    pub fn chance(&mut self, share: f64) -> bool {
        share > 0.0 && ((self.next() >> 11) as f64) < share * (1u64 << 53) as f64
    }

    pub fn fork(&mut self) -> Self {
        Self::new(self.next())
    }
}

/// Seeds of a test: the first `count`, or `PLANE_RUNS` from `PLANE_SEED` on, to look for more or to see one again.
pub fn seeds(count: u64) -> std::ops::Range<u64> {
    let env = |name: &str| std::env::var(name).ok().and_then(|value| value.parse().ok());
    let first = env("PLANE_SEED").unwrap_or(1);
    first..first + env("PLANE_RUNS").unwrap_or(count)
}
