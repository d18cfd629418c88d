//! Properties of the plane that hold for every seed: shards, peers and a bad network in virtual time.

#[path = "../support/mod.rs"]
mod support;

mod basics;
mod chaos;
mod coming;
mod hostile;
mod layers;
mod rollover;
