//! What waits for one destination, and who works there.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use crate::delivery::gate::Gate;
use crate::delivery::places::Place;
use crate::id::Id;
use crate::model::stream::Stream;
use crate::store::claim::Lane;
use crate::store::handover::Claim;

/// A claim, or the part of one that goes to one destination, with its place.
#[derive(Debug)]
pub struct Parcel {
    pub claim: Claim,
    pub place: Arc<Place>,
    /// Its process died with it, perhaps of it: it goes single file.
    pub suspect: bool,
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

/// The stream whose recipients are in the lane.
pub fn stream_of(lane: Lane) -> Stream {
    match lane {
        Lane::FreshTransactional | Lane::RetriedTransactional => Stream::Transactional,
        Lane::FreshBroadcast | Lane::RetriedBroadcast => Stream::Broadcast,
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
    /// Suspects, of which one at a time is let out.
    file: VecDeque<Parcel>,
    /// The one that is out.
    out_of_file: Option<Id>,
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
            file: VecDeque::new(),
            out_of_file: None,
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
            match parcel.suspect {
                true => state.file.push_back(parcel),
                false => state.lanes[parcel.lane() as usize].push_back(parcel),
            }
            self.wants_runner(state)
        });
        self.pushed.notify_one();
        wanted
    }

    /// The suspect `message` has been out for long enough, or is done: the next one may go. True: the caller starts another runner,
    /// which counts already.
    pub fn move_file_on(&self, message: Id) -> bool {
        let wanted = self.with(|state| {
            state.back_in_file(message);
            self.wants_runner(state)
        });
        self.pushed.notify_one();
        wanted
    }

    fn wants_runner(&self, state: &mut State) -> bool {
        if state.readmit_at.is_some_and(|at| at <= Instant::now()) {
            (state.admitted, state.readmit_at) = (self.runners_max, None);
        }
        let wanted = state.waiting() > state.idle && state.runners < state.admitted;
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
                state.done(&parcel);
            });
        }
    }

    fn pop(&self, state: &mut State) -> Option<Parcel> {
        // Broadcast can't take the last quarter of the connections, either.
        let broadcast_may = state.broadcasting < (self.runners_max - self.runners_max / 4).max(1);
        let lanes = order(state.turn);
        let served = lanes.into_iter().filter(|lane| broadcast_may || stream_of(*lane) == Stream::Transactional);
        let parcel = match state.pop_file(broadcast_may) {
            Some(suspect) => suspect,
            None => served.map(|lane| lane as usize).find_map(|lane| state.lanes[lane].pop_front())?,
        };
        state.turn += 1;
        state.idle -= 1;
        // Two wake-ups that find nobody listening yet become one: whoever takes something passes the word on.
        if state.idle > 0 && state.waiting() > 0 {
            self.pushed.notify_one();
        }
        state.broadcasting += usize::from(parcel.stream() == Stream::Broadcast);
        Some(parcel)
    }

    /// Ends an idle runner, unless something waits that it could do once the gate opens.
    fn leave(&self, gate: &Gate) -> bool {
        self.with(|state| {
            if state.waiting() > 0 && !gate.is_draining() {
                return false;
            }
            state.idle -= 1;
            state.runners -= 1;
            true
        })
    }

    /// The runner's attempt at the parcel is over.
    pub fn done(&self, parcel: &Parcel) {
        self.with(|state| state.done(parcel));
    }

    /// The next hop turned this runner's connection away while it serves others: the parcel goes back to the front, the runner
    /// leaves, and no further one comes for a while. False (with the parcel): there are no others.
    pub fn turned_away(&self, parcel: Parcel) -> Result<(), Parcel> {
        self.with(|state| {
            if state.runners <= 1 {
                return Err(parcel);
            }
            state.done(&parcel);
            match parcel.suspect {
                true => state.file.push_front(parcel),
                false => state.lanes[parcel.lane() as usize].push_front(parcel),
            }
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
        self.with(|state| state.lanes.iter_mut().chain([&mut state.file]).flat_map(std::mem::take).collect())
    }
}

impl State {
    /// Parcels that a runner could take now, as far as connections go.
    fn waiting(&self) -> usize {
        let lanes: usize = self.lanes.iter().map(VecDeque::len).sum();
        lanes + usize::from(self.out_of_file.is_none() && !self.file.is_empty())
    }

    fn pop_file(&mut self, broadcast_may: bool) -> Option<Parcel> {
        let first = self.file.front().filter(|first| broadcast_may || first.stream() == Stream::Transactional)?.claim.message.id;
        if self.out_of_file.is_some() {
            return None;
        }
        self.out_of_file = Some(first);
        self.file.pop_front()
    }

    /// A suspect that is no longer the one that is out changes nothing.
    fn back_in_file(&mut self, message: Id) {
        self.out_of_file.take_if(|out| *out == message);
    }

    fn done(&mut self, parcel: &Parcel) {
        self.broadcasting -= usize::from(parcel.stream() == Stream::Broadcast);
        if parcel.suspect {
            self.back_in_file(parcel.claim.message.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::boottime::Boottime;
    use crate::delivery::fixture;
    use crate::delivery::places::Places;
    use Stream::{Broadcast, Transactional};

    const EPOCH: i64 = 7;

    fn gate() -> Gate {
        let gate = Gate::new(Boottime::manual());
        gate.begin(EPOCH, gate.now());
        gate
    }

    fn parcel(stream: Stream, attempts: i64, epoch: i64) -> Parcel {
        let claim = fixture::claim(stream, attempts, epoch);
        let place = Arc::new(Places::new(1000)).admit(claim.message.id, stream, 1);
        Parcel { claim, place: Arc::new(place), suspect: false }
    }

    fn queue(runners: usize, parcels: impl IntoIterator<Item = Parcel>) -> Queue {
        let queue = Queue::new(runners, Duration::from_secs(5));
        parcels.into_iter().for_each(|parcel| {
            queue.push(parcel);
        });
        queue
    }

    async fn taken(queue: &Queue, gate: &Gate) -> Lane {
        let parcel = queue.next(gate).await.expect("a parcel");
        queue.done(&parcel);
        parcel.lane()
    }

    #[tokio::test]
    async fn a_reset_password_goes_before_a_hundred_newsletters() {
        let bulk = (0..100).map(|_| parcel(Broadcast, 0, EPOCH));
        let queue = queue(4, bulk.chain([parcel(Transactional, 3, EPOCH), parcel(Transactional, 0, EPOCH)]));
        let gate = gate();
        assert_eq!(taken(&queue, &gate).await, Lane::FreshTransactional);
        assert_eq!(taken(&queue, &gate).await, Lane::RetriedTransactional);
        assert_eq!(taken(&queue, &gate).await, Lane::FreshBroadcast);
    }

    #[tokio::test]
    async fn nobody_starves() {
        let all = [(Transactional, 0), (Transactional, 1), (Broadcast, 0), (Broadcast, 1)];
        let parcels = all.iter().flat_map(|&(stream, attempts)| (0..100).map(move |_| parcel(stream, attempts, EPOCH)));
        let (queue, gate) = (queue(4, parcels), gate());
        let mut counts = [0; 4];
        for _ in 0..100 {
            counts[taken(&queue, &gate).await as usize] += 1;
        }
        assert_eq!(counts, [80, 10, 10, 0]);
    }

    #[tokio::test]
    async fn broadcast_leaves_a_quarter_of_the_runners_to_others() {
        let queue = queue(4, (0..10).map(|_| parcel(Broadcast, 0, EPOCH)));
        let gate = gate();
        for _ in 0..3 {
            assert!(queue.next(&gate).await.is_some());
        }
        assert!(timeout(Duration::ZERO, queue.next(&gate)).await.is_err(), "a fourth has to wait");
        queue.push(parcel(Transactional, 0, EPOCH));
        assert!(queue.next(&gate).await.is_some_and(|parcel| parcel.stream() == Transactional));
    }

    #[tokio::test]
    async fn suspects_go_one_at_a_time_and_others_beside_them() {
        let suspect = || Parcel { suspect: true, ..parcel(Transactional, 0, EPOCH) };
        let (queue, gate) = (queue(4, [suspect(), suspect(), parcel(Transactional, 0, EPOCH)]), gate());
        let first = queue.next(&gate).await.expect("a suspect");
        let other = queue.next(&gate).await.expect("a parcel");
        assert!(first.suspect && !other.suspect);
        assert!(timeout(Duration::ZERO, queue.next(&gate)).await.is_err(), "the second waits for the first");
        queue.move_file_on(first.claim.message.id);
        let second = queue.next(&gate).await.expect("the next suspect");
        queue.done(&first);
        queue.push(suspect());
        assert!(timeout(Duration::ZERO, queue.next(&gate)).await.is_err(), "the first is not the one that is out any more");
        queue.done(&second);
        assert!(queue.next(&gate).await.is_some_and(|parcel| parcel.suspect));
    }

    #[tokio::test]
    async fn what_was_claimed_under_a_dead_epoch_is_dropped() {
        let (queue, gate) = (queue(4, [parcel(Transactional, 0, EPOCH - 1), parcel(Transactional, 0, EPOCH)]), gate());
        assert_eq!(queue.next(&gate).await.map(|parcel| parcel.claim.epoch), Some(EPOCH));
        assert!(queue.empty().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_runner_leaves_after_a_while_but_never_from_waiting_mail() {
        let (queue, gate) = (queue(4, []), Arc::new(gate()));
        assert!(queue.push(parcel(Transactional, 0, EPOCH)), "a runner is wanted");
        assert!(queue.next(&gate).await.is_some() && queue.next(&gate).await.is_none());
        let stall = gate.stall();
        assert!(queue.push(parcel(Transactional, 0, EPOCH)), "another is wanted, since the first left");
        assert!(timeout(Duration::from_secs(3600), queue.next(&gate)).await.is_err(), "it waits for the gate");
        drop(stall);
    }

    #[tokio::test]
    async fn runners_come_as_they_are_needed_and_no_more() {
        let queue = queue(3, []);
        let wanted: Vec<bool> = (0..5).map(|_| queue.push(parcel(Transactional, 0, EPOCH))).collect();
        assert_eq!(wanted, [true, true, true, false, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_lets_in_two_is_not_asked_for_a_third_for_a_while() {
        let queue = queue(3, []);
        let gate = gate();
        (0..3).for_each(|_| assert!(queue.push(parcel(Transactional, 0, EPOCH))));
        let refused = queue.next(&gate).await.expect("a parcel");
        assert!(queue.turned_away(refused).is_ok());
        assert!(!queue.push(parcel(Transactional, 0, EPOCH)));
        tokio::time::advance(READMIT_AFTER).await;
        assert!(queue.push(parcel(Transactional, 0, EPOCH)));
    }
}
