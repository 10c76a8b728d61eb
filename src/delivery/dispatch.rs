//! From a claim to its attempt, and from the attempt to its outcomes.

use std::sync::Arc;

use tokio::runtime::Handle;

use crate::clock::Clock;
use crate::config::Config;
use crate::delivery::attempts::InFlight;
use crate::delivery::fate::Fate;
use crate::delivery::gate::Gate;
use crate::delivery::ledger::Ledger;
use crate::delivery::pace::Pace;
use crate::delivery::parcel::Parcel;
use crate::delivery::places::Place;
use crate::delivery::poison::{Panicked, Poison, guarded};
use crate::delivery::queue::Queue;
use crate::delivery::queues::Queues;
use crate::delivery::retry::Schedule;
use crate::delivery::route::courier::{Away, Carried, Courier};
use crate::delivery::route::{Destination, Routes, Way};
use crate::model::message::{Message, Recipient};
use crate::model::outcome::{Bounce, Outcome, Reply};
use crate::store::handover::Claim;
use crate::store::settle::{Settled, Settlement};

/// Starts attempts and concludes them.
#[derive(Debug)]
pub struct Dispatch {
    routes: Routes,
    queues: Queues,
    gate: Arc<Gate>,
    ledger: Ledger,
    schedule: Schedule,
    poison: Poison,
    clock: Clock,
    pace: Pace,
    /// Connections at once: to the smarthost, and in all.
    relay_connections: usize,
    workers: usize,
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
            queues: Queues::default(),
            gate,
            ledger,
            schedule: Schedule::new(&delivery.retry),
            poison: Poison::default(),
            clock,
            pace: pace.clone(),
            relay_connections: delivery.relay.max_connections,
            workers: delivery.workers,
            runtime: Handle::current(),
        }
    }

    fn queue(&self, destination: &Destination) -> Arc<Queue> {
        let runners = match destination {
            Destination::Capture => CAPTURE_RUNNERS,
            Destination::Relay => self.relay_connections,
        };
        self.queues.of(destination, || Queue::new(runners.min(self.workers), self.pace.idle))
    }

    /// Puts a claim on its way. While the house closes it goes back at once.
    pub fn start(self: &Arc<Self>, claim: Claim, place: Place) {
        let place = Arc::new(place);
        for (course, claim) in self.routes.assign(claim) {
            self.send(Parcel { claim, place: place.clone(), course });
        }
    }

    /// Puts a parcel on the way that its course is at.
    fn send(self: &Arc<Self>, parcel: Parcel) {
        match parcel.course.way() {
            Way::Capture => self.enqueue(Destination::Capture, parcel),
            Way::Relay => self.enqueue(Destination::Relay, parcel),
        }
    }

    fn enqueue(self: &Arc<Self>, destination: Destination, parcel: Parcel) {
        if self.gate.is_draining() {
            return self.release(parcel);
        }
        let queue = self.queue(&destination);
        if queue.push(parcel) {
            self.runtime.spawn(self.clone().run(destination, queue));
        }
        // Closing may have begun between the look and the push: whoever comes second gives it back.
        if self.gate.is_draining() {
            self.release_waiting();
        }
    }

    /// Gives back everything that no runner has begun.
    pub fn release_waiting(&self) {
        self.queues.empty().into_iter().for_each(|parcel| self.release(parcel));
    }

    /// Forgets everything that no runner has begun: it was claimed under an epoch that is over.
    pub fn drop_waiting(&self) {
        drop(self.queues.empty());
    }

    fn release(&self, Parcel { claim, place, .. }: Parcel) {
        let outcomes = vec![Outcome::Released; claim.recipients.len()];
        let _runtime = self.runtime.enter();
        self.ledger.settle(settlement(&claim, outcomes), place, None);
    }

    /// One runner at one destination, from its first parcel until there are no more.
    async fn run(self: Arc<Self>, destination: Destination, queue: Arc<Queue>) {
        let mut courier = self.routes.courier(&destination);
        while let Some(parcel) = queue.next(&self.gate).await {
            if !self.attempt(&queue, &mut courier, parcel, &destination).await {
                return;
            }
        }
        courier.retire().await;
    }

    /// One attempt at a parcel. False: the runner has left the queue, and goes.
    async fn attempt(self: &Arc<Self>, queue: &Queue, courier: &mut Courier, parcel: Parcel, destination: &Destination) -> bool {
        let stream = parcel.stream();
        match guarded(courier.carry(&parcel.claim, &self.gate)).await {
            Ok(Carried::Fates(fates, in_flight)) => {
                queue.done(stream);
                self.conclude(parcel, fates, in_flight);
            }
            Ok(Carried::Away(away)) => {
                let parcel = match &away {
                    Away::TurnedUs(_) => match queue.turned_away(parcel) {
                        Ok(()) => return false,
                        Err(parcel) => parcel,
                    },
                    Away::Unreachable(_) => parcel,
                };
                queue.done(stream);
                self.onwards(parcel, away);
            }
            Err(Panicked) => {
                *courier = self.routes.courier(destination);
                let fates = self.after_panic(&parcel.claim);
                queue.done(stream);
                self.conclude(parcel, fates, None);
            }
        }
        true
    }

    /// What can't go by one way goes by the next of its course; after the last it waits.
    fn onwards(self: &Arc<Self>, parcel: Parcel, away: Away) {
        match parcel.course.onwards() {
            Some(course) => self.send(Parcel { course, ..parcel }),
            None => {
                let fates = vec![Fate::Later(away.reply().clone()); parcel.claim.recipients.len()];
                self.conclude(parcel, fates, None);
            }
        }
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

    fn conclude(&self, Parcel { claim, place, course }: Parcel, fates: Vec<Fate>, attempt: Option<InFlight>) {
        let acted = course.way() == Way::Capture;
        let outcomes = claim.recipients.iter().zip(fates).map(|(r, fate)| self.outcome(&claim.message, r, fate, acted)).collect();
        self.ledger.settle(settlement(&claim, outcomes), place, attempt);
    }

    /// `acted`: nothing was sent, so that nothing is known of any address.
    fn outcome(&self, message: &Message, recipient: &Recipient, fate: Fate, acted: bool) -> Outcome {
        match fate {
            Fate::Sent(reply) => Outcome::Sent(reply),
            Fate::Delivered(reply) => Outcome::Delivered(reply),
            Fate::Refused(reply) => {
                let class = self.routes.bounces().classify(&reply);
                let bad_address = (class.suppresses() && !acted).then(|| recipient.path.address.key());
                Outcome::Bounced(Bounce { reply, class, bad_address })
            }
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
