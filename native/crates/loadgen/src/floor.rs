//! The bare floor: what AES-GCM and a GSO train to each of so many receivers cost here, with nothing around them.
//!
//! The sender runs on one core and is measured by its thread's CPU clock; receivers are read on another as the load
//! client reads its viewers. Sends at a stream's pace, so that caches are as cold as a server's.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use crate::summary::{Object, percentile};
use crate::sys::{self, Outbox, Poll, Receiver};

const TAG: usize = 16;
const HEADER: usize = 20;
const ROUNDS: usize = 5;

pub struct Options {
    pub viewers: usize,
    pub packets: usize,
    pub size: usize,
    pub frames_per_s: f64,
    pub seconds: f64,
    /// Trains per sendmmsg; 1 sends each by itself.
    pub batch: usize,
    /// Sender's and receivers' cores.
    pub cores: Option<(usize, usize)>,
}

struct Viewer {
    key: LessSafeKey,
    seq: u64,
    port: u16,
}

/// Prints the median of five rounds.
pub fn run(options: &Options) -> Result<(), String> {
    let text = |error: io::Error| error.to_string();
    sys::raise_file_limit();
    let out = sys::outgoing().map_err(text)?;
    let mut sinks = Vec::new();
    let mut viewers = Vec::new();
    for number in 0..options.viewers {
        let (sink, port) = sys::sink().map_err(text)?;
        let mut secret = [7; 16];
        secret[..8].copy_from_slice(&(number as u64).to_be_bytes());
        let key = UnboundKey::new(&AES_128_GCM, &secret).map_err(|_| "no key")?;
        viewers.push(Viewer { key: LessSafeKey::new(key), seq: 1, port });
        sinks.push(sink);
    }
    let (ended, received) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            options.cores.map_or(Ok(()), |(_, core)| sys::pin(core))?;
            read_all(&sinks, &ended, &received)
        });
        let sent =
            options.cores.map_or(Ok(()), |(core, _)| sys::pin(core)).and_then(|()| send_all(options, &out, viewers));
        ended.store(true, Ordering::Relaxed);
        reader.join().map_err(|_| "the reader panicked")?.map_err(text)?;
        let (mut rounds, packets, unsent) = sent.map_err(text)?;
        Object::new("floor")
            .number("floor_us", percentile(&mut rounds, 0.5) as f64 / 1e3)
            .number("floor_us_min", percentile(&mut rounds, 0.0) as f64 / 1e3)
            .count("packets", packets)
            .count("unsent", unsent)
            .number("received_ratio", received.load(Ordering::Relaxed) as f64 / (packets - unsent).max(1) as f64)
            .print();
        Ok(())
    })
}

/// Nanoseconds of CPU per packet of each round, packets in all, and those that the kernel did not take.
fn send_all(options: &Options, out: &OwnedFd, mut viewers: Vec<Viewer>) -> io::Result<(Vec<i64>, u64, u64)> {
    let plain: Vec<u8> = (0..options.size * options.packets).map(|at| at as u8 | 0x80).collect();
    let stride = options.size + TAG;
    let mut outbox = Outbox::new(options.batch, stride * options.packets, stride);
    let interval = (1e9 / options.frames_per_s) as i64;
    let frames = ((options.seconds * options.frames_per_s / ROUNDS as f64) as usize).max(1);
    let (mut packets, mut unsent) = (0, 0);
    let mut rounds = Vec::new();
    let mut due = sys::now();
    for _ in 0..ROUNDS {
        let mut spent = 0;
        for _ in 0..frames {
            due += interval;
            thread::sleep(std::time::Duration::from_nanos((due - sys::now()).max(0) as u64));
            let began = sys::thread_cpu();
            for viewer in &mut viewers {
                let train = outbox.buffer();
                for (packet, plain) in train.chunks_mut(stride).zip(plain.chunks(options.size)) {
                    seal(viewer, packet, plain);
                }
                unsent += outbox.commit(out.as_raw_fd(), viewer.port) * options.packets as u64;
            }
            unsent += outbox.flush(out.as_raw_fd()) * options.packets as u64;
            spent += sys::thread_cpu() - began;
        }
        let count = frames * viewers.len() * options.packets;
        packets += count as u64;
        rounds.push(spent / count as i64);
    }
    Ok((rounds, packets, unsent))
}

fn seal(viewer: &mut Viewer, packet: &mut [u8], plain: &[u8]) {
    let (packet, tag) = packet.split_at_mut(plain.len());
    packet.copy_from_slice(plain);
    packet[2..4].copy_from_slice(&(viewer.seq as u16).to_be_bytes());
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&viewer.seq.to_be_bytes());
    viewer.seq += 1;
    let (header, body) = packet.split_at_mut(HEADER);
    let sealed = viewer.key.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(header), body);
    if let Ok(sealed) = sealed {
        tag.copy_from_slice(sealed.as_ref());
    }
}

fn read_all(sinks: &[OwnedFd], ended: &AtomicBool, received: &AtomicU64) -> io::Result<()> {
    let mut poll = Poll::new()?;
    for (number, sink) in sinks.iter().enumerate() {
        poll.add(sink.as_raw_fd(), number as u64, false)?;
    }
    let mut receiver = Receiver::default();
    let mut ready = Vec::new();
    loop {
        poll.wait(20, &mut ready);
        if ready.is_empty() && ended.load(Ordering::Relaxed) {
            return Ok(());
        }
        for token in &ready {
            receiver.receive(sinks[*token as usize].as_raw_fd(), |train| {
                received.fetch_add(train.bytes.len().div_ceil(train.segment) as u64, Ordering::Relaxed);
            });
        }
    }
}
