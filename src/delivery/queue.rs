//! What waits for one destination, and who works there.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use crate::delivery::gate::Gate;
use crate::delivery::places::Place;
use crate::model::stream::Stream;
use crate::store::claim::Lane;
use crate::store::handover::Claim;

/// A claim, or the part of one that goes to one destination, with its place.
#[derive(Debug)]
pub struct Parcel {
    pub claim: Claim,
    pub place: Arc<Place>,
}

impl Parcel {
    fn stream(&self) -> Stream {
        self.claim.message.stream
    }

    fn lane(&self) -> Lane {
        let fresh = self.claim.recipients.iter().all(|recipient| recipient.attempts == 0);
        match (self.stream(), fresh) {
            (Stream::Transactional, true) => Lane::FreshTransactional,
            (Stream::Transactional, false) => Lane::RetriedTransactional,
            (Stream::Broadcast, true) => Lane::FreshBroadcast,
            (Stream::Broadcast, false) => Lane::RetriedBroadcast,
        }
    }
}

/// The order in which lanes are served at a turn: fresh before retried and transactional before broadcast, but nobody starves.
/// Broadcast goes first at a tenth of the turns, and what is retried at another.
pub fn order(turn: u64) -> [Lane; 4] {
    use Lane::{FreshBroadcast, FreshTransactional, RetriedBroadcast, RetriedTransactional};
    match turn % 10 {
        4 => [RetriedTransactional, FreshTransactional, RetriedBroadcast, FreshBroadcast],
        9 => [FreshBroadcast, RetriedBroadcast, FreshTransactional, RetriedTransactional],
        _ => Lane::ALL,
    }
}

/// One destination's queue. Runners, each with a connection of its own, take from it.
#[derive(Debug)]
pub struct Queue {
    runners_max: usize,
    idle_after: Duration,
    state: Mutex<State>,
    pushed: Notify,
}

#[derive(Debug)]
struct State {
    lanes: [VecDeque<Parcel>; 4],
    turn: u64,
    runners: usize,
    /// Runners that wait for work.
    idle: usize,
    /// Runners that carry broadcast mail.
    broadcasting: usize,
    /// Runners that the next hop lets in: less than `runners_max` for a while after it turned one away.
    admitted: usize,
    readmit_at: Option<Instant>,
}

/// After the next hop turned a connection away while it served others, for so long no further one is tried.
const READMIT_AFTER: Duration = Duration::from_secs(30);

impl Queue {
    /// A queue that at most `runners_max` work on, and leave when there was nothing to do for `idle_after`.
    pub fn new(runners_max: usize, idle_after: Duration) -> Self {
        let runners_max = runners_max.max(1);
        let state = State {
            lanes: Default::default(),
            turn: 0,
            runners: 0,
            idle: 0,
            broadcasting: 0,
            admitted: runners_max,
            readmit_at: None,
        };
        Self { runners_max, idle_after, state: Mutex::new(state), pushed: Notify::new() }
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Adds a parcel. True: the caller starts another runner, which counts already.
    pub fn push(&self, parcel: Parcel) -> bool {
        let wanted = self.with(|state| {
            state.lanes[parcel.lane() as usize].push_back(parcel);
            self.wants_runner(state)
        });
        self.pushed.notify_one();
        wanted
    }

    fn wants_runner(&self, state: &mut State) -> bool {
        if state.readmit_at.is_some_and(|at| at <= Instant::now()) {
            (state.admitted, state.readmit_at) = (self.runners_max, None);
        }
        let waiting: usize = state.lanes.iter().map(VecDeque::len).sum();
        let wanted = waiting > state.idle && state.runners < state.admitted;
        state.runners += usize::from(wanted);
        wanted
    }

    /// The next parcel to attempt, as soon as the gate is open; parcels of an epoch that is over are dropped. `None`: the runner's
    /// work is done, and it no longer counts.
    pub async fn next(&self, gate: &Gate) -> Option<Parcel> {
        self.with(|state| state.idle += 1);
        loop {
            let (pushed, changed) = (self.pushed.notified(), gate.changed());
            tokio::pin!(pushed, changed);
            changed.as_mut().enable();
            if let Some(parcel) = self.take(gate) {
                return Some(parcel);
            }
            let woken = timeout(self.idle_after, async {
                tokio::select! { () = pushed => {}, () = changed => {} }
            })
            .await;
            let leaves = woken.is_err() || gate.is_draining();
            if leaves && self.leave(gate) {
                return None;
            }
        }
    }

    /// A parcel for a runner that counted as idle.
    fn take(&self, gate: &Gate) -> Option<Parcel> {
        let epoch = gate.open()?;
        loop {
            let parcel = self.with(|state| self.pop(state))?;
            if parcel.claim.epoch == epoch {
                return Some(parcel);
            }
            self.with(|state| {
                state.idle += 1;
                state.broadcasting -= usize::from(parcel.stream() == Stream::Broadcast);
            });
        }
    }

    fn pop(&self, state: &mut State) -> Option<Parcel> {
        // Broadcast can't take the last quarter of the connections, either.
        let broadcast_may = state.broadcasting < (self.runners_max - self.runners_max / 4).max(1);
        let lanes = order(state.turn);
        let parcel = lanes
            .into_iter()
            .filter(|lane| broadcast_may || matches!(lane, Lane::FreshTransactional | Lane::RetriedTransactional))
            .find_map(|lane| state.lanes[lane as usize].pop_front())?;
        state.turn += 1;
        state.idle -= 1;
        state.broadcasting += usize::from(parcel.stream() == Stream::Broadcast);
        Some(parcel)
    }

    /// Ends an idle runner, unless something waits that it could do once the gate opens.
    fn leave(&self, gate: &Gate) -> bool {
        self.with(|state| {
            let waiting = state.lanes.iter().any(|lane| !lane.is_empty());
            if waiting && !gate.is_draining() {
                return false;
            }
            state.idle -= 1;
            state.runners -= 1;
            true
        })
    }

    /// The runner's attempt at a parcel of `stream` is over.
    pub fn done(&self, stream: Stream) {
        self.with(|state| state.broadcasting -= usize::from(stream == Stream::Broadcast));
    }

    /// The next hop turned this runner's connection away while it serves others: the parcel goes back to the front, the runner
    /// leaves, and no further one comes for a while. False (with the parcel): there are no others.
    pub fn turned_away(&self, parcel: Parcel) -> Result<(), Parcel> {
        self.with(|state| {
            if state.runners <= 1 {
                return Err(parcel);
            }
            state.broadcasting -= usize::from(parcel.stream() == Stream::Broadcast);
            state.lanes[parcel.lane() as usize].push_front(parcel);
            state.runners -= 1;
            state.admitted = state.runners;
            state.readmit_at = Some(Instant::now() + READMIT_AFTER);
            Ok(())
        })?;
        self.pushed.notify_one();
        Ok(())
    }

    /// Everything that waits, to be given back.
    pub fn empty(&self) -> Vec<Parcel> {
        self.with(|state| state.lanes.iter_mut().flat_map(std::mem::take).collect())
    }
}
