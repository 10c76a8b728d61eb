//! From a claim to its attempt, and from the attempt to its outcomes.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::clock::{Clock, Timestamp};
use crate::config::routing::RouteName;
use crate::config::shape::RECIPIENTS_AT_MOST;
use crate::config::{Config, Delivery};
use crate::delivery::allowance::Denied;
use crate::delivery::attempts::InFlight;
use crate::delivery::barriers;
use crate::delivery::fate::{Concerns, Fate, Fates};
use crate::delivery::gate::Gate;
use crate::delivery::ledger::Ledger;
use crate::delivery::mx::Unroutable;
use crate::delivery::pace::Pace;
use crate::delivery::parcel::Parcel;
use crate::delivery::peers::Peers;
use crate::delivery::places::Place;
use crate::delivery::poison::guarded;
use crate::delivery::queue::{Pushed, PutOff, Queue};
use crate::delivery::queues::Queues;
use crate::delivery::retry::Schedule;
use crate::delivery::route::carried::Away;
use crate::delivery::route::direct::{Direct, Service};
use crate::delivery::route::{Destination, Routes};
use crate::delivery::runner::Runner;
use crate::delivery::trial::Trials;
use crate::model::hop::Hop;
use crate::model::message::{Message, Recipient};
use crate::model::outcome::{Bounce, Outcome, Reply};
use crate::notices::Postmaster;
use crate::store::handover::{Claim, Epoch};
use crate::store::settle::{Settled, Settlement};

/// Starts attempts and concludes them.
#[derive(Debug)]
pub struct Dispatch {
    pub(super) routes: Routes,
    queues: Queues,
    pub(super) gate: Arc<Gate>,
    ledger: Ledger,
    postmaster: Arc<Postmaster>,
    schedule: Schedule,
    pub(super) trials: Trials,
    pub(super) clock: Clock,
    pub(super) pace: Pace,
    peers: Peers,
    /// Connections at once: to each smarthost, and in all.
    relays: BTreeMap<Option<Arc<str>>, usize>,
    workers: usize,
    pub(super) runtime: Handle,
}

/// What something of ours keeps from being attempted comes again after so long at the latest.
const HINDERED_FOR: Duration = Duration::from_secs(20);
/// Capturing is only settling: a few runners keep up with any store.
const CAPTURE_RUNNERS: usize = 4;

impl Dispatch {
    /// Attempts by `routes`, under `gate`, settled by `ledger`. Must be called within the runtime that runs the attempts.
    pub fn new(
        routes: Routes,
        config: &Config,
        pace: &Pace,
        gate: Arc<Gate>,
        ledger: Ledger,
        trials: Trials,
        clock: Clock,
    ) -> Self {
        let delivery = &config.delivery;
        let postmaster = Postmaster::new(ledger.store().clone(), config, clock.clone());
        Self {
            routes,
            queues: Queues::default(),
            gate,
            ledger,
            postmaster: Arc::new(postmaster),
            schedule: Schedule::new(&delivery.retry),
            trials,
            clock,
            pace: pace.clone(),
            peers: Peers::default(),
            relays: relay_connections(delivery),
            workers: delivery.workers,
            runtime: Handle::current(),
        }
    }

    fn queue(&self, destination: &Destination, service: Option<&Service>) -> Arc<Queue> {
        self.queues.of(destination, || match (destination, service) {
            (Destination::Relay(name), _) => {
                let runners = self.relays.get(name).copied().unwrap_or(1).min(self.workers);
                match self.routes.is_only_way() {
                    true => Queue::unbounded(runners, self.pace.idle),
                    false => Queue::of_relay(runners, self.pace.idle),
                }
            }
            (Destination::Hosts(hosts), Some(service)) => {
                let share = self.peers.share(hosts, service.limits.connections);
                Queue::bounded(service.limits, share, self.pace.idle)
            }
            _ => Queue::unbounded(CAPTURE_RUNNERS.min(self.workers), self.pace.idle),
        })
    }

    /// Which engines live besides this one, whose epoch began so long ago: the connections of each destination are divided anew.
    pub fn meet(self: &Arc<Self>, own: Epoch, age: Duration, live: Vec<Epoch>) {
        self.peers.meet(own, age, live);
        for (destination, queue) in self.queues.all() {
            if let Destination::Hosts(hosts) = destination {
                queue.share(|limits| self.peers.share(&hosts, limits.connections));
            }
            queue.put_off(self.clock.now()).into_iter().for_each(|(parcel, put_off)| self.put_off(parcel, put_off));
        }
        self.queues.forget_idle();
    }

    /// Puts a claim on its way, single file when it is `suspect` of a process's death. While the house closes it goes back at once.
    pub fn start(self: &Arc<Self>, claim: Claim, place: Place, suspect: bool) {
        let place = Arc::new(place);
        for (course, claim) in self.routes.assign(claim) {
            let (place, passed) = (place.clone(), Vec::new());
            self.send(Parcel { claim, place, course, service: None, suspect, passed, away: None });
        }
    }

    /// Puts a parcel on the way that its course is at.
    fn send(self: &Arc<Self>, parcel: Parcel) {
        match parcel.course.way().clone() {
            RouteName::Capture => self.enqueue(Destination::Capture, parcel),
            RouteName::Relay(name) if parcel.claim.recipients.len() == 1 => self.enqueue(Destination::Relay(name), parcel),
            RouteName::Relay(name) => drop(self.runtime.spawn(self.clone().part(Destination::Relay(name), parcel))),
            RouteName::Direct => match self.routes.direct() {
                Some(direct) => drop(self.runtime.spawn(self.clone().find_hosts(direct.clone(), parcel))),
                None => {
                    let hop = parcel.hop(None, Duration::ZERO);
                    self.onwards(parcel, Away::Unreachable(Reply::fault("there is no direct route")), hop);
                }
            },
        }
    }

    /// Hands a smarthost those of the recipients together who share a transaction.
    async fn part(self: Arc<Self>, destination: Destination, parcel: Parcel) {
        let by_domain = tokio::select! {
            by_domain = self.routes.go_by_domain(&parcel.claim) => by_domain,
            () = self.gate.drained() => return self.release(parcel),
        };
        let most = parcel.claim.message.recipients_at_once(RECIPIENTS_AT_MOST);
        parcel.split(most, by_domain).for_each(|part| self.enqueue(destination.clone(), part));
    }

    /// Asks who takes the mail, which may take as long as the DNS does; closing does not wait for it.
    async fn find_hosts(self: Arc<Self>, direct: Arc<Direct>, parcel: Parcel) {
        let began = Instant::now();
        let plan = guarded(Box::pin(async {
            let by_domain = self.routes.go_by_domain(&parcel.claim).await;
            direct.plan(parcel.claim.clone(), parcel.course.tls(), by_domain).await
        }));
        let plan = tokio::select! {
            plan = parcel.place.through(self.pace.patience, plan) => plan,
            () = self.gate.drained() => return self.release(parcel),
        };
        let Ok(plan) = plan else {
            let fate = self.trials.panicked(&parcel.claim.message).await;
            let hop = parcel.hop(None, began.elapsed());
            return self.conclude_all(parcel, fate, hop);
        };
        for (service, claim) in plan.parts {
            let destination = Destination::Hosts(service.destination.clone());
            self.enqueue(destination, parcel.part(claim, Some(Arc::new(service))));
        }
        for (unroutable, claim) in plan.unroutable {
            let parcel = parcel.part(claim, None);
            let hop = parcel.hop(None, began.elapsed());
            match unroutable {
                Unroutable::Never(reply) => self.conclude_all(parcel, Fate::Refused(reply, Concerns::Recipient), hop),
                Unroutable::Later(reply) => self.onwards(parcel, Away::Unreachable(reply), hop),
                Unroutable::Hindered(why) => self.conclude_all(parcel, Fate::Hindered(why), hop),
            }
        }
    }

    pub(super) fn enqueue(self: &Arc<Self>, destination: Destination, parcel: Parcel) {
        if self.gate.is_draining() {
            return self.release(parcel);
        }
        let queue = self.queue(&destination, parcel.service.as_deref());
        match queue.push(parcel, self.clock.now()) {
            Pushed::Starts => Runner::start(self.clone(), destination, queue),
            Pushed::Waits => {}
            Pushed::NoRoom(parcel, put_off) => self.put_off(*parcel, put_off),
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
        self.ledger.settle(ready(settlement(&claim, outcomes)), place, None);
    }

    /// What found no room goes by the next way of its course where nothing is tried by this one, and there is a next; else it comes back
    /// later.
    pub(super) fn put_off(self: &Arc<Self>, parcel: Parcel, put_off: PutOff) {
        match (&put_off.suspended, parcel.course.onwards()) {
            (Some(reply), Some(_)) => {
                let hop = parcel.hop(None, Duration::ZERO);
                self.onwards(parcel, Away::Unreachable(reply.clone()), hop);
            }
            _ => self.defer(parcel, put_off),
        }
    }

    /// It comes back for its last attempt, too; only where nothing is tried it may have had its time.
    fn defer(&self, Parcel { claim, place, course, service, .. }: Parcel, PutOff { wait, why, suspended }: PutOff) {
        let to = service.map_or_else(|| course.way().to_string(), |service| service.destination.to_string());
        let why = format!("{to}: {why}");
        let until = self.clock.now().plus(wait);
        let outcome = |recipient: &Recipient| match suspended.is_some() {
            true => waiting(recipient, until, why.clone(), self.is_over(&claim.message, recipient)),
            false => Outcome::PutOff { until, why: why.clone() },
        };
        let outcomes = claim.recipients.iter().map(outcome).collect();
        let settlement = settlement(&claim, outcomes);
        self.settle(claim, settlement, false, place, None);
    }

    fn is_over(&self, message: &Message, recipient: &Recipient) -> bool {
        self.schedule.is_over(message, recipient.attempts, self.clock.now())
    }

    /// What can't go by one way, as `hop` found, goes by the next of its course; after the last it waits.
    pub(super) fn onwards(self: &Arc<Self>, parcel: Parcel, away: Away, hop: Hop) {
        let reply = away.reply().clone();
        match parcel.course.onwards() {
            Some(course) => {
                let line = reply.line();
                self.send(Parcel { away: Some(reply), ..parcel.onto(course, hop, line) });
            }
            None => self.conclude_all(parcel, Fate::Later(reply), hop),
        }
    }

    /// What may not leave by one way today goes by the next of its course; after the last it waits for another day, unless an earlier way
    /// may be there again before.
    pub(super) fn overflow(self: &Arc<Self>, parcel: Parcel, denied: Denied, hop: Hop) {
        match parcel.course.onwards() {
            Some(course) => self.send(parcel.onto(course, hop, denied.why())),
            None => {
                let fate = parcel.away.clone().map_or_else(|| denied.fate(), Fate::Later);
                self.conclude_all(parcel, fate, hop);
            }
        }
    }

    /// Takes out of the parcel whom its message is kept from since it was accepted, and has them written down as rejected. An error is the
    /// fate of all.
    pub(super) async fn heed_barriers(&self, parcel: &mut Parcel) -> Result<(), Fate> {
        if let Some((gone, outcomes)) = barriers::take_out(self.ledger.store(), &mut parcel.claim, self.clock.now()).await? {
            let settlement = settlement(&gone, outcomes);
            self.settle(gone, settlement, false, parcel.place.clone(), None);
        }
        Ok(())
    }

    pub(super) fn conclude_all(&self, parcel: Parcel, fate: Fate, hop: Hop) {
        let fates = vec![fate; parcel.claim.recipients.len()];
        self.conclude(parcel, fates.into(), hop);
    }

    pub(super) fn conclude(&self, Parcel { claim, place, course, .. }: Parcel, fates: Fates, hop: Hop) {
        let acted = *course.way() == RouteName::Capture;
        let each = claim.recipients.iter().zip(fates.each);
        let outcomes = each.map(|(r, fate)| self.outcome(&claim.message, r, fate, acted)).collect();
        let settlement = Settlement { hop: Some(hop), ..settlement(&claim, outcomes) };
        if acted {
            return self.ledger.settle(ready(settlement), place, fates.in_flight);
        }
        self.settle(claim, settlement, fates.passed_on, place, fates.in_flight);
    }

    /// Has the outcomes written, and with them what the sender asked to be told of.
    fn settle(&self, claim: Claim, settlement: Settlement, passed_on: bool, place: Arc<Place>, attempt: Option<InFlight>) {
        let _runtime = self.runtime.enter();
        if !self.postmaster.is_asked(&claim, &settlement, passed_on) {
            return self.ledger.settle(ready(settlement), place, attempt);
        }
        let postmaster = self.postmaster.clone();
        let told = async move {
            // Outcomes are written whatever their letters do.
            let notices = guarded(postmaster.letters(&claim, &settlement, passed_on)).await.unwrap_or_default();
            Settlement { notices, ..settlement }
        };
        self.ledger.settle(told, place, attempt);
    }

    /// `acted`: nothing was sent, so that nothing is known of any address.
    fn outcome(&self, message: &Message, recipient: &Recipient, fate: Fate, acted: bool) -> Outcome {
        match fate {
            Fate::Sent(reply) => Outcome::Sent(reply),
            Fate::Delivered(reply) => Outcome::Delivered(reply),
            Fate::Refused(reply, concerns) => {
                let class = self.routes.bounces().classify(&reply);
                let told_of_it = class.suppresses() && concerns == Concerns::Recipient && !acted;
                let bad_address = told_of_it.then(|| recipient.path.address.key());
                Outcome::Bounced(Bounce { reply, class, bad_address })
            }
            Fate::Failed(reply) => Outcome::Failed(reply),
            Fate::Held(reply) => Outcome::Held(reply),
            Fate::PutOff { until, why } => waiting(recipient, until, why, self.is_over(message, recipient)),
            Fate::Hindered(why) => {
                let now = self.clock.now();
                let until = now.plus(HINDERED_FOR.mul_f64(0.5 + rand::random::<f64>() / 2.0));
                // A fault of ours at a bad moment ends nothing; one that stays does in the end.
                waiting(recipient, until, why, self.schedule.is_long_over(message, now))
            }
            Fate::Released | Fate::LeftOver => Outcome::Released,
            Fate::Later(reply) => match self.schedule.next(message, recipient.attempts, self.clock.now()) {
                Some(until) => Outcome::Deferred { reply, until },
                None => Outcome::Failed(reply),
            },
        }
    }
}

fn relay_connections(delivery: &Delivery) -> BTreeMap<Option<Arc<str>>, usize> {
    let named = delivery.relays.iter().map(|(name, relay)| (Some(name.as_str().into()), relay.max_connections));
    named.chain([(None, delivery.relay.max_connections)]).collect()
}

/// What was not attempted waits; where it has had its time, it fails by the last reply that there was.
fn waiting(recipient: &Recipient, until: Timestamp, why: String, is_over: bool) -> Outcome {
    if !is_over {
        return Outcome::PutOff { until, why };
    }
    Outcome::Failed(Reply::fault(match recipient.last_reply.as_str() {
        "" => format!("given up: {why}"),
        reply => reply.to_owned(),
    }))
}

/// The outcomes of a claim's recipients, in their order.
fn settlement(claim: &Claim, outcomes: Vec<Outcome>) -> Settlement {
    let outcomes = claim.recipients.iter().zip(outcomes);
    Settlement {
        epoch: claim.epoch,
        team: claim.message.team,
        message: claim.message.id,
        lone: claim.message.lone_day(),
        hop: None,
        outcomes: outcomes.map(|(r, outcome)| Settled { index: r.index, attempt: r.attempts, outcome }).collect(),
        notices: Vec::new(),
    }
}
