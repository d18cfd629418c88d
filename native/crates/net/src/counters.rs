//! What one network thread counted. Relaxed atomics with a single writer: a reader sees each number whole, and
//! numbers of one moment only roughly together.

use std::sync::atomic::{AtomicU64, Ordering};

/// One number. Only its thread writes, so adding needs no locked instruction.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    pub fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    pub fn raise(&self, n: u64) {
        if n > self.get() {
            self.set(n);
        }
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counted since the start of the thread.
        #[derive(Debug, Default)]
        #[repr(align(128))] // no cache line of another thread's
        pub struct NetCounters {
            $($(#[$doc])* pub $name: Count,)*
        }

        impl NetCounters {
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name)),*];

            /// Every counter with its name, in the order of `NAMES`.
            pub fn visit(&self, mut each: impl FnMut(&'static str, u64)) {
                $(each(stringify!($name), self.$name.get());)*
            }
        }
    };
}

counters! {
    datagrams_in,
    bytes_in,
    /// `recvmmsg` calls that brought something.
    receive_batches,
    /// Messages that the kernel had coalesced (UDP_GRO).
    trains_in,
    datagrams_out,
    bytes_out,
    /// System calls that sent.
    sends,
    /// Messages sent with UDP_SEGMENT.
    trains_out,
    /// Trains that the kernel would not cut: sent datagram by datagram.
    gso_refused,
    /// Packets lost to a full socket (EAGAIN, ENOBUFS).
    socket_full,
    /// Packets lost to any other error of a send.
    socket_errors,
    /// Packets to a socket or stream that is not there.
    no_route,
    /// Datagrams longer than the receive buffer.
    truncated,
    /// Lost by the kernel before we read them: the receive buffer was full (SO_MEMINFO).
    kernel_drops,
    /// Datagrams passed to the thread that owns their peer.
    handed_over,
    /// Datagrams for another thread whose inbox was full.
    handover_full,
    /// Messages to another shard lost to a full inbox. Not zero: the rooms of that shard miss packets.
    messages_lost,
    /// Panics caught while handling one datagram, command or timer.
    failed,
    /// The longest time in which the thread did not look at its sockets, in microseconds.
    lag_max_us,
    /// CPU time of the thread in microseconds.
    busy_us,
    /// CPU time in nanoseconds spent on sending what is due: copying, sealing and the system calls.
    send_path_ns,
    streams_accepted,
    streams_closed,
    /// TCP connections turned away by the limits (in all, or of one address).
    streams_refused,
    /// TCP connections closed for bad framing or for saying nothing valid in time.
    streams_invalid,
    /// Frames not queued for a TCP peer that reads too slowly.
    streams_full,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_is_visited_under_its_name() {
        let counters = NetCounters::default();
        counters.sends.add(2);
        counters.lag_max_us.raise(9);
        counters.lag_max_us.raise(3);
        let mut seen = Vec::new();
        counters.visit(|name, value| seen.push((name, value)));
        assert_eq!(seen.len(), NetCounters::NAMES.len());
        assert!(seen.contains(&("sends", 2)) && seen.contains(&("lag_max_us", 9)));
    }
}
