//! What a media thread drives: `sfu`'s shard, or a stand-in of a test.

use std::sync::Arc;
use std::vec::Drain;

use sfu::api::{Command, Event};
use sfu::io::{Route, Transmit};
use sfu::time::Time;

/// A machine that is driven from outside: it never waits and owns no socket. All calls are made by one thread.
pub trait Machine: 'static {
    /// What one shard tells another.
    type Message: Send + 'static;
    /// What a tapped room yields.
    type Tapped: Send + Sync + 'static;
    /// An encoded frame for Python.
    type Frame: Send + 'static;
    /// Makes frames of what was tapped; lives on the tap thread.
    type Assembler: Default + 'static;

    /// One datagram; it may be changed in place.
    fn receive(&mut self, route: Route, datagram: &mut [u8], now: Time, tx: &mut impl Transmit);

    fn command(&mut self, command: Command, now: Time, tx: &mut impl Transmit);

    /// From another shard.
    fn message(&mut self, message: Self::Message, now: Time, tx: &mut impl Transmit);

    /// Sends what is due, at most a slice of what waits. True: more waits, call again soon.
    fn flush(&mut self, now: Time, tx: &mut impl Transmit) -> bool;

    fn tick(&mut self, now: Time, tx: &mut impl Transmit);

    /// When `tick` is due.
    fn next(&self) -> Time;

    fn events(&mut self) -> Drain<'_, Event>;

    /// Messages to other shards, by their number.
    fn messages(&mut self) -> Drain<'_, (u8, Self::Message)>;

    /// Routes that became (true) or ceased to be this shard's.
    fn routes(&mut self) -> Drain<'_, (Route, bool)>;

    fn taps(&mut self) -> Drain<'_, Arc<Self::Tapped>>;

    /// A call panicked: end what it was about.
    fn poison(&mut self, now: Time, tx: &mut impl Transmit);

    fn assemble(assembler: &mut Self::Assembler, tapped: &Self::Tapped, frames: &mut Vec<Self::Frame>);
}
