//! What waits for one destination, and who works there.

mod burden;
#[cfg(test)]
mod burden_tests;
mod room;
mod state;
#[cfg(test)]
mod tests;

use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use crate::clock::Timestamp;
use crate::config::shape::RECIPIENTS_AT_MOST;
use crate::delivery::gate::Gate;
use crate::delivery::parcel::Parcel;
use crate::delivery::shape::Limits;
use crate::delivery::shape::manner::{Manner, Sign};
use crate::delivery::shape::slots::Share;
use crate::id::Id;
use crate::model::outcome::Reply;
use crate::model::stream::Stream;
use crate::store::claim::Lane;
use room::Obstacle;
use state::State;
pub use state::{order, stream_of};

/// One destination's queue. Runners, each with a connection of its own, take from it as its manner allows.
#[derive(Debug)]
pub struct Queue {
    /// What finds no room is put off; else everything has room, and failures to reach the destination suspend nothing.
    bounded: bool,
    idle_after: Duration,
    state: Mutex<State>,
    pushed: Notify,
}

/// What became of a parcel that was brought.
#[derive(Debug)]
pub enum Pushed {
    /// It waits, and another runner is needed, which counts already.
    Starts,
    /// It waits for those who run.
    Waits,
    /// There is no room for all: this one is to come again, which may be another one that made way.
    NoRoom(Box<Parcel>, PutOff),
}

/// When to bring it again, and what it waits for, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutOff {
    pub wait: Duration,
    pub why: String,
    /// Nothing is tried there at all, because of this; without, its turn will come, however long that takes.
    pub suspended: Option<Reply>,
}

/// What a runner finds.
enum Found {
    Parcel(Parcel),
    Nothing,
    /// Something, but not yet.
    Later(Instant),
    /// There are more runners than the destination is to have.
    TooMany,
}

impl Queue {
    /// The queue of a destination out there, within `limits` of which `share` is this engine's.
    pub fn bounded(limits: Limits, share: Share, idle_after: Duration) -> Self {
        let manner = Manner::new(limits, share, Instant::now());
        Self { bounded: true, idle_after, state: Mutex::new(State::new(manner)), pushed: Notify::new() }
    }

    /// A queue of ours, or of the smarthost that takes everything, that at most `runners` work on; everything has room there.
    pub fn unbounded(runners: usize, idle_after: Duration) -> Self {
        Self { bounded: false, ..Self::of_relay(runners, idle_after) }
    }

    /// The queue of a smarthost that is one way among several.
    pub fn of_relay(runners: usize, idle_after: Duration) -> Self {
        let connections = u32::try_from(runners.max(1)).unwrap_or(u32::MAX);
        let limits = Limits {
            connections,
            transactional_connections: connections / 4,
            messages_per_connection: u32::MAX,
            rate: None,
            recipients_per_message: RECIPIENTS_AT_MOST,
        };
        Self::bounded(limits, Share::whole(connections), idle_after)
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// This engine's share of the connections has changed.
    pub fn share(&self, share: impl FnOnce(&Limits) -> Share) {
        self.with(|state| {
            let limits = *state.manner.limits();
            state.manner.set(limits, share(&limits));
        });
        self.pushed.notify_waiters();
    }

    /// Brings a parcel. `wall` is the time by the clock, for words.
    pub fn push(&self, parcel: Parcel, wall: Timestamp) -> Pushed {
        let pushed = self.with(|state| {
            let now = Instant::now();
            let Some(obstacle) = state.obstacle(&parcel, now).filter(|_| self.bounded) else {
                state.add(parcel);
                return if state.wants_runner() { Pushed::Starts } else { Pushed::Waits };
            };
            let goes = match state.make_way(&parcel, obstacle) {
                Some(other) => {
                    state.add(parcel);
                    other
                }
                None => parcel,
            };
            let put_off = state.put_off(&goes, obstacle, now, wall);
            Pushed::NoRoom(Box::new(goes), put_off)
        });
        self.pushed.notify_one();
        pushed
    }

    /// The suspect `message` has been out for long enough, or is done: the next one may go. True: another runner is needed, which counts
    /// already.
    pub fn move_file_on(&self, message: Id) -> bool {
        let wanted = self.with(|state| {
            state.back_in_file(message);
            state.wants_runner()
        });
        self.pushed.notify_one();
        wanted
    }

    /// The next parcel to attempt, as soon as the gate is open; parcels of an epoch that is over are dropped. `None`: the runner's
    /// work is done; it counts until it is [gone](Self::gone).
    pub async fn next(&self, gate: &Gate) -> Option<Parcel> {
        self.with(|state| state.idle += 1);
        loop {
            let (pushed, changed) = (self.pushed.notified(), gate.changed());
            tokio::pin!(pushed, changed);
            changed.as_mut().enable();
            let (patience, for_work) = match self.take(gate) {
                Found::Parcel(parcel) => return Some(parcel),
                Found::TooMany => return None,
                Found::Nothing => (self.idle_after, true),
                Found::Later(at) => (at.saturating_duration_since(Instant::now()), false),
            };
            let woken = timeout(patience, async {
                tokio::select! { () = pushed => {}, () = changed => {} }
            })
            .await;
            let leaves = (woken.is_err() && for_work) || gate.is_draining();
            if leaves && self.leave(gate) {
                return None;
            }
        }
    }

    /// What there is for a runner that counted as idle.
    fn take(&self, gate: &Gate) -> Found {
        let Some(epoch) = gate.open() else { return Found::Nothing };
        self.with(|state| {
            loop {
                match self.pop(state) {
                    Found::Parcel(parcel) if parcel.claim.epoch != epoch => {
                        state.idle += 1;
                        state.done(&parcel);
                    }
                    Found::Parcel(parcel) => {
                        state.manner.sends(Instant::now());
                        return Found::Parcel(parcel);
                    }
                    found => return found,
                }
            }
        })
    }

    fn pop(&self, state: &mut State) -> Found {
        if state.staying() > state.connections() {
            state.leaving += 1;
            state.idle -= 1;
            return Found::TooMany;
        }
        let broadcast_may = state.broadcasting < state.manner.connections_for(Stream::Broadcast) as usize;
        let may = |lane: &Lane| broadcast_may || stream_of(*lane) == Stream::Transactional;
        let waits = |lane: &Lane| !state.lanes[*lane as usize].is_empty();
        let lane = order(state.turn).into_iter().find(|lane| may(lane) && waits(lane));
        let suspect = state.next_of_file(broadcast_may);
        if lane.is_none() && suspect.is_none() {
            return Found::Nothing;
        }
        if let Err(wait) = state.manner.may_send(Instant::now()) {
            return wait.until.map_or(Found::Nothing, Found::Later);
        }
        let parcel = match (suspect, lane) {
            (Some(message), _) => state.pop_file(message),
            (None, Some(lane)) => state.lanes[lane as usize].pop(),
            (None, None) => None,
        };
        let Some(parcel) = parcel else { return Found::Nothing };
        state.turn += 1;
        state.idle -= 1;
        // Two wake-ups that find nobody listening yet become one: whoever takes something passes the word on.
        if state.idle > 0 && state.waiting() > 0 {
            self.pushed.notify_one();
        }
        state.broadcasting += usize::from(parcel.stream() == Stream::Broadcast);
        Found::Parcel(parcel)
    }

    /// When MAIL may be said for a parcel that was taken from here; `None`: at once. It was taken at its pace, but what waited since for
    /// the same thing comes together.
    pub fn departs(&self) -> Option<Instant> {
        let now = Instant::now();
        Some(self.with(|state| state.manner.departs(now))).filter(|moment| *moment > now)
    }

    /// Ends an idle runner, unless something waits that it could do once the gate opens.
    fn leave(&self, gate: &Gate) -> bool {
        self.with(|state| {
            if state.waiting() > 0 && !gate.is_draining() {
                return false;
            }
            state.idle -= 1;
            state.leaving += 1;
            true
        })
    }

    /// A runner that left has ended its connection, and counts no more: the destination may count connections. True: another runner is
    /// needed, which counts already.
    pub fn gone(&self) -> bool {
        self.with(|state| {
            state.leaving -= 1;
            state.runners -= 1;
            state.wants_runner()
        })
    }

    /// The runner's attempt at the parcel, begun at `began`, is over. True: another runner is needed, which counts already.
    pub fn done(&self, parcel: &Parcel, sign: Option<Sign<'_>>, began: Instant) -> bool {
        self.with(|state| {
            state.done(parcel);
            if let Some(sign) = sign.filter(|sign| self.bounded || !matches!(sign, Sign::Unreachable(_) | Sign::Refused(_))) {
                state.manner.heed(parcel.demand(), sign, began, Instant::now(), rand::random());
            }
            // The runner that is done takes something itself.
            state.waiting() > state.idle + 1 && state.wants_runner()
        })
    }

    /// A runner panicked, and counts no more; nor does what it had in hand: its stream, and which suspect it is. True: another runner is
    /// needed, which counts already.
    pub fn fell(&self, in_hand: Option<(Stream, Option<Id>)>) -> bool {
        self.with(|state| {
            state.runners -= 1;
            if let Some((stream, suspect)) = in_hand {
                state.no_longer_in_hand(stream, suspect);
            }
            state.wants_runner()
        })
    }

    /// The next hop turned this runner's connection away while it serves others: the parcel goes back to the front, the runner
    /// leaves (it counts until it is [gone](Self::gone)), and no further one comes for a while. The parcel comes back when there are no others.
    pub fn turned_away(&self, parcel: Parcel) -> Option<Parcel> {
        let back = self.with(|state| {
            if state.staying() <= 1 {
                return Some(parcel);
            }
            state.done(&parcel);
            match parcel.suspect {
                true => state.file.push_front(parcel),
                false => state.lanes[parcel.lane() as usize].give_back(parcel),
            }
            state.leaving += 1;
            state.admit_no_more();
            None
        });
        if back.is_none() {
            self.pushed.notify_one();
        }
        back
    }

    /// What waits though the destination takes no such mail for now, each with when to bring it again.
    pub fn put_off(&self, wall: Timestamp) -> Vec<(Parcel, PutOff)> {
        self.with(|state| {
            let now = Instant::now();
            if !self.bounded || (state.manner.connections() > 0 && !state.manner.is_suspended(now)) {
                return Vec::new();
            }
            let waiting = state.take_out(|manner, parcel| room::closed(manner, parcel.demand(), now).is_some());
            waiting
                .into_iter()
                .map(|parcel| {
                    let obstacle = room::closed(&state.manner, parcel.demand(), now).unwrap_or(Obstacle::Elsewhere);
                    let put_off = state.put_off(&parcel, obstacle, now, wall);
                    (parcel, put_off)
                })
                .collect()
        })
    }

    /// Whether nobody works here, nothing waits, and nothing is remembered of it that matters.
    pub fn is_idle(&self) -> bool {
        self.with(|state| state.runners == 0 && state.waiting() == 0 && state.manner.is_at_its_best(Instant::now()))
    }

    /// Everything that waits, to be given back.
    pub fn empty(&self) -> Vec<Parcel> {
        self.with(|state| state.take_out(|_, _| true))
    }
}
