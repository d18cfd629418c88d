//! Where datagrams leave, and by which way a peer is reached.

use std::net::SocketAddr;

/// A way to a peer: which of the node's sockets, and the peer's address there.
///
/// `socket` below [`Route::FIRST_STREAM`] is a UDP socket of the node's list (the same index on every thread);
/// from there on it is one TCP connection (RFC 6544 with RFC 4571 framing), numbered by the network layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Route {
    pub socket: u32,
    pub remote: SocketAddr,
}

impl Route {
    pub const FIRST_STREAM: u32 = 16;

    pub const fn is_stream(&self) -> bool {
        self.socket >= Self::FIRST_STREAM
    }
}

/// Takes datagrams. A full socket loses them and counts it; nothing here blocks or fails.
///
/// Two steps so that a datagram is built where it is sent from: write into `buffer`, then `commit` its beginning.
pub trait Transmit {
    /// At least `bytes` of scratch space. Its content is undefined; what was not committed is forgotten.
    /// `bytes` is at most [`MAX_TRAIN_BYTES`].
    fn buffer(&mut self, bytes: usize) -> &mut [u8];

    /// Send the first `bytes` of the last `buffer` to `route`: as one datagram when `segment >= bytes`, else as a
    /// train of datagrams of `segment` bytes each, the last one shorter or equal (at most [`MAX_SEGMENTS`]).
    fn commit(&mut self, route: Route, bytes: usize, segment: usize);

    /// One datagram that exists already.
    fn send(&mut self, route: Route, datagram: &[u8]) {
        self.buffer(datagram.len())[..datagram.len()].copy_from_slice(datagram);
        self.commit(route, datagram.len(), datagram.len());
    }
}

/// The kernel's bound for one UDP_SEGMENT send.
pub const MAX_SEGMENTS: usize = 64;
/// Bytes of one train: below 64 KiB less IP and UDP headers.
pub const MAX_TRAIN_BYTES: usize = 64_000;
