//! Datagrams from a UDP socket, many at a time (`recvmmsg`), coalesced by the kernel where it can (UDP_GRO).
//!
//! It knows where they came from, not what they mean. They stay in its buffers and may be changed there.

use std::mem::{self, size_of};
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::ptr;

use libc::{cmsghdr, iovec, mmsghdr};
use sfu::io::Route;

use crate::sys::Address;

/// Messages of one system call.
pub const MESSAGES: usize = 64;
/// The most that one coalesced message can hold.
const MESSAGE_BYTES: usize = 65_536;
/// Buffers at a distance of exactly 64 KiB would all compete for the same lines of the processor's caches.
const STRIDE: usize = MESSAGE_BYTES + 2112;
const CONTROL_BYTES: usize = 128;

/// The address of ours that a datagram was sent to; known only on sockets bound to a wildcard.
pub type Local = Option<IpAddr>;

/// One message: one datagram, or several of `segment` bytes each from one sender.
pub struct Received<'a> {
    pub route: Route,
    pub local: Local,
    pub bytes: &'a mut [u8],
    pub segment: usize,
    pub truncated: bool,
}

#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; CONTROL_BYTES]);

pub struct Receiver {
    buffer: Box<[u8]>,
    addresses: Box<[Address; MESSAGES]>,
    controls: Box<[Control; MESSAGES]>,
    iovecs: Box<[iovec; MESSAGES]>,
    headers: Box<[mmsghdr; MESSAGES]>,
    socket: u32,
    /// Messages of the last `receive`; their headers were changed by the kernel.
    filled: usize,
}

impl Receiver {
    pub fn new() -> Self {
        let mut this = Self {
            buffer: vec![0; STRIDE * MESSAGES].into_boxed_slice(),
            addresses: Box::new([Address::default(); MESSAGES]),
            controls: Box::new([Control([0; CONTROL_BYTES]); MESSAGES]),
            iovecs: Box::new([iovec { iov_base: ptr::null_mut(), iov_len: 0 }; MESSAGES]),
            // SAFETY: all zeros is a valid mmsghdr: null pointers and zero lengths.
            headers: Box::new(unsafe { mem::zeroed() }),
            socket: 0,
            filled: MESSAGES,
        };
        // The boxes never move, so these pointers stay good for as long as `this`. Each is derived from the whole
        // allocation, so that the slices handed out by `message` do not invalidate its neighbours.
        let base = this.buffer.as_mut_ptr();
        for i in 0..MESSAGES {
            this.iovecs[i] = iovec { iov_base: base.wrapping_add(i * STRIDE).cast(), iov_len: MESSAGE_BYTES };
        }
        this
    }

    /// Takes what waits at the socket, at most [`MESSAGES`]. Returns how many messages; 0 when there is none, or
    /// when an error was waiting there (an ICMP answer to a send of ours: of no use here, ICE notices the path).
    pub fn receive(&mut self, socket: u32, fd: &impl AsRawFd) -> usize {
        let addresses = self.addresses.as_mut_ptr();
        let controls = self.controls.as_mut_ptr();
        let iovecs = self.iovecs.as_mut_ptr();
        for (i, header) in self.headers.iter_mut().enumerate().take(self.filled) {
            let h = &mut header.msg_hdr;
            h.msg_name = addresses.wrapping_add(i).cast();
            h.msg_namelen = size_of::<Address>() as libc::socklen_t;
            h.msg_iov = iovecs.wrapping_add(i);
            h.msg_iovlen = 1;
            h.msg_control = controls.wrapping_add(i).cast();
            h.msg_controllen = CONTROL_BYTES as _;
            h.msg_flags = 0;
        }
        self.socket = socket;
        // SAFETY: every header points at its own address, control block and buffer of the lengths given, all of them
        // alive and unaliased during the call.
        let n = unsafe {
            libc::recvmmsg(
                fd.as_raw_fd(),
                self.headers.as_mut_ptr(),
                MESSAGES as u32,
                libc::MSG_DONTWAIT as _,
                ptr::null_mut(),
            )
        };
        self.filled = n.max(0) as usize;
        self.filled
    }

    /// The `index`th message of the last `receive`; `None` past the end or when its sender cannot be named.
    pub fn message(&mut self, index: usize) -> Option<Received<'_>> {
        let header = self.headers[..self.filled].get(index)?;
        let remote = self.addresses[index].read()?;
        let length = (header.msg_len as usize).min(MESSAGE_BYTES);
        let (mut segment, mut local) = (length, None);
        // SAFETY: recvmmsg succeeded for this header, so its control block holds well-formed messages within
        // msg_controllen; the CMSG macros walk only within it, and each payload is read unaligned and only as its
        // level and type say it was written.
        unsafe {
            let mut c: *const cmsghdr = libc::CMSG_FIRSTHDR(&header.msg_hdr);
            while let Some(cmsg) = c.as_ref() {
                let data = libc::CMSG_DATA(c);
                match (cmsg.cmsg_level, cmsg.cmsg_type) {
                    (libc::IPPROTO_UDP, libc::UDP_GRO) => {
                        let size = ptr::read_unaligned(data.cast::<libc::c_int>());
                        segment = usize::try_from(size).unwrap_or(0);
                    }
                    (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                        let info = ptr::read_unaligned(data.cast::<libc::in_pktinfo>());
                        let octets = info.ipi_spec_dst.s_addr.to_ne_bytes();
                        local = Some(IpAddr::from(octets));
                    }
                    (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                        let info = ptr::read_unaligned(data.cast::<libc::in6_pktinfo>());
                        local = Some(IpAddr::from(info.ipi6_addr.s6_addr));
                    }
                    _ => {}
                }
                c = libc::CMSG_NXTHDR(&header.msg_hdr, c);
            }
        }
        let truncated = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
        let start = index * STRIDE;
        Some(Received {
            route: Route { socket: self.socket, remote },
            local,
            bytes: self.buffer.get_mut(start..start + length)?,
            // zero-length datagrams have no segments at all
            segment: segment.max(1),
            truncated,
        })
    }
}
