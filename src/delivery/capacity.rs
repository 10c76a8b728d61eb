//! How many of one kind may be under way at once, so that those that last hold up nothing else.
//!
//! Broadcast can't take the last quarter. What lasts longer than is usual makes room for another, up to as many again: some dozens of peers
//! that take all the time they are given are no reason for others to wait.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::model::stream::Stream;

/// So many at once. Clones share them.
#[derive(Clone, Debug)]
pub struct Capacity {
    most: u32,
    patience: Duration,
    all: Arc<Semaphore>,
    broadcast: Arc<Semaphore>,
    lasting: Arc<Semaphore>,
}

/// One that is under way, until it is dropped.
#[derive(Debug)]
pub struct Underway {
    /// From here on it lasts.
    long_from: Instant,
    lasting: Arc<Semaphore>,
    held: Held,
}

#[derive(Debug)]
enum Held {
    Usual { _all: Option<OwnedSemaphorePermit>, _broadcast: Option<OwnedSemaphorePermit> },
    Lasting { _permit: Option<OwnedSemaphorePermit> },
}

/// All others, none of which can begin while this lives.
#[derive(Debug)]
pub struct Rest {
    _all: Option<OwnedSemaphorePermit>,
    _lasting: Option<OwnedSemaphorePermit>,
}

impl Capacity {
    /// At most so many at once, one at least, and as many again that have lasted longer than `patience`.
    pub fn new(most: usize, patience: Duration) -> Self {
        let most = u32::try_from(most.max(1)).unwrap_or(u32::MAX);
        let semaphore = |permits: u32| Arc::new(Semaphore::new(permits as usize));
        let broadcast = semaphore((most - most / 4).max(1));
        Self { most, patience, all: semaphore(most), broadcast, lasting: semaphore(most) }
    }

    /// How many more may begin now.
    pub fn free(&self) -> usize {
        self.all.available_permits()
    }

    /// Waits until another may begin. The semaphores are never closed.
    pub async fn enter(&self, stream: Stream) -> Underway {
        let broadcast = match stream {
            Stream::Broadcast => self.broadcast.clone().acquire_owned().await.ok(),
            Stream::Transactional => None,
        };
        let all = self.all.clone().acquire_owned().await.ok();
        self.begins(Held::Usual { _all: all, _broadcast: broadcast })
    }

    /// Waits until one may begin alone: no other is under way while the second value lives.
    pub async fn enter_alone(&self) -> (Underway, Rest) {
        let lasting = self.lasting.clone().acquire_many_owned(self.most).await.ok();
        let mut all = self.all.clone().acquire_many_owned(self.most).await.ok();
        let own = all.as_mut().and_then(|all| all.split(1));
        (self.begins(Held::Usual { _all: own, _broadcast: None }), Rest { _all: all, _lasting: lasting })
    }

    fn begins(&self, held: Held) -> Underway {
        Underway { long_from: Instant::now() + self.patience, lasting: self.lasting.clone(), held }
    }
}

impl Underway {
    /// Awaits what it is for. Once it lasts, it makes room for another, as soon as not too many do.
    pub async fn through<F: Future>(&mut self, work: F) -> F::Output {
        self.through_telling(work, || {}).await
    }

    /// The same; `made_room` is called when it has.
    pub async fn through_telling<F: Future>(&mut self, work: F, made_room: impl FnOnce()) -> F::Output {
        let mut work = pin!(work);
        if matches!(self.held, Held::Lasting { .. }) {
            return work.await;
        }
        if let Ok(done) = timeout_at(self.long_from, &mut work).await {
            return done;
        }
        tokio::select! {
            done = &mut work => return done,
            permit = self.lasting.clone().acquire_owned() => self.held = Held::Lasting { _permit: permit.ok() },
        }
        made_room();
        work.await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use tokio::task::JoinSet;
    use tokio::time::timeout;

    const PATIENCE: Duration = Duration::from_secs(15);

    /// So many that never end.
    async fn endless(capacity: &Capacity, stream: Stream, count: usize) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        for _ in 0..count {
            let mut underway = capacity.enter(stream).await;
            tasks.spawn(async move { underway.through(pending()).await });
        }
        tasks
    }

    async fn enters(capacity: &Capacity, stream: Stream, within: Duration) -> Option<Underway> {
        timeout(within, capacity.enter(stream)).await.ok()
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_last_make_room_for_as_many_again_and_no_more() {
        let capacity = Capacity::new(4, PATIENCE);
        let first = endless(&capacity, Stream::Transactional, 4).await;
        assert!(enters(&capacity, Stream::Transactional, PATIENCE / 2).await.is_none(), "they are not late yet");
        let began = Instant::now();
        let second = endless(&capacity, Stream::Transactional, 4).await;
        assert!(began.elapsed() <= PATIENCE);
        assert!(enters(&capacity, Stream::Transactional, 10 * PATIENCE).await.is_none(), "not as many as ever come");
        drop(first);
        assert!(
            enters(&capacity, Stream::Transactional, PATIENCE).await.is_some(),
            "one of the second takes the place of one of the first"
        );
        drop(second);
        assert!(enters(&capacity, Stream::Transactional, Duration::ZERO).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn broadcast_leaves_a_quarter_to_others_and_makes_room_among_its_own() {
        let capacity = Capacity::new(4, PATIENCE);
        let held = endless(&capacity, Stream::Broadcast, 3).await;
        assert!(enters(&capacity, Stream::Broadcast, PATIENCE / 2).await.is_none());
        let other = enters(&capacity, Stream::Transactional, Duration::ZERO).await;
        assert!(other.is_some(), "the last quarter");
        assert!(enters(&capacity, Stream::Broadcast, PATIENCE).await.is_some());
        drop(held);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_alone_beside_one_that_lasts() {
        let capacity = Capacity::new(4, PATIENCE);
        let lasting = endless(&capacity, Stream::Transactional, 1).await;
        tokio::time::sleep(2 * PATIENCE).await;
        assert!(timeout(PATIENCE, capacity.enter_alone()).await.is_err());
        drop(lasting);
        let alone = timeout(PATIENCE, capacity.enter_alone()).await.expect("nobody else is under way");
        assert!(enters(&capacity, Stream::Transactional, PATIENCE).await.is_none());
        drop(alone.1);
        assert!(enters(&capacity, Stream::Transactional, PATIENCE).await.is_some());
    }
}
