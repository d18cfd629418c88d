//! The media plane as a machine. Datagrams, time, commands and randomness come in as arguments; datagrams leave
//! through [`io::Transmit`], and what happened is read as [`api::Event`]s. It owns no socket, reads no clock and
//! starts no thread.
//!
//! One [`shard::Shard`] serves the peers of one thread. Peers of one room may live on several shards: the room's
//! *home* shard has its publisher and hands each batch of packets to the others as a shared, immutable
//! [`packet::Batch`].
#![forbid(unsafe_code)]

pub mod api;
pub mod counters;
pub mod io;
pub mod time;

// wire formats: read and write bytes, keep no state between packets
pub mod codec;
pub mod rtcp;
pub mod rtp;
pub mod stun;

// security
pub mod dtls;
pub mod srtp;

// congestion control: pure estimators and choosers
pub mod bwe;
pub mod select;
pub mod twcc;

// encoded frames for recording and packaging
pub mod frames;

// the plane
pub mod fanout;
pub mod home;
pub mod packet;
pub mod peer;
pub mod publisher;
pub mod routing;
pub mod shard;
pub mod slab;
pub mod stage;
pub mod viewer;
