//! The requests that a team may make in a minute: a fixed window, one for all its keys. Each process counts for itself.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::clock::Timestamp;
use crate::id::Id;

/// Milliseconds; windows begin at whole multiples of it.
const WINDOW: i64 = 60_000;

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// The counts of the current window.
#[derive(Debug)]
pub struct Windows {
    /// For teams without a limit of their own; 0: none.
    limit: u64,
    current: Mutex<Current>,
}

/// Dropped as a whole when its minute is over, which bounds it by the teams that ask within one.
#[derive(Debug, Default)]
struct Current {
    /// Its number since 1970.
    number: i64,
    counts: HashMap<Id, u64>,
}

/// Where a team stands, the request in question included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    limit: u64,
    used: u64,
    /// Unix seconds at which the next window begins.
    reset: i64,
    /// Whole seconds until then, at least 1.
    wait: u64,
}

impl Windows {
    /// No request so far; `limit` requests a window, 0 for any number.
    pub fn new(limit: u64) -> Self {
        Self { limit, current: Mutex::default() }
    }

    /// Counts one request. `None`: the team has no limit.
    pub fn count(&self, team: Id, now: Timestamp) -> Option<Standing> {
        if self.limit == 0 {
            return None;
        }
        let number = now.0.div_euclid(WINDOW);
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.number != number {
            *current = Current { number, counts: HashMap::new() };
        }
        let used = current.counts.entry(team).or_default();
        *used += 1;
        let end = (number + 1) * WINDOW;
        let wait = u64::try_from(end - now.0).unwrap_or(0).div_ceil(1000);
        Some(Standing { limit: self.limit, used: *used, reset: end / 1000, wait })
    }
}

impl Standing {
    /// The seconds to wait, when the request is over the limit.
    pub fn exceeded(&self) -> Option<u64> {
        (self.used > self.limit).then_some(self.wait)
    }

    /// Tells the client.
    pub fn put_on(&self, headers: &mut HeaderMap) {
        headers.insert(LIMIT, HeaderValue::from(self.limit));
        headers.insert(REMAINING, HeaderValue::from(self.limit.saturating_sub(self.used)));
        headers.insert(RESET, HeaderValue::from(self.reset));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEAM: Id = Id([1; 16]);
    const NOON: Timestamp = Timestamp(1_795_222_800_000);

    #[test]
    fn a_window_is_a_whole_minute_of_one_team() {
        let windows = Windows::new(2);
        let late = Timestamp(NOON.0 + 59_001);
        assert_eq!(windows.count(TEAM, late), Some(Standing { limit: 2, used: 1, reset: NOON.0 / 1000 + 60, wait: 1 }));
        assert_eq!(windows.count(TEAM, late).and_then(|standing| standing.exceeded()), None);
        assert_eq!(windows.count(TEAM, NOON).and_then(|standing| standing.exceeded()), Some(60));
        assert_eq!(windows.count(Id([2; 16]), late).and_then(|standing| standing.exceeded()), None);
        let next = Timestamp(NOON.0 + 60_000);
        assert_eq!(windows.count(TEAM, next).map(|standing| standing.used), Some(1));
    }

    #[test]
    fn the_headers_never_promise_less_than_nothing() {
        let (windows, mut headers) = (Windows::new(1), HeaderMap::new());
        windows.count(TEAM, NOON);
        windows.count(TEAM, NOON).expect("a limit").put_on(&mut headers);
        assert_eq!(headers[REMAINING], "0");
        assert_eq!(headers[RESET], (NOON.0 / 1000 + 60).to_string().as_str());
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let windows = Windows::new(0);
        assert_eq!(windows.count(TEAM, NOON), None);
        assert!(windows.current.lock().expect("no panic").counts.is_empty());
    }
}
