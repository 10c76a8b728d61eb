//! What was found a moment ago: a bounded memory whose entries are good for a few seconds.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Values by key, each good for `lifetime` from the moment it was asked for. Never holds more than `capacity`.
#[derive(Debug)]
pub struct Recent<K, V> {
    entries: Mutex<HashMap<K, (V, Instant)>>,
    lifetime: Duration,
    capacity: usize,
}

impl<K: Eq + Hash, V: Clone> Recent<K, V> {
    /// An empty memory.
    pub fn new(lifetime: Duration, capacity: usize) -> Self {
        Self { entries: Mutex::default(), lifetime, capacity }
    }

    /// The value, while it is good.
    pub fn get(&self, key: &K) -> Option<V> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.get(key).filter(|(_, asked)| asked.elapsed() < self.lifetime).map(|(value, _)| value.clone())
    }

    /// Remembers `value` as of `asked`. When there is no room, what is no longer good goes first, then everything.
    pub fn put(&self, key: K, value: V, asked: Instant) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= self.capacity {
            entries.retain(|_, (_, asked)| asked.elapsed() < self.lifetime);
        }
        if entries.len() >= self.capacity {
            entries.clear();
        }
        entries.insert(key, (value, asked));
    }

    /// Forgets the value.
    pub fn remove(&self, key: &K) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_entry_is_good_for_its_lifetime_and_the_memory_is_bounded() {
        let recent = Recent::new(Duration::from_secs(4), 2);
        recent.put(1, "one", Instant::now());
        tokio::time::advance(Duration::from_millis(3_999)).await;
        assert_eq!(recent.get(&1), Some("one"));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(recent.get(&1), None);
        for key in 2..100 {
            recent.put(key, "more", Instant::now());
            assert!(recent.entries.lock().unwrap().len() <= 2);
        }
        assert_eq!(recent.get(&99), Some("more"));
    }
}
