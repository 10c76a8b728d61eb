//! From a claim to its attempt, and from the attempt to its outcomes.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::time::Instant;

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
use crate::delivery::queue::{Pushed, PutOff, Queue};
use crate::delivery::queues::Queues;
use crate::delivery::retry::Schedule;
use crate::delivery::route::courier::{Away, Carried, Courier};
use crate::delivery::route::{Destination, Routes, Way};
use crate::delivery::shape::manner::Sign;
use crate::model::message::{Message, Recipient};
use crate::model::outcome::{Outcome, Reply};
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
        let unbounded = |runners: usize| Queue::unbounded(runners.min(self.workers), self.pace.idle);
        self.queues.of(destination, || match destination {
            Destination::Capture => unbounded(CAPTURE_RUNNERS),
            Destination::Relay => unbounded(self.relay_connections),
        })
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
        match queue.push(parcel, self.clock.now()) {
            Pushed::Starts => self.hire(destination, queue),
            Pushed::Waits => {}
            Pushed::NoRoom(parcel, put_off) => self.put_off(parcel, put_off),
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

    /// What found no room comes back later; unless it has waited for all its time.
    fn put_off(&self, Parcel { claim, place, .. }: Parcel, PutOff { wait, why }: PutOff) {
        let now = self.clock.now();
        let outcome = if self.schedule.is_over(&claim.message, now) {
            Outcome::Failed(Reply::fault(format!("given up: {why}")))
        } else {
            Outcome::PutOff { until: now.plus(wait), why }
        };
        let outcomes = vec![outcome; claim.recipients.len()];
        let _runtime = self.runtime.enter();
        self.ledger.settle(settlement(&claim, outcomes), place, None);
    }

    fn hire(self: &Arc<Self>, destination: Destination, queue: Arc<Queue>) {
        self.runtime.spawn(self.clone().run(destination, queue));
    }

    /// One runner at one destination, from its first parcel until there are no more.
    async fn run(self: Arc<Self>, destination: Destination, queue: Arc<Queue>) {
        let mut courier = self.routes.courier(&destination);
        while let Some(parcel) = queue.next(&self.gate).await {
            if !self.attempt(&destination, &queue, &mut courier, parcel).await {
                return;
            }
        }
        courier.retire().await;
    }

    /// One attempt at a parcel. False: the runner has left the queue, and goes.
    async fn attempt(
        self: &Arc<Self>,
        destination: &Destination,
        queue: &Arc<Queue>,
        courier: &mut Courier,
        parcel: Parcel,
    ) -> bool {
        let (stream, began) = (parcel.stream(), Instant::now());
        let hire_for = |wanted: bool| {
            if wanted {
                self.hire(destination.clone(), queue.clone())
            }
        };
        match guarded(courier.carry(&parcel.claim, &self.gate)).await {
            Ok(Carried::Fates(fates, in_flight)) => {
                hire_for(queue.done(stream, sign(destination, &fates), began));
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
                hire_for(queue.done(stream, Some(away.sign()), began));
                queue.put_off(self.clock.now()).into_iter().for_each(|(parcel, put_off)| self.put_off(parcel, put_off));
                self.onwards(parcel, away);
            }
            Err(Panicked) => {
                *courier = self.routes.courier(destination);
                let fates = self.after_panic(&parcel.claim);
                hire_for(queue.done(stream, None, began));
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

    fn conclude(&self, Parcel { claim, place, .. }: Parcel, fates: Vec<Fate>, attempt: Option<InFlight>) {
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

/// What the fates of an attempt tell of the destination as a whole. A smarthost passes on what others said to it: of itself it speaks by
/// 421 alone.
fn sign<'a>(destination: &Destination, fates: &'a [Fate]) -> Option<Sign<'a>> {
    let asks = |reply: &Reply| match destination {
        Destination::Relay => reply.code == 421,
        Destination::Capture => false,
    };
    let slow = fates.iter().find_map(|fate| if let Fate::Later(reply) = fate { Some(reply).filter(|r| asks(r)) } else { None });
    match slow {
        Some(reply) => Some(Sign::SlowDown(reply)),
        None => fates.iter().any(|fate| *fate != Fate::Released).then_some(Sign::Took),
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
