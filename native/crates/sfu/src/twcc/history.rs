//! What was sent to one viewer and when, by transport-wide sequence number.
//! Knows nothing of the packets but their size.

use crate::time::{Span, Time};

/// Packets that a [`SendHistory`] remembers: 2.4 s at 4 Mbit/s.
pub const HISTORY_PACKETS: u16 = 1024;
/// Older than this, a remembered time may be mistaken for a later one: 32 bits of µs are kept.
const HISTORY_PAUSE: Span = Span::secs(60);

/// When, and how large, the last 1,024 packets sent to one viewer were. 6 KiB; nothing else is allocated.
pub struct SendHistory {
    /// Lower half of the time in µs, by `seq % HISTORY_PACKETS`.
    times: Box<[u32; HISTORY_PACKETS as usize]>,
    bytes: Box<[u16; HISTORY_PACKETS as usize]>,
    next: u16,
    /// Entries that are valid, counted back from `next`.
    len: u16,
    last: Time,
}

impl Default for SendHistory {
    fn default() -> Self {
        Self::new()
    }
}

impl SendHistory {
    pub fn new() -> Self {
        Self {
            times: Box::new([0; HISTORY_PACKETS as usize]),
            bytes: Box::new([0; HISTORY_PACKETS as usize]),
            next: 1,
            len: 0,
            last: Time(0),
        }
    }

    /// The transport-wide sequence number of the next packet.
    pub fn next(&self) -> u16 {
        self.next
    }

    /// Note a train of `count` packets of `bytes_each` bytes that leaves at `now`; the sequence number of its first.
    pub fn sent(&mut self, count: u16, bytes_each: u16, now: Time) -> u16 {
        if now.since(self.last) > HISTORY_PAUSE {
            self.len = 0;
        }
        // Time never goes back here, so that 32 bits tell an entry's age.
        self.last = self.last.max(now);
        let first = self.next;
        for i in 0..count {
            let at = usize::from(first.wrapping_add(i) % HISTORY_PACKETS);
            self.times[at] = self.last.0 as u32;
            self.bytes[at] = bytes_each;
        }
        self.next = first.wrapping_add(count);
        self.len = self.len.saturating_add(count).min(HISTORY_PACKETS);
        first
    }

    /// When packet `seq` was sent and its size in bytes; `None` when it was not, or too long ago.
    pub fn lookup(&self, seq: u16) -> Option<(Time, u16)> {
        let back = self.next.wrapping_sub(seq);
        if back == 0 || back > self.len {
            return None;
        }
        let at = usize::from(seq % HISTORY_PACKETS);
        let age = (self.last.0 as u32).wrapping_sub(self.times[at]);
        Some((Time(self.last.0.saturating_sub(u64::from(age))), self.bytes[at]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Random(u64);

    impl Random {
        fn below(&mut self, n: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % n
        }
    }

    #[test]
    fn history_finds_what_was_sent_and_nothing_else() {
        let mut history = SendHistory::new();
        assert_eq!(history.lookup(history.next()), None);
        assert_eq!(history.lookup(0), None);
        let mut random = Random(3);
        let mut now = 0u64;
        let mut sent = std::collections::VecDeque::new();
        for _ in 0..20_000 {
            now += random.below(4_000_000);
            let (count, bytes) = (random.below(20) as u16, random.below(1400) as u16);
            let first = history.sent(count, bytes, Time(now));
            for i in 0..count {
                sent.push_back((first.wrapping_add(i), now, bytes));
            }
            while sent.len() > 1024 {
                sent.pop_front();
            }
            let at = random.below(sent.len().max(1) as u64) as usize;
            if let Some(&(seq, then, bytes)) = sent.get(at) {
                assert_eq!(history.lookup(seq), Some((Time(then), bytes)));
            }
            assert_eq!(history.lookup(history.next()), None);
            assert_eq!(history.lookup(history.next().wrapping_sub(1025)), None);
        }
        // After a long pause the old ones are forgotten rather than given a wrong time.
        let last = history.next().wrapping_sub(1);
        history.sent(1, 100, Time(now + (1 << 33)));
        assert_eq!(history.lookup(last), None);
        assert_eq!(history.lookup(last.wrapping_add(1)), Some((Time(now + (1 << 33)), 100)));
    }
}
