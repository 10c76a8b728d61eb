//! Slower at once, faster little by little: what a destination takes, learnt from its replies.

use std::time::Duration;

use tokio::time::Instant;

use super::meter::Meter;
use crate::model::outcome::Reply;

/// Between two steps up there lies at least this.
pub(super) const STEP_EVERY: Duration = Duration::from_secs(5);
/// A slow-down without traffic for so long says nothing any more.
const LAPSES_AFTER: Duration = Duration::from_secs(3600);
/// A step up is this part of what is to be reached again.
const STEPS: u32 = 10;
/// No destination is slowed down below this many messages a second, unless its limit is near it.
const SLOWEST: f64 = 1.0;

/// What a destination is allowed at its best.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ceiling {
    pub connections: u32,
    /// Messages per second; `None`: any number.
    pub rate: Option<f64>,
}

/// Since when, and by which reply, a destination is slowed down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    pub since: Instant,
    pub reply: Reply,
}

/// How fast mail goes now, against the ceiling.
#[derive(Clone, Debug)]
pub(super) struct Speed {
    meter: Meter,
    slowed: Option<Slowed>,
}

#[derive(Clone, Debug)]
struct Slowed {
    cause: Cause,
    connections: u32,
    /// `None`: the ceiling's.
    rate: Option<f64>,
    /// The messages per second at which it was slowed down first.
    before: f64,
    /// What began before this says nothing of the pace that holds since.
    halved: Instant,
    stepped: Instant,
}

impl Ceiling {
    fn slowest(&self) -> f64 {
        self.rate.map_or(SLOWEST, |rate| (rate / 8.0).min(SLOWEST))
    }
}

impl Speed {
    /// At the ceiling.
    pub fn new(now: Instant) -> Self {
        Self { meter: Meter::new(now), slowed: None }
    }

    /// Connections allowed now.
    pub fn connections(&self, ceiling: Ceiling) -> u32 {
        self.slowed.as_ref().map_or(ceiling.connections, |slowed| slowed.connections.min(ceiling.connections))
    }

    /// Messages per second allowed now; `None`: any number.
    pub fn rate(&self, ceiling: Ceiling) -> Option<f64> {
        let Some(slowed) = self.slowed.as_ref().and_then(|slowed| slowed.rate) else { return ceiling.rate };
        // The ceiling may have moved since.
        let slowed = slowed.max(ceiling.slowest());
        Some(ceiling.rate.map_or(slowed, |most| slowed.min(most)))
    }

    /// What was answered lately.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Why it is below the ceiling.
    pub fn cause(&self) -> Option<&Cause> {
        self.slowed.as_ref().map(|slowed| &slowed.cause)
    }

    /// Whether it is below the ceiling, and that is worth remembering.
    pub fn is_slowed(&self, now: Instant) -> bool {
        self.slowed.as_ref().is_some_and(|slowed| now.saturating_duration_since(slowed.stepped) < LAPSES_AFTER)
    }

    /// Halves, unless what was asked to slow down began before the last halving. False: there is nothing left to halve.
    pub fn halve(&mut self, reply: &Reply, began: Instant, now: Instant, ceiling: Ceiling) -> bool {
        if self.slowed.as_ref().is_some_and(|slowed| began <= slowed.halved) {
            return true;
        }
        let (connections, rate, slowest) = (self.connections(ceiling), self.now(now, ceiling), ceiling.slowest());
        let at_the_bottom = self.slowed.is_some() && connections <= 1 && rate <= slowest;
        self.slow_down(reply, (connections / 2).max(1), (rate / 2.0).max(slowest), now, ceiling);
        !at_the_bottom
    }

    /// Takes a quarter off, unless what was deferred began before the last time; never below a quarter of what is allowed at its best, or of
    /// the messages a second at which it was slowed down first.
    pub fn ease(&mut self, reply: &Reply, began: Instant, now: Instant, ceiling: Ceiling) {
        if self.slowed.as_ref().is_some_and(|slowed| began <= slowed.halved) {
            return;
        }
        let (connections, rate) = (self.connections(ceiling), self.now(now, ceiling));
        let before = self.slowed.as_ref().map_or(rate, |slowed| slowed.before);
        let fewer = (connections - connections.div_ceil(4)).max(ceiling.connections / 4).max(1);
        let slower = (rate * 0.75).max(before / 4.0).max(ceiling.slowest());
        self.slow_down(reply, fewer.min(connections).max(1), slower.min(rate), now, ceiling);
    }

    /// Messages a second that go now: as many as are allowed, or as are taken.
    fn now(&self, now: Instant, ceiling: Ceiling) -> f64 {
        let measured = self.meter.per_second(now);
        self.rate(ceiling).map_or(measured, |rate| rate.min(measured)).max(ceiling.slowest())
    }

    fn slow_down(&mut self, reply: &Reply, connections: u32, rate: f64, now: Instant, ceiling: Ceiling) {
        let first = self.now(now, ceiling);
        let before = self.slowed.as_ref().map_or(first, |slowed| slowed.before);
        let since = self.slowed.as_ref().map_or(now, |slowed| slowed.cause.since);
        let cause = Cause { since, reply: reply.clone() };
        self.slowed = Some(Slowed { cause, connections, rate: Some(rate), before, halved: now, stepped: now });
    }

    /// Down to one connection, from which it rises again.
    pub fn collapse(&mut self, reply: &Reply, now: Instant) {
        let before = self.meter.per_second(now).max(SLOWEST);
        let slowed = self.slowed.get_or_insert_with(|| Slowed {
            cause: Cause { since: now, reply: reply.clone() },
            connections: 1,
            rate: None,
            before,
            halved: now,
            stepped: now,
        });
        (slowed.connections, slowed.stepped) = (1, now);
    }

    /// A message was answered, and not taken.
    pub fn deferred(&mut self, now: Instant) {
        self.meter.count(now);
    }

    /// A message was taken, by an attempt that began then: at most every [`STEP_EVERY`] one step up.
    pub fn took(&mut self, began: Instant, now: Instant, ceiling: Ceiling) {
        self.meter.count(now);
        let Some(slowed) = &mut self.slowed else { return };
        if began < slowed.halved || now.saturating_duration_since(slowed.stepped) < STEP_EVERY {
            return;
        }
        slowed.step(ceiling);
        slowed.stepped = now;
        if slowed.rate.is_none() && slowed.connections >= ceiling.connections {
            self.slowed = None;
        }
    }
}

impl Slowed {
    fn step(&mut self, ceiling: Ceiling) {
        self.connections = self.connections.saturating_add((ceiling.connections / STEPS).max(1)).min(ceiling.connections.max(1));
        // Without a limit of its own, twice what was too much is as good as none.
        let enough = ceiling.rate.unwrap_or(self.before * 2.0);
        let step = (self.before / f64::from(STEPS)).max(ceiling.slowest() / 2.0);
        self.rate = self.rate.map(|rate| rate + step).filter(|rate| *rate < enough);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CEILING: Ceiling = Ceiling { connections: 10, rate: None };

    fn slow() -> Reply {
        Reply::new(421, Some("4.7.0".into()), "slow down")
    }

    fn second(began: Instant, n: u64) -> Instant {
        began + Duration::from_secs(n)
    }

    /// A minute at a hundred messages a second.
    fn busy(began: Instant) -> (Speed, Instant) {
        let mut speed = Speed::new(began);
        for n in 0..6000 {
            let now = began + Duration::from_millis(10) * n;
            speed.took(now, now, CEILING);
        }
        (speed, second(began, 60))
    }

    #[test]
    fn a_window_is_halved_once() {
        let (mut speed, now) = busy(Instant::now());
        for late in 0..50 {
            assert!(speed.halve(&slow(), now, now + Duration::from_millis(late), CEILING));
        }
        assert_eq!(speed.connections(CEILING), 5);
        assert!((45.0..55.0).contains(&speed.rate(CEILING).unwrap()), "{:?}", speed.rate(CEILING));
        assert!(speed.halve(&slow(), second(now, 1), second(now, 2), CEILING));
        assert_eq!(speed.connections(CEILING), 2);
    }

    #[test]
    fn it_never_halves_to_nothing_and_says_when_it_cannot() {
        let (mut speed, mut now) = busy(Instant::now());
        let mut halvings = 0;
        while speed.halve(&slow(), now, now, CEILING) {
            now += Duration::from_secs(1);
            halvings += 1;
            assert!(halvings < 20);
        }
        assert_eq!((speed.connections(CEILING), speed.rate(CEILING)), (1, Some(SLOWEST)));
    }

    #[test]
    fn it_rises_by_small_steps_to_the_ceiling_and_no_further() {
        let (mut speed, mut now) = busy(Instant::now());
        while speed.halve(&slow(), now, now, CEILING) {
            now += Duration::from_secs(1);
        }
        let began = now;
        let mut last = (1, SLOWEST);
        while speed.cause().is_some() {
            now += Duration::from_millis(100);
            speed.took(now, now, CEILING);
            let next = (speed.connections(CEILING), speed.rate(CEILING).unwrap_or(last.1));
            assert!(next.0 - last.0 <= 1 && next.1 - last.1 <= 11.0, "{last:?} to {next:?}");
            last = next;
            assert!(now < second(began, 600), "{last:?}");
        }
        assert!(now > second(began, 45) && last.0 == 10);
    }

    #[test]
    fn a_tiny_sender_is_not_slowed_to_a_halt() {
        let now = Instant::now();
        let mut speed = Speed::new(now);
        speed.halve(&slow(), now, now, CEILING);
        assert_eq!((speed.connections(CEILING), speed.rate(CEILING)), (5, Some(1.0)));
        let strict = Ceiling { connections: 1, rate: Some(0.1) };
        speed.halve(&slow(), second(now, 1), second(now, 2), strict);
        assert!(speed.rate(strict).unwrap() < 0.1 && speed.connections(strict) == 1);
    }
}
