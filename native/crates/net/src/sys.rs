//! The system calls of this crate that need `unsafe`, as small safe functions: epoll, eventfd, socket options, clocks.
//!
//! It knows no media and keeps no state.

use std::io;
use std::mem::{self, size_of};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use libc::{c_int, c_void, socklen_t};

pub fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

pub fn errno() -> c_int {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// Takes a new descriptor that a system call returned.
fn owned(result: c_int) -> io::Result<OwnedFd> {
    let fd = check(result)?;
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

// sockets ---------------------------------------------------------------------------------------------------

/// A non-blocking, close-on-exec socket of the address's family.
pub fn socket(address: &SocketAddr, kind: c_int) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    // SAFETY: no pointers are passed.
    owned(unsafe { libc::socket(family, kind | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC, 0) })
}

pub fn bind(fd: &impl AsRawFd, address: &SocketAddr) -> io::Result<()> {
    let address = Address::from(address);
    // SAFETY: the pointer and length describe `address`, which outlives the call.
    check(unsafe { libc::bind(fd.as_raw_fd(), address.as_ptr().cast(), address.length()) })?;
    Ok(())
}

pub fn listen(fd: &impl AsRawFd, backlog: c_int) -> io::Result<()> {
    // SAFETY: no pointers are passed.
    check(unsafe { libc::listen(fd.as_raw_fd(), backlog) })?;
    Ok(())
}

/// One waiting connection, non-blocking. `Err(WouldBlock)` when there is none.
pub fn accept(fd: &impl AsRawFd) -> io::Result<(OwnedFd, SocketAddr)> {
    let mut address = Address::default();
    let mut length = size_of::<Address>() as socklen_t;
    // SAFETY: `address` has room for `length` bytes and both outlive the call.
    let accepted = owned(unsafe {
        libc::accept4(
            fd.as_raw_fd(),
            address.as_mut_ptr().cast(),
            &mut length,
            libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC,
        )
    })?;
    let remote = address.read().ok_or(io::ErrorKind::InvalidData)?;
    Ok((accepted, remote))
}

pub fn local_address(fd: &impl AsRawFd) -> io::Result<SocketAddr> {
    let mut address = Address::default();
    let mut length = size_of::<Address>() as socklen_t;
    // SAFETY: `address` has room for `length` bytes and both outlive the call.
    check(unsafe { libc::getsockname(fd.as_raw_fd(), address.as_mut_ptr().cast(), &mut length) })?;
    address.read().ok_or_else(|| io::ErrorKind::InvalidData.into())
}

pub fn set_option(fd: &impl AsRawFd, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    // SAFETY: the pointer and length describe `value`, which outlives the call.
    check(unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            name,
            (&raw const value).cast::<c_void>(),
            size_of::<c_int>() as socklen_t,
        )
    })?;
    Ok(())
}

pub fn option(fd: &impl AsRawFd, level: c_int, name: c_int) -> io::Result<c_int> {
    let mut value: c_int = 0;
    let mut length = size_of::<c_int>() as socklen_t;
    // SAFETY: the pointers describe `value` and its length, which outlive the call.
    check(unsafe { libc::getsockopt(fd.as_raw_fd(), level, name, (&raw mut value).cast(), &mut length) })?;
    Ok(value)
}

/// Datagrams that the kernel threw away because this socket's receive buffer was full (SO_MEMINFO).
pub fn kernel_drops(fd: &impl AsRawFd) -> u32 {
    const DROPS: usize = 8; // SK_MEMINFO_DROPS of linux/sock_diag.h
    let mut info = [0u32; 9];
    let mut length = size_of_val(&info) as socklen_t;
    // SAFETY: the pointers describe `info` and its length, which outlive the call.
    let result = unsafe {
        libc::getsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, libc::SO_MEMINFO, info.as_mut_ptr().cast(), &mut length)
    };
    if result < 0 { 0 } else { info[DROPS] }
}

/// Reads what is there. `Ok(0)`: the other side has closed.
pub fn receive(fd: &impl AsRawFd, into: &mut [u8]) -> io::Result<usize> {
    // SAFETY: `into` is writable for its length and outlives the call.
    let n = unsafe { libc::recv(fd.as_raw_fd(), into.as_mut_ptr().cast(), into.len(), 0) };
    if n < 0 { Err(io::Error::last_os_error()) } else { Ok(n as usize) }
}

/// Writes as much of these pieces, in order, as the socket takes now. At most 128 pieces.
pub fn send_pieces(fd: &impl AsRawFd, pieces: &[io::IoSlice<'_>]) -> io::Result<usize> {
    // SAFETY: all zeros is a valid msghdr: null pointers and zero lengths.
    let mut header: libc::msghdr = unsafe { mem::zeroed() };
    // IoSlice has the layout of iovec by its documentation, and a send only reads it
    header.msg_iov = pieces.as_ptr().cast_mut().cast();
    header.msg_iovlen = pieces.len().min(128) as _;
    // SAFETY: the header points at `pieces`, which are readable and outlive the call.
    let n = unsafe { libc::sendmsg(fd.as_raw_fd(), &header, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) };
    if n < 0 { Err(io::Error::last_os_error()) } else { Ok(n as usize) }
}

// addresses -------------------------------------------------------------------------------------------------

/// A socket address in the kernel's layout.
#[derive(Clone, Copy)]
#[repr(C)]
pub union Address {
    family: libc::sa_family_t,
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

impl Default for Address {
    fn default() -> Self {
        // SAFETY: all zeros is a valid value of every member (plain integers); family 0 is AF_UNSPEC.
        unsafe { mem::zeroed() }
    }
}

impl From<&SocketAddr> for Address {
    fn from(address: &SocketAddr) -> Self {
        let mut out = Self::default();
        match address {
            SocketAddr::V4(a) => {
                out.v4 = libc::sockaddr_in {
                    sin_family: libc::AF_INET as libc::sa_family_t,
                    sin_port: a.port().to_be(),
                    sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(a.ip().octets()) },
                    sin_zero: [0; 8],
                };
            }
            SocketAddr::V6(a) => {
                out.v6 = libc::sockaddr_in6 {
                    sin6_family: libc::AF_INET6 as libc::sa_family_t,
                    sin6_port: a.port().to_be(),
                    sin6_flowinfo: 0,
                    sin6_addr: libc::in6_addr { s6_addr: a.ip().octets() },
                    sin6_scope_id: a.scope_id(),
                };
            }
        }
        out
    }
}

impl Address {
    pub fn as_ptr(&self) -> *const Self {
        self
    }

    pub fn as_mut_ptr(&mut self) -> *mut Self {
        self
    }

    fn family(&self) -> c_int {
        // SAFETY: every member begins with the family, and the union is never less than fully initialized.
        c_int::from(unsafe { self.family })
    }

    /// Bytes of the member in use.
    pub fn length(&self) -> socklen_t {
        match self.family() {
            libc::AF_INET => size_of::<libc::sockaddr_in>() as socklen_t,
            _ => size_of::<libc::sockaddr_in6>() as socklen_t,
        }
    }

    pub fn read(&self) -> Option<SocketAddr> {
        match self.family() {
            libc::AF_INET => {
                // SAFETY: the family says which member was written; all are plain integers.
                let a = unsafe { self.v4 };
                let ip = Ipv4Addr::from(a.sin_addr.s_addr.to_ne_bytes());
                Some(SocketAddrV4::new(ip, u16::from_be(a.sin_port)).into())
            }
            libc::AF_INET6 => {
                // SAFETY: as above.
                let a = unsafe { self.v6 };
                let ip = Ipv6Addr::from(a.sin6_addr.s6_addr);
                // no flow label: it would make two routes of one peer
                Some(SocketAddrV6::new(ip, u16::from_be(a.sin6_port), 0, a.sin6_scope_id).into())
            }
            _ => None,
        }
    }
}

// waiting ---------------------------------------------------------------------------------------------------

/// A counter that wakes whoever polls it (eventfd).
pub struct Waker(OwnedFd);

impl Waker {
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointers are passed.
        owned(unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) }).map(Self)
    }

    pub fn wake(&self) {
        let one = 1u64;
        // SAFETY: eight readable bytes. A full counter (EAGAIN) is awake already, so the result says nothing.
        unsafe { libc::write(self.0.as_raw_fd(), (&raw const one).cast(), 8) };
    }

    pub fn clear(&self) {
        let mut count = 0u64;
        // SAFETY: eight writable bytes. EAGAIN: it was clear.
        unsafe { libc::read(self.0.as_raw_fd(), (&raw mut count).cast(), 8) };
    }
}

impl AsRawFd for Waker {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// What a descriptor is waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Interest {
    /// Only errors and hang-ups.
    Nothing,
    Read,
    ReadWrite,
}

impl Interest {
    fn bits(self) -> u32 {
        match self {
            Interest::Nothing => 0,
            Interest::Read => libc::EPOLLIN as u32,
            Interest::ReadWrite => (libc::EPOLLIN | libc::EPOLLOUT) as u32,
        }
    }
}

/// What a descriptor is ready for. Errors and hang-ups count as readable: reading tells what happened.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    pub token: u64,
    pub readable: bool,
    pub writable: bool,
}

/// Where descriptors are put on and taken off a [`Poll`].
#[derive(Clone)]
pub struct Registry(Arc<OwnedFd>);

impl Registry {
    fn control(&self, op: c_int, fd: RawFd, token: u64, interest: Interest) -> io::Result<()> {
        let mut event = libc::epoll_event { events: interest.bits(), u64: token };
        // SAFETY: `event` outlives the call.
        check(unsafe { libc::epoll_ctl(self.0.as_raw_fd(), op, fd, &mut event) })?;
        Ok(())
    }

    /// Waits for `fd` until it is removed or closed.
    pub fn add(&self, fd: &impl AsRawFd, token: u64, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd.as_raw_fd(), token, interest)
    }

    pub fn modify(&self, fd: &impl AsRawFd, token: u64, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd.as_raw_fd(), token, interest)
    }

    pub fn remove(&self, fd: &impl AsRawFd) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, fd.as_raw_fd(), 0, Interest::Nothing)
    }
}

pub struct Poll {
    epoll: Arc<OwnedFd>,
    events: Vec<libc::epoll_event>,
    ready: usize,
    /// epoll_pwait2 (Linux 5.11) takes nanoseconds; without it waits are rounded up to milliseconds.
    fine: bool,
}

impl Poll {
    pub fn new(events: usize) -> io::Result<Self> {
        // SAFETY: no pointers are passed.
        let epoll = Arc::new(owned(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?);
        let events = vec![libc::epoll_event { events: 0, u64: 0 }; events.max(1)];
        Ok(Self { epoll, events, ready: 0, fine: true })
    }

    pub fn registry(&self) -> Registry {
        Registry(self.epoll.clone())
    }

    /// Waits until something is ready or the time is over; a signal ends the wait early. Returns how many are ready.
    pub fn wait(&mut self, timeout: Duration) -> usize {
        self.ready = 0;
        let (fd, events) = (self.epoll.as_raw_fd(), self.events.as_mut_ptr());
        let room = self.events.len().min(c_int::MAX as usize) as c_int;
        if self.fine && !timeout.is_zero() {
            let time = libc::timespec {
                tv_sec: timeout.as_secs() as libc::time_t,
                tv_nsec: libc::c_long::from(timeout.subsec_nanos() as i32),
            };
            // SAFETY: `events` has room for `room` entries; no signal mask is passed.
            let n = unsafe {
                libc::syscall(
                    libc::SYS_epoll_pwait2,
                    fd,
                    events,
                    room,
                    &raw const time,
                    std::ptr::null::<libc::sigset_t>(),
                    0usize,
                )
            };
            if n >= 0 {
                self.ready = n as usize;
                return self.ready;
            }
            if matches!(errno(), libc::ENOSYS | libc::EPERM) {
                self.fine = false;
            } else {
                return 0;
            }
        }
        let ms = timeout.as_micros().div_ceil(1000).min(c_int::MAX as u128) as c_int;
        // SAFETY: as above.
        let n = unsafe { libc::epoll_wait(fd, events, room, ms) };
        self.ready = n.max(0) as usize;
        self.ready
    }

    /// The `index`th of those that the last `wait` found.
    pub fn ready(&self, index: usize) -> Option<Ready> {
        let event = self.events[..self.ready].get(index)?;
        let bits = event.events as c_int;
        Some(Ready {
            token: event.u64,
            readable: bits & (libc::EPOLLIN | libc::EPOLLERR | libc::EPOLLHUP) != 0,
            writable: bits & (libc::EPOLLOUT | libc::EPOLLERR | libc::EPOLLHUP) != 0,
        })
    }
}

// threads ---------------------------------------------------------------------------------------------------

/// CPU time that the calling thread has used, in nanoseconds.
pub fn thread_cpu_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is writable and outlives the call.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Keeps the calling thread on one CPU. False when the kernel refuses.
pub fn pin(cpu: usize) -> bool {
    if cpu >= libc::CPU_SETSIZE as usize {
        return false;
    }
    // SAFETY: an all-zero cpu_set_t is the empty set; CPU_SET is in bounds by the check above; the set outlives the call.
    unsafe {
        let mut set: libc::cpu_set_t = mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) == 0
    }
}

/// Timers of the calling thread fire within 1 us instead of the usual 50.
pub fn precise_timers() {
    // SAFETY: PR_SET_TIMERSLACK takes one integer (nanoseconds).
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1_000 as libc::c_ulong, 0, 0, 0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_kernels_layout() {
        for text in ["192.0.2.7:5000", "[2001:db8::1]:65535", "0.0.0.0:0", "[::]:1"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(Address::from(&address).read(), Some(address));
        }
        assert_eq!(Address::default().read(), None);
    }

    #[test]
    fn a_waker_wakes_once_until_cleared() {
        let (waker, mut poll) = (Waker::new().unwrap(), Poll::new(4).unwrap());
        poll.registry().add(&waker, 7, Interest::Read).unwrap();
        assert_eq!(poll.wait(Duration::ZERO), 0);
        waker.wake();
        waker.wake();
        assert_eq!(poll.wait(Duration::from_secs(1)), 1);
        assert_eq!(poll.ready(0).map(|r| (r.token, r.readable)), Some((7, true)));
        waker.clear();
        assert_eq!(poll.wait(Duration::from_micros(300)), 0);
    }
}
