//! What waits while the last batch is being written: the queue that makes commits shared.
//!
//! A lone item does not wait for company. A batch is whatever has gathered by the time a worker is free, within bounds. While one worker
//! is at work another joins in only when so much waits that two batches are no smaller for it: of two small commits each costs a sync.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, Semaphore};

/// Items waiting for a worker; clones share the queue. Bounded: who adds to a full queue waits.
#[derive(Debug)]
pub(super) struct Gather<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Clone for Gather<T> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

#[derive(Debug)]
struct Shared<T> {
    waiting: Mutex<Waiting<T>>,
    room: Semaphore,
    arrived: Notify,
    /// So many items must wait before a second worker joins in.
    crowd: usize,
}

#[derive(Debug)]
struct Waiting<T> {
    items: VecDeque<(usize, T)>,
    closed: bool,
    at_work: usize,
}

impl<T> Waiting<T> {
    fn wants_a_worker(&self, crowd: usize) -> bool {
        !self.items.is_empty() && (self.at_work == 0 || self.items.len() >= crowd || self.closed)
    }
}

/// Who takes batches; from one to the next it counts as being at work.
#[derive(Debug)]
pub(super) struct Worker<T> {
    shared: Arc<Shared<T>>,
    at_work: bool,
}

/// How much one batch may hold. A single item that is larger goes alone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub items: usize,
    pub octets: usize,
}

impl<T> Gather<T> {
    /// A queue that holds at most `room` items, and makes one worker do until a `crowd` of them waits.
    pub fn new(room: usize, crowd: usize) -> Self {
        let waiting = Mutex::new(Waiting { items: VecDeque::new(), closed: false, at_work: 0 });
        Self { shared: Arc::new(Shared { waiting, room: Semaphore::new(room), arrived: Notify::new(), crowd }) }
    }

    /// A worker, not at work yet.
    pub fn worker(&self) -> Worker<T> {
        Worker { shared: self.shared.clone(), at_work: false }
    }

    /// Adds an item of so many octets, waiting for room. False: the queue is closed, and the item is dropped.
    pub async fn add(&self, octets: usize, item: T) -> bool {
        let Ok(permit) = self.shared.room.acquire().await else { return false };
        permit.forget();
        self.put(octets, item)
    }

    /// Adds an item when there is room for it now.
    pub fn try_add(&self, octets: usize, item: T) -> bool {
        let Ok(permit) = self.shared.room.try_acquire() else { return false };
        permit.forget();
        self.put(octets, item)
    }

    /// Adds items that come together, each with its octets, so that one worker finds all of them. Waits until there is room for all,
    /// which there must be in an empty queue.
    pub async fn add_all(&self, items: Vec<(usize, T)>) -> bool {
        let places = u32::try_from(items.len()).unwrap_or(u32::MAX);
        let Ok(permits) = self.shared.room.acquire_many(places).await else { return false };
        permits.forget();
        self.put_all(items)
    }

    fn put(&self, octets: usize, item: T) -> bool {
        self.put_all([(octets, item)])
    }

    fn put_all(&self, items: impl IntoIterator<Item = (usize, T)>) -> bool {
        let wanted = {
            let mut waiting = self.shared.waiting();
            if waiting.closed {
                return false;
            }
            waiting.items.extend(items);
            waiting.wants_a_worker(self.shared.crowd)
        };
        if wanted {
            self.shared.arrived.notify_one();
        }
        true
    }

    /// Takes nothing more; what waits is still handed out.
    pub fn close(&self) {
        self.shared.waiting().closed = true;
        self.shared.room.close();
        self.shared.arrived.notify_one();
    }
}

impl<T> Shared<T> {
    /// A panic elsewhere cannot leave the queue half changed: every change is a single step.
    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting<T>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Worker<T> {
    /// The next batch, in the order of arrival; `None` when the queue is closed and empty. The batch before it is done.
    pub async fn batch(&mut self, bounds: Bounds) -> Option<Vec<T>> {
        let shared = self.shared.clone();
        loop {
            // Registered before looking, so that what arrives in between is not missed.
            let arrived = shared.arrived.notified();
            let (batch, more, closed) = self.take(bounds);
            if !batch.is_empty() {
                shared.room.add_permits(batch.len());
                if more {
                    shared.arrived.notify_one();
                }
                return Some(batch);
            }
            if closed {
                // Wake the next worker, that it ends too.
                shared.arrived.notify_one();
                return None;
            }
            arrived.await;
        }
    }

    /// The batch, whether another worker is wanted for what is left, and whether the queue is closed.
    fn take(&mut self, bounds: Bounds) -> (Vec<T>, bool, bool) {
        let mut waiting = self.shared.waiting();
        waiting.at_work -= usize::from(std::mem::take(&mut self.at_work));
        let (mut batch, mut octets) = (Vec::new(), 0);
        if !waiting.wants_a_worker(self.shared.crowd) {
            return (batch, false, waiting.closed);
        }
        while let Some((size, _)) = waiting.items.front() {
            let fits = batch.is_empty() || (batch.len() < bounds.items && octets + size <= bounds.octets);
            if !fits {
                break;
            }
            if let Some((size, item)) = waiting.items.pop_front() {
                octets += size;
                batch.push(item);
            }
        }
        self.at_work = true;
        waiting.at_work += 1;
        (batch, waiting.wants_a_worker(self.shared.crowd), waiting.closed)
    }

    /// Counts as being at work no longer, so that another takes what waits: for a batch that takes long.
    pub fn step_aside(&mut self) {
        let wanted = {
            let mut waiting = self.shared.waiting();
            waiting.at_work -= usize::from(std::mem::take(&mut self.at_work));
            waiting.wants_a_worker(self.shared.crowd)
        };
        if wanted {
            self.shared.arrived.notify_one();
        }
    }
}

impl<T> Drop for Worker<T> {
    fn drop(&mut self) {
        self.step_aside();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { items: 3, octets: 100 };

    #[tokio::test]
    async fn a_batch_is_what_waits_within_bounds() {
        let gather = Gather::new(10, 2);
        let mut worker = gather.worker();
        for (octets, item) in [(10, 'a'), (10, 'b'), (200, 'c'), (60, 'd'), (60, 'e')] {
            assert!(gather.add(octets, item).await);
        }
        assert_eq!(worker.batch(BOUNDS).await, Some(vec!['a', 'b']));
        assert_eq!(worker.batch(BOUNDS).await, Some(vec!['c']), "an item over the bound goes alone");
        assert_eq!(worker.batch(BOUNDS).await, Some(vec!['d']));
        gather.close();
        assert!(!gather.add(1, 'f').await, "closed");
        assert_eq!(worker.batch(BOUNDS).await, Some(vec!['e']), "what waits is still handed out");
        assert_eq!(worker.batch(BOUNDS).await, None);
        assert_eq!(worker.batch(BOUNDS).await, None);
    }

    #[tokio::test]
    async fn two_workers_share_what_arrives_and_a_full_queue_makes_wait() {
        let gather = Gather::new(2, 1);
        let workers: Vec<_> = (0..2)
            .map(|_| {
                let mut worker = gather.worker();
                tokio::spawn(async move {
                    let mut seen = 0;
                    while let Some(batch) = worker.batch(BOUNDS).await {
                        seen += batch.len();
                    }
                    seen
                })
            })
            .collect();
        for item in 0..100 {
            assert!(gather.add(1, item).await);
        }
        gather.close();
        let mut seen = 0;
        for worker in workers {
            seen += worker.await.unwrap();
        }
        assert_eq!(seen, 100);
    }

    #[tokio::test]
    async fn a_second_worker_joins_for_a_crowd_or_when_the_first_steps_aside() {
        let gather = Gather::new(10, 3);
        let (mut first, mut second) = (gather.worker(), gather.worker());
        assert!(gather.add(1, 'a').await);
        assert_eq!(first.batch(BOUNDS).await, Some(vec!['a']), "a lone item does not wait");
        assert!(gather.add(1, 'b').await);
        assert!(gather.add(1, 'c').await);
        assert!(second.take(BOUNDS).0.is_empty(), "two are no crowd");
        assert!(gather.add(1, 'd').await);
        assert_eq!(second.batch(BOUNDS).await, Some(vec!['b', 'c', 'd']));
        drop(second);
        assert!(gather.add(1, 'e').await);
        let mut third = gather.worker();
        assert!(third.take(BOUNDS).0.is_empty(), "the first is still at work");
        first.step_aside();
        assert_eq!(third.batch(BOUNDS).await, Some(vec!['e']));
    }
}
