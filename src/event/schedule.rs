//! When a delivery is attempted again.

use std::time::Duration;

use super::breaker::PAUSE_LONGEST;
use crate::clock::Timestamp;
use crate::store::webhooks::deliveries::Next;
use crate::store::webhooks::forward::Long;
use crate::store::webhooks::set_back::Longest;

/// Attempts that follow one another closely; those after them are a day apart.
const CLOSE: i64 = 5;
/// Attempts in all: a week of days after the close ones.
const ATTEMPTS_MAX: i64 = CLOSE + 7;
const DAY: Duration = Duration::from_secs(86_400);
const DAY_SPREAD: Duration = Duration::from_secs(3600);

/// What nothing waits longer for: by a little, since a clock may be set back by a little.
pub const LONGEST: Longest = Longest {
    pause: PAUSE_LONGEST.saturating_add(SLACK),
    retry: Duration::from_secs(60),
    close: CLOSE,
    late_retry: DAY.saturating_add(DAY_SPREAD).saturating_add(SLACK),
};
const SLACK: Duration = Duration::from_secs(60);

/// What follows when the attempt of this number, from 1, failed at `now`.
pub fn after_failure(number: i64, now: Timestamp) -> Next {
    match number {
        ..CLOSE => {
            let wait = Duration::from_secs((1u64 << number.clamp(0, CLOSE)) + 15);
            Next::Again(now.plus(wait + jitter(wait / 4)))
        }
        CLOSE..ATTEMPTS_MAX => Next::Again(now.plus(DAY + jitter(DAY_SPREAD))),
        _ => Next::Never,
    }
}

/// What is attempted sooner when its endpoint is back after a while: what was attempted half a day ago or earlier, and whatever waits for its first day to
/// pass. An endpoint that is back again and again uses its attempts up no sooner than in some days.
pub fn long_waits(now: Timestamp) -> Long {
    Long { first_after: CLOSE, ends_before: now.plus(DAY / 2) }
}

/// So that what failed together does not come back together.
fn jitter(most: Duration) -> Duration {
    Duration::from_millis(rand::random_range(0..=u64::try_from(most.as_millis()).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_attempts_are_close_and_seven_a_day_apart() {
        let now = Timestamp(1_000_000);
        for (number, seconds) in [(1, 17), (2, 19), (3, 23), (4, 31), (5, 86_400), (11, 86_400)] {
            let Next::Again(at) = after_failure(number, now) else { panic!("{number} is not the last") };
            let wait = at.since(now);
            let least = Duration::from_secs(seconds);
            assert!(wait >= least && wait <= least + least / 4, "{number}: {wait:?}");
            assert!(wait <= if number < LONGEST.close { LONGEST.retry } else { LONGEST.late_retry }, "{number}: {wait:?}");
        }
        assert_eq!(after_failure(12, now), Next::Never);
    }
}
