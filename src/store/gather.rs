//! What waits while the last batch is being written: the queue that makes commits shared.
//!
//! A lone item does not wait for company. A batch is whatever has gathered by the time a worker is free, within bounds.

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
}

#[derive(Debug)]
struct Waiting<T> {
    items: VecDeque<(usize, T)>,
    closed: bool,
}

/// How much one batch may hold. A single item that is larger goes alone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub items: usize,
    pub octets: usize,
}

impl<T> Gather<T> {
    /// A queue that holds at most `room` items.
    pub fn new(room: usize) -> Self {
        let waiting = Mutex::new(Waiting { items: VecDeque::new(), closed: false });
        Self { shared: Arc::new(Shared { waiting, room: Semaphore::new(room), arrived: Notify::new() }) }
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

    fn put(&self, octets: usize, item: T) -> bool {
        {
            let mut waiting = self.waiting();
            if waiting.closed {
                return false;
            }
            waiting.items.push_back((octets, item));
        }
        self.shared.arrived.notify_one();
        true
    }

    /// The next batch, in the order of arrival; `None` when the queue is closed and empty.
    pub async fn batch(&self, bounds: Bounds) -> Option<Vec<T>> {
        loop {
            // Registered before looking, so that what arrives in between is not missed.
            let arrived = self.shared.arrived.notified();
            let (batch, more, closed) = self.take(bounds);
            if !batch.is_empty() {
                self.shared.room.add_permits(batch.len());
                if more {
                    self.shared.arrived.notify_one();
                }
                return Some(batch);
            }
            if closed {
                // Wake the next worker, that it ends too.
                self.shared.arrived.notify_one();
                return None;
            }
            arrived.await;
        }
    }

    fn take(&self, bounds: Bounds) -> (Vec<T>, bool, bool) {
        let mut waiting = self.waiting();
        let (mut batch, mut octets) = (Vec::new(), 0);
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
        (batch, !waiting.items.is_empty(), waiting.closed)
    }

    /// Takes nothing more; what waits is still handed out.
    pub fn close(&self) {
        self.waiting().closed = true;
        self.shared.room.close();
        self.shared.arrived.notify_one();
    }

    /// A panic elsewhere cannot leave the queue half changed: every change above is a single step.
    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting<T>> {
        self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { items: 3, octets: 100 };

    #[tokio::test]
    async fn a_batch_is_what_waits_within_bounds() {
        let gather = Gather::new(10);
        for (octets, item) in [(10, 'a'), (10, 'b'), (200, 'c'), (60, 'd'), (60, 'e')] {
            assert!(gather.add(octets, item).await);
        }
        assert_eq!(gather.batch(BOUNDS).await, Some(vec!['a', 'b']));
        assert_eq!(gather.batch(BOUNDS).await, Some(vec!['c']), "an item over the bound goes alone");
        assert_eq!(gather.batch(BOUNDS).await, Some(vec!['d']));
        gather.close();
        assert!(!gather.add(1, 'f').await, "closed");
        assert_eq!(gather.batch(BOUNDS).await, Some(vec!['e']), "what waits is still handed out");
        assert_eq!(gather.batch(BOUNDS).await, None);
        assert_eq!(gather.batch(BOUNDS).await, None);
    }

    #[tokio::test]
    async fn two_workers_share_what_arrives_and_a_full_queue_makes_wait() {
        let gather = Gather::new(2);
        let workers: Vec<_> = (0..2)
            .map(|_| {
                let gather = gather.clone();
                tokio::spawn(async move {
                    let mut seen = 0;
                    while let Some(batch) = gather.batch(BOUNDS).await {
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
}
