//! Fuzzing on stable Rust: committed inputs, a seeded mutator, and a clock. A crash is a panic, or more than a second
//! for one input; its input is printed and kept in `native/fuzz/crashes/TARGET`.
//!
//! `FUZZ_SECONDS` is the time per target (2 by default), `FUZZ_SEED` begins another run than the last one.
//! Each target is one function of bytes, so that cargo-fuzz can call the same ones.

#[path = "../support/mod.rs"]
mod support;

mod corpus;
mod mutate;
mod shard;
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use support::Rng;

const SLOW: Duration = Duration::from_secs(1);
const STUCK: Duration = Duration::from_secs(20);

fn directory(kind: &str, target: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz")).join(kind).join(target)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn env(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// Files committed for a target, in order of their names.
fn inputs(target: &str) -> Vec<Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(directory("corpus", target)) else { return vec![vec![0]] };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().filter_map(|path| std::fs::read(path).ok()).collect()
}

fn keep(target: &str, input: &[u8], why: &str) -> String {
    let folder = directory("crashes", target);
    let name = input
        .iter()
        .fold(0xCBF2_9CE4_8422_2325u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3));
    let path = folder.join(format!("{name:016x}"));
    // Printing it is what counts; a file is for convenience.
    let _ = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, input));
    format!("{target}: {why}: {}", hex(input))
}

/// The input that runs now, and since when; None at the end.
type Running = Arc<Mutex<Option<(Instant, Vec<u8>)>>>;

/// Tells of an input that never ends, which nothing else could.
fn watch(target: &'static str, running: Running) {
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let Ok(held) = running.lock() else { return };
            match &*held {
                None => return,
                Some((since, input)) if since.elapsed() > STUCK => {
                    eprintln!("{}", keep(target, input, "does not end"));
                    std::process::abort();
                }
                Some(_) => {}
            }
        }
    });
}

fn fuzz(target: &'static str, run: fn(&[u8])) {
    let budget = Duration::from_secs(env("FUZZ_SECONDS", 2));
    let mut rng = Rng::new(env("FUZZ_SEED", 1));
    let corpus = inputs(target);
    let running: Running = Arc::new(Mutex::new(Some((Instant::now(), Vec::new()))));
    watch(target, Arc::clone(&running));
    let begun = Instant::now();
    let mut crashes: Vec<String> = Vec::new();
    let mut count = 0u64;
    let mut slowest = Duration::ZERO;
    while crashes.len() < 5 && (begun.elapsed() < budget || count < corpus.len() as u64) {
        let input = match corpus.get(count as usize) {
            Some(input) => input.clone(),
            None => mutate::mutate(&corpus, &mut rng),
        };
        count += 1;
        let started = Instant::now();
        if let Ok(mut held) = running.lock() {
            *held = Some((started, input.clone()));
        }
        let survived = catch_unwind(AssertUnwindSafe(|| run(&input))).is_ok();
        let took = started.elapsed();
        slowest = slowest.max(took);
        if !survived {
            crashes.push(keep(target, &input, "panics"));
        } else if took > SLOW {
            // The machine may have been busy: only what is slow twice is.
            let again = Instant::now();
            run(&input);
            if again.elapsed() > SLOW {
                crashes.push(keep(target, &input, "takes more than a second"));
            }
        }
    }
    if let Ok(mut held) = running.lock() {
        *held = None;
    }
    println!("{target}: {count} inputs in {:.1} s, the slowest {slowest:?}", begun.elapsed().as_secs_f64());
    assert!(crashes.is_empty(), "{} crashes:\n{}", crashes.len(), crashes.join("\n"));
}

macro_rules! fuzz_targets {
    ($($name:ident => $run:path),* $(,)?) => {
        $(#[test] fn $name() { fuzz(stringify!($name), $run); })*
    };
}

fuzz_targets! {
    stun => targets::stun,
    dtls => targets::dtls,
    rtp => targets::rtp,
    rtcp => targets::rtcp,
    srtp => targets::srtp,
    frames => targets::frames,
    shard => shard::shard,
}
