//! The threads that own sockets: datagrams to and from the machines of `sfu`.
//!
//! One thread drives one shard. All threads share one UDP port (SO_REUSEPORT); a datagram that arrives at the wrong
//! one is handed over. This crate knows addresses and system calls, and of the datagrams only whose they are.

mod clock;
mod counters;
mod dispatch;
mod driver;
mod machine;
mod mailbox;
mod net;
mod receive;
mod send;
mod shard;
mod shared;
pub mod socket;
mod stream;
mod sys;
mod tap;
mod worker;

pub use clock::Clock;
pub use counters::{Count, NetCounters};
pub use machine::Machine;
pub use mailbox::Full;
pub use net::{COMMANDS, EVENTS, FRAMES, MAX_THREADS, Net, NetConfig, TAPS};
pub use send::{BATCH, DEFAULT_BATCH, SendWay};
pub use socket::Buffers;
pub use stream::{MAX_FRAME, StreamLimits};
pub use tap::Frame;
