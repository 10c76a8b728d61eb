//! From a claim to its attempt, and from the attempt to its outcomes.

use std::pin::pin;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::clock::Clock;
use crate::config::Config;
use crate::delivery::fate::Fate;
use crate::delivery::gate::Gate;
use crate::delivery::ledger::Ledger;
use crate::delivery::pace::Pace;
use crate::delivery::places::Place;
use crate::delivery::poison::{Panicked, guarded};
use crate::delivery::queue::{Parcel, Queue};
use crate::delivery::retry::Schedule;
use crate::delivery::route::{Carried, Courier, Destination, Routes};
use crate::delivery::trial::{ALONE_AT_MOST, Trials};
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
    trials: Trials,
    clock: Clock,
    runtime: Handle,
}

/// Capturing is only settling: a few runners keep up with any store.
const CAPTURE_RUNNERS: usize = 4;

impl Dispatch {
    /// Attempts by `routes`, under `gate`, settled by `ledger`. Must be called within the runtime that runs the attempts.
    pub fn new(routes: Routes, config: &Config, pace: &Pace, gate: Arc<Gate>, ledger: Ledger, clock: Clock) -> Self {
        let delivery = &config.delivery;
        let workers = delivery.workers.max(1);
        let attempts = Arc::new(Semaphore::new(workers));
        let trials = Trials::new(ledger.store().clone(), attempts.clone(), workers);
        Self {
            routes,
            capture: Queue::new(CAPTURE_RUNNERS.min(delivery.workers), pace.idle),
            relay: Queue::new(delivery.relay.max_connections.min(delivery.workers), pace.idle),
            gate,
            ledger,
            attempts,
            schedule: Schedule::new(&delivery.retry),
            trials,
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

    /// Puts a claim on its way, single file when it is `suspect` of a process's death. While the house closes it goes back at once.
    pub fn start(self: &Arc<Self>, claim: Claim, place: Place, suspect: bool) {
        let place = Arc::new(place);
        if self.gate.is_draining() {
            return self.release(Parcel { claim, place, suspect });
        }
        for (destination, claim) in self.routes.assign(claim) {
            if self.queue(destination).push(Parcel { claim, place: place.clone(), suspect }) {
                self.add_runner(destination);
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

    fn release(&self, Parcel { claim, place, .. }: Parcel) {
        let outcomes = vec![Outcome::Released; claim.recipients.len()];
        let _runtime = self.runtime.enter();
        self.ledger.settle(settlement(&claim, outcomes), place, None);
    }

    fn add_runner(self: &Arc<Self>, destination: Destination) {
        self.runtime.spawn(self.clone().run(destination));
    }

    /// One runner at one destination, from its first parcel until there are no more.
    async fn run(self: Arc<Self>, destination: Destination) {
        let queue = self.queue(destination);
        let mut courier = self.routes.courier(destination);
        while let Some(parcel) = queue.next(&self.gate).await {
            let (carried, attempt) = match parcel.suspect {
                true => self.carry_suspect(destination, &mut courier, &parcel.claim).await,
                false => {
                    let attempt = self.attempts.clone().acquire_owned().await.ok();
                    (guarded(courier.carry(&parcel.claim, &self.gate)).await, attempt)
                }
            };
            let fates = match carried {
                Ok(Carried::Fates(fates)) => fates,
                Ok(Carried::TurnedAway(reply)) => match queue.turned_away(parcel) {
                    Ok(()) => return,
                    Err(parcel) => {
                        queue.done(&parcel);
                        let fates = vec![Fate::Later(reply); parcel.claim.recipients.len()];
                        self.conclude(parcel, fates, attempt);
                        continue;
                    }
                },
                Err(Panicked) => {
                    courier = self.routes.courier(destination);
                    self.after_panic(&parcel.claim).await
                }
            };
            queue.done(&parcel);
            self.conclude(parcel, fates, attempt);
        }
        courier.retire().await;
    }

    /// An attempt at what was in flight when a process died: alone, if that can be had, and for a while; the next in the file waits.
    async fn carry_suspect(
        self: &Arc<Self>,
        destination: Destination,
        courier: &mut Courier,
        claim: &Claim,
    ) -> (Result<Carried, Panicked>, Option<OwnedSemaphorePermit>) {
        let mut trial = self.trials.begin(claim).await;
        let attempt = trial.attempt.take();
        if trial.is_convicted {
            self.trials.relent(&claim.message, &mut trial).await;
            return (Ok(Carried::Fates(vec![held(); claim.recipients.len()])), attempt);
        }
        let mut carrying = pin!(guarded(courier.carry(claim, &self.gate)));
        let carried = match timeout(ALONE_AT_MOST, &mut carrying).await {
            Ok(carried) => carried,
            Err(_) => {
                self.trials.relent(&claim.message, &mut trial).await;
                if self.queue(destination).move_file_on(claim.message.id) {
                    self.add_runner(destination);
                }
                carrying.await
            }
        };
        match &carried {
            Ok(Carried::Fates(fates)) if !fates.contains(&Fate::Released) => self.trials.acquit(&claim.message, &mut trial).await,
            _ => self.trials.relent(&claim.message, &mut trial).await,
        }
        (carried, attempt)
    }

    async fn after_panic(&self, claim: &Claim) -> Vec<Fate> {
        tracing::error!(message = %claim.message.id, "an attempt panicked");
        let fate = match self.trials.panicked(&claim.message).await {
            true => held(),
            false => Fate::Later(Reply::fault("the attempt made the engine itself fail")),
        };
        vec![fate; claim.recipients.len()]
    }

    fn conclude(&self, Parcel { claim, place, .. }: Parcel, fates: Vec<Fate>, attempt: Option<OwnedSemaphorePermit>) {
        let outcomes = claim.recipients.iter().zip(fates).map(|(r, fate)| self.outcome(&claim.message, r, fate)).collect();
        self.ledger.settle(settlement(&claim, outcomes), place, attempt);
    }

    fn outcome(&self, message: &Message, recipient: &Recipient, fate: Fate) -> Outcome {
        match fate {
            Fate::Sent(reply) => Outcome::Sent(reply),
            Fate::Delivered(reply) => Outcome::Delivered(reply),
            Fate::Refused(reply) => Outcome::Bounced(reply),
            Fate::Failed(reply) => Outcome::Failed(reply),
            Fate::Held(reply) => Outcome::Held(reply),
            Fate::Released => Outcome::Released,
            Fate::Later(reply) => match self.schedule.next(message, recipient.attempts, self.clock.now()) {
                Some(until) => Outcome::Deferred { reply, until },
                None => Outcome::Failed(reply),
            },
        }
    }
}

fn held() -> Fate {
    Fate::Held(Reply::fault("held: attempts at it made the engine itself fail; `posthouse queue release` tries again"))
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
