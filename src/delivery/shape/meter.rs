//! How many a second, lately.

use std::time::Duration;

use tokio::time::Instant;

/// What happened so long ago weighs a third.
const MEMORY: Duration = Duration::from_secs(10);

/// An average of events per second in which the past fades.
#[derive(Clone, Debug)]
pub(super) struct Meter {
    rate: f64,
    at: Instant,
}

impl Meter {
    /// Nothing has happened yet.
    pub fn new(now: Instant) -> Self {
        Self { rate: 0.0, at: now }
    }

    /// One more event.
    pub fn count(&mut self, now: Instant) {
        self.rate = self.per_second(now) + 1.0 / MEMORY.as_secs_f64();
        self.at = self.at.max(now);
    }

    /// Events per second.
    pub fn per_second(&self, now: Instant) -> f64 {
        let idle = now.saturating_duration_since(self.at);
        self.rate * (-idle.as_secs_f64() / MEMORY.as_secs_f64()).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_rate_is_found_and_forgotten() {
        let began = Instant::now();
        let mut meter = Meter::new(began);
        for n in 0..1000 {
            meter.count(began + Duration::from_millis(50) * n);
        }
        let end = began + Duration::from_secs(50);
        assert!((19.0..21.0).contains(&meter.per_second(end)), "{}", meter.per_second(end));
        assert!(meter.per_second(end + Duration::from_secs(60)) < 0.1);
    }
}
