//! Datagrams to UDP sockets: trains that the kernel cuts (UDP_SEGMENT), many of them in one system call.
//!
//! Datagrams are built in the slab that they are sent from. A send never waits: what a full socket does not take is
//! lost and counted.

use std::collections::HashMap;
use std::mem::{self, size_of};
use std::net::IpAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::ptr;
use std::sync::Arc;

use libc::{c_int, iovec, mmsghdr, msghdr};
use sfu::io::{MAX_SEGMENTS, MAX_TRAIN_BYTES, Route};

use crate::counters::NetCounters;
use crate::receive::Local;
use crate::socket::UdpSocket;
use crate::sys::{self, Address};

/// The most messages that wait for one `sendmmsg`.
pub const BATCH: usize = 32;
/// Messages of one `sendmmsg` unless told otherwise. By `examples/send_floor.rs`: 5 to 10 % less CPU than one by one,
/// and no more to gain above; trains of 16 viewers still fit a core's own cache.
pub const DEFAULT_BATCH: usize = 16;
/// Where datagrams are built. Small enough to stay in a core's own cache.
const SLAB_BYTES: usize = 512 * 1024;
/// Trains refused by the kernel in a row before a socket stops trying for [`REFUSAL_PAUSE`] trains. More than one,
/// because a refusal may be about one peer's path and not about the socket.
const REFUSALS: u32 = 16;
const REFUSAL_PAUSE: u32 = 50_000;

/// What a send may use. Lower ways serve kernels and network cards without the higher ones, and tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum SendWay {
    /// `sendto` for each datagram.
    Single,
    /// `sendmmsg` of single datagrams.
    Many,
    /// `sendmmsg` of trains.
    #[default]
    Trains,
}

const CONTROL_BYTES: usize = 64;

#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; CONTROL_BYTES]);

/// One queued message and what its header points at.
#[derive(Clone, Copy)]
struct Slot {
    address: Address,
    /// Place in the slab.
    start: usize,
    length: usize,
    segment: usize,
    control: Control,
    control_length: usize,
    /// For the kernel; set just before the send.
    iov: iovec,
}

impl Slot {
    const EMPTY: fn() -> Slot = || Slot {
        address: Address::default(),
        start: 0,
        length: 0,
        segment: 0,
        control: Control([0; CONTROL_BYTES]),
        control_length: 0,
        iov: iovec { iov_base: ptr::null_mut(), iov_len: 0 },
    };

    fn packets(&self) -> u64 {
        self.length.div_ceil(self.segment.max(1)).max(1) as u64
    }
}

/// Messages of one socket.
struct Lane {
    fd: RawFd,
    wildcard: bool,
    way: SendWay,
    refused_in_row: u32,
    /// Trains left until the kernel is asked again.
    pause: u32,
    /// The last send found no room.
    full: bool,
    slots: Box<[Slot; BATCH]>,
    count: usize,
}

pub struct Outbox {
    slab: Box<[u8]>,
    /// Where the last `buffer` begins, and how long it was.
    start: usize,
    room: usize,
    queued: usize,
    batch: usize,
    lanes: Vec<Lane>,
    headers: Box<[mmsghdr; MAX_SEGMENTS]>,
    /// Slots of a train that is sent datagram by datagram.
    apart: Box<[Slot; MAX_SEGMENTS]>,
    /// For wildcard sockets: the address that a peer knows us by.
    locals: HashMap<Route, IpAddr>,
    answering: Option<(Route, IpAddr)>,
    counters: Arc<NetCounters>,
}

impl Outbox {
    /// `batch`: messages for one system call, 1..=[`BATCH`].
    pub fn new(sockets: &[UdpSocket], way: SendWay, batch: usize, counters: Arc<NetCounters>) -> Self {
        let lane = |socket: &UdpSocket| Lane {
            fd: socket.as_raw_fd(),
            wildcard: socket.is_wildcard(),
            way: if socket.gso { way } else { way.min(SendWay::Many) },
            refused_in_row: 0,
            pause: 0,
            full: false,
            slots: Box::new([Slot::EMPTY(); BATCH]),
            count: 0,
        };
        Self {
            slab: vec![0; SLAB_BYTES].into_boxed_slice(),
            start: 0,
            room: 0,
            queued: 0,
            batch: batch.clamp(1, BATCH),
            lanes: sockets.iter().map(lane).collect(),
            // SAFETY: all zeros is a valid mmsghdr: null pointers and zero lengths.
            headers: Box::new(unsafe { mem::zeroed() }),
            apart: Box::new([Slot::EMPTY(); MAX_SEGMENTS]),
            locals: HashMap::new(),
            answering: None,
            counters,
        }
    }

    pub fn buffer(&mut self, bytes: usize) -> &mut [u8] {
        let bytes = bytes.min(MAX_TRAIN_BYTES.max(SLAB_BYTES));
        if self.start + bytes > self.slab.len() {
            self.flush();
        }
        self.room = bytes;
        &mut self.slab[self.start..self.start + bytes]
    }

    /// The first `bytes` of the last `buffer`.
    pub fn built(&self, bytes: usize) -> &[u8] {
        &self.slab[self.start..self.start + bytes.min(self.room)]
    }

    pub fn commit(&mut self, route: Route, bytes: usize, segment: usize) {
        let bytes = bytes.min(self.room);
        self.room -= bytes; // a second commit of the same buffer sends nothing of the first
        let segment = segment.clamp(1, bytes.max(1));
        let packets = bytes.div_ceil(segment).max(1);
        let local = self.local_of(&route);
        let Some(lane) = self.lanes.get_mut(route.socket as usize) else {
            self.counters.no_route.add(packets as u64);
            return;
        };
        let slot = &mut lane.slots[lane.count];
        slot.address = Address::from(&route.remote);
        (slot.start, slot.length) = (self.start, bytes);
        slot.segment = segment;
        let whole = packets == 1
            || lane.way == SendWay::Trains && lane.pause == 0 && packets <= MAX_SEGMENTS && bytes <= MAX_TRAIN_BYTES;
        slot.control_length = 0;
        if let Some(local) = local {
            slot.push_local(local);
        }
        if whole {
            if packets > 1 {
                slot.push_control(libc::IPPROTO_UDP, libc::UDP_SEGMENT, &(segment as u16).to_ne_bytes());
            }
            lane.count += 1;
            self.queued += 1;
            // the next one begins on a cache line of its own
            self.start += bytes.next_multiple_of(64);
            if self.queued >= self.batch || self.start >= self.slab.len() {
                self.flush();
            }
        } else {
            lane.pause = lane.pause.saturating_sub(1);
            let train = *slot;
            // what was queued before leaves before
            self.flush_lane(route.socket as usize);
            self.send_apart(route.socket as usize, train);
        }
    }

    /// Sends all that is queued.
    pub fn flush(&mut self) {
        if self.queued > 0 {
            for lane in 0..self.lanes.len() {
                self.flush_lane(lane);
            }
        }
        self.queued = 0;
        self.start = 0;
        self.room = 0;
    }

    /// Whether the last send of some socket found no room; asking resets it.
    pub fn take_full(&mut self, socket: usize) -> bool {
        self.lanes.get_mut(socket).is_some_and(|lane| mem::take(&mut lane.full))
    }

    // the address to answer from ------------------------------------------------------------------------------

    /// Datagrams to `route` leave from `local` until the next call.
    pub fn answering(&mut self, route: Route, local: Local) {
        self.answering = local.map(|local| (route, local));
    }

    /// Notes the address that an authenticated peer knows us by.
    pub fn remember(&mut self, route: Route, local: IpAddr) {
        self.locals.insert(route, local);
    }

    pub fn forget(&mut self, route: &Route) {
        self.locals.remove(route);
    }

    fn local_of(&self, route: &Route) -> Local {
        if !self.lanes.get(route.socket as usize)?.wildcard {
            return None;
        }
        match self.answering {
            Some((answered, local)) if answered == *route => Some(local),
            _ => self.locals.get(route).copied(),
        }
    }

    // to the kernel -------------------------------------------------------------------------------------------

    fn flush_lane(&mut self, index: usize) {
        let lane = &mut self.lanes[index];
        let count = mem::take(&mut lane.count);
        let mut from = 0;
        while from < count {
            let lane = &mut self.lanes[index];
            let result = transmit(
                lane.fd,
                &self.slab,
                &mut lane.slots[from..count],
                &mut self.headers[..],
                lane.way == SendWay::Single,
            );
            self.counters.sends.add(1);
            match result {
                Ok(sent) => {
                    for slot in &lane.slots[from..from + sent] {
                        account(&self.counters, slot);
                        if slot.packets() > 1 {
                            lane.refused_in_row = 0;
                        }
                    }
                    from += sent;
                }
                Err(libc::EINTR) => {}
                Err(libc::ENOSYS) if lane.way != SendWay::Single => lane.way = SendWay::Single,
                // EIO: the device has no checksum offload. EMSGSIZE, EINVAL: a segment is above the path's MTU.
                Err(libc::EIO | libc::EINVAL | libc::EOPNOTSUPP | libc::EMSGSIZE) if lane.slots[from].packets() > 1 => {
                    self.counters.gso_refused.add(1);
                    lane.refused_in_row += 1;
                    if lane.refused_in_row >= REFUSALS {
                        lane.refused_in_row = 0;
                        lane.pause = REFUSAL_PAUSE;
                    }
                    let train = lane.slots[from];
                    self.send_apart(index, train);
                    from += 1;
                }
                Err(error) => {
                    lane.full |= lose(&self.counters, error, &lane.slots[from]);
                    from += 1;
                }
            }
        }
    }

    /// Sends a train as the datagrams that it is made of.
    fn send_apart(&mut self, index: usize, train: Slot) {
        let lane = &mut self.lanes[index];
        let mut done = 0;
        while done < train.length {
            let mut count = 0;
            while count < MAX_SEGMENTS && done < train.length {
                let bytes = train.segment.min(train.length - done);
                let slot = &mut self.apart[count];
                *slot = train;
                (slot.start, slot.length, slot.segment) = (train.start + done, bytes, bytes);
                slot.drop_segment_control();
                done += bytes;
                count += 1;
            }
            let mut from = 0;
            while from < count {
                let slots = &mut self.apart[from..count];
                let single = lane.way == SendWay::Single;
                let result = transmit(lane.fd, &self.slab, slots, &mut self.headers[..], single);
                self.counters.sends.add(1);
                match result {
                    Ok(sent) => {
                        for slot in &self.apart[from..from + sent] {
                            account(&self.counters, slot);
                        }
                        from += sent;
                    }
                    Err(libc::EINTR) => {}
                    Err(libc::ENOSYS) if !single => lane.way = SendWay::Single,
                    Err(error) => {
                        lane.full |= lose(&self.counters, error, &self.apart[from]);
                        from += 1;
                    }
                }
            }
        }
    }
}

impl Slot {
    fn push_local(&mut self, local: IpAddr) {
        match local {
            IpAddr::V4(ip) => {
                // in_pktinfo: interface (any), source, destination (unused when sending)
                let mut info = [0; size_of::<libc::in_pktinfo>()];
                info[4..8].copy_from_slice(&ip.octets());
                self.push_control(libc::IPPROTO_IP, libc::IP_PKTINFO, &info);
            }
            IpAddr::V6(ip) => {
                let mut info = [0; size_of::<libc::in6_pktinfo>()];
                info[..16].copy_from_slice(&ip.octets());
                self.push_control(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &info);
            }
        }
    }

    /// Appends a control message; the segment size comes last, so that it can be taken off again.
    fn push_control(&mut self, level: c_int, kind: c_int, data: &[u8]) {
        const HEADER: usize = size_of::<libc::cmsghdr>();
        let at = self.control_length;
        let length = HEADER + data.len();
        let Some(space) = self.control.0.get_mut(at..at + length.next_multiple_of(8)) else {
            return;
        };
        space[..8].copy_from_slice(&(length as u64).to_ne_bytes()[..8]);
        space[8..12].copy_from_slice(&level.to_ne_bytes());
        space[12..16].copy_from_slice(&kind.to_ne_bytes());
        space[HEADER..length].copy_from_slice(data);
        self.control_length += space.len();
    }

    fn drop_segment_control(&mut self) {
        // with the local address there are two messages, and the address is the first
        let first = self.control.0[..8].try_into().map_or(0, u64::from_ne_bytes) as usize;
        let kind = self.control.0[8..12].try_into().map_or(0, i32::from_ne_bytes);
        if self.control_length > 0 {
            let keep = if kind == libc::IPPROTO_UDP { 0 } else { first.next_multiple_of(8) };
            self.control_length = keep;
        }
    }
}

// The control header above is written as bytes: a length of 8 (64-bit Linux), a level and a type of 4 each.
const _: () = assert!(size_of::<libc::cmsghdr>() == 16 && size_of::<usize>() == 8);
// an address and a segment size fit
const _: () = assert!(16 + 24 + 16 + 8 <= CONTROL_BYTES);

/// Sends the messages of `slots`, as many as the kernel takes now; at least one, or the error of the first.
fn transmit(fd: RawFd, slab: &[u8], slots: &mut [Slot], headers: &mut [mmsghdr], single: bool) -> Result<usize, c_int> {
    let count = if single { 1 } else { slots.len().min(headers.len()) };
    for (slot, header) in slots.iter_mut().zip(headers.iter_mut()).take(count) {
        let control = if slot.control_length == 0 { ptr::null_mut() } else { slot.control.0.as_mut_ptr().cast() };
        let Some(bytes) = slab.get(slot.start..slot.start + slot.length) else {
            return Err(libc::EFAULT);
        };
        // the kernel only reads what a send points at
        slot.iov = iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
        // SAFETY: all zeros is a valid msghdr; the fields that matter are set below (musl has padding fields).
        let mut h: msghdr = unsafe { mem::zeroed() };
        h.msg_name = slot.address.as_mut_ptr().cast();
        h.msg_namelen = slot.address.length();
        h.msg_iov = &raw mut slot.iov;
        h.msg_iovlen = 1;
        h.msg_control = control;
        h.msg_controllen = slot.control_length as _;
        header.msg_hdr = h;
        header.msg_len = 0;
    }
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: every header points at its slot's address, control block and iovec, each iovec
    // lies within `slab`; all of them are borrowed for the whole call.
    let n = unsafe {
        if count == 1 {
            let sent = libc::sendmsg(fd, &headers[0].msg_hdr, flags);
            if sent < 0 { -1 } else { 1 }
        } else {
            libc::sendmmsg(fd, headers.as_mut_ptr(), count as u32, flags as _)
        }
    };
    if n > 0 { Ok(n as usize) } else { Err(sys::errno()) }
}

fn account(counters: &NetCounters, slot: &Slot) {
    let packets = slot.packets();
    counters.datagrams_out.add(packets);
    counters.bytes_out.add(slot.length as u64);
    if packets > 1 {
        counters.trains_out.add(1);
    }
}

/// Counts what a send lost. True when the socket had no room.
fn lose(counters: &NetCounters, error: c_int, slot: &Slot) -> bool {
    let full = matches!(error, libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM);
    let counter = if full { &counters.socket_full } else { &counters.socket_errors };
    counter.add(slot.packets());
    full
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socket::{Buffers, bind_all};

    fn outbox() -> (Vec<UdpSocket>, Outbox, Arc<NetCounters>) {
        let buffers = Buffers { receive: 1 << 20, send: 1 << 20 };
        let binds = ["127.0.0.1:0".parse().unwrap(), "[::1]:0".parse().unwrap()];
        let sockets = bind_all(&binds, 1, buffers).unwrap().remove(0);
        let counters = Arc::new(NetCounters::default());
        let outbox = Outbox::new(&sockets, SendWay::Trains, BATCH, counters.clone());
        (sockets, outbox, counters)
    }

    fn receiver(host: &str) -> std::net::UdpSocket {
        let socket = std::net::UdpSocket::bind((host, 0)).unwrap();
        socket.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
        socket
    }

    fn train(outbox: &mut Outbox, to: &std::net::UdpSocket, packets: usize, size: usize, fill: u8) {
        let remote = to.local_addr().unwrap();
        let socket = u32::from(remote.is_ipv6());
        for (i, packet) in outbox.buffer(packets * size).chunks_mut(size).enumerate() {
            packet.fill(fill.wrapping_add(i as u8));
        }
        outbox.commit(Route { socket, remote }, packets * size, size);
    }

    fn expect(to: &std::net::UdpSocket, packets: usize, size: usize, fill: u8) {
        let mut got = [0; 65_536];
        for i in 0..packets {
            let n = to.recv(&mut got).unwrap();
            assert_eq!((n, got[0], got[n - 1]), (size, fill.wrapping_add(i as u8), got[0]));
        }
    }

    #[test]
    fn more_than_the_slab_holds_leaves_in_parts() {
        let (_sockets, mut outbox, counters) = outbox();
        let receivers: Vec<_> = (0..20).map(|i| receiver(if i % 2 == 0 { "127.0.0.1" } else { "::1" })).collect();
        for (i, to) in receivers.iter().enumerate() {
            train(&mut outbox, to, 6, 10_000, i as u8);
        }
        outbox.flush();
        for (i, to) in receivers.iter().enumerate() {
            expect(to, 6, 10_000, i as u8);
        }
        assert_eq!((counters.trains_out.get(), counters.datagrams_out.get()), (20, 120));
    }

    #[test]
    fn a_socket_that_refuses_trains_is_not_asked_for_a_while() {
        let (sockets, mut outbox, counters) = outbox();
        // the kernel cuts no trains for a socket that sends without checksums (EINVAL)
        sys::set_option(&sockets[0], libc::SOL_SOCKET, libc::SO_NO_CHECK, 1).unwrap();
        let (to, other) = (receiver("127.0.0.1"), receiver("::1"));
        for round in 0..3 * REFUSALS {
            train(&mut outbox, &to, 5, 100, round as u8);
            train(&mut outbox, &other, 2, 50, round as u8);
            outbox.flush();
            expect(&to, 5, 100, round as u8);
            expect(&other, 2, 50, round as u8);
        }
        assert_eq!(counters.gso_refused.get(), u64::from(REFUSALS));
        assert_eq!(counters.trains_out.get(), u64::from(3 * REFUSALS), "the other socket's");
        assert_eq!(counters.datagrams_out.get(), u64::from(3 * REFUSALS) * 7);
    }

    #[test]
    fn order_holds_within_a_socket_when_some_go_apart() {
        let (_sockets, mut outbox, _) = outbox();
        let to = receiver("127.0.0.1");
        train(&mut outbox, &to, 1, 10, 1);
        train(&mut outbox, &to, 70, 4, 2); // beyond the kernel's bound
        train(&mut outbox, &to, 3, 10, 3);
        outbox.flush();
        expect(&to, 1, 10, 1);
        expect(&to, 70, 4, 2);
        expect(&to, 3, 10, 3);
    }

    #[test]
    fn unsendable_packets_are_counted_and_hold_up_nothing() {
        let (_sockets, mut outbox, counters) = outbox();
        let to = receiver("127.0.0.1");
        let v4 = to.local_addr().unwrap();
        let unreachable = Route { socket: 0, remote: "255.255.255.255:9".parse().unwrap() };
        for route in [unreachable, Route { socket: 7, remote: v4 }, Route { socket: 1, remote: v4 }] {
            outbox.buffer(40);
            outbox.commit(route, 40, 10);
        }
        train(&mut outbox, &to, 1, 10, 1);
        outbox.flush();
        expect(&to, 1, 10, 1);
        assert_eq!(counters.no_route.get(), 4);
        assert_eq!(counters.socket_errors.get(), 8);
        assert_eq!(counters.datagrams_out.get(), 1);
    }

    #[test]
    fn nothing_that_a_caller_asks_for_panics() {
        let (_sockets, mut outbox, _) = outbox();
        let to = receiver("127.0.0.1");
        let route = Route { socket: 0, remote: to.local_addr().unwrap() };
        for (room, bytes, segment) in [(0, 0, 0), (10, 20, 0), (10, 0, 5), (5, 5, 99), (1 << 20, 1, 1)] {
            outbox.buffer(room);
            outbox.commit(route, bytes, segment);
            outbox.commit(route, bytes, segment);
        }
        outbox.flush();
    }
}
