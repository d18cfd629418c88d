//! The real machine: `sfu`'s shard.

use std::sync::Arc;
use std::vec::Drain;

use sfu::api::{Command, Event};
use sfu::io::{Route, Transmit};
use sfu::packet::Batch;
use sfu::shard::{Message, Shard};
use sfu::time::Time;

use crate::machine::Machine;
use crate::tap::{Frame, Taps};

impl Machine for Shard {
    type Message = Message;
    type Tapped = Batch;
    type Frame = Frame;
    type Assembler = Taps;

    fn receive(&mut self, route: Route, datagram: &mut [u8], now: Time, tx: &mut impl Transmit) {
        self.receive(route, datagram, now, tx);
    }

    fn command(&mut self, command: Command, now: Time, tx: &mut impl Transmit) {
        self.command(command, now, tx);
    }

    fn message(&mut self, message: Message, now: Time, tx: &mut impl Transmit) {
        self.message(message, now, tx);
    }

    fn flush(&mut self, now: Time, tx: &mut impl Transmit) -> bool {
        self.flush(now, tx)
    }

    fn tick(&mut self, now: Time, tx: &mut impl Transmit) {
        self.tick(now, tx);
    }

    fn next(&self) -> Time {
        self.next()
    }

    fn events(&mut self) -> Drain<'_, Event> {
        self.events()
    }

    fn messages(&mut self) -> Drain<'_, (u8, Message)> {
        self.messages()
    }

    fn routes(&mut self) -> Drain<'_, (Route, bool)> {
        self.routes()
    }

    fn taps(&mut self) -> Drain<'_, Arc<Batch>> {
        self.taps()
    }

    fn poison(&mut self, now: Time, tx: &mut impl Transmit) {
        self.poison(now, tx);
    }

    fn assemble(taps: &mut Taps, tapped: &Batch, frames: &mut Vec<Frame>) {
        taps.push(tapped, frames);
    }
}
