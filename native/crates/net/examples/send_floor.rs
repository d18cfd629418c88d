//! The floor that the media engine's send path is measured against: seal packets with AES-128-GCM and send them as
//! trains to UDP receivers that read them on another core. A bare loop: no RTP, no viewers, no timers.
//!
//! Prints one line of JSON: nanoseconds of this thread's CPU time for each packet, the median and the least of
//! `--runs`, in all and by part; the parts are measured on their own, so they need not add up.
//!
//! `send_floor --viewers 1000 --packets 9 --size 1200 --mmsg 8 --runs 5 --rounds 30 --cpu 0 --sink-cpu 1`

use std::io;
use std::mem;
use std::net::{SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

const TAG: usize = 16;
const HEADER: usize = 28; // a fixed RTP header and an extension block, authenticated and not encrypted

struct Options {
    viewers: usize,
    packets: usize,
    size: usize,
    /// Trains of one system call; 1 is `sendmsg`.
    mmsg: usize,
    runs: usize,
    /// Times that each viewer is served in one run.
    rounds: usize,
    cpu: Option<usize>,
    sink_cpu: Option<usize>,
}

impl Options {
    fn read() -> Result<Self, String> {
        let mut this =
            Self { viewers: 1000, packets: 9, size: 1200, mmsg: 1, runs: 5, rounds: 30, cpu: None, sink_cpu: None };
        let mut words = std::env::args().skip(1);
        while let Some(name) = words.next() {
            let value = words.next().and_then(|word| word.parse::<usize>().ok());
            let value = value.ok_or_else(|| format!("{name} needs a number"))?;
            match name.as_str() {
                "--viewers" => this.viewers = value.max(1),
                "--packets" => this.packets = value.clamp(1, 50),
                "--size" => this.size = value.clamp(HEADER + TAG + 1, 1400),
                "--mmsg" => this.mmsg = value.clamp(1, 64),
                "--runs" => this.runs = value.max(1),
                "--rounds" => this.rounds = value.max(1),
                "--cpu" => this.cpu = Some(value),
                "--sink-cpu" => this.sink_cpu = Some(value),
                _ => return Err(format!("unknown option {name}")),
            }
        }
        Ok(this)
    }
}

fn pin(cpu: Option<usize>) {
    let Some(cpu) = cpu.filter(|cpu| *cpu < libc::CPU_SETSIZE as usize) else { return };
    // SAFETY: an all-zero set is empty, and the CPU is within its bounds.
    unsafe {
        let mut set: libc::cpu_set_t = mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set);
    }
}

fn cpu_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is writable.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn set(socket: &UdpSocket, level: i32, name: i32, value: i32) {
    // SAFETY: the pointer and length describe `value`.
    unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), 4);
    }
}

/// Reads all sockets until told to stop; counts bytes.
fn sink(sockets: Vec<UdpSocket>, cpu: Option<usize>, stop: &AtomicBool, bytes: &AtomicU64) {
    pin(cpu);
    // SAFETY: no pointers.
    let epoll = unsafe { libc::epoll_create1(0) };
    for socket in &sockets {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: socket.as_raw_fd() as u64 };
        // SAFETY: `event` is alive during the call.
        unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, socket.as_raw_fd(), &mut event) };
    }
    let mut events = vec![libc::epoll_event { events: 0, u64: 0 }; 512];
    let mut buffer = vec![0u8; 65_536];
    while !stop.load(Ordering::Relaxed) {
        // SAFETY: `events` has room for 512.
        let n = unsafe { libc::epoll_wait(epoll, events.as_mut_ptr(), 512, 20) };
        for event in events.iter().take(n.max(0) as usize) {
            // SAFETY: `buffer` is writable for its length.
            let n =
                unsafe { libc::recv(event.u64 as i32, buffer.as_mut_ptr().cast(), buffer.len(), libc::MSG_DONTWAIT) };
            bytes.fetch_add(n.max(0) as u64, Ordering::Relaxed);
        }
    }
    // SAFETY: ours.
    unsafe { libc::close(epoll) };
}

struct Viewer {
    address: libc::sockaddr_in,
    key: LessSafeKey,
    counter: u64,
}

#[repr(C, align(8))]
struct Control([u8; 24]);

/// What one run does for each train.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Copy,
    Seal,
    Send,
    All,
}

struct Loop {
    options: Options,
    socket: UdpSocket,
    viewers: Vec<Viewer>,
    frame: Vec<u8>,
    slab: Vec<u8>,
    control: Box<Control>,
    iovecs: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
    failed: u64,
}

impl Loop {
    fn train(&self) -> usize {
        self.options.packets * self.options.size
    }

    /// Serves every viewer once.
    fn round(&mut self, part: Part) {
        let (train, size, mmsg) = (self.train(), self.options.size, self.options.mmsg);
        for first in (0..self.viewers.len()).step_by(mmsg) {
            let last = (first + mmsg).min(self.viewers.len());
            for index in first..last {
                let at = (index - first) * train;
                let out = &mut self.slab[at..at + train];
                if matches!(part, Part::Copy | Part::All) {
                    out.copy_from_slice(&self.frame);
                }
                if matches!(part, Part::Seal | Part::All) {
                    let viewer = &mut self.viewers[index];
                    for packet in out.chunks_mut(size) {
                        viewer.counter += 1;
                        let mut nonce = [0; 12];
                        nonce[4..].copy_from_slice(&viewer.counter.to_be_bytes());
                        packet[4..12].copy_from_slice(&viewer.counter.to_be_bytes());
                        let (head, body) = packet.split_at_mut(HEADER);
                        let (plain, tag) = body.split_at_mut(size - HEADER - TAG);
                        let nonce = Nonce::assume_unique_for_key(nonce);
                        let sealed = viewer.key.seal_in_place_separate_tag(nonce, Aad::from(&*head), plain);
                        tag.copy_from_slice(sealed.expect("short enough").as_ref());
                    }
                }
            }
            if matches!(part, Part::Send | Part::All) {
                self.send(first, last);
            }
        }
    }

    /// Makes the headers once; afterwards only the receivers change.
    fn prepare(&mut self) {
        let (train, size) = (self.train(), self.options.size as u16);
        self.control.0[..8].copy_from_slice(&18u64.to_ne_bytes());
        self.control.0[8..12].copy_from_slice(&libc::IPPROTO_UDP.to_ne_bytes());
        self.control.0[12..16].copy_from_slice(&libc::UDP_SEGMENT.to_ne_bytes());
        self.control.0[16..18].copy_from_slice(&size.to_ne_bytes());
        for packets in self.slab.chunks_mut(train) {
            self.iovecs.push(libc::iovec { iov_base: packets.as_mut_ptr().cast(), iov_len: train });
        }
        for iovec in &mut self.iovecs {
            // SAFETY: all zeros is a valid mmsghdr.
            let mut header: libc::mmsghdr = unsafe { mem::zeroed() };
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
            header.msg_hdr.msg_iov = iovec;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = self.control.0.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = self.control.0.len() as _;
            self.headers.push(header);
        }
    }

    fn send(&mut self, first: usize, last: usize) {
        for (header, viewer) in self.headers.iter_mut().zip(&mut self.viewers[first..last]) {
            header.msg_hdr.msg_name = (&raw mut viewer.address).cast();
        }
        let (fd, count) = (self.socket.as_raw_fd(), last - first);
        // SAFETY: the headers point at addresses, iovecs and a control block of `self`, none of which moves.
        let sent = unsafe {
            if self.options.mmsg == 1 {
                if libc::sendmsg(fd, &self.headers[0].msg_hdr, libc::MSG_DONTWAIT) < 0 { 0 } else { 1 }
            } else {
                libc::sendmmsg(fd, self.headers.as_mut_ptr(), count as u32, libc::MSG_DONTWAIT)
            }
        };
        self.failed += count as u64 - sent.max(0) as u64;
    }

    /// Nanoseconds of CPU for each packet.
    fn run(&mut self, part: Part) -> f64 {
        let packets = (self.options.rounds * self.viewers.len() * self.options.packets) as f64;
        let mut spent = 0;
        for _ in 0..self.options.rounds {
            let before = cpu_ns();
            self.round(part);
            spent += cpu_ns() - before;
            if matches!(part, Part::Send | Part::All) {
                // the sinks are slower than this loop; full receive buffers would make it look faster than it is
                thread::sleep(Duration::from_millis(20));
            }
        }
        spent as f64 / packets
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::read()?;
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut sinks = Vec::new();
    let mut viewers = Vec::new();
    for i in 0..options.viewers {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        set(&socket, libc::SOL_SOCKET, libc::SO_RCVBUF, 1 << 20);
        set(&socket, libc::IPPROTO_UDP, libc::UDP_GRO, 1);
        let to: SocketAddrV4 = socket.local_addr()?.to_string().parse()?;
        sinks.push(socket);
        let address = libc::sockaddr_in {
            sin_family: libc::AF_INET as u16,
            sin_port: to.port().to_be(),
            sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(to.ip().octets()) },
            sin_zero: [0; 8],
        };
        let mut key = [7; 16];
        key[..8].copy_from_slice(&(i as u64).to_be_bytes());
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).map_err(|_| "no key")?);
        viewers.push(Viewer { address, key, counter: 0 });
    }
    let (stop, bytes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let sink_cpu = options.sink_cpu.or((cores > 1).then_some(1));
    let reader = {
        let (stop, bytes) = (stop.clone(), bytes.clone());
        thread::spawn(move || sink(sinks, sink_cpu, &stop, &bytes))
    };
    pin(options.cpu.or(Some(0)));

    let socket = UdpSocket::bind("127.0.0.1:0")?;
    set(&socket, libc::SOL_SOCKET, libc::SO_SNDBUF, 8 << 20);
    let train = options.packets * options.size;
    let mut bare = Loop {
        frame: (0..train).map(|i| i as u8).collect(),
        slab: vec![0; train * options.mmsg],
        socket,
        viewers,
        control: Box::new(Control([0; 24])),
        iovecs: Vec::with_capacity(options.mmsg),
        headers: Vec::with_capacity(options.mmsg),
        options,
        failed: 0,
    };
    bare.prepare();
    bare.round(Part::All); // caches, page faults, ARP
    let began = Instant::now();
    bytes.store(0, Ordering::Relaxed);
    bare.failed = 0;
    let mut figures = [(Part::All, "all"), (Part::Seal, "seal"), (Part::Copy, "copy"), (Part::Send, "send")]
        .map(|(part, name)| (part, name, Vec::new()));
    for _ in 0..bare.options.runs {
        // the parts take turns, so that a noisy moment does not fall on one of them
        for (part, _, values) in &mut figures {
            values.push(bare.run(*part));
        }
    }
    thread::sleep(Duration::from_millis(100));
    stop.store(true, Ordering::Relaxed);
    reader.join().map_err(|_| io::Error::other("the reader failed"))?;

    let Options { viewers, packets, size, mmsg, runs, rounds, .. } = bare.options;
    let sent = (2 * runs * rounds * viewers * packets * size) as f64;
    let received = bytes.load(Ordering::Relaxed) as f64 / sent;
    print!(
        "{{\"viewers\":{viewers},\"packets\":{packets},\"size\":{size},\"mmsg\":{mmsg},\"runs\":{runs},\
         \"rounds\":{rounds},\"seconds\":{:.1},\"received_share\":{received:.4},\"sends_failed\":{}",
        began.elapsed().as_secs_f64(),
        bare.failed
    );
    for (_, name, values) in &mut figures {
        values.sort_by(f64::total_cmp);
        print!(",\"{name}_ns\":{:.1},\"{name}_ns_min\":{:.1}", values[values.len() / 2], values[0]);
    }
    println!("}}");
    Ok(())
}
