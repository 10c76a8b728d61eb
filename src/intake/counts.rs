//! How much each key has sent. The minute is counted by each process for itself. The day is exact within a process, begun from what the
//! store counted; where several processes share a store, each learns once a minute what the others added, so that together they may
//! exceed a daily quota by what they accept in a minute.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::key::ApiKey;
use crate::policy::quota::{DAY, MINUTE};
use crate::policy::{Limits, Usage};

/// How long a count of what waits is good for, in milliseconds.
const QUEUE_SAMPLE: i64 = 1000;
/// Keys beyond which those of earlier days are forgotten.
const KEYS_KEPT: usize = 10_000;

/// Counts by key, and the last known queue by team.
#[derive(Debug, Default)]
pub struct Counts {
    keys: Mutex<HashMap<Id, Windows>>,
    queues: Mutex<HashMap<Id, Queue>>,
}

/// A key's current minute and day, each with its number since 1970.
#[derive(Clone, Copy, Debug, Default)]
struct Windows {
    minute: i64,
    in_minute: u64,
    day: i64,
    in_day: u64,
    /// When `in_day` last included what the store knew.
    learnt_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug)]
struct Queue {
    seen_at: Timestamp,
    waiting: u64,
}

/// A message's place in its key's allowance; given back when dropped, unless it was handed in.
#[derive(Debug)]
pub struct Place<'a> {
    pub usage: Usage,
    counts: &'a Counts,
    /// The key and the windows it was counted in; nothing when nothing is counted.
    held: Option<(Id, Windows)>,
}

/// The place of a message that is in the store's hands: it counts, whether or not anybody waits for what came of it.
#[derive(Debug)]
pub struct HandedIn<'a> {
    counts: &'a Counts,
    held: Option<(Id, Windows)>,
}

impl<'a> Place<'a> {
    /// The message is handed to the store.
    pub fn hand_in(mut self) -> HandedIn<'a> {
        HandedIn { counts: self.counts, held: self.held.take() }
    }
}

impl HandedIn<'_> {
    /// Nothing was written for the message: it does not count.
    pub fn give_back(self) {
        if let Some((key, taken)) = self.held {
            self.counts.give_back(key, taken);
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some((key, taken)) = self.held.take() {
            self.counts.give_back(key, taken);
        }
    }
}

impl Counts {
    /// Takes a place for one message. Where no limit is set nothing is counted.
    pub fn take(&self, key: &ApiKey, limits: &Limits, now: Timestamp) -> Place<'_> {
        let queued = if limits.queued == 0 { 0 } else { lock(&self.queues).get(&key.team).map_or(0, |q| q.waiting + 1) };
        if !is_counted(key, limits) {
            return Place { usage: Usage { queued, ..Usage::default() }, counts: self, held: None };
        }
        let mut keys = lock(&self.keys);
        let windows = current(&mut keys, key.id, now);
        windows.in_minute += 1;
        windows.in_day += 1;
        let usage = Usage { this_minute: windows.in_minute, today: windows.in_day, queued };
        Place { usage, counts: self, held: Some((key.id, *windows)) }
    }

    fn give_back(&self, key: Id, taken: Windows) {
        if let Some(windows) = lock(&self.keys).get_mut(&key) {
            if windows.minute == taken.minute {
                windows.in_minute = windows.in_minute.saturating_sub(1);
            }
            if windows.day == taken.day {
                windows.in_day = windows.in_day.saturating_sub(1);
            }
        }
    }

    /// The beginning of the day whose count must be read from the store first, if so; of a `shared` store again each minute.
    pub fn day_to_learn(&self, key: &ApiKey, limits: &Limits, now: Timestamp, shared: bool) -> Option<Timestamp> {
        if limits.messages_per_day == 0 && key.rights.quota.is_none() {
            return None;
        }
        let mut keys = lock(&self.keys);
        let windows = current(&mut keys, key.id, now);
        match windows.learnt_at {
            Some(at) if !shared || now.0 - at.0 < MINUTE => return None,
            // One asks again for all; until it knows, what was known serves the others.
            Some(_) => windows.learnt_at = Some(now),
            None => {}
        }
        Some(Timestamp(windows.day * DAY))
    }

    /// What the store counted since the beginning of a day. The first time, places taken meanwhile are added to it; later it can only
    /// say that others have sent more than was known.
    pub fn learn_day(&self, key: &ApiKey, since: Timestamp, now: Timestamp, count: u64) {
        let mut keys = lock(&self.keys);
        let windows = current(&mut keys, key.id, since);
        if windows.day * DAY == since.0 {
            windows.in_day = if windows.learnt_at.is_none() { windows.in_day + count } else { windows.in_day.max(count) };
            windows.learnt_at = Some(now);
        }
    }

    /// Whether what waits must be counted by the store first.
    pub fn queue_to_learn(&self, key: &ApiKey, limits: &Limits, now: Timestamp) -> bool {
        let fresh = |queue: &Queue| (0..QUEUE_SAMPLE).contains(&(now.0 - queue.seen_at.0));
        limits.queued > 0 && !lock(&self.queues).get(&key.team).is_some_and(fresh)
    }

    /// What the store counted.
    pub fn learn_queue(&self, key: &ApiKey, now: Timestamp, waiting: u64) {
        lock(&self.queues).insert(key.team, Queue { seen_at: now, waiting });
    }
}

fn is_counted(key: &ApiKey, limits: &Limits) -> bool {
    limits.messages_per_minute > 0 || limits.messages_per_day > 0 || key.rights.quota.is_some()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The key's windows as of `now`: those that have ended begin anew. A clock that steps back does not reopen one.
fn current(keys: &mut HashMap<Id, Windows>, key: Id, now: Timestamp) -> &mut Windows {
    let (minute, day) = (now.0.div_euclid(MINUTE), now.0.div_euclid(DAY));
    if keys.len() >= KEYS_KEPT && !keys.contains_key(&key) {
        keys.retain(|_, windows| windows.day >= day);
    }
    let windows = keys.entry(key).or_default();
    if minute > windows.minute {
        (windows.minute, windows.in_minute) = (minute, 0);
    }
    if day > windows.day {
        (windows.day, windows.in_day, windows.learnt_at) = (day, 0, None);
    }
    windows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::model::key::{KeyRights, Quota};

    const NOON: Timestamp = Timestamp(20_000 * DAY + DAY / 2);

    fn key() -> ApiKey {
        ApiKey {
            id: Id([1; 16]),
            team: Id([2; 16]),
            name: String::new(),
            display: String::new(),
            rights: KeyRights { quota: Some(Quota { per_day: 10 }), ..KeyRights::default() },
            created_at: NOON,
            expires_at: None,
            revoked_at: None,
            last_used_at: None,
            requests_per_minute: None,
        }
    }

    #[test]
    fn a_place_counts_once_it_is_handed_in_until_nothing_was_written() {
        let (counts, key, limits) = (Counts::default(), key(), Limits::new(&Config::defaults()));
        assert_eq!(counts.day_to_learn(&key, &limits, NOON, false), Some(Timestamp(20_000 * DAY)));
        counts.take(&key, &limits, NOON).hand_in();
        counts.learn_day(&key, Timestamp(20_000 * DAY), NOON, 5);
        counts.learn_day(&key, Timestamp(20_000 * DAY), NOON, 5);
        assert_eq!(counts.day_to_learn(&key, &limits, NOON, false), None);
        drop(counts.take(&key, &limits, NOON));
        counts.take(&key, &limits, NOON).hand_in().give_back();
        let usage = counts.take(&key, &limits, NOON).usage;
        assert_eq!((usage.this_minute, usage.today), (2, 7));
    }

    #[test]
    fn what_others_sent_is_learnt_each_minute_where_the_store_is_shared() {
        let (counts, key, limits) = (Counts::default(), key(), Limits::new(&Config::defaults()));
        let (today, later) = (Timestamp(20_000 * DAY), Timestamp(NOON.0 + MINUTE));
        counts.learn_day(&key, today, NOON, 2);
        counts.take(&key, &limits, NOON).hand_in();
        assert_eq!(counts.day_to_learn(&key, &limits, Timestamp(later.0 - 1), true), None);
        assert_eq!(counts.day_to_learn(&key, &limits, later, false), None, "nobody else can have sent anything");
        assert_eq!(counts.day_to_learn(&key, &limits, later, true), Some(today));
        assert_eq!(counts.day_to_learn(&key, &limits, later, true), None, "one asks for all");
        counts.learn_day(&key, today, later, 7);
        assert_eq!(counts.take(&key, &limits, later).usage.today, 8);
        counts.learn_day(&key, today, later, 1);
        assert_eq!(counts.take(&key, &limits, later).usage.today, 8, "what is known is not forgotten");
    }

    #[test]
    fn windows_end_and_begin_anew() {
        let (counts, key, limits) = (Counts::default(), key(), Limits::new(&Config::defaults()));
        counts.take(&key, &limits, NOON).hand_in();
        let usage = counts.take(&key, &limits, Timestamp(NOON.0 + MINUTE)).usage;
        assert_eq!((usage.this_minute, usage.today), (1, 2));
        let stale = counts.take(&key, &limits, NOON);
        let tomorrow = Timestamp(NOON.0 + DAY);
        counts.take(&key, &limits, tomorrow).hand_in();
        drop(stale);
        assert_eq!(counts.take(&key, &limits, tomorrow).usage.today, 2, "a place of yesterday is not given back today");
        assert!(counts.day_to_learn(&key, &limits, tomorrow, false).is_some());
    }

    #[test]
    fn without_limits_nothing_is_counted() {
        let (counts, limits) = (Counts::default(), Limits::new(&Config::defaults()));
        let key = ApiKey { rights: KeyRights::default(), ..key() };
        counts.take(&key, &limits, NOON).hand_in();
        assert_eq!(counts.take(&key, &limits, NOON).usage, Usage::default());
        assert!(!counts.queue_to_learn(&key, &limits, NOON) && counts.day_to_learn(&key, &limits, NOON, true).is_none());
        assert!(lock(&counts.keys).is_empty());
    }

    #[test]
    fn the_queue_is_looked_at_once_a_second() {
        let (counts, key) = (Counts::default(), key());
        let limits = Limits { queued: 3, ..Limits::new(&Config::defaults()) };
        assert!(counts.queue_to_learn(&key, &limits, NOON));
        counts.learn_queue(&key, NOON, 3);
        assert!(!counts.queue_to_learn(&key, &limits, Timestamp(NOON.0 + 999)));
        assert!(counts.queue_to_learn(&key, &limits, Timestamp(NOON.0 + 1000)));
        assert_eq!(counts.take(&key, &limits, NOON).usage.queued, 4);
    }
}
