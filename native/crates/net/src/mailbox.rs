//! Queues between threads: bounded, filled under a short lock and emptied whole.
//!
//! A writer wakes the reader only when the queue was empty; a reader first clears its waker and then takes all.

use std::collections::VecDeque;
use std::mem;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sfu::io::Route;

use crate::stream::Stream;

/// A panic while the lock was held leaves a queue that is still a queue.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The queue holds as much as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl std::fmt::Display for Full {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the queue to the media thread is full")
    }
}

impl std::error::Error for Full {}

/// A bounded queue that refuses what it has no room for.
pub struct Queue<T> {
    items: Mutex<VecDeque<T>>,
    limit: usize,
}

impl<T> Queue<T> {
    pub fn new(limit: usize) -> Self {
        Self { items: Mutex::new(VecDeque::new()), limit }
    }

    /// `Ok(true)`: it was empty, so wake the reader.
    pub fn put(&self, item: T) -> Result<bool, Full> {
        let mut items = lock(&self.items);
        if items.len() >= self.limit {
            return Err(Full);
        }
        items.push_back(item);
        Ok(items.len() == 1)
    }

    /// Past the limit: for what must arrive and comes rarely (barriers, the end).
    pub fn put_always(&self, item: T) {
        lock(&self.items).push_back(item);
    }

    /// Swaps all that waits into `into`, which the caller has emptied.
    pub fn take(&self, into: &mut VecDeque<T>) {
        mem::swap(&mut *lock(&self.items), into);
    }
}

/// A bounded queue that loses its oldest: for news that somebody may read too slowly.
pub struct News<T> {
    state: Mutex<Waiting<T>>,
    limit: usize,
}

struct Waiting<T> {
    items: VecDeque<T>,
    lost: u64,
}

impl<T> News<T> {
    pub fn new(limit: usize) -> Self {
        Self { state: Mutex::new(Waiting { items: VecDeque::new(), lost: 0 }), limit }
    }

    /// True: it was empty and is not now, so wake the reader.
    pub fn publish(&self, items: impl Iterator<Item = T>) -> bool {
        let mut state = lock(&self.state);
        let was_empty = state.items.is_empty();
        for item in items {
            if state.items.len() >= self.limit {
                state.items.pop_front();
                state.lost += 1;
            }
            state.items.push_back(item);
        }
        was_empty && !state.items.is_empty()
    }

    /// Moves all that waits to the end of `into`.
    pub fn drain(&self, into: &mut Vec<T>) {
        into.extend(lock(&self.state).items.drain(..));
    }

    /// Items lost to the limit since the start.
    pub fn lost(&self) -> u64 {
        lock(&self.state).lost
    }
}

// between media threads -------------------------------------------------------------------------------------

/// Datagrams that may wait for one thread.
pub const HANDOVER_DATAGRAMS: usize = 4096;
/// Everything else that may wait for one thread.
pub const HANDOVER_OTHERS: usize = 65_536;

/// What one media thread gives another.
pub enum Item<M> {
    /// A datagram of a peer of that thread; its bytes lie in [`Parcel::bytes`].
    Datagram {
        route: Route,
        local: Option<IpAddr>,
        bytes: Range<usize>,
    },
    Message(M),
    /// A route is (or is no longer) of a peer of `shard`.
    Owner {
        route: Route,
        shard: u8,
        added: bool,
    },
    /// A TCP connection whose first check names a peer of that thread.
    Stream(Box<Stream>),
}

/// Items in order. Handed over and given back whole, so that its memory is used again.
pub struct Parcel<M> {
    pub items: Vec<Item<M>>,
    pub bytes: Vec<u8>,
    datagrams: usize,
}

/// What did not fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overflow {
    pub datagrams: u64,
    pub others: u64,
}

impl<M> Default for Parcel<M> {
    fn default() -> Self {
        Self { items: Vec::new(), bytes: Vec::new(), datagrams: 0 }
    }
}

impl<M> Parcel<M> {
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// False: there is no room for it.
    pub fn datagram(&mut self, route: Route, local: Option<IpAddr>, datagram: &[u8]) -> bool {
        if self.datagrams >= HANDOVER_DATAGRAMS {
            return false;
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(datagram);
        self.items.push(Item::Datagram { route, local, bytes: start..self.bytes.len() });
        self.datagrams += 1;
        true
    }

    /// False: there is no room for it.
    pub fn push(&mut self, item: Item<M>) -> bool {
        if self.items.len() - self.datagrams >= HANDOVER_OTHERS {
            return false;
        }
        self.items.push(item);
        true
    }

    pub fn clear(&mut self) {
        const KEEP: usize = 1 << 20;
        self.items.clear();
        self.bytes.clear();
        self.bytes.shrink_to(KEEP);
        self.datagrams = 0;
    }

    fn append(&mut self, other: &mut Parcel<M>) -> Overflow {
        let mut overflow = Overflow::default();
        for item in other.items.drain(..) {
            match item {
                Item::Datagram { route, local, bytes } => {
                    let fits = other.bytes.get(bytes).is_some_and(|d| self.datagram(route, local, d));
                    overflow.datagrams += u64::from(!fits);
                }
                item => overflow.others += u64::from(!self.push(item)),
            }
        }
        other.clear();
        overflow
    }
}

/// Where the other threads leave parcels for one.
pub struct Inbox<M>(Mutex<Parcel<M>>);

impl<M> Default for Inbox<M> {
    fn default() -> Self {
        Self(Mutex::new(Parcel::default()))
    }
}

impl<M> Inbox<M> {
    /// Empties `parcel` into the inbox. True: it was empty, so wake the reader.
    pub fn deliver(&self, parcel: &mut Parcel<M>) -> (bool, Overflow) {
        let mut waiting = lock(&self.0);
        if waiting.is_empty() {
            mem::swap(&mut *waiting, parcel);
            (true, Overflow::default())
        } else {
            (false, waiting.append(parcel))
        }
    }

    /// Swaps all that waits into `into`, which the caller has cleared.
    pub fn take(&self, into: &mut Parcel<M>) {
        mem::swap(&mut *lock(&self.0), into);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(port: u16) -> Route {
        Route { socket: 0, remote: ([127, 0, 0, 1], port).into() }
    }

    #[test]
    fn a_queue_refuses_what_it_has_no_room_for() {
        let queue = Queue::new(2);
        assert_eq!(queue.put(1), Ok(true));
        assert_eq!(queue.put(2), Ok(false));
        assert_eq!(queue.put(3), Err(Full));
        queue.put_always(4);
        let mut taken = VecDeque::new();
        queue.take(&mut taken);
        assert_eq!(taken, [1, 2, 4]);
        assert_eq!(queue.put(5), Ok(true));
    }

    #[test]
    fn news_lose_the_oldest_and_say_so() {
        let news = News::new(3);
        assert!(!news.publish(std::iter::empty()));
        assert!(news.publish(0..2));
        assert!(!news.publish(2..5));
        let mut out = Vec::new();
        news.drain(&mut out);
        assert_eq!((out, news.lost()), (vec![2, 3, 4], 2));
        assert!(news.publish(5..6));
    }

    #[test]
    fn parcels_keep_order_and_bytes_when_they_are_joined() {
        let inbox = Inbox::<u32>::default();
        let mut staged = Parcel::default();
        for round in 0..3u16 {
            assert!(staged.datagram(route(round), None, &[round as u8; 10]));
            assert!(staged.push(Item::Message(round.into())));
            assert_eq!(inbox.deliver(&mut staged), (round == 0, Overflow::default()));
            assert!(staged.is_empty());
        }
        let mut got = Parcel::default();
        inbox.take(&mut got);
        for (i, item) in got.items.iter().enumerate() {
            let round = (i / 2) as u16;
            match item {
                Item::Datagram { route: r, bytes, .. } => {
                    assert_eq!((*r, &got.bytes[bytes.clone()]), (route(round), &[round as u8; 10][..]));
                }
                Item::Message(m) => assert_eq!(*m, u32::from(round)),
                _ => unreachable!(),
            }
        }
        assert_eq!(got.items.len(), 6);
    }

    #[test]
    fn an_inbox_is_bounded() {
        let inbox = Inbox::<u32>::default();
        let mut staged = Parcel::default();
        let mut lost = 0;
        for i in 0..HANDOVER_DATAGRAMS + 10 {
            staged.datagram(route(i as u16), None, b"x");
            lost += inbox.deliver(&mut staged).1.datagrams;
        }
        assert_eq!(lost, 10);
    }
}
