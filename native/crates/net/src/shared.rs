//! What the handle and the threads of one node share: queues, wakers, counters, the clock.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, Once, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use sfu::api::{Command, Event};
use sfu::io::Route;

use crate::clock::Clock;
use crate::counters::NetCounters;
use crate::machine::Machine;
use crate::mailbox::{Inbox, News, Queue};
use crate::stream::Ledger;
use crate::sys::Waker;

/// What the handle asks of a thread, in order.
pub enum Order {
    Command(Command),
    Barrier(Arc<Barrier>),
    Stop,
}

pub struct Shared<M: Machine> {
    pub clock: Clock,
    pub orders: Vec<Queue<Order>>,
    pub inboxes: Vec<Inbox<M::Message>>,
    /// One for each thread: orders or an inbox have something for it.
    pub wakers: Vec<Waker>,
    pub counters: Vec<Arc<NetCounters>>,
    pub events: News<Event>,
    pub frames: News<M::Frame>,
    pub taps: Taps<M::Tapped>,
    /// Events or frames wait for Python.
    pub outward: Waker,
    pub ledger: Arc<Ledger>,
    pub next_stream: AtomicU32,
}

impl<M: Machine> Shared<M> {
    /// A number that no other open connection has (after 4 billion of them they come round again).
    pub fn stream_number(&self) -> u32 {
        loop {
            let number = self.next_stream.fetch_add(1, Ordering::Relaxed);
            if number >= Route::FIRST_STREAM {
                return number;
            }
        }
    }
}

/// Waits for several threads to come by.
pub struct Barrier {
    missing: Mutex<usize>,
    all_here: Condvar,
}

impl Barrier {
    pub fn new(threads: usize) -> Self {
        Self { missing: Mutex::new(threads), all_here: Condvar::new() }
    }

    pub fn arrive(&self) {
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        *missing = missing.saturating_sub(1);
        if *missing == 0 {
            self.all_here.notify_all();
        }
    }

    /// False when somebody was still missing after `limit`.
    pub fn wait(&self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        while *missing > 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.all_here.wait_timeout(missing, left);
            missing = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

/// Batches of tapped rooms on their way to the thread that makes frames of them. The oldest are lost when it is slow.
pub struct Taps<T> {
    state: Mutex<TapState<T>>,
    waiting: Condvar,
    started: Once,
    thread: Mutex<Option<JoinHandle<()>>>,
    limit: usize,
}

struct TapState<T> {
    batches: VecDeque<Arc<T>>,
    lost: u64,
    closed: bool,
}

impl<T: Send + Sync + 'static> Taps<T> {
    pub fn new(limit: usize) -> Self {
        Self {
            state: Mutex::new(TapState { batches: VecDeque::new(), lost: 0, closed: false }),
            waiting: Condvar::new(),
            started: Once::new(),
            thread: Mutex::new(None),
            limit,
        }
    }

    pub fn put(&self, batches: impl Iterator<Item = Arc<T>>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for batch in batches {
            if state.batches.len() >= self.limit {
                state.batches.pop_front();
                state.lost += 1;
            }
            state.batches.push_back(batch);
        }
        self.waiting.notify_one();
    }

    /// Waits for batches; `false` when it was closed.
    fn take(&self, into: &mut VecDeque<Arc<T>>) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while state.batches.is_empty() && !state.closed {
            state = self.waiting.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::swap(&mut state.batches, into);
        !state.closed
    }

    pub fn lost(&self) -> u64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).lost
    }

    pub fn close(&self) -> Option<JoinHandle<()>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.waiting.notify_all();
        self.thread.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Starts the tap thread unless it runs already: most nodes never need it.
pub fn ensure_tap_thread<M: Machine>(shared: &Arc<Shared<M>>) {
    shared.taps.started.call_once(|| {
        let of_thread = shared.clone();
        let thread = thread::Builder::new().name("media-tap".into()).spawn(move || assemble_frames(&of_thread)).ok();
        *shared.taps.thread.lock().unwrap_or_else(PoisonError::into_inner) = thread;
    });
}

fn assemble_frames<M: Machine>(shared: &Shared<M>) {
    let mut assembler = M::Assembler::default();
    let (mut batches, mut frames) = (VecDeque::new(), Vec::new());
    while shared.taps.take(&mut batches) {
        for batch in batches.drain(..) {
            // a fault here costs the frames of one batch
            let assemble = || M::assemble(&mut assembler, &batch, &mut frames);
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(assemble)).is_err() {
                assembler = M::Assembler::default();
            }
        }
        if shared.frames.publish(frames.drain(..)) {
            shared.outward.wake();
        }
    }
}
