//! How much of what all destinations share one of them may hold: attempts, or octets of copies.
//!
//! A destination that takes all the time there is for every reply holds them for many minutes, and a few of these would hold all that
//! there is. Each may hold half of what it leaves to others: alone a third of all, which is more than any shipped shape has connections,
//! and the more are held already the less another one gets. Who holds nothing may begin while anything is left.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// What each destination holds.
#[derive(Debug, Default)]
pub struct Portions {
    held: Mutex<HashMap<Arc<str>, usize>>,
    freed: Notify,
}

/// What one attempt takes, counted for its destination until it is dropped: then those who wait look again.
#[derive(Debug)]
pub struct Portion {
    portions: Arc<Portions>,
    destination: Option<Arc<str>>,
    size: usize,
}

impl Portions {
    /// Waits until the destination may hold so much more; `free` says how much is left to everybody.
    pub async fn enter(self: &Arc<Self>, destination: &Arc<str>, size: usize, free: impl Fn() -> usize) -> Portion {
        loop {
            let mut freed = pin!(self.freed.notified());
            freed.as_mut().enable();
            if self.count(destination, size, free()) {
                return Portion { portions: self.clone(), destination: Some(destination.clone()), size };
            }
            freed.await;
        }
    }

    /// One that counts for no destination.
    pub fn uncounted(self: &Arc<Self>) -> Portion {
        Portion { portions: self.clone(), destination: None, size: 0 }
    }

    fn count(&self, destination: &Arc<str>, size: usize, free: usize) -> bool {
        let mut held = self.held();
        let own = held.get(destination).copied().unwrap_or(0);
        let may = own == 0 || own * 2 < free;
        if may {
            held.insert(destination.clone(), own + size);
        }
        may
    }

    fn leave(&self, destination: &Arc<str>, size: usize) {
        let mut held = self.held();
        if let Some(own) = held.get_mut(destination) {
            *own -= size;
            if *own == 0 {
                held.remove(destination);
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Arc<str>, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Portion {
    fn drop(&mut self) {
        if let Some(destination) = &self.destination {
            self.portions.leave(destination, self.size);
        }
        self.portions.freed.notify_waiters();
    }
}
