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
    /// Streams that are known to have more than there was room for.
    more: [bool; 2],
    /// Lanes of dead engines that may still hold something.
    dead: Vec<(Epoch, Lane)>,
    bury_at: Instant,
    sweep_at: Instant,
    poll_at: Instant,
}

impl Feeder {
    /// Feeds the engine until closing begins.
    pub async fn run(self) {
        let now = Instant::now();
        let mut round =
            Round { turn: 0, more: [true; 2], dead: Vec::new(), bury_at: now, sweep_at: now + self.pace.sweep, poll_at: now };
        while !self.gate.is_draining() {
            let rest = match self.gate.open() {
                Some(epoch) => self.round(&mut round, epoch).await.unwrap_or_else(|failure| {
                    tracing::warn!(%failure, "what waits can't be read from the store");
                    self.pace.poll
                }),
                None => self.pace.poll,
            };
            self.rest(rest).await;
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

    /// Everything that is due now. Returns how long to rest.
    async fn round(&self, round: &mut Round, epoch: Epoch) -> Result<Duration, StoreError> {
        self.take_over(round, epoch).await?;
        if round.sweep_at <= Instant::now() {
            round.sweep_at = Instant::now() + self.pace.sweep;
            let freed = self.store.sweep(epoch).await?;
            if freed > 0 {
                tracing::warn!(freed, "claims that nobody held went back into the queue");
            }
        }
        for stream in Stream::ALL {
            round.more[stream as usize] |= self.bell.answer(stream);
        }
        let mut rest = self.pace.poll;
        if round.poll_at <= Instant::now() {
            let due = self.store.next_due().await?.map(|at| at.since(self.clock.now()));
            round.more = if due == Some(Duration::ZERO) { [true; 2] } else { round.more };
            rest = due.filter(|wait| !wait.is_zero()).map_or(rest, |wait| wait.min(rest));
            round.poll_at = Instant::now() + rest;
        }
        self.fill(round, epoch).await?;
        Ok(rest.min(round.poll_at.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))))
    }

    /// Claims lane after lane while there is room.
    async fn fill(&self, round: &mut Round, epoch: Epoch) -> Result<(), StoreError> {
        if round.more == [false; 2] {
            return Ok(());
        }
        round.turn += 1;
        let mut more = [false; 2];
        for lane in order(round.turn) {
            let stream = stream_of(lane);
            if round.more[stream as usize] {
                more[stream as usize] |= self.drain_lane(epoch, lane, None).await?;
            }
        }
        round.more = more;
        Ok(())
    }

    /// Claims from one lane, of what is ready or of what a dead engine left. True: it may hold more than there was room for.
    async fn drain_lane(&self, epoch: Epoch, lane: Lane, dead: Option<Epoch>) -> Result<bool, StoreError> {
        while self.gate.open() == Some(epoch) {
            let stream = stream_of(lane);
            let recipients = self.places.claimable(stream).min(CLAIM_MAX);
            if recipients == 0 {
                return Ok(true);
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
            if self.start(claims, &suspects) == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes over what dead engines had claimed, each lane as far as there is room for it.
    async fn take_over(&self, round: &mut Round, epoch: Epoch) -> Result<(), StoreError> {
        if round.bury_at <= Instant::now() {
            round.bury_at = Instant::now() + self.pace.takeover;
            self.bury(epoch).await?;
            let dead = self.store.dead_epochs().await?;
            round.dead = Lane::ALL.into_iter().flat_map(|lane| dead.iter().map(move |&dead| (dead, lane))).collect();
        }
        let mut left = Vec::new();
        for (dead, lane) in std::mem::take(&mut round.dead) {
            if self.drain_lane(epoch, lane, Some(dead)).await? {
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

    /// Starts what was claimed. Returns how many recipients that were.
    fn start(&self, claims: Vec<Claim>, suspects: &BTreeSet<Id>) -> usize {
        let mut recipients = 0;
        for claim in claims {
            recipients += claim.recipients.len();
            let place = self.places.admit(claim.message.id, claim.message.stream, claim.body.len());
            let suspect = suspects.contains(&claim.message.id);
            self.dispatch.start(claim, place, suspect);
        }
        recipients
    }
}
