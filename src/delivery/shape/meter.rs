//! How many a second, lately.

use std::time::Duration;

use tokio::time::Instant;

/// What happened so long ago weighs a third.
const MEMORY: Duration = Duration::from_secs(10);
/// And where it matters what it takes just now.
const SHORT_MEMORY: Duration = Duration::from_secs(1);
/// No shorter time says how many come in a second.
const SHORTEST: Duration = Duration::from_millis(100);

/// Averages of events per second in which the past fades.
#[derive(Clone, Debug)]
pub(super) struct Meter {
    long: Fading,
    short: Fading,
}

/// An average since `began`.
#[derive(Clone, Debug)]
struct Fading {
    memory: Duration,
    rate: f64,
    began: Instant,
    at: Instant,
}

impl Meter {
    /// Nothing has happened yet.
    pub fn new(now: Instant) -> Self {
        Self { long: Fading::new(MEMORY, now), short: Fading::new(SHORT_MEMORY, now) }
    }

    /// One more event.
    pub fn count(&mut self, now: Instant) {
        self.long.count(now);
        self.short.count(now);
    }

    /// Events per second, as if nothing had happened before the first.
    pub fn per_second(&self, now: Instant) -> f64 {
        self.long.per_second(now)
    }

    /// Events per second since a moment ago, or for longer where that were more. `None`: there was none yet, or none for long.
    pub fn at_best(&self, now: Instant) -> Option<f64> {
        let best = self.short.of_its_time(now).max(self.long.per_second(now));
        (best > 0.01).then_some(best)
    }
}

impl Fading {
    fn new(memory: Duration, now: Instant) -> Self {
        Self { memory, rate: 0.0, began: now, at: now }
    }

    fn count(&mut self, now: Instant) {
        let rate = self.per_second(now);
        // Nothing that is still remembered came before this one.
        if rate * self.memory.as_secs_f64() < 0.5 {
            self.began = now;
        }
        self.rate = rate + 1.0 / self.memory.as_secs_f64();
        self.at = self.at.max(now);
    }

    fn per_second(&self, now: Instant) -> f64 {
        self.rate * (-self.parts(now.saturating_duration_since(self.at))).exp()
    }

    /// The same, of the time alone that has passed since it began.
    fn of_its_time(&self, now: Instant) -> f64 {
        let time = now.saturating_duration_since(self.began).max(SHORTEST);
        self.per_second(now) / (1.0 - (-self.parts(time)).exp())
    }

    fn parts(&self, time: Duration) -> f64 {
        time.as_secs_f64() / self.memory.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After so many milliseconds of so many a second.
    fn after(millis: u32, per_second: u32) -> (Meter, Instant) {
        let began = Instant::now();
        let mut meter = Meter::new(began);
        let mut now = began;
        for n in 0..millis * per_second / 1000 {
            now = began + Duration::from_secs(1) * n / per_second;
            meter.count(now);
        }
        (meter, now)
    }

    #[test]
    fn a_steady_rate_is_found_and_forgotten() {
        let (meter, end) = after(50_000, 20);
        assert!((19.0..21.0).contains(&meter.per_second(end)), "{}", meter.per_second(end));
        assert!((19.0..23.0).contains(&meter.at_best(end).unwrap()), "{:?}", meter.at_best(end));
        assert!(meter.per_second(end + Duration::from_secs(60)) < 0.1);
        assert_eq!(meter.at_best(end + Duration::from_secs(600)), None);
    }

    #[test]
    fn a_fast_one_is_found_at_once() {
        for millis in [100, 300, 1000, 5000] {
            let (meter, end) = after(millis, 700);
            assert!((600.0..800.0).contains(&meter.at_best(end).unwrap()), "{:?} after {millis} ms", meter.at_best(end));
        }
    }

    #[test]
    fn one_event_is_not_many() {
        let now = Instant::now();
        let mut meter = Meter::new(now);
        assert_eq!(meter.at_best(now), None);
        meter.count(now);
        assert!(meter.at_best(now).unwrap() < 12.0 && meter.per_second(now) < 0.2);
        assert!(meter.at_best(now + Duration::from_secs(3)).unwrap() < 0.2);
    }
}
