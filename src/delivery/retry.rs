//! When to try again, and when to give up.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::config::Retry;
use crate::model::message::Message;

/// No retry comes sooner, unless its span is shorter.
const FLOOR: Duration = Duration::from_secs(1);
/// However old a message is by the clock, it is tried so often: a clock that jumps, or an engine that was away, expires nothing.
const ATTEMPTS_AT_LEAST: i64 = 3;

/// The last attempt is made within this part of a message's time after it.
const LAST_WITHIN: u32 = 20;

/// The waits after failures, and the age at which a message has had its time.
#[derive(Clone, Debug)]
pub struct Schedule {
    spans: Vec<Duration>,
    give_up_after: Duration,
    /// Attempts that fit into `give_up_after`, at most [`ATTEMPTS_AT_LEAST`].
    at_least: i64,
}

impl Schedule {
    /// From the configuration.
    pub fn new(retry: &Retry) -> Self {
        let spans: Vec<Duration> = retry.schedule.iter().map(|span| span.0).collect();
        let mut schedule = Self { spans, give_up_after: retry.give_up_after.0, at_least: 1 };
        let mut age = Duration::ZERO;
        while schedule.at_least < ATTEMPTS_AT_LEAST {
            age += schedule.span(schedule.at_least - 1);
            if age >= schedule.give_up_after {
                break;
            }
            schedule.at_least += 1;
        }
        schedule
    }

    /// When to try `message` again, `attempts` having ended before the one that failed now. `None`: give up.
    pub fn next(&self, message: &Message, attempts: i64, now: Timestamp) -> Option<Timestamp> {
        let expires = self.expires(message);
        let tried_enough = attempts + 1 >= self.at_least;
        if now >= expires && tried_enough {
            return None;
        }
        let next = now.plus(jittered(self.span(attempts)));
        // The last attempt is made when the time is over, not long after it; of what has the same age, not all at once.
        let last = expires.plus(jittered(self.give_up_after / LAST_WITHIN));
        Some(if now < expires { next.min(last) } else { next })
    }

    /// Whether what only waits, `attempts` having ended, has had its time. What was hardly tried in it has as much again.
    pub fn is_over(&self, message: &Message, attempts: i64, now: Timestamp) -> bool {
        now >= self.expires(message) && attempts >= self.at_least || self.is_long_over(message, now)
    }

    /// Whether what waits, however often it was tried, has had its time twice.
    pub fn is_long_over(&self, message: &Message, now: Timestamp) -> bool {
        now >= self.expires(message).plus(self.give_up_after)
    }

    fn expires(&self, message: &Message) -> Timestamp {
        message.due_from().plus(self.give_up_after)
    }

    /// The wait after the failure that follows `attempts` earlier ones; the last repeats.
    fn span(&self, attempts: i64) -> Duration {
        let place = usize::try_from(attempts).unwrap_or(0).min(self.spans.len().saturating_sub(1));
        self.spans.get(place).copied().unwrap_or(FLOOR)
    }
}

/// Full jitter: a random part of the span, so that what failed together does not come back together.
fn jittered(span: Duration) -> Duration {
    let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let floor = millis.min(u64::try_from(FLOOR.as_millis()).unwrap_or(0));
    Duration::from_millis(rand::random_range(floor..=millis))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::units::Span;
    use crate::delivery::fixture;

    fn schedule(seconds: &[u64], give_up_after: u64) -> Schedule {
        let span = |s: u64| Span(Duration::from_secs(s));
        let schedule = seconds.iter().map(|&s| span(s)).collect();
        Schedule::new(&Retry { schedule, give_up_after: span(give_up_after), delay_notice: span(0) })
    }

    fn waits(schedule: &Schedule, attempts: i64) -> (u64, u64) {
        let message = fixture::message(Timestamp(0));
        let all: Vec<u64> = (0..2000)
            .map(|_| schedule.next(&message, attempts, Timestamp(0)).expect("young").since(Timestamp(0)).as_millis() as u64)
            .collect();
        (*all.iter().min().unwrap(), *all.iter().max().unwrap())
    }

    #[test]
    fn waits_are_random_parts_of_their_span_and_the_last_repeats() {
        let schedule = schedule(&[30, 120], 100_000);
        for (attempts, span) in [(0, 30_000), (1, 120_000), (2, 120_000), (500, 120_000)] {
            let (least, most) = waits(&schedule, attempts);
            assert!((1_000..span / 10).contains(&least) && (span * 9 / 10..=span).contains(&most), "{attempts}: {least} {most}");
        }
    }

    #[test]
    fn an_old_message_is_given_up_after_a_last_attempt() {
        let schedule = schedule(&[30], 100);
        let message = fixture::message(Timestamp(0));
        assert!(schedule.next(&message, 5, Timestamp(99_500)).unwrap() <= Timestamp(105_000));
        assert_eq!(schedule.next(&message, 6, Timestamp(100_000)), None);
    }

    #[test]
    fn last_attempts_of_one_age_do_not_come_back_at_once() {
        let schedule = schedule(&[1_000_000], 1000);
        let message = Message { send_at: Some(Timestamp(0)), ..fixture::message(Timestamp(0)) };
        let last: Vec<i64> = (0..2000)
            .map(|_| schedule.next(&message, 5, Timestamp(999_999)).expect("young").0)
            .filter(|&at| at > 1_001_000)
            .collect();
        assert!(last.iter().all(|&at| at <= 1_050_000), "{:?}", last.iter().max());
        let early = last.iter().filter(|&&at| at < 1_025_000).count();
        assert!(early > last.len() / 3 && early < last.len() * 2 / 3, "{early} of {}", last.len());
    }

    #[test]
    fn age_counts_from_when_it_may_be_sent() {
        let schedule = schedule(&[30], 100);
        let mut message = fixture::message(Timestamp(0));
        message.send_at = Some(Timestamp(1_000_000));
        assert!(schedule.next(&message, 9, Timestamp(1_050_000)).is_some());
        assert_eq!(schedule.next(&message, 9, Timestamp(1_100_000)), None);
    }

    #[test]
    fn what_waits_untried_has_its_time_twice() {
        let schedule = schedule(&[30], 100);
        let message = fixture::message(Timestamp(0));
        let over = |attempts, at| schedule.is_over(&message, attempts, Timestamp(at));
        assert!(!over(3, 99_999) && over(3, 100_000));
        assert!(!over(2, 199_999) && over(0, 200_000));
        let long_over = |at| schedule.is_long_over(&message, Timestamp(at));
        assert!(!long_over(199_999) && long_over(200_000));
    }

    #[test]
    fn a_clock_that_jumps_a_year_expires_nothing_untried() {
        let schedule = schedule(&[30, 120, 600], 72 * 3600);
        let message = fixture::message(Timestamp(0));
        let year = Timestamp(0).plus(Duration::from_secs(366 * 24 * 3600));
        assert!(schedule.next(&message, 0, year).is_some() && schedule.next(&message, 1, year).is_some());
        assert_eq!(schedule.next(&message, 2, year), None);
    }

    #[test]
    fn a_life_shorter_than_the_first_wait_has_two_attempts() {
        let schedule = schedule(&[30], 5);
        let message = fixture::message(Timestamp(0));
        assert!(schedule.next(&message, 0, Timestamp(0)).unwrap() <= Timestamp(5_250));
        assert_eq!(schedule.next(&message, 1, Timestamp(5_000)), None);
    }
}
