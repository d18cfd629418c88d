//! The system calls: sockets with UDP_GRO and kernel receive times, epoll, a timer, clocks.
//!
//! All `unsafe` of this program is here. It knows no protocol.

use std::io;
use std::mem::{size_of, zeroed};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

pub const BATCH: usize = 4;
/// A train may hold 64 KiB.
const SLOT: usize = 65_536;
const CONTROL: usize = 128;
const RECEIVE_BUFFER: libc::c_int = 2 << 20;

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn clock(id: libc::clockid_t) -> i64 {
    // SAFETY: `spec` is a valid place for the kernel to write to, and the clocks used here always exist.
    unsafe {
        let mut spec: libc::timespec = zeroed();
        libc::clock_gettime(id, &mut spec);
        spec.tv_sec * 1_000_000_000 + spec.tv_nsec
    }
}

/// Nanoseconds of CLOCK_MONOTONIC.
pub fn now() -> i64 {
    clock(libc::CLOCK_MONOTONIC)
}

/// Nanoseconds of CLOCK_REALTIME, which the kernel stamps received datagrams with.
pub fn wall() -> i64 {
    clock(libc::CLOCK_REALTIME)
}

/// CPU time of this process in nanoseconds.
pub fn cpu() -> i64 {
    clock(libc::CLOCK_PROCESS_CPUTIME_ID)
}

/// CPU time of this thread in nanoseconds.
pub fn thread_cpu() -> i64 {
    clock(libc::CLOCK_THREAD_CPUTIME_ID)
}

pub fn pin(core: usize) -> io::Result<()> {
    // SAFETY: `set` is a plain bit set, written before it is read.
    unsafe {
        let mut set: libc::cpu_set_t = zeroed();
        libc::CPU_SET(core, &mut set);
        check(libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set)).map(drop)
    }
}

/// As many open files as this process may have.
pub fn raise_file_limit() -> u64 {
    // SAFETY: `limit` is valid for both calls.
    unsafe {
        let mut limit: libc::rlimit = zeroed();
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        }
        limit.rlim_cur
    }
}

fn set(fd: RawFd, level: libc::c_int, name: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the value outlives the call and has the length that is told.
    check(unsafe { libc::setsockopt(fd, level, name, (&raw const value).cast(), length) }).map(drop)
}

/// A UDP socket bound by `connect` to one remote: other senders are not heard, and sends need no address.
pub fn udp(remote: SocketAddr) -> io::Result<OwnedFd> {
    let local: SocketAddr = if remote.is_ipv4() { ([127, 0, 0, 1], 0).into() } else { ([0_u16; 8], 0).into() };
    let socket = std::net::UdpSocket::bind(local)?;
    socket.connect(remote)?;
    prepare(&socket)?;
    Ok(socket.into())
}

fn prepare(socket: &std::net::UdpSocket) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    let fd = socket.as_raw_fd();
    if set(fd, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, RECEIVE_BUFFER).is_err() {
        set(fd, libc::SOL_SOCKET, libc::SO_RCVBUF, RECEIVE_BUFFER)?; // without privilege: up to rmem_max
    }
    set(fd, libc::SOL_UDP, libc::UDP_GRO, 1)?;
    set(fd, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)
}

/// A receiver of the floor, set up as a viewer's socket is, and its port.
pub fn sink() -> io::Result<(OwnedFd, u16)> {
    let socket = std::net::UdpSocket::bind(("127.0.0.1", 0))?;
    prepare(&socket)?;
    let port = socket.local_addr()?.port();
    Ok((socket.into(), port))
}

/// The floor's sending socket.
pub fn outgoing() -> io::Result<OwnedFd> {
    let socket = std::net::UdpSocket::bind(("127.0.0.1", 0))?;
    socket.set_nonblocking(true)?;
    if set(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, 4 << 20).is_err() {
        set(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_SNDBUF, 4 << 20)?;
    }
    Ok(socket.into())
}

/// Trains on their way: each sent at once, or `batch` of them by one `sendmmsg`.
pub struct Outbox {
    bytes: Box<[u8]>,
    train: usize,
    segment: u16,
    ports: Vec<u16>,
    batch: usize,
}

impl Outbox {
    /// `train` bytes each, cut into datagrams of `segment`.
    pub fn new(batch: usize, train: usize, segment: usize) -> Self {
        let batch = batch.clamp(1, 64);
        let bytes = vec![0; batch * train].into();
        Self { bytes, train, segment: segment as u16, ports: Vec::with_capacity(batch), batch }
    }

    /// Where the next train is built.
    pub fn buffer(&mut self) -> &mut [u8] {
        let at = self.ports.len() * self.train;
        &mut self.bytes[at..at + self.train]
    }

    /// The train is whole; returns how many trains the kernel refused.
    pub fn commit(&mut self, fd: RawFd, port: u16) -> u64 {
        self.ports.push(port);
        if self.ports.len() < self.batch { 0 } else { self.flush(fd) }
    }

    pub fn flush(&mut self, fd: RawFd) -> u64 {
        let count = self.ports.len();
        // SAFETY: every pointer points into this frame or into `self`, which outlive the calls, with its length.
        let sent = unsafe {
            let mut addresses: [libc::sockaddr_in; 64] = zeroed();
            let mut vectors: [libc::iovec; 64] = zeroed();
            let mut controls: [[u64; 4]; 64] = zeroed();
            let mut messages: [libc::mmsghdr; 64] = zeroed();
            for at in 0..count {
                addresses[at].sin_family = libc::AF_INET as libc::sa_family_t;
                addresses[at].sin_port = self.ports[at].to_be();
                addresses[at].sin_addr.s_addr = u32::from_ne_bytes([127, 0, 0, 1]);
                vectors[at].iov_base = self.bytes.as_mut_ptr().add(at * self.train).cast();
                vectors[at].iov_len = self.train;
                let header = &mut messages[at].msg_hdr;
                header.msg_name = (&raw mut addresses[at]).cast();
                header.msg_namelen = size_of::<libc::sockaddr_in>() as libc::socklen_t;
                header.msg_iov = &mut vectors[at];
                header.msg_iovlen = 1;
                header.msg_control = controls[at].as_mut_ptr().cast();
                header.msg_controllen = libc::CMSG_SPACE(size_of::<u16>() as u32) as usize;
                let item = libc::CMSG_FIRSTHDR(header);
                (*item).cmsg_level = libc::SOL_UDP;
                (*item).cmsg_type = libc::UDP_SEGMENT;
                (*item).cmsg_len = libc::CMSG_LEN(size_of::<u16>() as u32) as usize;
                libc::CMSG_DATA(item).cast::<u16>().write_unaligned(self.segment);
            }
            match count {
                0 => 0,
                1 => i32::from(libc::sendmsg(fd, &messages[0].msg_hdr, libc::MSG_DONTWAIT) >= 0),
                _ => libc::sendmmsg(fd, messages.as_mut_ptr(), count as u32, libc::MSG_DONTWAIT as _),
            }
        };
        self.ports.clear();
        count as u64 - sent.max(0) as u64
    }
}

/// Send one datagram; false when the kernel did not take it.
pub fn send(fd: &OwnedFd, datagram: &[u8]) -> bool {
    // SAFETY: pointer and length are those of one slice.
    let sent = unsafe { libc::send(fd.as_raw_fd(), datagram.as_ptr().cast(), datagram.len(), libc::MSG_DONTWAIT) };
    sent == datagram.len() as isize
}

/// Buffers for one `recvmmsg`.
pub struct Receiver {
    bytes: Box<[u8]>,
    control: Box<[[u64; CONTROL / 8]]>,
}

/// One read of a socket: a datagram, or a train of them of `segment` bytes each.
pub struct Train<'a> {
    pub bytes: &'a mut [u8],
    pub segment: usize,
    /// CLOCK_REALTIME nanoseconds when the kernel had it; 0 when it did not say.
    pub arrived: i64,
}

impl Default for Receiver {
    fn default() -> Self {
        Self { bytes: vec![0; BATCH * SLOT].into(), control: vec![[0; CONTROL / 8]; BATCH].into() }
    }
}

impl Receiver {
    /// Takes up to BATCH trains. Returns whether there may be more.
    pub fn receive(&mut self, fd: RawFd, mut each: impl FnMut(Train<'_>)) -> bool {
        // SAFETY: every pointer points into `self`, whose buffers live over the call and have the lengths told;
        // what the kernel reports as written is what is read.
        unsafe {
            let mut vectors: [libc::iovec; BATCH] = zeroed();
            let mut messages: [libc::mmsghdr; BATCH] = zeroed();
            for at in 0..BATCH {
                vectors[at].iov_base = self.bytes.as_mut_ptr().add(at * SLOT).cast();
                vectors[at].iov_len = SLOT;
                let header = &mut messages[at].msg_hdr;
                header.msg_iov = &mut vectors[at];
                header.msg_iovlen = 1;
                header.msg_control = self.control[at].as_mut_ptr().cast();
                header.msg_controllen = CONTROL;
            }
            let none = std::ptr::null_mut();
            let got = libc::recvmmsg(fd, messages.as_mut_ptr(), BATCH as u32, libc::MSG_DONTWAIT as _, none);
            for (at, message) in messages.iter().enumerate().take(got.max(0) as usize) {
                let length = message.msg_len as usize;
                let mut train =
                    Train { bytes: &mut self.bytes[at * SLOT..at * SLOT + length], segment: length.max(1), arrived: 0 };
                let mut item = libc::CMSG_FIRSTHDR(&message.msg_hdr);
                while !item.is_null() {
                    let data = libc::CMSG_DATA(item);
                    match ((*item).cmsg_level, (*item).cmsg_type) {
                        (libc::SOL_UDP, libc::UDP_GRO) => {
                            train.segment = (data.cast::<libc::c_int>().read_unaligned() as usize).max(1);
                        }
                        (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                            let time = data.cast::<libc::timespec>().read_unaligned();
                            train.arrived = time.tv_sec * 1_000_000_000 + time.tv_nsec;
                        }
                        _ => {}
                    }
                    item = libc::CMSG_NXTHDR(&message.msg_hdr, item);
                }
                each(train);
            }
            got == BATCH as libc::c_int
        }
    }
}

/// Readiness of many descriptors, each with a number of the caller's.
pub struct Poll {
    fd: OwnedFd,
    events: Vec<libc::epoll_event>,
}

impl Poll {
    pub fn new() -> io::Result<Self> {
        // SAFETY: a new descriptor that nobody else owns.
        let fd = unsafe { OwnedFd::from_raw_fd(check(libc::epoll_create1(libc::EPOLL_CLOEXEC))?) };
        // SAFETY: an all-zero event is a valid one.
        Ok(Self { fd, events: vec![unsafe { zeroed() }; 256] })
    }

    fn control(&self, what: libc::c_int, fd: RawFd, token: u64, writing: bool) -> io::Result<()> {
        let events = if writing { libc::EPOLLOUT } else { libc::EPOLLIN };
        let mut event = libc::epoll_event { events: events as u32, u64: token };
        // SAFETY: `event` lives over the call.
        check(unsafe { libc::epoll_ctl(self.fd.as_raw_fd(), what, fd, &mut event) }).map(drop)
    }

    pub fn add(&self, fd: RawFd, token: u64, writing: bool) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, token, writing)
    }

    pub fn change(&self, fd: RawFd, token: u64, writing: bool) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, token, writing)
    }

    /// The tokens that are ready, after at most `milliseconds`.
    pub fn wait(&mut self, milliseconds: i32, ready: &mut Vec<u64>) {
        ready.clear();
        // SAFETY: the buffer has as many places as are told.
        let got = unsafe {
            libc::epoll_wait(
                self.fd.as_raw_fd(),
                self.events.as_mut_ptr(),
                self.events.len() as libc::c_int,
                milliseconds,
            )
        };
        ready.extend(self.events.iter().take(got.max(0) as usize).map(|event| event.u64));
    }
}

/// Becomes readable at a moment of CLOCK_MONOTONIC: epoll's own timeout counts in milliseconds.
pub struct Timer(OwnedFd);

impl Timer {
    pub fn new() -> io::Result<Self> {
        let flags = libc::TFD_NONBLOCK | libc::TFD_CLOEXEC;
        // SAFETY: a new descriptor that nobody else owns.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(check(libc::timerfd_create(libc::CLOCK_MONOTONIC, flags))?) }))
    }

    pub fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    /// Arming it also takes back that it was ready.
    pub fn arm(&self, at: i64) {
        // SAFETY: `spec` is written whole before the call reads it.
        unsafe {
            let mut spec: libc::itimerspec = zeroed();
            spec.it_value.tv_sec = at / 1_000_000_000;
            spec.it_value.tv_nsec = (at % 1_000_000_000).max(1);
            libc::timerfd_settime(self.fd(), libc::TFD_TIMER_ABSTIME, &spec, std::ptr::null_mut());
        }
    }
}

/// Non-blocking read of standard input; 0 bytes at its end.
pub fn read_stdin(buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: pointer and length are those of one slice.
    let got = unsafe { libc::read(0, buffer.as_mut_ptr().cast(), buffer.len()) };
    usize::try_from(got).map_err(|_| io::Error::last_os_error())
}
