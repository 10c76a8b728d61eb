//! Answers kept for a while, each found by one even when many ask at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;

/// Look-ups by what is looked for, a bounded number: under way, or answered and good until an end of each.
pub struct Lookups<V> {
    slots: Mutex<HashMap<String, Arc<Slot<V>>>>,
    most: usize,
}

struct Slot<V>(OnceCell<(Instant, V)>);

impl<V> Slot<V> {
    /// Under way, or not over yet.
    fn is_good(&self, now: Instant) -> bool {
        self.0.get().is_none_or(|(end, _)| *end > now)
    }
}

impl<V: Clone> Lookups<V> {
    /// Keeps at most this many.
    pub fn new(most: usize) -> Self {
        Self { slots: Mutex::default(), most }
    }

    /// The answer that is kept, or what `find` finds, with the span it is kept for. Those who ask meanwhile wait for the same; when
    /// the one who looks is cancelled, another takes over.
    pub async fn get(&self, key: &str, find: impl AsyncFnOnce() -> (Duration, V)) -> V {
        let slot = self.slot(key);
        let found = slot.0.get_or_init(async || {
            let (kept, value) = find().await;
            (Instant::now() + kept, value)
        });
        found.await.1.clone()
    }

    fn slot(&self, key: &str) -> Arc<Slot<V>> {
        let now = Instant::now();
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(key).filter(|slot| slot.is_good(now)) {
            return slot.clone();
        }
        if slots.len() >= self.most {
            make_room(&mut slots, self.most, now);
        }
        let slot = Arc::new(Slot(OnceCell::new()));
        slots.insert(key.to_owned(), slot.clone());
        slot
    }
}

/// Drops what is over; when that is too little, as many others as it takes, whichever come first in the map's random order.
fn make_room<V>(slots: &mut HashMap<String, Arc<Slot<V>>>, most: usize, now: Instant) {
    slots.retain(|_, slot| slot.is_good(now));
    let mut surplus = slots.len().saturating_sub(most - most / 16 - 1);
    slots.retain(|_, _| {
        let stays = surplus == 0;
        surplus = surplus.saturating_sub(1);
        stays
    });
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const KEPT: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn one_looks_for_all_and_until_the_end() {
        let (lookups, looks) = (Lookups::new(10), AtomicUsize::new(0));
        let find = async || {
            tokio::time::sleep(Duration::from_millis(10)).await;
            (KEPT, looks.fetch_add(1, Ordering::SeqCst))
        };
        let (one, other) = tokio::join!(lookups.get("a", find), lookups.get("a", find));
        assert_eq!((one, other), (0, 0));
        tokio::time::advance(KEPT / 2).await;
        assert_eq!(lookups.get("a", find).await, 0);
        tokio::time::advance(KEPT).await;
        assert_eq!(lookups.get("a", find).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_seeker_who_leaves_is_replaced() {
        let lookups = Lookups::new(10);
        let patient = lookups.get("a", async || (KEPT, 2));
        let hasty = lookups.get("a", async || std::future::pending().await);
        assert!(tokio::time::timeout(Duration::from_secs(1), hasty).await.is_err());
        assert_eq!(patient.await, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_kept_is_bounded() {
        let lookups = Lookups::new(32);
        for n in 0..1000 {
            lookups.get(&n.to_string(), async || (KEPT, n)).await;
            assert!(lookups.slots.lock().unwrap().len() <= 32);
        }
        assert!(lookups.slots.lock().unwrap().len() > 16);
    }
}
