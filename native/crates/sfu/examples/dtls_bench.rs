//! CPU of the server's side of a handshake, and the memory that an association holds afterwards.
//!
//! `cargo run --release --example dtls_bench -p sfu`

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use sfu::api::Digest;
use sfu::dtls::{Dtls, Identity, Status};
use sfu::time::Time;

/// Counts what the Rust side holds. AWS-LC has its own allocator: see `resident` for the whole.
struct Counting;
static HELD: AtomicIsize = AtomicIsize::new(0);

// SAFETY: both calls are passed on unchanged; counting touches no memory of theirs.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size() as isize, Relaxed);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size() as isize, Relaxed);
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn fingerprint(id: &Identity) -> Vec<(Digest, Vec<u8>)> {
    let (_, hex) = id.fingerprint().split_once(' ').expect("a hash name");
    let bytes = hex.split(':').map(|byte| u8::from_str_radix(byte, 16).expect("hexadecimal"));
    vec![(Digest::Sha256, bytes.collect())]
}

fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}

/// One handshake: the two ends, and the time that each took.
fn handshake(server: &Identity, client: &Identity, epoch: Instant) -> (Dtls, Dtls, [Duration; 2]) {
    let began = Instant::now();
    let a = Dtls::new(server, false, fingerprint(client), epoch, Time(0));
    let mut spent = [began.elapsed(), Duration::ZERO];
    let b = Dtls::new(client, true, fingerprint(server), epoch, Time(0));
    let mut ends = [a, b];
    // To the server, to the client.
    let mut wires = [Vec::new(), Vec::new()];
    for (dtls, to) in ends.iter_mut().zip([1, 0]) {
        dtls.start(Time(0), &mut |datagram| wires[to].push(datagram.to_vec()));
    }
    let mut connected = 0;
    while connected < 2 {
        for end in [0, 1] {
            for datagram in std::mem::take(&mut wires[end]) {
                let began = Instant::now();
                let mut send = |datagram: &[u8]| wires[1 - end].push(datagram.to_vec());
                let status = ends[end].receive(&datagram, Time(0), &mut send);
                spent[end] += began.elapsed();
                match status {
                    Status::Connected(_) => connected += 1,
                    Status::Handshaking | Status::Open => {}
                    other => panic!("{other:?}"),
                }
            }
        }
    }
    let [a, b] = ends;
    (a, b, spent)
}

fn main() {
    const ROUNDS: usize = 1000;
    let epoch = Instant::now();
    type Make = fn() -> Result<Identity, String>;
    let versions: [(&str, Make); 2] = [("1.3", Identity::generate), ("1.2", Identity::generate_dtls_1_2)];
    let only = std::env::args().nth(1);
    for (version, make) in versions {
        // Memory freed by one version is used again by the next: give one to see what is resident.
        if only.as_deref().is_some_and(|only| only != version) {
            continue;
        }
        let (server, client) = (make().expect("a key"), make().expect("a key"));
        for _ in 0..50 {
            handshake(&server, &client, epoch);
        }
        let mut times: Vec<Duration> = (0..ROUNDS).map(|_| handshake(&server, &client, epoch).2[0]).collect();
        times.sort();
        let held = HELD.load(Relaxed);
        let kept: Vec<Dtls> = (0..ROUNDS).map(|_| handshake(&server, &client, epoch).0).collect();
        let fresh = (HELD.load(Relaxed) - held) as usize / ROUNDS;
        drop(kept);
        let (held, rss) = (HELD.load(Relaxed), resident());
        let settle = |mut dtls: Dtls| {
            dtls.timeout(Time::from_millis(60_000), &mut |_| {});
            dtls
        };
        let many = 10 * ROUNDS;
        let kept: Vec<Dtls> = (0..many).map(|_| settle(handshake(&server, &client, epoch).0)).collect();
        let later = (HELD.load(Relaxed) - held) as usize / many;
        let rss = resident().saturating_sub(rss) + ROUNDS * fresh;
        drop(kept);
        println!(
            "DTLS {version}: server {:?} (median), {:?} (best); {fresh} bytes of Rust's when connected, {later} \
             a minute later; about {} resident",
            times[ROUNDS / 2],
            times[0],
            rss / many,
        );
    }
}
