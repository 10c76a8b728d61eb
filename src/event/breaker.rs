//! Sparing an endpoint that fails: after a run of failures nothing is sent but a probe now and then, and in the end it is given up. And
//! sparing others one that takes long: it is worked at beside its own kind.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::model::webhook::WebhookHealth;

/// Failures in a row that make a pause: more than one delivery alone comes to at first.
const TRIPS_AT: i64 = 10;
/// The first pause; each further failure doubles it, up to the longest.
const PAUSE_FIRST: Duration = Duration::from_secs(30);
pub const PAUSE_LONGEST: Duration = Duration::from_secs(3600);
/// Failures in a row, and for so long, that mean that an endpoint was away: one that refuses some of what it is sent is not.
const AWAY_AT: i64 = 5;
const AWAY_AFTER: Duration = Duration::from_secs(5 * 60);
/// An endpoint that has taken nothing for so long is given up, if it was asked so often: a time in which nobody called proves nothing.
const GIVE_UP_AFTER: Duration = Duration::from_secs(7 * 86_400);
const GIVE_UP_AT: i64 = 12;
/// How exactly it is kept when an endpoint last took something; by it those that answer have their turns, so it is as long as a session.
const SUCCESS_STEP: Duration = Duration::from_secs(5);
/// Who takes so long to answer is slow,
const SLOW_FROM: Duration = Duration::from_secs(1);
/// and for so many times as long as it took: beyond that part of the time it has no place among those that are quick.
const SLOW_TIMES: u32 = 10;

/// How it fares after a success that took so long; `None`: as before, near enough.
pub fn succeeded(health: &WebhookHealth, took: Duration, at: Timestamp) -> Option<WebhookHealth> {
    let is_known = health.succeeded_at.is_some_and(|before| at.since(before) < SUCCESS_STEP);
    let slow_until = slow_until(health, took, at);
    if health.failures == 0 && is_known && slow_until == health.slow_until {
        return None;
    }
    Some(WebhookHealth { succeeded_at: Some(at), slow_until, ..WebhookHealth::default() })
}

/// How it fares after a failure that took so long.
pub fn failed(health: &WebhookHealth, took: Duration, at: Timestamp) -> WebhookHealth {
    let failures = health.failures.saturating_add(1);
    WebhookHealth {
        failures,
        failing_since: Some(health.failing_since.unwrap_or(at)),
        paused_until: (failures >= TRIPS_AT).then(|| at.plus(pause(failures))),
        slow_until: slow_until(health, took, at),
        ..health.clone()
    }
}

/// Whether it counts as slow.
pub fn is_slow(health: &WebhookHealth, now: Timestamp) -> bool {
    health.slow_until.is_some_and(|until| now < until)
}

/// Whether it is away at this time, so that a success means that it is back.
pub fn is_away(health: &WebhookHealth, now: Timestamp) -> bool {
    health.failures >= AWAY_AT && health.failing_since.is_some_and(|since| now.since(since) >= AWAY_AFTER)
}

/// Whether it has failed for so long that it is to be given up.
pub fn is_given_up(health: &WebhookHealth, now: Timestamp) -> bool {
    health.failures >= GIVE_UP_AT && health.failing_since.is_some_and(|since| now.since(since) >= GIVE_UP_AFTER)
}

fn slow_until(health: &WebhookHealth, took: Duration, at: Timestamp) -> Option<Timestamp> {
    health.slow_until.max((took >= SLOW_FROM).then(|| at.plus(took * SLOW_TIMES)))
}

fn pause(failures: i64) -> Duration {
    let doublings = u32::try_from(failures - TRIPS_AT).unwrap_or(0).min(16);
    PAUSE_FIRST.saturating_mul(1 << doublings).min(PAUSE_LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Duration = Duration::from_millis(20);

    #[test]
    fn pauses_begin_after_a_run_of_failures_and_double_to_an_hour() {
        let mut health = WebhookHealth::default();
        let mut pauses = Vec::new();
        for at in (0..20).map(Timestamp) {
            health = failed(&health, QUICK, at);
            pauses.push(health.paused_until.map(|until| until.since(at).as_secs()));
        }
        assert_eq!(pauses[..9], [None; 9]);
        assert_eq!(pauses[9..], [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600, 3600].map(Some));
        assert_eq!((health.failures, health.failing_since), (20, Some(Timestamp(0))));
        let since = |failures| WebhookHealth { failures, failing_since: Some(Timestamp(0)), ..WebhookHealth::default() };
        for (failures, at, away) in [(5, 300_000, true), (5, 299_999, false), (4, 300_000, false)] {
            assert_eq!(is_away(&since(failures), Timestamp(at)), away, "{failures} {at}");
        }
        let back = succeeded(&health, QUICK, Timestamp(30)).expect("news");
        assert_eq!(back, WebhookHealth { succeeded_at: Some(Timestamp(30)), ..WebhookHealth::default() });
        assert_eq!(succeeded(&back, QUICK, Timestamp(5029)), None);
        assert!(succeeded(&back, QUICK, Timestamp(5030)).is_some());
    }

    #[test]
    fn who_takes_long_is_slow_for_ten_times_as_long() {
        let well = succeeded(&WebhookHealth::default(), Duration::from_millis(999), Timestamp(0)).expect("news");
        assert!(!is_slow(&well, Timestamp(0)));
        let slow = succeeded(&well, Duration::from_secs(9), Timestamp(1)).expect("news, though it is well known");
        assert!(is_slow(&slow, Timestamp(90_000)) && !is_slow(&slow, Timestamp(90_001)));
        let still = succeeded(&slow, QUICK, Timestamp(80_000)).expect("news");
        assert!(is_slow(&still, Timestamp(90_000)), "one quick answer is no proof");
        let worse = failed(&still, Duration::from_secs(10), Timestamp(80_000));
        assert!(is_slow(&worse, Timestamp(179_999)) && !is_slow(&worse, Timestamp(180_000)));
        assert_eq!(succeeded(&worse, QUICK, Timestamp(80_001)).expect("news").slow_until, worse.slow_until);
    }

    #[test]
    fn a_week_without_a_success_is_the_end_of_what_was_asked_often() {
        let once = failed(&WebhookHealth::default(), QUICK, Timestamp(5));
        let week = Timestamp(5).plus(GIVE_UP_AFTER);
        assert!(!is_given_up(&failed(&once, QUICK, week), week), "nobody called in between");
        let health = (2..GIVE_UP_AT).fold(once, |health, _| failed(&health, QUICK, Timestamp(6)));
        assert!(!is_given_up(&health, week));
        let health = failed(&health, QUICK, Timestamp(6));
        assert!(!is_given_up(&health, Timestamp(week.0 - 1)) && is_given_up(&health, week));
        assert!(!is_given_up(&WebhookHealth::default(), week));
    }
}
