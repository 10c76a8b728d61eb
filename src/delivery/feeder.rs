//! Reads back what waits in the store: what found no place at its insertion, what is due again, and what dead engines left.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::delivery::dispatch::Dispatch;
use crate::delivery::gate::Gate;
use crate::delivery::pace::Pace;
use crate::delivery::places::Places;
use crate::delivery::queue::{order, stream_of};
use crate::id::Id;
use crate::model::stream::Stream;
use crate::store::claim::{Lane, Limit};
use crate::store::handover::{Claim, Epoch};
use crate::store::{Store, StoreError};

/// Recipients claimed at a time.
const CLAIM_MAX: usize = 256;

/// Rung when something was inserted ready.
#[derive(Debug, Default)]
pub struct Bell {
    rung: Notify,
    waiting: [AtomicBool; 2],
}

impl Bell {
    /// Something of `stream` waits in the store.
    pub fn ring(&self, stream: Stream) {
        if !self.waiting[stream as usize].swap(true, Ordering::AcqRel) {
            self.rung.notify_one();
        }
    }

    fn answer(&self, stream: Stream) -> bool {
        self.waiting[stream as usize].swap(false, Ordering::AcqRel)
    }
}

/// Claims for as long as there is room.
#[derive(Debug)]
pub struct Feeder {
    pub store: Store,
    pub gate: Arc<Gate>,
    pub places: Arc<Places>,
    pub bell: Arc<Bell>,
    pub dispatch: Arc<Dispatch>,
    pub clock: Clock,
    pub pace: Pace,
}

/// What the feeder remembers from round to round.
struct Round {
    turn: u64,
    /// Lanes in which something waits, as far as is known.
    more: [bool; 4],
    /// More was found to wait, for which there may be room: the next turn begins at once.
    goes_on: bool,
    /// Lanes of dead engines that may still hold something.
    dead: Vec<(Epoch, Lane)>,
    bury_at: Instant,
    sweep_at: Instant,
    poll_at: Instant,
}

/// What a look into a lane came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Looked {
    /// Nothing is due there.
    Nothing,
    /// Something was claimed, and there may be more.
    Claimed,
    NoRoom,
}

impl Round {
    /// Before the first.
    fn new(pace: &Pace) -> Self {
        let now = Instant::now();
        Self {
            turn: 0,
            more: [true; 4],
            goes_on: false,
            dead: Vec::new(),
            bury_at: now,
            sweep_at: now + pace.sweep,
            poll_at: now,
        }
    }
}

impl Feeder {
    /// Feeds the engine until closing begins.
    pub async fn run(self) {
        let mut round = Round::new(&self.pace);
        while !self.gate.is_draining() {
            let rest = match self.gate.open() {
                Some(epoch) => self.round(&mut round, epoch).await.unwrap_or_else(|failure| {
                    tracing::warn!(%failure, "what waits can't be read from the store");
                    self.pace.poll
                }),
                None => self.pace.poll,
            };
            if !rest.is_zero() {
                self.rest(rest).await;
            }
        }
    }

    /// Until something is to be done.
    async fn rest(&self, at_most: Duration) {
        let changed = self.gate.changed();
        if self.gate.is_draining() {
            return;
        }
        tokio::select! {
            () = self.bell.rung.notified() => {}
            () = self.places.freed() => {}
            () = changed => {}
            () = tokio::time::sleep(at_most) => {}
        }
    }

    /// One claim from each lane of what is due now. Returns how long to rest.
    async fn round(&self, round: &mut Round, epoch: Epoch) -> Result<Duration, StoreError> {
        round.goes_on = false;
        self.take_over(round, epoch).await?;
        if round.sweep_at <= Instant::now() {
            round.sweep_at = Instant::now() + self.pace.sweep;
            let freed = self.store.sweep(epoch).await?;
            if freed > 0 {
                tracing::warn!(freed, "claims that nobody held went back into the queue");
            }
        }
        for stream in Stream::ALL.into_iter().filter(|stream| self.bell.answer(*stream)) {
            Lane::ALL.into_iter().filter(|lane| stream_of(*lane) == stream).for_each(|lane| round.more[lane as usize] = true);
        }
        let mut rest = self.pace.poll;
        if round.poll_at <= Instant::now() {
            let due = self.store.next_due().await?.map(|at| at.since(self.clock.now()));
            round.more = if due == Some(Duration::ZERO) { [true; 4] } else { round.more };
            rest = due.filter(|wait| !wait.is_zero()).map_or(rest, |wait| wait.min(rest));
            round.poll_at = Instant::now() + rest;
        }
        self.fill(round, epoch).await?;
        if round.goes_on {
            return Ok(Duration::ZERO);
        }
        Ok(rest.min(round.poll_at.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))))
    }

    /// Claims from lane after lane, as far as there is room: no lane has its next claim before each other had its own.
    async fn fill(&self, round: &mut Round, epoch: Epoch) -> Result<(), StoreError> {
        round.turn += u64::from(round.more != [false; 4]);
        for lane in order(round.turn) {
            if round.more[lane as usize] {
                let looked = self.claim(epoch, lane, None).await?;
                round.more[lane as usize] = looked != Looked::Nothing;
                round.goes_on |= looked == Looked::Claimed;
            }
        }
        Ok(())
    }

    /// One claim from a lane, of what is ready or of what a dead engine left.
    async fn claim(&self, epoch: Epoch, lane: Lane, dead: Option<Epoch>) -> Result<Looked, StoreError> {
        let stream = stream_of(lane);
        let recipients = self.places.claimable(stream).min(CLAIM_MAX);
        if recipients == 0 || self.gate.open() != Some(epoch) {
            return Ok(Looked::NoRoom);
        }
        let limit = Limit { recipients, octets: self.places.octets_left(stream) };
        let claims = match dead {
            Some(dead) => self.store.claim_from_dead(epoch, dead, lane, limit).await?,
            None => self.store.claim(epoch, lane, limit).await?,
        };
        let suspects = match dead {
            Some(_) if !claims.is_empty() => self.dispatch.trials.suspects(&claims).await,
            _ => BTreeSet::new(),
        };
        Ok(if self.start(claims, &suspects) { Looked::Claimed } else { Looked::Nothing })
    }

    /// Takes over what dead engines had claimed, a claim from each lane.
    async fn take_over(&self, round: &mut Round, epoch: Epoch) -> Result<(), StoreError> {
        if round.bury_at <= Instant::now() {
            round.bury_at = Instant::now() + self.pace.takeover;
            self.bury(epoch).await?;
            let dead = self.store.dead_epochs().await?;
            round.dead = Lane::ALL.into_iter().flat_map(|lane| dead.iter().map(move |&dead| (dead, lane))).collect();
        }
        let mut left = Vec::new();
        for (dead, lane) in std::mem::take(&mut round.dead) {
            let looked = self.claim(epoch, lane, Some(dead)).await?;
            round.goes_on |= looked == Looked::Claimed;
            if looked != Looked::Nothing {
                left.push((dead, lane));
            }
        }
        round.dead = left;
        Ok(())
    }

    /// Finds engines dead that have been silent for long, while we have not.
    async fn bury(&self, epoch: Epoch) -> Result<(), StoreError> {
        if self.gate.is_steady(self.pace.steady) {
            let buried = self.store.bury_epochs(epoch).await?;
            if buried > 0 {
                tracing::warn!(buried, "engines fell silent; what they held is taken over");
            }
        }
        Ok(())
    }

    /// Starts what was claimed, if anything was.
    fn start(&self, claims: Vec<Claim>, suspects: &BTreeSet<Id>) -> bool {
        let any = !claims.is_empty();
        for claim in claims {
            let place = self.places.admit(claim.message.id, claim.message.stream, claim.body.len());
            let suspect = suspects.contains(&claim.message.id);
            self.dispatch.start(claim, place, suspect);
        }
        any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::delivery::boottime::Boottime;
    use crate::delivery::client::deadlines::Deadlines;
    use crate::delivery::fixture;
    use crate::delivery::ledger::Ledger;
    use crate::delivery::route::Routes;
    use crate::delivery::trial::Trials;
    use crate::model::message::{Body, Message};
    use crate::shutdown::Shutdown;
    use crate::store::Location;
    use crate::store::accept::{Acceptance, NewRecipient};

    /// A feeder with so many places on a store of its own, whose engine captures all mail; and its epoch.
    async fn feeder(location: &Location, places: usize) -> (Feeder, Epoch) {
        let (config, pace, clock) = (Config::defaults(), Pace::default(), Clock::System);
        let store = Store::open(location, clock.clone()).await.unwrap();
        let gate = Arc::new(Gate::new(Boottime::manual()));
        let routes = Routes::new(&config, &[], Deadlines::default(), &pace, &store, clock.clone()).unwrap();
        let ledger = Ledger::new(store.clone(), gate.clone(), pace.clone(), Shutdown::default());
        let trials = Trials::new(store.clone(), routes.attempts().clone(), None);
        let dispatch = Dispatch::new(routes, &config, &pace, gate.clone(), ledger, trials, clock.clone());
        let epoch = store.open_epoch("test").await.unwrap();
        gate.begin(epoch, gate.now());
        let (places, bell) = (Arc::new(Places::new(places)), Arc::default());
        (Feeder { store, gate, places, bell, dispatch: Arc::new(dispatch), clock, pace }, epoch)
    }

    fn broadcast(team: Id) -> Acceptance {
        let message = Message { team, stream: Stream::Broadcast, recipients: 1, ..fixture::message(Clock::System.now()) };
        let path = fixture::claim(Stream::Broadcast, 0, 0).recipients.remove(0).path;
        let recipients = vec![NewRecipient { path, rejected: None }];
        let body = Body::free(&b"a: b\r\n"[..]);
        Acceptance { message: Arc::new(message), body, recipients, idempotency: None, quirks: Vec::new() }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_lane_that_holds_more_is_claimed_from_once_a_turn() {
        let folder = tempfile::tempdir().unwrap();
        let (feeder, epoch) = feeder(&Location::Sqlite(folder.path().join("book.db")), 4000).await;
        let team = feeder.store.create_team("t").await.unwrap().id;
        let accepted = feeder.store.accept_all((0..3 * CLAIM_MAX).map(|_| broadcast(team)).collect()).await;
        assert!(accepted.iter().all(Result::is_ok));
        let mut round = Round::new(&feeder.pace);
        let rest = feeder.round(&mut round, epoch).await.unwrap();
        let left = feeder.store.claim(epoch, Lane::FreshBroadcast, 10 * CLAIM_MAX).await.unwrap();
        assert_eq!((left.len(), rest), (2 * CLAIM_MAX, Duration::ZERO), "the next turn begins at once");
        assert!(feeder.round(&mut round, epoch).await.unwrap() > Duration::ZERO, "there is no more");
    }
}
