//! One machine with its ways out, and what passes between it and the other shards.
//!
//! It knows whose a datagram is and what to do when handling one fails; waiting and sockets are the worker's.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use sfu::io::{Route, Transmit};
use sfu::time::Time;

use crate::counters::NetCounters;
use crate::dispatch::Owners;
use crate::machine::Machine;
use crate::mailbox::{Item, Parcel};
use crate::receive::Local;
use crate::send::Outbox;
use crate::shared::{Shared, ensure_tap_thread};
use crate::stream::Streams;

/// Both ways out.
pub struct Sender {
    pub udp: Outbox,
    pub streams: Streams,
}

impl Transmit for Sender {
    fn buffer(&mut self, bytes: usize) -> &mut [u8] {
        self.udp.buffer(bytes)
    }

    fn commit(&mut self, route: Route, bytes: usize, segment: usize) {
        if route.is_stream() {
            self.streams.send(route, self.udp.built(bytes), segment);
        } else {
            self.udp.commit(route, bytes, segment);
        }
    }
}

/// The machine with its ways out, and what it shares with the other shards.
pub struct Driver<M: Machine> {
    pub index: u8,
    pub shards: u8,
    pub machine: M,
    pub tx: Sender,
    pub owners: Owners,
    /// What goes to the other threads at the end of the round, by thread.
    pub staged: Vec<Parcel<M::Message>>,
    pub counters: Arc<NetCounters>,
}

impl<M: Machine> Driver<M> {
    /// Runs one step of the machine. A fault in it ends what it was about, not the thread.
    pub fn guarded(&mut self, now: Time, step: impl FnOnce(&mut M, &mut Sender)) -> bool {
        let (machine, tx) = (&mut self.machine, &mut self.tx);
        if catch_unwind(AssertUnwindSafe(|| step(machine, tx))).is_ok() {
            return true;
        }
        self.counters.failed.add(1);
        // a second fault, in ending it: it was counted once, and its timers will end it
        let _ = catch_unwind(AssertUnwindSafe(|| machine.poison(now, tx)));
        false
    }

    /// A datagram as it came from a socket.
    pub fn datagram(&mut self, route: Route, local: Local, bytes: &mut [u8], now: Time) {
        self.counters.datagrams_in.add(1);
        self.counters.bytes_in.add(bytes.len() as u64);
        if self.shards > 1
            && let Some(owner) = self.owners.owner(&route, bytes, self.shards)
            && owner != self.index
            && let Some(parcel) = self.staged.get_mut(usize::from(owner))
        {
            let fits = parcel.datagram(route, local, bytes);
            let counted = if fits { &self.counters.handed_over } else { &self.counters.handover_full };
            counted.add(1);
            return;
        }
        self.own_datagram(route, local, bytes, now);
    }

    pub fn own_datagram(&mut self, route: Route, local: Local, bytes: &mut [u8], now: Time) {
        self.tx.udp.answering(route, local);
        self.guarded(now, |machine, tx| machine.receive(route, bytes, now, tx));
        if local.is_some() {
            // only now is it known which address of ours the peer uses
            self.routes(Some(route).zip(local));
        }
    }

    /// Tells the other threads which routes are ours.
    fn routes(&mut self, seen: Option<(Route, std::net::IpAddr)>) {
        for (route, added) in self.machine.routes() {
            match seen {
                Some((from, local)) if added && from == route => self.tx.udp.remember(route, local),
                _ if !added => self.tx.udp.forget(&route),
                _ => {}
            }
            if route.is_stream() {
                self.tx.streams.authenticated(route.socket, added);
                continue; // its connection is ours: nobody else gets its datagrams
            }
            if added {
                self.owners.mine(&route);
            }
            for (shard, parcel) in self.staged.iter_mut().enumerate() {
                let notice = Item::Owner { route, shard: self.index, added };
                if shard != usize::from(self.index) && !parcel.push(notice) {
                    self.counters.messages_lost.add(1);
                }
            }
        }
    }

    /// Gives everybody what the machine has for them.
    pub fn share(&mut self, shared: &Arc<Shared<M>>) {
        // Before the messages: what they make other shards report comes after this.
        self.publish(shared);
        self.routes(None);
        for (shard, message) in self.machine.messages() {
            let parcel = self.staged.get_mut(usize::from(shard)).filter(|_| shard != self.index);
            if !parcel.is_some_and(|parcel| parcel.push(Item::Message(message))) {
                self.counters.messages_lost.add(1);
            }
        }
        for (shard, parcel) in self.staged.iter_mut().enumerate().filter(|(_, parcel)| !parcel.is_empty()) {
            let (was_empty, overflow) = shared.inboxes[shard].deliver(parcel);
            self.counters.handover_full.add(overflow.datagrams);
            self.counters.messages_lost.add(overflow.others);
            if was_empty {
                shared.wakers[shard].wake();
            }
        }
        self.tap(shared);
    }

    fn publish(&mut self, shared: &Shared<M>) {
        let events = self.machine.events();
        if events.len() > 0 && shared.events.publish(events) {
            shared.outward.wake();
        }
    }

    fn tap(&mut self, shared: &Arc<Shared<M>>) {
        let taps = self.machine.taps();
        if taps.len() > 0 {
            ensure_tap_thread(shared);
            shared.taps.put(taps);
        }
    }
}
