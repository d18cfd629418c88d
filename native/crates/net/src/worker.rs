//! One media thread: waits for sockets, orders and timers, feeds its machine and sends what comes of it.
//!
//! It reads the clock once for each batch and never waits for anything but its poll.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sfu::api::Command;
use sfu::io::Route;
use sfu::time::{Span, Time};

use crate::dispatch::{Owners, named_shard};
use crate::driver::{Driver, Sender};
use crate::machine::Machine;
use crate::mailbox::{Item, Parcel};
use crate::receive::Receiver;
use crate::send::{Outbox, SendWay};
use crate::shared::{Barrier, Order, Shared};
use crate::socket::{Listener, UdpSocket};
use crate::stream::{Next, Stream, Streams, next_frame};
use crate::sys::{self, Interest, Poll, Ready, Registry};

/// Tokens: UDP sockets and streams have their route's number.
const WAKE: u64 = u64::MAX;
const FIRST_LISTENER: u64 = 1 << 40;

/// The machine's timers are looked at this often at least.
const LONGEST_WAIT: Duration = Duration::from_millis(50);
/// A clock that is moved by hand is looked at this often at least.
const MANUAL_WAIT: Duration = Duration::from_millis(5);
/// How long a full socket may hold up the waiting trains before they are tried again.
const FULL_WAIT: Duration = Duration::from_millis(5);
/// The most that is done at a stretch before the machine may send what is due.
const TURN: Duration = Duration::from_millis(1);
const ACCEPTS_PER_ROUND: usize = 64;
/// A round that begins so long after the one before: see `forgive`.
const STANDSTILL: Span = Span::secs(1);
/// Rounds in which a barrier waits for the sockets to run dry.
const BARRIER_ROUNDS: usize = 256;

/// What a thread begins with.
pub struct Setup<M: Machine> {
    pub index: u8,
    pub shards: u8,
    pub sockets: Vec<UdpSocket>,
    pub listeners: Vec<Listener>,
    pub shared: Arc<Shared<M>>,
    pub way: SendWay,
    pub batch: usize,
    pub gather: Duration,
    pub cpu: Option<usize>,
}

pub struct Worker<M: Machine> {
    driver: Driver<M>,
    sockets: Vec<UdpSocket>,
    listeners: Vec<Listener>,
    receiver: Receiver,
    poll: Poll,
    registry: Registry,
    shared: Arc<Shared<M>>,
    scratch: Box<[u8]>,
    orders: VecDeque<Order>,
    /// There may be orders to carry out.
    ordered: bool,
    /// How long datagrams may gather when they come thick.
    gather: Duration,
    /// They do.
    dense: bool,
    /// The last wait let them gather.
    gathered: bool,
    /// Datagrams up to the last wait.
    handled: u64,
    inbound: Parcel<M::Message>,
    barriers: Vec<Arc<Barrier>>,
    /// The machine has more to send.
    more: bool,
    /// A socket was full: until then its trains wait.
    full_until: Option<Instant>,
    /// A tick failed: not before then again.
    ticks_from: Time,
    next_second: Time,
    last_round: Time,
    listening_paused: bool,
    stopping: bool,
}

impl<M: Machine> Worker<M> {
    pub fn new(setup: Setup<M>, machine: M) -> std::io::Result<Self> {
        let index = usize::from(setup.index);
        let counters = setup.shared.counters[index].clone();
        let last_round = setup.shared.clock.now();
        let poll = Poll::new(256)?;
        let registry = poll.registry();
        for (number, socket) in setup.sockets.iter().enumerate() {
            registry.add(socket, number as u64, Interest::Read)?;
        }
        for (number, listener) in setup.listeners.iter().enumerate() {
            registry.add(listener, FIRST_LISTENER + number as u64, Interest::Read)?;
        }
        registry.add(&setup.shared.wakers[index], WAKE, Interest::Read)?;
        let udp = Outbox::new(&setup.sockets, setup.way, setup.batch, counters.clone());
        let streams = Streams::new(registry.clone(), counters.clone());
        Ok(Self {
            driver: Driver {
                index: setup.index,
                shards: setup.shards,
                machine,
                tx: Sender { udp, streams },
                owners: Owners::default(),
                staged: (0..setup.shards).map(|_| Parcel::default()).collect(),
                counters,
            },
            sockets: setup.sockets,
            listeners: setup.listeners,
            receiver: Receiver::new(),
            poll,
            registry,
            shared: setup.shared,
            scratch: vec![0; 64 * 1024].into_boxed_slice(),
            orders: VecDeque::new(),
            ordered: false,
            gather: setup.gather,
            dense: false,
            gathered: false,
            handled: 0,
            inbound: Parcel::default(),
            barriers: Vec::new(),
            more: false,
            full_until: None,
            ticks_from: Time(0),
            next_second: Time(0),
            last_round,
            listening_paused: false,
            stopping: false,
        })
    }

    pub fn run(mut self) {
        while !self.stopping {
            // a fault of this crate's own, then: one round is lost
            if catch_unwind(AssertUnwindSafe(|| self.round())).is_err() {
                self.driver.counters.failed.add(1);
            }
        }
        for barrier in self.barriers.drain(..) {
            barrier.arrive();
        }
    }

    fn round(&mut self) {
        let timeout = self.timeout();
        let (ready, began, late) = self.wait(timeout);
        let mut now = self.shared.clock.now();
        self.forgive(now);
        for index in 0..ready {
            if let Some(ready) = self.poll.ready(index) {
                self.handle(ready, now);
                now = self.shared.clock.now();
            }
        }
        if self.ordered {
            self.take_orders(now);
            self.more = true;
        }
        self.tick(now);
        if self.more || ready == 0 || !self.barriers.is_empty() {
            self.flush(now);
        }
        self.finish();
        if !self.barriers.is_empty() {
            self.settle();
        }
        if now >= self.next_second {
            self.next_second = now + Span::secs(1);
            self.every_second(now);
        }
        // how long a datagram may have waited: this round's length, or how late its timer was
        self.driver.counters.lag_max_us.raise(began.elapsed().max(late).as_micros() as u64);
    }

    /// The thread stood still, with its process or for want of a CPU: nobody else is to blame for that silence, so its
    /// deadlines move before anything is looked at. A clock that is moved by hand jumps on purpose.
    fn forgive(&mut self, now: Time) {
        let gap = now.since(std::mem::replace(&mut self.last_round, now));
        if gap > STANDSTILL && !self.shared.clock.is_manual() {
            self.driver.guarded(now, |machine, tx| machine.command(Command::Forgive(gap), now, tx));
        }
    }

    /// Waits for something to do. Returns how much is ready, when that was, and how late.
    ///
    /// When datagrams come one by one in quick succession (the feedback of many viewers), waking for each costs more
    /// than handling it: then they are left to gather for `gather`. A lone datagram is never kept waiting.
    fn wait(&mut self, timeout: Duration) -> (usize, Instant, Duration) {
        let handled = self.driver.counters.datagrams_in.get();
        let fresh = handled.wrapping_sub(std::mem::replace(&mut self.handled, handled));
        if self.gathered {
            self.dense = fresh > 1; // it was worth while
        }
        let asleep = Instant::now();
        let nap = if self.dense { self.gather.min(timeout) } else { Duration::ZERO };
        self.gathered = !nap.is_zero();
        if self.gathered {
            std::thread::sleep(nap);
        }
        let ready = self.poll.wait(timeout - nap);
        let began = Instant::now();
        if timeout.is_zero() {
            return (ready, began, Duration::ZERO);
        }
        if !self.gathered {
            self.dense = ready > 0 && began - asleep < self.gather;
        }
        (ready, began, began.saturating_duration_since(asleep + timeout))
    }

    fn timeout(&self) -> Duration {
        if let Some(until) = self.full_until {
            return until.saturating_duration_since(Instant::now());
        }
        if self.more || self.ordered {
            return Duration::ZERO;
        }
        let due = self.driver.machine.next().max(self.ticks_from);
        let left = due.since(self.shared.clock.now()).to_std();
        if self.shared.clock.is_manual() { left.min(MANUAL_WAIT) } else { left.min(LONGEST_WAIT) }
    }

    fn handle(&mut self, ready: Ready, now: Time) {
        match ready.token {
            WAKE => {
                self.shared.wakers[usize::from(self.driver.index)].clear();
                self.take_parcels(now);
                self.ordered = true;
            }
            number if number < u64::from(Route::FIRST_STREAM) => {
                if ready.writable {
                    self.resume();
                }
                if ready.readable && self.receive(number as usize, now) > 0 {
                    self.flush(now);
                }
            }
            listener if listener >= FIRST_LISTENER => {
                self.accept((listener - FIRST_LISTENER) as usize, now);
            }
            number => {
                let number = number as u32;
                if ready.writable {
                    self.driver.tx.streams.writable(number);
                }
                if ready.readable {
                    self.read_stream(number, now);
                    self.flush(now);
                }
            }
        }
    }

    // UDP -----------------------------------------------------------------------------------------------------

    /// One batch of one socket. Returns the messages it had.
    fn receive(&mut self, socket: usize, now: Time) -> usize {
        let Some(fd) = self.sockets.get(socket) else {
            return 0;
        };
        let count = self.receiver.receive(socket as u32, fd);
        if count > 0 {
            self.driver.counters.receive_batches.add(1);
            // Whoever sent these may have been moved to by an order or a notice that is on its way here: a peer sends
            // its first check after its order was given, and its media after another thread has told whose it is.
            self.take_parcels(now);
            self.take_orders(now);
        }
        let mut turn = Instant::now() + TURN;
        for index in 0..count {
            self.between(&mut turn);
            let Some(message) = self.receiver.message(index) else {
                continue;
            };
            if message.truncated {
                self.driver.counters.truncated.add(1);
                continue;
            }
            if message.bytes.len() > message.segment {
                self.driver.counters.trains_in.add(1);
            }
            for datagram in message.bytes.chunks_mut(message.segment) {
                self.driver.datagram(message.route, message.local, datagram, now);
            }
        }
        count
    }

    /// Between two datagrams of a batch: handshakes take long, and what is due to be sent must not wait for all of
    /// them.
    fn between(&mut self, turn: &mut Instant) {
        if Instant::now() >= *turn {
            self.flush(self.shared.clock.now());
            *turn = Instant::now() + TURN;
        }
    }

    /// Lets the machine send what is due, unless a socket is full: then its trains wait in the machine, which knows
    /// what to leave out when there are too many.
    fn flush(&mut self, now: Time) {
        if let Some(until) = self.full_until {
            if Instant::now() < until {
                self.driver.tx.udp.flush();
                return;
            }
            self.resume();
        }
        let mut more = false;
        let begun = sys::thread_cpu_ns();
        self.driver.guarded(now, |machine, tx| more = machine.flush(now, tx));
        self.more = more;
        // First the notices: a peer answers what is sent now, and maybe at another thread's socket.
        self.driver.share(&self.shared);
        self.driver.tx.udp.flush();
        self.driver.counters.send_path_ns.add(sys::thread_cpu_ns() - begun);
        for (number, socket) in self.sockets.iter().enumerate() {
            if self.driver.tx.udp.take_full(number)
                && self.registry.modify(socket, number as u64, Interest::ReadWrite).is_ok()
            {
                self.full_until = Some(Instant::now() + FULL_WAIT);
            }
        }
    }

    /// There is room in the sockets again, or it is time to try.
    fn resume(&mut self) {
        if self.full_until.take().is_some() {
            for (number, socket) in self.sockets.iter().enumerate() {
                // it stays registered either way
                let _ = self.registry.modify(socket, number as u64, Interest::Read);
            }
        }
    }

    fn tick(&mut self, now: Time) {
        if now >= self.driver.machine.next() && now >= self.ticks_from {
            if !self.driver.guarded(now, |machine, tx| machine.tick(now, tx)) {
                self.ticks_from = now + Span::millis(50);
            }
            self.more = true; // timers may have made something to send
        }
    }

    // orders and the other threads ------------------------------------------------------------------------------

    /// Carries out what was asked, for at most [`TURN`]; what is left keeps `ordered` set.
    fn take_orders(&mut self, now: Time) {
        let until = Instant::now() + TURN;
        while Instant::now() < until {
            if self.orders.is_empty() {
                self.shared.orders[usize::from(self.driver.index)].take(&mut self.orders);
            }
            match self.orders.pop_front() {
                Some(Order::Command(command)) => {
                    self.driver.guarded(now, |machine, tx| machine.command(command, now, tx));
                }
                Some(Order::Barrier(barrier)) => self.barriers.push(barrier),
                Some(Order::Stop) => self.stopping = true,
                None => {
                    self.ordered = false;
                    break;
                }
            }
        }
    }

    /// Returns how many items there were.
    fn take_parcels(&mut self, now: Time) -> usize {
        let mut inbound = std::mem::take(&mut self.inbound);
        self.shared.inboxes[usize::from(self.driver.index)].take(&mut inbound);
        let count = inbound.items.len();
        if count > 0 {
            self.take_orders(now);
        }
        let Parcel { items, bytes, .. } = &mut inbound;
        let mut turn = Instant::now() + TURN;
        for item in items.drain(..) {
            self.between(&mut turn);
            match item {
                Item::Datagram { route, local, bytes: range } => {
                    if let Some(datagram) = bytes.get_mut(range) {
                        self.driver.own_datagram(route, local, datagram, now);
                    }
                }
                Item::Message(message) => {
                    self.driver.guarded(now, |machine, tx| machine.message(message, now, tx));
                }
                Item::Owner { route, shard, added } => self.driver.owners.notice(route, shard, added),
                Item::Stream(stream) => {
                    let number = stream.route.socket;
                    self.driver.tx.streams.adopt(stream);
                    self.read_stream(number, now); // it brings bytes along
                }
            }
        }
        inbound.clear();
        self.inbound = inbound;
        count
    }

    /// Publishes what the machine has for others, and sends what is still queued.
    fn finish(&mut self) {
        self.driver.share(&self.shared);
        self.driver.tx.udp.flush();
    }

    /// For a barrier: works until nothing is left to do, then says so.
    fn settle(&mut self) {
        for _ in 0..BARRIER_ROUNDS {
            let now = self.shared.clock.now();
            let mut busy = self.take_parcels(now);
            for socket in 0..self.sockets.len() {
                busy += self.receive(socket, now);
            }
            self.driver.guarded(now, |machine, tx| machine.tick(now, tx));
            self.flush(now);
            self.finish();
            if busy == 0 && (!self.more || self.full_until.is_some()) {
                break;
            }
        }
        self.measure();
        for barrier in self.barriers.drain(..) {
            barrier.arrive();
        }
    }

    fn every_second(&mut self, now: Time) {
        self.driver.tx.streams.sweep(now);
        self.measure();
        if self.listening_paused {
            self.listening_paused = false;
            self.listen(Interest::Read);
        }
    }

    fn measure(&mut self) {
        let drops = self.sockets.iter().map(|socket| u64::from(sys::kernel_drops(socket))).sum();
        self.driver.counters.kernel_drops.set(drops);
        self.driver.counters.busy_us.set(sys::thread_cpu_ns() / 1000);
    }

    // TCP -----------------------------------------------------------------------------------------------------

    fn listen(&mut self, interest: Interest) {
        for (number, listener) in self.listeners.iter().enumerate() {
            let _ = self.registry.modify(listener, FIRST_LISTENER + number as u64, interest);
        }
    }

    fn accept(&mut self, listener: usize, now: Time) {
        for _ in 0..ACCEPTS_PER_ROUND {
            let Some(listener) = self.listeners.get(listener) else {
                return;
            };
            match sys::accept(listener) {
                Ok((fd, remote)) => match self.shared.ledger.admit(remote.ip()) {
                    Some(permit) => {
                        self.driver.counters.streams_accepted.add(1);
                        let number = self.shared.stream_number();
                        let stream = Stream::new(fd, number, remote, now, permit);
                        self.driver.tx.streams.adopt(Box::new(stream));
                    }
                    None => self.driver.counters.streams_refused.add(1),
                },
                Err(e) => match e.raw_os_error() {
                    Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => {
                        // the connection stays in the backlog, and polling would find it again and again
                        self.listening_paused = true;
                        self.listen(Interest::Nothing);
                        return;
                    }
                    Some(libc::ECONNABORTED | libc::EINTR) => {}
                    _ => return,
                },
            }
        }
    }

    /// Takes what has come on a connection, frame by frame.
    fn read_stream(&mut self, number: u32, now: Time) {
        let mut scratch = std::mem::take(&mut self.scratch);
        self.read_stream_into(&mut scratch, number, now);
        self.scratch = scratch;
    }

    fn read_stream_into(&mut self, scratch: &mut [u8], number: u32, now: Time) {
        let Some((route, length)) = self.driver.tx.streams.read(number, scratch) else {
            return;
        };
        let Some(bytes) = scratch.get_mut(..length) else {
            return;
        };
        let mut at = 0;
        loop {
            let frame = match next_frame(bytes, at) {
                Next::Frame(frame) => frame,
                Next::Partial => break,
                Next::Invalid => return self.driver.tx.streams.close_invalid(number),
            };
            // the machine may have closed it meanwhile
            let Some(stream) = self.driver.tx.streams.get_mut(number) else {
                return;
            };
            if !stream.named {
                // an ICE agent begins with a check, and the check says whose peer it is
                let shard = named_shard(&bytes[frame.clone()]);
                let Some(shard) = shard.filter(|&shard| shard < self.driver.shards) else {
                    return self.driver.tx.streams.close_invalid(number);
                };
                stream.named = true;
                if shard != self.driver.index {
                    return self.give_stream(number, shard, &bytes[at..]);
                }
            }
            let datagram = &mut bytes[frame.clone()];
            self.driver.counters.datagrams_in.add(1);
            self.driver.counters.bytes_in.add(datagram.len() as u64);
            self.driver.own_datagram(route, None, datagram, now);
            at = frame.end;
        }
        if let Some(stream) = self.driver.tx.streams.get_mut(number) {
            stream.keep(&bytes[at..]);
        }
    }

    fn give_stream(&mut self, number: u32, shard: u8, rest: &[u8]) {
        let Some(mut stream) = self.driver.tx.streams.release(number) else {
            return;
        };
        stream.keep(rest);
        let parcel = self.driver.staged.get_mut(usize::from(shard));
        if parcel.is_some_and(|parcel| parcel.push(Item::Stream(stream))) {
            self.driver.counters.handed_over.add(1);
        } else {
            self.driver.counters.streams_refused.add(1);
        }
    }
}
