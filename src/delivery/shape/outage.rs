//! A destination that can't be reached: left alone for a while, twice as long each time, then tried over one connection.

use std::time::Duration;

use tokio::time::Instant;

use crate::model::outcome::Reply;

/// So many failures in a row suspend it.
const RUN: u32 = 3;
/// The first suspension at its longest.
const FIRST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(600);

/// The run of failures, and what came of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Outage {
    failures: u32,
    suspensions: u32,
    last: Option<Suspension>,
}

/// Why and until when nothing is tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Suspension {
    pub until: Instant,
    pub reply: Reply,
}

impl Outage {
    /// The suspension that holds now.
    pub fn suspension(&self, now: Instant) -> Option<&Suspension> {
        self.last.as_ref().filter(|last| now < last.until)
    }

    /// An attempt that began then failed. True: it is suspended from now on. `draw` is a random number from 0 to 1.
    pub fn failed(&mut self, reply: &Reply, began: Instant, now: Instant, draw: f64) -> bool {
        if self.last.as_ref().is_some_and(|last| began < last.until) {
            // Begun before the suspension that it would lead to was over.
            return false;
        }
        self.failures = self.failures.saturating_add(1);
        // After a suspension the first failure is enough.
        if self.failures < RUN && self.last.is_none() {
            return false;
        }
        let longest = FIRST.saturating_mul(1 << self.suspensions.min(16)).min(LONGEST);
        let until = now + longest.mul_f64(0.5 + draw.clamp(0.0, 1.0) / 2.0);
        self.suspensions = self.suspensions.saturating_add(1);
        self.last = Some(Suspension { until, reply: reply.clone() });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> Reply {
        Reply::new(0, None, "connection refused")
    }

    #[test]
    fn a_run_suspends_and_each_further_failure_twice_as_long() {
        let mut outage = Outage::default();
        let mut now = Instant::now();
        assert!(!outage.failed(&refused(), now, now, 1.0) && !outage.failed(&refused(), now, now, 1.0));
        for seconds in [10, 20, 40, 80, 160, 320, 600, 600] {
            assert!(outage.failed(&refused(), now, now, 1.0));
            let until = outage.suspension(now).unwrap().until;
            assert_eq!(until - now, Duration::from_secs(seconds));
            now = until;
            assert_eq!(outage.suspension(now), None);
        }
    }

    #[test]
    fn what_began_before_counts_no_more() {
        let (mut outage, began) = (Outage::default(), Instant::now());
        let failures = (0..20).filter(|_| outage.failed(&refused(), began, began, 0.0)).count();
        assert_eq!(failures, 1);
        let until = outage.suspension(began).unwrap().until;
        assert_eq!(until - began, FIRST / 2);
        assert!(!outage.failed(&refused(), until - Duration::from_millis(1), until + Duration::from_secs(30), 0.0));
    }
}
