//! Sparing an endpoint that fails: after a run of failures nothing is sent but a probe now and then, and in the end it is given up.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::model::webhook::WebhookHealth;

/// Failures in a row that make a pause: more than one delivery alone comes to at first.
const TRIPS_AT: i64 = 10;
/// The first pause; each further failure doubles it, up to the longest.
const PAUSE_FIRST: Duration = Duration::from_secs(30);
const PAUSE_LONGEST: Duration = Duration::from_secs(3600);
/// Failures in a row that mean that an endpoint was away.
const AWAY_AT: i64 = 5;
/// An endpoint that has taken nothing for so long is given up, if it was asked so often: a time in which nobody called proves nothing.
const GIVE_UP_AFTER: Duration = Duration::from_secs(7 * 86_400);
const GIVE_UP_AT: i64 = 12;
/// How exactly it is kept when an endpoint last took something.
const SUCCESS_STEP: Duration = Duration::from_secs(60);

/// How it fares after a success; `None`: as before, near enough.
pub fn succeeded(health: &WebhookHealth, at: Timestamp) -> Option<WebhookHealth> {
    let is_known = health.succeeded_at.is_some_and(|before| at.since(before) < SUCCESS_STEP);
    if health.failures == 0 && is_known {
        return None;
    }
    Some(WebhookHealth { succeeded_at: Some(at), ..WebhookHealth::default() })
}

/// How it fares after a failure.
pub fn failed(health: &WebhookHealth, at: Timestamp) -> WebhookHealth {
    let failures = health.failures.saturating_add(1);
    WebhookHealth {
        failures,
        failing_since: Some(health.failing_since.unwrap_or(at)),
        paused_until: (failures >= TRIPS_AT).then(|| at.plus(pause(failures))),
        ..health.clone()
    }
}

/// Whether it was away, so that a success means that it is back.
pub fn was_away(health: &WebhookHealth) -> bool {
    health.failures >= AWAY_AT
}

/// Whether it has failed for so long that it is to be given up.
pub fn is_given_up(health: &WebhookHealth, now: Timestamp) -> bool {
    health.failures >= GIVE_UP_AT && health.failing_since.is_some_and(|since| now.since(since) >= GIVE_UP_AFTER)
}

fn pause(failures: i64) -> Duration {
    let doublings = u32::try_from(failures - TRIPS_AT).unwrap_or(0).min(16);
    PAUSE_FIRST.saturating_mul(1 << doublings).min(PAUSE_LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_begin_after_a_run_of_failures_and_double_to_an_hour() {
        let mut health = WebhookHealth::default();
        let mut pauses = Vec::new();
        for at in (0..20).map(Timestamp) {
            health = failed(&health, at);
            pauses.push(health.paused_until.map(|until| until.since(at).as_secs()));
        }
        assert_eq!(pauses[..9], [None; 9]);
        assert_eq!(pauses[9..], [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600, 3600].map(Some));
        assert_eq!((health.failures, health.failing_since), (20, Some(Timestamp(0))));
        assert!(was_away(&health) && was_away(&WebhookHealth { failures: 5, ..WebhookHealth::default() }));
        assert!(!was_away(&WebhookHealth { failures: 4, ..WebhookHealth::default() }));
        let back = succeeded(&health, Timestamp(30)).expect("news");
        assert_eq!(back, WebhookHealth { succeeded_at: Some(Timestamp(30)), ..WebhookHealth::default() });
        assert_eq!(succeeded(&back, Timestamp(60_029)), None);
        assert!(succeeded(&back, Timestamp(60_030)).is_some());
    }

    #[test]
    fn a_week_without_a_success_is_the_end_of_what_was_asked_often() {
        let once = failed(&WebhookHealth::default(), Timestamp(5));
        let week = Timestamp(5).plus(GIVE_UP_AFTER);
        assert!(!is_given_up(&failed(&once, week), week), "nobody called in between");
        let health = (2..GIVE_UP_AT).fold(once, |health, _| failed(&health, Timestamp(6)));
        assert!(!is_given_up(&health, week));
        let health = failed(&health, Timestamp(6));
        assert!(!is_given_up(&health, Timestamp(week.0 - 1)) && is_given_up(&health, week));
        assert!(!is_given_up(&WebhookHealth::default(), week));
    }
}
