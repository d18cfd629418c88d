//! ICE over TCP (RFC 6544, passive side): connections, their framing (RFC 4571) and their bounds.
//!
//! A frame is a datagram with two bytes of length before it. A connection that cannot take a frame now queues a
//! little and then loses whole frames, as a full UDP socket would: nothing waits.

use std::collections::{HashMap, VecDeque};
use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::ops::Range;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, PoisonError};

use sfu::io::{MAX_SEGMENTS, Route};
use sfu::time::{Span, Time};

use crate::counters::NetCounters;
use crate::sys::{self, Interest, Registry};

/// Longest frame taken: more than any path's MTU, less than what is worth holding for a stranger.
pub const MAX_FRAME: usize = 2048;
/// Bytes that may wait for a slow reader beyond what the kernel holds.
pub const QUEUE_BYTES: usize = 64 * 1024;
/// The kernel's own queue, in bytes: about 0.4 s of video at 2.5 Mbit/s. Left alone it grows to megabytes, which a
/// slow reader would see as seconds of delay.
const KERNEL_QUEUE_BYTES: i32 = 128 * 1024;
/// How long a connection may be without an authenticated peer.
pub const ANONYMOUS: Span = Span::secs(10);
/// Unacknowledged data for so long: the path is dead.
const USER_TIMEOUT_MS: i32 = 10_000;

// how many -------------------------------------------------------------------------------------------------

/// Bounds of the TCP connections of a node.
#[derive(Clone, Copy, Debug)]
pub struct StreamLimits {
    pub total: usize,
    /// Of one IPv4 address or one IPv6 /64.
    pub per_address: usize,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self { total: 4096, per_address: 64 }
    }
}

/// Counts the open connections of the whole node.
pub struct Ledger {
    limits: StreamLimits,
    open: Mutex<(usize, HashMap<IpAddr, usize>)>,
}

/// One connection's place; given back when dropped.
pub struct Permit {
    ledger: Arc<Ledger>,
    key: IpAddr,
}

impl Ledger {
    pub fn new(limits: StreamLimits) -> Arc<Self> {
        Arc::new(Self { limits, open: Mutex::default() })
    }

    pub fn admit(self: &Arc<Self>, ip: IpAddr) -> Option<Permit> {
        let key = match ip {
            IpAddr::V4(_) => ip,
            // one host has a whole /64 to itself
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
        };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let (total, by_address) = &mut *open;
        if *total >= self.limits.total {
            return None;
        }
        let mine = by_address.entry(key).or_insert(0);
        if *mine >= self.limits.per_address {
            return None;
        }
        *mine += 1;
        *total += 1;
        Some(Permit { ledger: self.clone(), key })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.ledger.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.0 = open.0.saturating_sub(1);
        if let Some(mine) = open.1.get_mut(&self.key) {
            *mine = mine.saturating_sub(1);
            if *mine == 0 {
                open.1.remove(&self.key);
            }
        }
    }
}

// framing --------------------------------------------------------------------------------------------------

/// What stands at a place of the received bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// A whole frame without its length.
    Frame(Range<usize>),
    /// The rest has not come yet.
    Partial,
    /// Longer than [`MAX_FRAME`]: not one of ours.
    Invalid,
}

/// The frame that begins at `at`.
pub fn next_frame(bytes: &[u8], at: usize) -> Next {
    let Some(&[high, low]) = bytes.get(at..at + 2) else {
        return Next::Partial;
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    let start = at + 2;
    if length > MAX_FRAME {
        Next::Invalid
    } else if start + length > bytes.len() {
        Next::Partial
    } else {
        Next::Frame(start..start + length)
    }
}

// connections ----------------------------------------------------------------------------------------------

/// One TCP connection. Closed when dropped.
pub struct Stream {
    fd: OwnedFd,
    pub route: Route,
    /// Bytes of a frame that has not come whole.
    partial: Vec<u8>,
    queue: VecDeque<u8>,
    /// The shard is known: its first frame named it.
    pub named: bool,
    /// To be closed then, unless a peer is authenticated on it.
    deadline: Option<Time>,
    waits_to_write: bool,
    _permit: Permit,
}

impl Stream {
    pub fn new(fd: OwnedFd, number: u32, remote: SocketAddr, now: Time, permit: Permit) -> Self {
        for (level, name, value) in [
            (libc::IPPROTO_TCP, libc::TCP_NODELAY, 1),
            (libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT, USER_TIMEOUT_MS),
            (libc::SOL_SOCKET, libc::SO_SNDBUF, KERNEL_QUEUE_BYTES / 2), // the kernel doubles it
        ] {
            // a connection without them still works
            let _ = sys::set_option(&fd, level, name, value);
        }
        Self {
            fd,
            route: Route { socket: number, remote },
            partial: Vec::new(),
            queue: VecDeque::new(),
            named: false,
            deadline: Some(now + ANONYMOUS),
            waits_to_write: false,
            _permit: permit,
        }
    }

    /// What was read but not yet used, for the next read.
    pub fn keep(&mut self, rest: &[u8]) {
        self.partial.clear();
        self.partial.extend_from_slice(rest);
    }

    /// Fills `into` with what was kept and what has come since. `None`: closed.
    fn read(&mut self, into: &mut [u8]) -> Option<usize> {
        let kept = self.partial.len().min(into.len());
        into[..kept].copy_from_slice(&self.partial[..kept]);
        self.partial.clear();
        match sys::receive(&self.fd, &mut into[kept..]) {
            Ok(0) => None,
            Ok(n) => Some(kept + n),
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Some(kept),
            Err(_) => None,
        }
    }

    /// Writes or queues frames of `segment` bytes each. Returns how many found no room; `Err`: closed.
    fn send(&mut self, bytes: &[u8], segment: usize) -> io::Result<u64> {
        let mut lengths = [[0u8; 2]; MAX_SEGMENTS];
        let mut lost = 0;
        // a train has at most MAX_SEGMENTS frames; longer ones go in several steps
        for part in bytes.chunks(segment.saturating_mul(MAX_SEGMENTS).max(1)) {
            let mut sent = 0;
            if self.queue.is_empty() {
                let mut pieces = [IoSlice::new(&[]); 2 * MAX_SEGMENTS];
                let mut count = 0;
                for (frame, length) in part.chunks(segment).zip(&mut lengths) {
                    *length = (frame.len() as u16).to_be_bytes();
                }
                for (frame, length) in part.chunks(segment).zip(&lengths) {
                    pieces[count] = IoSlice::new(length);
                    pieces[count + 1] = IoSlice::new(frame);
                    count += 2;
                }
                sent = match sys::send_pieces(&self.fd, &pieces[..count]) {
                    Ok(n) => n,
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => 0,
                    Err(e) => return Err(e),
                };
            }
            for frame in part.chunks(segment) {
                let whole = frame.len() + 2;
                let gone = sent.min(whole);
                sent -= gone;
                if gone == whole {
                    continue;
                }
                // what was begun must be finished, or the reader loses its place in the stream
                if gone == 0 && self.queue.len() + whole > QUEUE_BYTES {
                    lost += 1;
                    continue;
                }
                let length = (frame.len() as u16).to_be_bytes();
                self.queue.extend(length.iter().chain(frame).skip(gone));
            }
        }
        Ok(lost)
    }

    /// Writes what is queued, as far as the socket takes it.
    fn drain(&mut self) -> io::Result<()> {
        while !self.queue.is_empty() {
            let (a, b) = self.queue.as_slices();
            match sys::send_pieces(&self.fd, &[IoSlice::new(a), IoSlice::new(b)]) {
                Ok(n) => drop(self.queue.drain(..n)),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

impl AsRawFd for Stream {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

/// The connections of one thread.
pub struct Streams {
    open: HashMap<u32, Box<Stream>>,
    registry: Registry,
    counters: Arc<NetCounters>,
}

impl Streams {
    pub fn new(registry: Registry, counters: Arc<NetCounters>) -> Self {
        Self { open: HashMap::new(), registry, counters }
    }

    pub fn get_mut(&mut self, number: u32) -> Option<&mut Stream> {
        self.open.get_mut(&number).map(Box::as_mut)
    }

    /// Waits for the connection from now on. Its token is its number.
    pub fn adopt(&mut self, mut stream: Box<Stream>) {
        let number = stream.route.socket;
        stream.waits_to_write = !stream.queue.is_empty();
        let interest = if stream.waits_to_write { Interest::ReadWrite } else { Interest::Read };
        if self.registry.add(&*stream, u64::from(number), interest).is_ok() {
            self.open.insert(number, stream);
        } else {
            self.counters.streams_closed.add(1);
        }
    }

    /// Takes a connection away, for another thread.
    pub fn release(&mut self, number: u32) -> Option<Box<Stream>> {
        let stream = self.open.remove(&number)?;
        self.registry.remove(&*stream).ok()?;
        Some(stream)
    }

    pub fn close(&mut self, number: u32) {
        if self.open.remove(&number).is_some() {
            self.counters.streams_closed.add(1);
        }
    }

    pub fn close_invalid(&mut self, number: u32) {
        self.counters.streams_invalid.add(1);
        self.close(number);
    }

    /// See [`Stream::read`]. Closes what the other side has closed.
    pub fn read(&mut self, number: u32, into: &mut [u8]) -> Option<(Route, usize)> {
        let stream = self.open.get_mut(&number)?;
        let route = stream.route;
        match stream.read(into) {
            Some(bytes) => Some((route, bytes)),
            None => {
                self.close(number);
                None
            }
        }
    }

    pub fn send(&mut self, route: Route, bytes: &[u8], segment: usize) {
        let segment = segment.clamp(1, usize::from(u16::MAX));
        let packets = bytes.len().div_ceil(segment) as u64;
        let Some(stream) = self.open.get_mut(&route.socket).filter(|s| s.route == route) else {
            self.counters.no_route.add(packets);
            return;
        };
        self.counters.sends.add(1);
        match stream.send(bytes, segment) {
            Ok(lost) => {
                self.counters.streams_full.add(lost);
                self.counters.datagrams_out.add(packets - lost.min(packets));
                self.counters.bytes_out.add(bytes.len() as u64);
                self.settle(route.socket);
            }
            Err(_) => {
                self.counters.socket_errors.add(packets);
                self.close(route.socket);
            }
        }
    }

    pub fn writable(&mut self, number: u32) {
        let Some(stream) = self.open.get_mut(&number) else {
            return;
        };
        if stream.drain().is_err() {
            self.close(number);
        } else {
            self.settle(number);
        }
    }

    /// Waits for room exactly while something is queued.
    fn settle(&mut self, number: u32) {
        let Some(stream) = self.open.get_mut(&number) else {
            return;
        };
        let waits = !stream.queue.is_empty();
        if waits != stream.waits_to_write {
            stream.waits_to_write = waits;
            let interest = if waits { Interest::ReadWrite } else { Interest::Read };
            if self.registry.modify(&**stream, u64::from(number), interest).is_err() {
                self.close(number);
            }
        }
    }

    /// A peer was authenticated on the connection, or is gone from it.
    pub fn authenticated(&mut self, number: u32, added: bool) {
        if !added {
            self.close(number);
        } else if let Some(stream) = self.open.get_mut(&number) {
            stream.deadline = None;
        }
    }

    /// Closes those that took too long to say who they are.
    pub fn sweep(&mut self, now: Time) {
        let counters = &self.counters;
        self.open.retain(|_, stream| {
            let late = stream.deadline.is_some_and(|deadline| deadline <= now);
            if late {
                counters.streams_invalid.add(1);
                counters.streams_closed.add(1);
            }
            !late
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_found_however_they_arrive() {
        let bytes = [0, 3, 1, 2, 3, 0, 0, 0, 2, 9];
        assert_eq!(next_frame(&bytes, 0), Next::Frame(2..5));
        assert_eq!(next_frame(&bytes, 5), Next::Frame(7..7));
        assert_eq!(next_frame(&bytes, 7), Next::Partial);
        assert_eq!(next_frame(&bytes, 9), Next::Partial);
        assert_eq!(next_frame(&bytes, 10), Next::Partial);
        assert_eq!(next_frame(&[0xff, 0xff, 0], 0), Next::Invalid);
    }

    #[test]
    fn an_address_has_its_share_and_gets_it_back() {
        let ledger = Ledger::new(StreamLimits { total: 3, per_address: 2 });
        let near: IpAddr = "2001:db8::1".parse().unwrap();
        let same_net: IpAddr = "2001:db8::2".parse().unwrap();
        let other: IpAddr = "192.0.2.1".parse().unwrap();
        let first = ledger.admit(near);
        let _second = ledger.admit(same_net).unwrap();
        assert!(ledger.admit(near).is_none());
        let _third = ledger.admit(other).unwrap();
        assert!(ledger.admit(other).is_none(), "three in all");
        drop(first);
        assert!(ledger.admit(near).is_some());
    }
}
