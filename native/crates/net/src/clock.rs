//! The time that the threads hand to their shards: the system's, or one that a test moves by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use sfu::time::Time;

#[derive(Clone, Debug)]
pub enum Clock {
    /// CLOCK_MONOTONIC, counted from `epoch`.
    System { epoch: Instant },
    /// Microseconds that somebody else sets. Threads look at it at least every 5 ms of real time.
    Manual(Arc<AtomicU64>),
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl Clock {
    /// The system's clock, counted from now on.
    pub fn system() -> Self {
        Self::System { epoch: Instant::now() }
    }

    pub fn now(&self) -> Time {
        match self {
            Self::System { epoch } => Time(epoch.elapsed().as_micros() as u64),
            Self::Manual(us) => Time(us.load(Ordering::Acquire)),
        }
    }

    pub fn is_manual(&self) -> bool {
        matches!(self, Self::Manual(_))
    }
}
