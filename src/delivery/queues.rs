//! The queues of all destinations: made when mail comes for one, forgotten when nobody works there and nothing waits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::delivery::parcel::Parcel;
use crate::delivery::queue::Queue;
use crate::delivery::route::Destination;

/// Every destination's queue.
#[derive(Debug, Default)]
pub struct Queues(Mutex<HashMap<Destination, Arc<Queue>>>);

impl Queues {
    fn with<T>(&self, act: impl FnOnce(&mut HashMap<Destination, Arc<Queue>>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// The queue of this destination; `make` makes the first.
    pub fn of(&self, destination: &Destination, make: impl FnOnce() -> Queue) -> Arc<Queue> {
        self.with(|queues| match queues.get(destination) {
            Some(queue) => queue.clone(),
            None => queues.entry(destination.clone()).or_insert(Arc::new(make())).clone(),
        })
    }

    /// All that there are.
    pub fn all(&self) -> Vec<(Destination, Arc<Queue>)> {
        self.with(|queues| queues.iter().map(|(destination, queue)| (destination.clone(), queue.clone())).collect())
    }

    /// Forgets queues of which there is nothing to remember. One that somebody is about to push to is not among them.
    pub fn forget_idle(&self) {
        self.with(|queues| queues.retain(|_, queue| Arc::strong_count(queue) > 1 || !queue.is_idle()));
    }

    /// Takes out everything that waits anywhere.
    pub fn empty(&self) -> Vec<Parcel> {
        let all: Vec<Arc<Queue>> = self.with(|queues| queues.values().cloned().collect());
        all.iter().flat_map(|queue| queue.empty()).collect()
    }
}
