//! Room for large copies: where a next hop gets other octets than the stored ones, these are held until it has them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::delivery::portions::{Portion, Portions};

/// Octets of large copies that are held at once.
const HELD_AT_MOST: u32 = 128 << 20;
/// Those up to this are held without being counted.
const SMALL: usize = 256 << 10;
/// Room is waited for as long as this, over a connection that is open.
const PATIENCE: Duration = Duration::from_secs(10);

/// The large copies of an engine. Clones share their room.
#[derive(Clone, Debug)]
pub struct Copies {
    most: u32,
    patience: Duration,
    octets: Arc<Semaphore>,
    /// A next hop that is slow does not get all of it.
    portions: Arc<Portions>,
}

/// The octets of one copy, which count until this is dropped.
#[derive(Debug)]
pub struct Room {
    _octets: OwnedSemaphorePermit,
    /// Given up last: who waits for it looks what is free.
    _portion: Portion,
}

impl Default for Copies {
    fn default() -> Self {
        Self::new(HELD_AT_MOST, PATIENCE)
    }
}

impl Copies {
    /// So many octets at once, each copy waited for no longer than `patience`.
    pub fn new(most: u32, patience: Duration) -> Self {
        Self { most, patience, octets: Arc::new(Semaphore::new(most as usize)), portions: Arc::default() }
    }

    /// Waits for room for a copy of so many octets that goes to `hop`: a larger one than there is room for has all of it. `Ok(None)`: it
    /// needs none. The error is why there was none in time.
    pub async fn room(&self, octets: usize, hop: &str) -> Result<Option<Room>, String> {
        if octets <= SMALL {
            return Ok(None);
        }
        let counted = u32::try_from(octets).unwrap_or(u32::MAX).min(self.most);
        let had = timeout(self.patience, self.enter(counted, hop)).await;
        had.map_err(|_| format!("no room for a copy of {octets} octets beside those that are being sent"))
    }

    /// The semaphore is never closed.
    async fn enter(&self, octets: u32, hop: &str) -> Option<Room> {
        let portion = self.portions.enter(&hop.into(), octets as usize, || self.octets.available_permits()).await;
        let octets = self.octets.clone().acquire_many_owned(octets).await.ok()?;
        Some(Room { _octets: octets, _portion: portion })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGE: usize = SMALL + 1;

    #[tokio::test(start_paused = true)]
    async fn small_ones_and_none_at_all_need_no_room() {
        let copies = Copies::new(1, PATIENCE);
        let all = copies.room(LARGE, "a").await;
        assert!(matches!(all, Ok(Some(_))), "one that is larger than all the room has all of it");
        for octets in [0, SMALL] {
            assert!(matches!(copies.room(octets, "b").await, Ok(None)));
        }
        assert!(copies.room(LARGE, "b").await.is_err());
        drop(all);
        assert!(copies.room(LARGE, "b").await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_hop_leaves_most_of_the_room_to_others() {
        let copies = Copies::new(9 * LARGE as u32, PATIENCE);
        let mut held = Vec::new();
        while let Ok(room) = copies.room(LARGE, "slow").await {
            held.push(room);
        }
        assert_eq!(held.len(), 3);
        assert!(copies.room(LARGE, "other").await.is_ok());
        drop(held);
        assert!(copies.room(LARGE, "slow").await.is_ok(), "who was waited for in vain holds nothing");
    }
}
