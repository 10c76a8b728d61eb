//! Messages a second, evenly: no burst after a pause.

use std::time::Duration;

use tokio::time::Instant;

/// How much of a delay may be made up for: timers are late by so much.
const SLACK: Duration = Duration::from_millis(20);
/// Seconds: no pause is longer, however small the rate.
const LONGEST: f64 = 86400.0;

/// When the last message went. In any span of time no more go than the rate allows for it and [`SLACK`], and one.
#[derive(Clone, Debug, Default)]
pub(super) struct Tempo {
    /// Not when it went, but when it was due, if that was a moment before.
    last: Option<Instant>,
}

impl Tempo {
    /// When the next may go at `rate` a second; `None`: at once.
    pub fn next(&self, rate: f64, now: Instant) -> Option<Instant> {
        self.due(rate).filter(|due| *due > now)
    }

    /// One goes now.
    pub fn step(&mut self, rate: f64, now: Instant) {
        let earliest = now.checked_sub(SLACK).unwrap_or(now);
        self.last = Some(self.due(rate).map_or(now, |due| due.clamp(earliest, now)));
    }

    /// Takes the next moment at which one may go, which may lie ahead: nobody else is given it.
    pub fn take(&mut self, rate: f64, now: Instant) -> Instant {
        let earliest = now.checked_sub(SLACK).unwrap_or(now);
        let moment = self.due(rate).map_or(now, |due| due.max(earliest));
        self.last = Some(moment);
        moment.max(now)
    }

    /// Until when all moments are taken; `None`: until now.
    pub fn taken_until(&self, now: Instant) -> Option<Instant> {
        self.last.filter(|last| *last > now)
    }

    fn due(&self, rate: f64) -> Option<Instant> {
        self.last.map(|last| last + Duration::from_secs_f64((1.0 / rate).clamp(0.0, LONGEST)))
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
            let (mut now, mut tempo, mut sent) = (began, Tempo::default(), Vec::new());
            for pause in pauses {
                now += Duration::from_millis(pause);
                while tempo.next(rate, now).is_none() && sent.len() < 20_000 {
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
        let (mut tempo, mut sent) = (Tempo::default(), 0);
        for ms in 0..10_000 {
            let now = began + Duration::from_millis(ms);
            while tempo.next(333.0, now).is_none() {
                tempo.step(333.0, now);
                sent += 1;
            }
        }
        assert!((3330..=3340).contains(&sent), "{sent}");
    }

    #[test]
    fn those_that_come_together_go_one_after_another() {
        let now = Instant::now();
        let (mut tempo, second) = (Tempo::default(), Duration::from_secs(1));
        let moments: Vec<Instant> = (0..3).map(|_| tempo.take(1.0, now)).collect();
        assert_eq!(moments, [now, now + second, now + 2 * second]);
        assert_eq!(tempo.taken_until(now + second), Some(now + 2 * second));
        assert_eq!(tempo.take(1.0, now + 10 * second), now + 10 * second);
        assert_eq!(tempo.taken_until(now + 10 * second), None);
    }

    #[test]
    fn a_higher_rate_holds_at_once() {
        let now = Instant::now();
        let mut tempo = Tempo::default();
        tempo.step(0.001, now);
        assert_eq!(tempo.next(0.001, now), Some(now + Duration::from_secs(1000)));
        assert_eq!(tempo.next(10.0, now), Some(now + Duration::from_millis(100)));
    }
}
