//! The requests that a team may make in a minute: a fixed window, one for all its keys. Each process counts for itself.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::key::ApiKey;

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

    /// Counts one request of the key's team, against that team's own limit if it has one. `None`: it may make any number.
    pub fn count(&self, key: &ApiKey, now: Timestamp) -> Option<Standing> {
        let limit = key.requests_per_minute.map_or(self.limit, u64::from);
        if limit == 0 {
            return None;
        }
        let number = now.0.div_euclid(WINDOW);
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.number != number {
            *current = Current { number, counts: HashMap::new() };
        }
        let used = current.counts.entry(key.team).or_default();
        *used += 1;
        let end = (number + 1) * WINDOW;
        let wait = u64::try_from(end - now.0).unwrap_or(0).div_ceil(1000);
        Some(Standing { limit, used: *used, reset: end / 1000, wait })
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
    use crate::model::key::KeyRights;

    const NOON: Timestamp = Timestamp(1_795_222_800_000);

    fn of_team(team: u8, requests_per_minute: Option<u32>) -> ApiKey {
        ApiKey {
            id: Id([9; 16]),
            team: Id([team; 16]),
            name: String::new(),
            display: String::new(),
            rights: KeyRights::default(),
            created_at: NOON,
            expires_at: None,
            revoked_at: None,
            last_used_at: None,
            requests_per_minute,
        }
    }

    #[test]
    fn a_window_is_a_whole_minute_of_one_team() {
        let (windows, key) = (Windows::new(2), of_team(1, None));
        let exceeded = |key: &ApiKey, now| windows.count(key, now).and_then(|standing| standing.exceeded());
        let late = Timestamp(NOON.0 + 59_001);
        assert_eq!(windows.count(&key, late), Some(Standing { limit: 2, used: 1, reset: NOON.0 / 1000 + 60, wait: 1 }));
        assert_eq!(exceeded(&key, late), None);
        assert_eq!(exceeded(&key, NOON), Some(60));
        assert_eq!(exceeded(&of_team(2, None), late), None);
        let next = Timestamp(NOON.0 + 60_000);
        assert_eq!(windows.count(&key, next).map(|standing| standing.used), Some(1));
    }

    #[test]
    fn a_teams_own_limit_goes_before_the_usual_one() {
        let windows = Windows::new(2);
        assert_eq!(windows.count(&of_team(1, Some(7)), NOON).map(|standing| standing.limit), Some(7));
        assert_eq!(windows.count(&of_team(2, Some(0)), NOON), None);
        assert_eq!(Windows::new(0).count(&of_team(3, None), NOON), None);
        assert_eq!(Windows::new(0).count(&of_team(3, Some(1)), NOON).map(|standing| standing.limit), Some(1));
    }

    #[test]
    fn the_headers_never_promise_less_than_nothing() {
        let (windows, mut headers) = (Windows::new(1), HeaderMap::new());
        windows.count(&of_team(1, None), NOON);
        windows.count(&of_team(1, None), NOON).expect("a limit").put_on(&mut headers);
        assert_eq!(headers[REMAINING], "0");
        assert_eq!(headers[RESET], (NOON.0 / 1000 + 60).to_string().as_str());
    }
}
