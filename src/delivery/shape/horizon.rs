//! What finds no room at its destination comes back later: when it will be its turn, and not all at once.

use std::time::Duration;

use tokio::time::Instant;

/// Nothing comes back sooner, or later than the other.
const SOONEST: Duration = Duration::from_secs(1);
const LATEST: Duration = Duration::from_secs(300);
/// However fast a destination is, no more come back in a second.
const MOST_PER_SECOND: f64 = 2500.0;
/// However slow it is measured to be: what waits may be there because nothing was sent yet.
const LEAST_PER_SECOND: f64 = 1.0;
/// A destination of which nothing is known yet is taken to be as fast as this, for as long as its first answers may take.
const UNKNOWN_PER_SECOND: f64 = 100.0;
const UNKNOWN_FOR: Duration = Duration::from_secs(10);
/// The part of its wait by which each comes sooner or later.
const JITTER: f64 = 0.25;

/// How many are put off by a destination and have not had their turn yet, as far as its speed tells.
#[derive(Clone, Debug)]
pub struct Horizon {
    began: Instant,
    ahead: f64,
    /// Since when their number falls.
    since: Instant,
}

impl Horizon {
    /// Nothing is put off.
    pub fn new(now: Instant) -> Self {
        Self { began: now, ahead: 0.0, since: now }
    }

    /// For how long the next one is put off. `waiting` are in the destination's room already, which takes `per_second` (`None`: that is
    /// not known), and takes nothing before `opens` (a suspension's end; else now). `draw` is a random number from 0 to 1.
    ///
    /// At least a second, and at most five minutes after `opens`. No second gets more than 2,500 on average; of 100,000 that are
    /// put off at once none gets more than 5 %.
    pub fn put_off(&mut self, waiting: usize, per_second: Option<f64>, opens: Instant, now: Instant, draw: f64) -> Duration {
        let opens = opens.max(now);
        let rate = self.rate(per_second, now);
        let gone = rate * now.saturating_duration_since(self.since).as_secs_f64();
        let most = rate * (LATEST - SOONEST).as_secs_f64();
        let turn = (self.ahead - gone).max(waiting as f64) + 1.0;
        // The number doesn't grow beyond what it may say: what comes back and is put off again would push it on for ever.
        (self.ahead, self.since) = (turn.min(most), opens);
        let wait = if turn < most {
            let wait = (SOONEST + Duration::from_secs_f64(turn / rate)).mul_f64(1.0 + JITTER * (2.0 * draw - 1.0));
            // What would come too late comes as much too soon, so that the last second is no crowd.
            wait - wait.saturating_sub(LATEST) * 2
        } else {
            // Beyond the horizon there is no order: anywhere in its later half.
            LATEST.mul_f64(0.5 + draw / 2.0)
        };
        opens.saturating_duration_since(now) + wait.clamp(SOONEST, LATEST)
    }

    fn rate(&self, per_second: Option<f64>, now: Instant) -> f64 {
        let known = per_second.filter(|rate| rate.is_finite()).unwrap_or_else(|| {
            let fresh = now.saturating_duration_since(self.began) < UNKNOWN_FOR;
            if fresh { UNKNOWN_PER_SECOND } else { LEAST_PER_SECOND }
        });
        known.clamp(LEAST_PER_SECOND, MOST_PER_SECOND)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// How many come back in each second.
    fn put_off(count: usize, waiting: usize, per_second: f64, suspended: Duration) -> Vec<usize> {
        let now = Instant::now();
        let mut horizon = Horizon::new(now);
        let mut random = rand::rng();
        let mut seconds = vec![0; 1000];
        for _ in 0..count {
            let wait = horizon.put_off(waiting, Some(per_second), now + suspended, now, random.random());
            seconds[wait.as_secs() as usize] += 1;
        }
        seconds
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn a_hundred_thousand_come_back_spread(waiting in 0..20_000usize, rate in 0.0..20_000f64, suspended in 0..600u64) {
            let seconds = put_off(100_000, waiting, rate, Duration::from_secs(suspended));
            let most = *seconds.iter().max().unwrap();
            prop_assert!(most <= 5_000, "{most} in a second, at {rate}/s behind {waiting}");
            prop_assert_eq!(seconds.iter().take(1 + suspended as usize).sum::<usize>(), 0);
            prop_assert_eq!(seconds.iter().skip(301 + suspended as usize).sum::<usize>(), 0);
        }

        #[test]
        fn waits_are_bounded(waiting in 0..usize::MAX, rate in proptest::num::f64::ANY, draw in 0.0..1.0f64, times in 1..50usize) {
            let now = Instant::now();
            let mut horizon = Horizon::new(now);
            for _ in 0..times {
                let wait = horizon.put_off(waiting, Some(rate), now, now, draw);
                prop_assert!((SOONEST..=LATEST).contains(&wait), "{wait:?}");
            }
        }
    }

    #[test]
    fn it_comes_back_about_when_the_room_is_empty() {
        let now = Instant::now();
        let wait = Horizon::new(now).put_off(1000, Some(20.0), now, now, 0.5);
        assert!((50..53).contains(&wait.as_secs()), "{wait:?}");
    }

    #[test]
    fn each_comes_after_the_last_and_their_number_falls_with_time() {
        let now = Instant::now();
        let mut horizon = Horizon::new(now);
        let first = horizon.put_off(0, Some(1.0), now, now, 0.5);
        let second = horizon.put_off(0, Some(1.0), now, now, 0.5);
        assert_eq!(second - first, Duration::from_secs(1));
        let later = now + Duration::from_secs(100);
        assert_eq!(horizon.put_off(0, Some(1.0), later, later, 0.5), first);
    }

    #[test]
    fn who_turns_out_to_be_fast_gets_the_next_ones_sooner() {
        let now = Instant::now();
        let mut horizon = Horizon::new(now);
        let first: Vec<_> = (0..200).map(|_| horizon.put_off(0, None, now, now, 0.5)).collect();
        assert_eq!(first[199], Duration::from_secs(3), "a hundred a second while nothing is known");
        let known = horizon.put_off(0, Some(1000.0), now, now, 0.5);
        assert!(known < Duration::from_millis(1300), "{known:?}");
        let late = now + UNKNOWN_FOR;
        assert!(horizon.put_off(100, None, late, late, 0.5) > Duration::from_secs(100), "nothing was answered for long");
    }
}
