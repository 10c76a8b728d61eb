//! From a claim to its attempt, and from the attempt to its outcomes.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::clock::Clock;
use crate::config::Config;
use crate::delivery::fate::Fate;
use crate::delivery::gate::Gate;
use crate::delivery::ledger::Ledger;
use crate::delivery::pace::Pace;
use crate::delivery::places::Place;
use crate::delivery::poison::{Panicked, Poison, guarded};
use crate::delivery::queue::{Parcel, Queue};
use crate::delivery::retry::Schedule;
use crate::delivery::route::{Carried, Destination, Routes};
use crate::model::message::{Message, Recipient};
use crate::model::outcome::{Outcome, Reply};
use crate::store::handover::Claim;
use crate::store::settle::{Settled, Settlement};

/// Starts attempts and concludes them.
#[derive(Debug)]
pub struct Dispatch {
    routes: Routes,
    capture: Queue,
    relay: Queue,
    gate: Arc<Gate>,
    ledger: Ledger,
    /// Attempts whose outcomes are not durable yet: a crash can double no more than these.
    attempts: Arc<Semaphore>,
    schedule: Schedule,
    poison: Poison,
    clock: Clock,
    runtime: Handle,
}

/// Capturing is only settling: a few runners keep up with any store.
const CAPTURE_RUNNERS: usize = 4;

impl Dispatch {
    /// Attempts by `routes`, under `gate`, settled by `ledger`. Must be called within the runtime that runs the attempts.
    pub fn new(routes: Routes, config: &Config, pace: &Pace, gate: Arc<Gate>, ledger: Ledger, clock: Clock) -> Self {
        let delivery = &config.delivery;
        Self {
            routes,
            capture: Queue::new(CAPTURE_RUNNERS.min(delivery.workers), pace.idle),
            relay: Queue::new(delivery.relay.max_connections.min(delivery.workers), pace.idle),
            gate,
            ledger,
            attempts: Arc::new(Semaphore::new(delivery.workers.max(1))),
            schedule: Schedule::new(&delivery.retry),
            poison: Poison::default(),
            clock,
            runtime: Handle::current(),
        }
    }

    fn queue(&self, destination: Destination) -> &Queue {
        match destination {
            Destination::Capture => &self.capture,
            Destination::Relay => &self.relay,
        }
    }

    /// Puts a claim on its way. While the house closes it goes back at once.
    pub fn start(self: &Arc<Self>, claim: Claim, place: Place) {
        let place = Arc::new(place);
        if self.gate.is_draining() {
            return self.release(Parcel { claim, place });
        }
        for (destination, claim) in self.routes.assign(claim) {
            if self.queue(destination).push(Parcel { claim, place: place.clone() }) {
                self.runtime.spawn(self.clone().run(destination));
            }
        }
        // Closing may have begun between the look and the push: whoever comes second gives it back.
        if self.gate.is_draining() {
            self.release_waiting();
        }
    }

    /// Gives back everything that no runner has begun.
    pub fn release_waiting(&self) {
        let waiting = [&self.capture, &self.relay].into_iter().flat_map(Queue::empty);
        waiting.for_each(|parcel| self.release(parcel));
    }

    /// Forgets everything that no runner has begun: it was claimed under an epoch that is over.
    pub fn drop_waiting(&self) {
        self.capture.empty();
        self.relay.empty();
    }

    fn release(&self, Parcel { claim, place }: Parcel) {
        let outcomes = vec![Outcome::Released; claim.recipients.len()];
        let _runtime = self.runtime.enter();
        self.ledger.settle(settlement(&claim, outcomes), place, None);
    }

    /// One runner at one destination, from its first parcel until there are no more.
    async fn run(self: Arc<Self>, destination: Destination) {
        let queue = self.queue(destination);
        let mut courier = self.routes.courier(destination);
        while let Some(parcel) = queue.next(&self.gate).await {
            let stream = parcel.claim.message.stream;
            let attempt = self.attempts.clone().acquire_owned().await.ok();
            let fates = match guarded(courier.carry(&parcel.claim, &self.gate)).await {
                Ok(Carried::Fates(fates)) => fates,
                Ok(Carried::TurnedAway(reply)) => match queue.turned_away(parcel) {
                    Ok(()) => return,
                    Err(parcel) => {
                        queue.done(stream);
                        let fates = vec![Fate::Later(reply); parcel.claim.recipients.len()];
                        self.conclude(parcel, fates, attempt);
                        continue;
                    }
                },
                Err(Panicked) => {
                    courier = self.routes.courier(destination);
                    self.after_panic(&parcel.claim)
                }
            };
            queue.done(stream);
            self.conclude(parcel, fates, attempt);
        }
        courier.retire().await;
    }

    fn after_panic(&self, claim: &Claim) -> Vec<Fate> {
        tracing::error!(message = %claim.message.id, "an attempt panicked");
        let fate = if self.poison.tasted(claim.message.id) {
            Fate::Failed(Reply::fault("given up: each attempt made the engine itself fail"))
        } else {
            Fate::Later(Reply::fault("the attempt made the engine itself fail"))
        };
        vec![fate; claim.recipients.len()]
    }

    fn conclude(&self, Parcel { claim, place }: Parcel, fates: Vec<Fate>, attempt: Option<OwnedSemaphorePermit>) {
        let outcomes = claim.recipients.iter().zip(fates).map(|(r, fate)| self.outcome(&claim.message, r, fate)).collect();
        self.ledger.settle(settlement(&claim, outcomes), place, attempt);
    }

    fn outcome(&self, message: &Message, recipient: &Recipient, fate: Fate) -> Outcome {
        match fate {
            Fate::Sent(reply) => Outcome::Sent(reply),
            Fate::Delivered(reply) => Outcome::Delivered(reply),
            Fate::Refused(reply) => Outcome::Bounced(reply),
            Fate::Failed(reply) => Outcome::Failed(reply),
            Fate::Released => Outcome::Released,
            Fate::Later(reply) => match self.schedule.next(message, recipient.attempts, self.clock.now()) {
                Some(until) => Outcome::Deferred { reply, until },
                None => Outcome::Failed(reply),
            },
        }
    }
}

/// The outcomes of a claim's recipients, in their order.
fn settlement(claim: &Claim, outcomes: Vec<Outcome>) -> Settlement {
    let outcomes = claim.recipients.iter().zip(outcomes);
    Settlement {
        epoch: claim.epoch,
        team: claim.message.team,
        message: claim.message.id,
        outcomes: outcomes.map(|(r, outcome)| Settled { index: r.index, attempt: r.attempts, outcome }).collect(),
    }
}
