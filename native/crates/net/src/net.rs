//! The handle of a running node: starts the threads, passes commands in and events out.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use sfu::api::{Command, Event};
use sfu::io::Route;

use crate::clock::Clock;
use crate::counters::NetCounters;
use crate::machine::Machine;
use crate::mailbox::{Full, Inbox, News, Queue};
use crate::send::{DEFAULT_BATCH, SendWay};
use crate::shared::{Barrier, Order, Shared, Taps};
use crate::socket::{Buffers, Listener, UdpSocket, bind_all};
use crate::stream::{Ledger, StreamLimits};
use crate::sys::{self, Waker};
use crate::worker::{Setup, Worker};

/// Commands that may wait for one thread.
pub const COMMANDS: usize = 65_536;
/// Events that may wait for Python; beyond it the oldest are lost.
pub const EVENTS: usize = 1 << 17;
/// Encoded frames that may wait for Python.
pub const FRAMES: usize = 4096;
/// Batches that may wait for the tap thread.
pub const TAPS: usize = 256;
/// More threads than ufrag characters could not be told apart.
pub const MAX_THREADS: usize = 62;

const STOP_LIMIT: Duration = Duration::from_secs(5);
const BARRIER_LIMIT: Duration = Duration::from_secs(5);

#[derive(Clone, Debug)]
pub struct NetConfig {
    /// One UDP socket for each and every thread. At most 16. Port 0: a free one, the same for all.
    pub binds: Vec<SocketAddr>,
    /// 1..=[`MAX_THREADS`]: one shard each.
    pub threads: usize,
    /// Listeners for ICE over TCP; port 0: a free one.
    pub tcp: Vec<SocketAddr>,
    pub clock: Clock,
    /// CPU of each thread, for benchmarks.
    pub cpus: Option<Vec<usize>>,
    /// The kernel's buffers of each UDP socket, in bytes.
    pub buffers: Buffers,
    pub streams: StreamLimits,
    /// The most that a send may use; lower for tests and for kernels that misbehave.
    pub way: SendWay,
    /// Messages of one system call, 1..=32.
    pub batch: usize,
    /// How long datagrams that come thick may gather before the thread wakes for them; zero: never. At 20,000 small
    /// datagrams a second 500 us saves two thirds of the thread's CPU time (7.6 to 2.8 us for each datagram).
    pub gather: Duration,
}

impl Default for NetConfig {
    fn default() -> Self {
        Self {
            binds: Vec::new(),
            threads: 1,
            tcp: Vec::new(),
            clock: Clock::system(),
            cpus: None,
            buffers: Buffers { receive: 8 << 20, send: 8 << 20 },
            streams: StreamLimits::default(),
            way: SendWay::default(),
            batch: DEFAULT_BATCH,
            gather: Duration::from_micros(500),
        }
    }
}

/// A running node. Dropping it stops the threads.
pub struct Net<M: Machine> {
    shared: Arc<Shared<M>>,
    threads: Vec<JoinHandle<()>>,
    addresses: Vec<SocketAddr>,
    tcp_addresses: Vec<SocketAddr>,
}

impl<M: Machine> Net<M> {
    /// Binds and starts. `make` makes the machine of a shard, on its thread.
    ///
    /// Fails when an address cannot be bound or a thread cannot be started; then nothing is left behind.
    pub fn start_with(config: NetConfig, make: impl Fn(u8) -> M + Send + Sync + 'static) -> io::Result<Self> {
        if config.threads == 0 || config.threads > MAX_THREADS {
            return Err(invalid("threads must be 1 to 62"));
        }
        if config.binds.is_empty() || config.binds.len() > Route::FIRST_STREAM as usize {
            return Err(invalid("1 to 16 addresses to bind"));
        }
        let sockets = bind_all(&config.binds, config.threads, config.buffers)?;
        Self::start_on(sockets, config, make)
    }

    /// Like `start_with`, on sockets that are bound already (`socket::bind_first_free`): one list for each thread.
    pub fn start_on(
        sockets: Vec<Vec<UdpSocket>>,
        config: NetConfig,
        make: impl Fn(u8) -> M + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let threads = sockets.len();
        if threads == 0 || threads > MAX_THREADS {
            return Err(invalid("threads must be 1 to 62"));
        }
        let mut listeners = config.tcp.iter().map(Listener::bind).collect::<io::Result<Vec<_>>>()?;
        let wakers = (0..threads).map(|_| Waker::new()).collect::<io::Result<_>>()?;
        let shared = Arc::new(Shared::<M> {
            clock: config.clock.clone(),
            orders: (0..threads).map(|_| Queue::new(COMMANDS)).collect(),
            inboxes: (0..threads).map(|_| Inbox::default()).collect(),
            wakers,
            counters: (0..threads).map(|_| Arc::default()).collect(),
            events: News::new(EVENTS),
            frames: News::new(FRAMES),
            taps: Taps::new(TAPS),
            outward: Waker::new()?,
            ledger: Ledger::new(config.streams),
            next_stream: AtomicU32::new(Route::FIRST_STREAM),
        });
        let mut net = Self {
            shared: shared.clone(),
            threads: Vec::new(),
            addresses: sockets[0].iter().map(|socket| socket.local).collect(),
            tcp_addresses: listeners.iter().map(|listener| listener.local).collect(),
        };
        let make = Arc::new(make);
        let (started, outcomes) = mpsc::channel();
        for (index, sockets) in sockets.into_iter().enumerate() {
            let setup = Setup {
                index: index as u8,
                shards: threads as u8,
                sockets,
                listeners: std::mem::take(&mut listeners), // the first thread accepts
                shared: shared.clone(),
                way: config.way,
                batch: config.batch,
                gather: config.gather,
                cpu: config.cpus.as_ref().and_then(|cpus| cpus.get(index).copied()),
            };
            let (make, started) = (make.clone(), started.clone());
            let run = move || {
                if let Some(cpu) = setup.cpu {
                    sys::pin(cpu);
                }
                sys::precise_timers();
                let machine = make(setup.index);
                match Worker::new(setup, machine) {
                    Ok(worker) => {
                        let _ = started.send(Ok(()));
                        worker.run();
                    }
                    Err(error) => drop(started.send(Err(error))),
                }
            };
            // on an error the handle is dropped, which stops the threads that run already
            net.threads.push(thread::Builder::new().name(format!("media-{index}")).spawn(run)?);
        }
        drop(started);
        for _ in 0..threads {
            outcomes.recv().unwrap_or_else(|_| Err(invalid("a media thread failed to start")))?;
        }
        Ok(net)
    }

    /// The UDP addresses, in the order of `binds`; their index is `Route::socket`.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    pub fn tcp_addresses(&self) -> &[SocketAddr] {
        &self.tcp_addresses
    }

    pub fn threads(&self) -> usize {
        self.shared.orders.len()
    }

    pub fn now(&self) -> sfu::time::Time {
        self.shared.clock.now()
    }

    /// Passes a command to a shard. Commands of one caller arrive in order. `Err`: its queue is full, or there is no
    /// such shard; the command was not taken.
    pub fn command(&self, shard: u8, command: Command) -> Result<(), Full> {
        let index = usize::from(shard);
        let orders = self.shared.orders.get(index).ok_or(Full)?;
        if orders.put(Order::Command(command))? {
            self.shared.wakers[index].wake();
        }
        Ok(())
    }

    /// Passes a command to every shard. `Err`: at least one did not take it.
    pub fn broadcast(&self, command: &Command) -> Result<(), Full> {
        let mut all = Ok(());
        for shard in 0..self.threads() as u8 {
            all = all.and(self.command(shard, command.clone()));
        }
        all
    }

    /// Waits until every thread has done all that came before: commands, datagrams that had arrived, messages
    /// between shards; has looked at the clock, and has published its events and counters. False after 5 s.
    pub fn barrier(&self) -> bool {
        let until = Instant::now() + BARRIER_LIMIT;
        // what the first pass made one shard tell another is done in the second, and its consequences in the third
        let passes = if self.threads() > 1 { 3 } else { 1 };
        (0..passes).all(|_| {
            let barrier = Arc::new(Barrier::new(self.threads()));
            for (orders, waker) in self.shared.orders.iter().zip(&self.shared.wakers) {
                orders.put_always(Order::Barrier(barrier.clone()));
                waker.wake();
            }
            barrier.wait(until.saturating_duration_since(Instant::now()))
        })
    }

    /// Readable while events or frames wait. After it woke you, call `drain_events` and then `drain_frames`.
    pub fn event_fd(&self) -> RawFd {
        self.shared.outward.as_raw_fd()
    }

    /// Moves all events to the end of `into` (in order for each shard) and makes `event_fd` unreadable.
    pub fn drain_events(&self, into: &mut Vec<Event>) {
        self.shared.outward.clear();
        self.shared.events.drain(into);
    }

    /// Moves all encoded frames of tapped rooms to the end of `into`.
    pub fn drain_frames(&self, into: &mut Vec<M::Frame>) {
        self.shared.frames.drain(into);
    }

    /// Every counter of every thread, then those of the whole node (shard `None`). `lag_max_us` begins anew.
    pub fn snapshot(&self, mut each: impl FnMut(Option<u8>, &'static str, u64)) {
        for (shard, counters) in self.shared.counters.iter().enumerate() {
            counters.visit(|name, value| each(Some(shard as u8), name, value));
            counters.lag_max_us.set(0);
        }
        each(None, "events_lost", self.shared.events.lost());
        each(None, "frames_lost", self.shared.frames.lost());
        each(None, "taps_lost", self.shared.taps.lost());
    }

    pub fn counters(&self, shard: u8) -> Option<&NetCounters> {
        self.shared.counters.get(usize::from(shard)).map(Arc::as_ref)
    }

    /// Stops the threads after the commands given so far. False when one did not end within 5 s; it is left alone.
    pub fn stop(&mut self) -> bool {
        for (orders, waker) in self.shared.orders.iter().zip(&self.shared.wakers) {
            orders.put_always(Order::Stop);
            waker.wake();
        }
        let mut threads = std::mem::take(&mut self.threads);
        threads.extend(self.shared.taps.close());
        let until = Instant::now() + STOP_LIMIT;
        while threads.iter().any(|thread| !thread.is_finished()) {
            if Instant::now() >= until {
                return false;
            }
            thread::sleep(Duration::from_millis(1));
        }
        threads.into_iter().all(|thread| thread.join().is_ok())
    }
}

impl<M: Machine> Drop for Net<M> {
    fn drop(&mut self) {
        self.stop();
    }
}

fn invalid(text: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}
