//! The engine's side of the hand-over: what the committers ask of it.

use std::sync::{Arc, Weak};

use crate::clock::Clock;
use crate::delivery::dispatch::Dispatch;
use crate::delivery::feeder::Bell;
use crate::delivery::gate::Gate;
use crate::delivery::places::{Place, Places};
use crate::id::Id;
use crate::model::stream::Stream;
use crate::store::handover::{Claim, Epoch, Offer, Scheduler, Slot};

/// Gives places, and takes what was written under them.
#[derive(Debug)]
pub struct HandOver {
    gate: Arc<Gate>,
    places: Arc<Places>,
    bell: Arc<Bell>,
    /// Weak: the store holds the scheduler, and the engine holds the store.
    dispatch: Weak<Dispatch>,
    clock: Clock,
}

impl HandOver {
    /// The engine made of these parts.
    pub fn new(gate: Arc<Gate>, places: Arc<Places>, bell: Arc<Bell>, dispatch: &Arc<Dispatch>, clock: Clock) -> Self {
        Self { gate, places, bell, dispatch: Arc::downgrade(dispatch), clock }
    }
}

impl Scheduler for HandOver {
    fn reserve(&self, offer: Offer<'_>) -> Option<(Epoch, Slot)> {
        let message = offer.message;
        let due = message.send_at.is_none_or(|at| at <= self.clock.now());
        let epoch = self.gate.open().filter(|_| due && offer.recipients > 0)?;
        let place = self.places.reserve(message.id, message.stream, offer.octets)?;
        Some((epoch, Box::new(place)))
    }

    fn hand_over(&self, slot: Slot, claim: Claim) {
        // Dropping either gives the place back; the claim is then found by those who look for orphans.
        let (Ok(place), Some(dispatch)) = (slot.downcast::<Place>(), self.dispatch.upgrade()) else { return };
        if self.gate.epoch() == Some(claim.epoch) {
            dispatch.start(claim, *place, false);
        }
    }

    fn wake(&self, stream: Stream) {
        self.bell.ring(stream);
    }

    fn holds(&self, message: Id) -> bool {
        self.places.holds(message)
    }
}
