//! How much of what all destinations share one of them may hold: attempts, or octets of copies.
//!
//! A destination that takes all the time there is for every reply holds them for many minutes, and a few of these would hold all that
//! there is. Each may hold half of what it leaves to others: alone a third of all, which is more than any shipped shape has connections,
//! and the more are held already the less another one gets. Who holds nothing may begin while anything is left; and so may who gives back
//! soon what it takes, since nobody waits for that.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// What is given back after so long was held for a short time.
const SOON: Duration = Duration::from_secs(1);

/// What each destination holds.
#[derive(Debug, Default)]
pub struct Portions {
    destinations: Mutex<HashMap<Arc<str>, Held>>,
}

#[derive(Debug, Default)]
struct Held {
    size: usize,
    /// What was given back last was held for a short time.
    soon: bool,
    /// Who wait for more, and how one of them is told to look.
    waiting: usize,
    freed: Arc<Notify>,
}

/// What one attempt takes, counted for its destination until it is dropped: then one of those who wait looks again.
#[derive(Debug)]
pub struct Portion {
    portions: Arc<Portions>,
    destination: Option<Arc<str>>,
    size: usize,
    since: Instant,
}

/// One who waits, until it is dropped: then the next one looks, since there may be more.
struct Waiting<'a> {
    portions: &'a Portions,
    destination: &'a Arc<str>,
    freed: Arc<Notify>,
}

impl Portions {
    /// Waits until the destination may hold so much more; `free` says how much is left to everybody.
    pub async fn enter(self: &Arc<Self>, destination: &Arc<str>, size: usize, free: impl Fn() -> usize) -> Portion {
        if !self.count(destination, size, free()) {
            let waiting = self.wait(destination);
            // Something may have been given back before it was known that somebody waits.
            while !self.count(destination, size, free()) {
                waiting.freed.notified().await;
            }
        }
        Portion { portions: self.clone(), destination: Some(destination.clone()), size, since: Instant::now() }
    }

    /// One that counts for no destination.
    pub fn uncounted(self: &Arc<Self>) -> Portion {
        Portion { portions: self.clone(), destination: None, size: 0, since: Instant::now() }
    }

    /// More is left to everybody: of those who wait the one looks whose destination holds the least. Where that may have no more, none may.
    pub fn more_is_left(&self) {
        let least =
            self.all().values().filter(|held| held.waiting > 0).min_by_key(|held| held.size).map(|held| held.freed.clone());
        if let Some(freed) = least {
            freed.notify_one();
        }
    }

    fn count(&self, destination: &Arc<str>, size: usize, free: usize) -> bool {
        let mut all = self.all();
        let (own, soon) = all.get(destination).map_or((0, false), |held| (held.size, held.soon));
        let may = own == 0 || own * 2 < free || (soon && free > 0);
        if may {
            all.entry(destination.clone()).or_default().size += size;
        }
        may
    }

    fn wait<'a>(&'a self, destination: &'a Arc<str>) -> Waiting<'a> {
        let mut all = self.all();
        let held = all.entry(destination.clone()).or_default();
        held.waiting += 1;
        Waiting { portions: self, destination, freed: held.freed.clone() }
    }

    fn leave(&self, destination: &Arc<str>, change: impl FnOnce(&mut Held)) {
        let mut all = self.all();
        if let Some(held) = all.get_mut(destination) {
            change(held);
            if held.size == 0 && held.waiting == 0 {
                all.remove(destination);
            }
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Arc<str>, Held>> {
        self.destinations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Portion {
    /// Of what it is a part.
    pub fn of(&self) -> Arc<Portions> {
        self.portions.clone()
    }
}

impl Drop for Portion {
    fn drop(&mut self) {
        if let Some(destination) = &self.destination {
            let soon = self.since.elapsed() < SOON;
            self.portions.leave(destination, |held| (held.size, held.soon) = (held.size - self.size, soon));
        }
        self.portions.more_is_left();
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.portions.leave(self.destination, |held| held.waiting -= 1);
        self.portions.more_is_left();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;
    use std::cell::Cell;
    use std::time::Duration;
    use tokio::time::timeout;

    #[tokio::test(start_paused = true)]
    async fn what_frees_much_wakes_all_who_may_begin_and_who_gave_up_waiting_stands_in_nobodys_way() {
        let (portions, free) = (Arc::<Portions>::default(), Cell::new(0));
        let enter = |n: usize| {
            let (portions, to, free) = (portions.clone(), Arc::<str>::from(format!("mx:{n}.example")), &free);
            async move { portions.enter(&to, 1, || free.get()).await }
        };
        let held = join_all((0..3).map(enter)).await;
        assert!(timeout(Duration::from_secs(1), enter(0)).await.is_err(), "nothing is left");
        let all = join_all((0..3).chain(0..3).map(enter));
        let (all, ()) = tokio::join!(timeout(Duration::from_secs(1), all), async {
            tokio::task::yield_now().await;
            free.set(7);
            portions.more_is_left();
        });
        drop((all.expect("each may hold three"), held));
        assert!(portions.all().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_back_soon_may_take_all_there_is_until_it_holds_for_long() {
        let (portions, to) = (Arc::<Portions>::default(), Arc::<str>::from("mx:one.example"));
        let may = async |free: usize| timeout(SOON / 4, portions.enter(&to, 1, || free)).await.ok();
        let (first, second) = (may(8).await, may(8).await);
        assert!(may(2).await.is_none(), "nothing is known of it yet");
        drop(first);
        let more = [may(2).await, may(1).await];
        assert!(more.iter().all(Option::is_some) && may(0).await.is_none());
        tokio::time::advance(SOON).await;
        drop(second);
        assert!(may(2).await.is_none(), "the last one was held for long");
    }
}
