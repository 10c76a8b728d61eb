//! The other engines on the same store, as far as this one must know them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::delivery::shape::slots::{Share, share};
use crate::store::handover::Epoch;

/// Who lives, as of the last renewal.
#[derive(Debug, Default)]
pub struct Peers(Mutex<Met>);

#[derive(Debug, Default)]
struct Met {
    own: Epoch,
    age: Duration,
    live: Vec<Epoch>,
}

impl Peers {
    /// This engine's epoch is `own` and began `age` ago; all that live are `live`.
    pub fn meet(&self, own: Epoch, age: Duration, live: Vec<Epoch>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Met { own, age, live };
    }

    /// This engine's share of a destination's connections.
    pub fn share(&self, destination: &str, connections: u32) -> Share {
        let met = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        share(met.own, met.age, &met.live, destination, connections)
    }
}
