//! The UDP sockets of a node: one per address and thread, all on one port, and the TCP listeners beside them.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use crate::sys;

/// One bound, non-blocking UDP socket of one thread.
pub struct UdpSocket {
    fd: OwnedFd,
    pub local: SocketAddr,
    /// The kernel coalesces datagrams of one sender (UDP_GRO).
    pub gro: bool,
    /// The kernel knows UDP_SEGMENT (Linux 4.18). A route may still refuse it.
    pub gso: bool,
}

impl UdpSocket {
    /// Bound to every address of the host: answers must say which of them they leave from.
    pub fn is_wildcard(&self) -> bool {
        self.local.ip().is_unspecified()
    }
}

impl AsRawFd for UdpSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

/// Sizes of the kernel's buffers in bytes. Granted beyond `net.core.[rw]mem_max` only with CAP_NET_ADMIN.
#[derive(Clone, Copy, Debug)]
pub struct Buffers {
    pub receive: usize,
    pub send: usize,
}

/// Binds every address `threads` times. Port 0: a free one, the same for all of them.
///
/// Returns the sockets of each thread, in the order of `binds`. Fails with the first bind that failed; then nothing
/// stays bound.
pub fn bind_all(binds: &[SocketAddr], threads: usize, buffers: Buffers) -> io::Result<Vec<Vec<UdpSocket>>> {
    let threads = threads.max(1);
    let mut out: Vec<Vec<UdpSocket>> = (0..threads).map(|_| Vec::new()).collect();
    let mut port = 0;
    for bind in binds {
        let mut address = *bind;
        if address.port() == 0 {
            address.set_port(port);
        }
        // The first one is bound without SO_REUSEPORT, so that a port in use by another process is an error and not
        // a port shared with it. Its siblings may join once it has the option.
        let first = bind_one(&address, buffers, false)?;
        port = first.local.port();
        address.set_port(port);
        if threads > 1 {
            sys::set_option(&first, libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)?;
        }
        out[0].push(first);
        for sockets in &mut out[1..] {
            sockets.push(bind_one(&address, buffers, true)?);
        }
    }
    Ok(out)
}

/// `bind_all` on the first port of `low..=high` that is free on every host; `high` 0: any port.
pub fn bind_first_free(
    hosts: &[std::net::IpAddr],
    low: u16,
    high: u16,
    threads: usize,
    buffers: Buffers,
) -> io::Result<Vec<Vec<UdpSocket>>> {
    let mut problem = io::Error::from(io::ErrorKind::AddrInUse);
    // an ephemeral port that one host has free may be taken on the next: a few tries
    let candidates: Vec<u16> = if high == 0 { vec![0; 8] } else { (low..=high).collect() };
    for port in candidates {
        let binds: Vec<_> = hosts.iter().map(|host| SocketAddr::new(*host, port)).collect();
        match bind_all(&binds, threads, buffers) {
            Ok(sockets) => return Ok(sockets),
            Err(error) => problem = error,
        }
    }
    Err(io::Error::new(problem.kind(), format!("no UDP port of {low}-{high} is free: {problem}")))
}

fn bind_one(address: &SocketAddr, buffers: Buffers, reuse: bool) -> io::Result<UdpSocket> {
    let fd = sys::socket(address, libc::SOCK_DGRAM)?;
    if reuse {
        sys::set_option(&fd, libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)?;
    }
    if address.is_ipv6() {
        sys::set_option(&fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1)?;
    } else {
        // No path MTU state that an ICMP message could lower: our packets fit (1,200 bytes of media), and routers
        // may cut them on the rare path where they do not. IPv6 routers may not cut, so there the default stays.
        const IP_PMTUDISC_OMIT: i32 = 5;
        let _ = sys::set_option(&fd, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, IP_PMTUDISC_OMIT);
    }
    if address.ip().is_unspecified() {
        let (level, name) = if address.is_ipv4() {
            (libc::IPPROTO_IP, libc::IP_PKTINFO)
        } else {
            (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO)
        };
        sys::set_option(&fd, level, name, 1)?;
    }
    grow(&fd, libc::SO_RCVBUFFORCE, libc::SO_RCVBUF, buffers.receive);
    grow(&fd, libc::SO_SNDBUFFORCE, libc::SO_SNDBUF, buffers.send);
    sys::bind(&fd, address)?;
    let gro = sys::set_option(&fd, libc::IPPROTO_UDP, libc::UDP_GRO, 1).is_ok();
    let gso = sys::option(&fd, libc::IPPROTO_UDP, libc::UDP_SEGMENT).is_ok();
    Ok(UdpSocket { local: sys::local_address(&fd)?, fd, gro, gso })
}

fn grow(fd: &OwnedFd, forced: i32, plain: i32, bytes: usize) {
    let bytes = bytes.min(1 << 30) as i32;
    if sys::set_option(fd, libc::SOL_SOCKET, forced, bytes).is_err() {
        // without the privilege the kernel gives what its limit allows; that is not an error
        let _ = sys::set_option(fd, libc::SOL_SOCKET, plain, bytes);
    }
}

/// A TCP listener for ICE-TCP (RFC 6544, passive side).
pub struct Listener {
    fd: OwnedFd,
    pub local: SocketAddr,
}

impl Listener {
    pub fn bind(address: &SocketAddr) -> io::Result<Self> {
        let fd = sys::socket(address, libc::SOCK_STREAM)?;
        // a restart must not wait for the old connections' TIME_WAIT
        sys::set_option(&fd, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
        if address.is_ipv6() {
            sys::set_option(&fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1)?;
        }
        sys::bind(&fd, address)?;
        sys::listen(&fd, 1024)?;
        Ok(Self { local: sys::local_address(&fd)?, fd })
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUFFERS: Buffers = Buffers { receive: 1 << 20, send: 1 << 20 };

    #[test]
    fn threads_share_a_port_that_nobody_else_may_take() {
        let binds = ["127.0.0.1:0".parse().unwrap(), "[::1]:0".parse().unwrap()];
        let sockets = bind_all(&binds, 3, BUFFERS).unwrap();
        let port = sockets[0][0].local.port();
        assert!(sockets.iter().flatten().all(|s| s.local.port() == port));
        assert_eq!(sockets.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 2]);
        // a second server, even one with threads of its own
        assert!(bind_all(&[SocketAddr::new(binds[0].ip(), port)], 2, BUFFERS).is_err());
    }

    #[test]
    fn the_first_free_port_of_a_range_is_taken() {
        let host = "127.0.0.1".parse().unwrap();
        let taken = bind_all(&[SocketAddr::new(host, 0)], 1, BUFFERS).unwrap();
        let low = taken[0][0].local.port();
        let Some(high) = low.checked_add(20) else {
            return;
        };
        let found = bind_first_free(&[host], low, high, 2, BUFFERS).unwrap();
        assert!((low + 1..=high).contains(&found[0][0].local.port()));
        assert!(bind_first_free(&[host], low, low, 1, BUFFERS).is_err());
    }
}
