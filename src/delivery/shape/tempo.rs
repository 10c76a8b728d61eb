//! Messages a second, evenly: no burst after a pause.

use std::time::Duration;

use tokio::time::Instant;

/// How much of a delay may be made up for: timers are late by so much.
const SLACK: Duration = Duration::from_millis(20);

/// When the next message may go. In any span of time no more go than the rate allows for it and [`SLACK`], and one.
#[derive(Clone, Debug)]
pub(super) struct Tempo {
    next: Instant,
}

impl Tempo {
    /// The first may go at once.
    pub fn new(now: Instant) -> Self {
        Self { next: now }
    }

    /// When the next may go; not after `now`: at once.
    pub fn next(&self) -> Instant {
        self.next
    }

    /// One goes now; the next follows at `rate` a second.
    pub fn step(&mut self, rate: f64, now: Instant) {
        let due = self.next.max(now.checked_sub(SLACK).unwrap_or(now));
        self.next = due + Duration::from_secs_f64((1.0 / rate).clamp(0.0, 86400.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_span_holds_more_than_its_share(rate in 0.1..2000f64, pauses in proptest::collection::vec(0..3000u64, 1..300), span in 1..5000u64) {
            let began = Instant::now();
            let (mut now, mut tempo, mut sent) = (began, Tempo::new(began), Vec::new());
            for pause in pauses {
                now += Duration::from_millis(pause);
                while tempo.next() <= now && sent.len() < 20_000 {
                    tempo.step(rate, now);
                    sent.push(now.duration_since(began));
                }
            }
            let span = Duration::from_millis(span);
            for (place, from) in sent.iter().enumerate() {
                let within = sent[place..].partition_point(|at| *at < *from + span);
                prop_assert!(within as f64 <= rate * (span + SLACK).as_secs_f64() + 1.001, "{within} in {span:?} at {rate}/s");
            }
        }
    }

    #[test]
    fn what_may_go_does_go() {
        let began = Instant::now();
        let (mut tempo, mut sent) = (Tempo::new(began), 0);
        for ms in 0..10_000 {
            let now = began + Duration::from_millis(ms);
            while tempo.next() <= now {
                tempo.step(333.0, now);
                sent += 1;
            }
        }
        assert!((3330..=3340).contains(&sent), "{sent}");
    }
}
