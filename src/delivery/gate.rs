//! Whether an attempt may start: the epoch is ours and lately renewed, every outcome could be written, and we are not closing.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::delivery::boottime::Boottime;
use crate::store::engines::START_WITHIN;
use crate::store::handover::Epoch;

/// The one place that says whether attempts start.
#[derive(Debug)]
pub struct Gate {
    state: Mutex<State>,
    boottime: Boottime,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    epoch: Option<Epoch>,
    /// When the last renewal that succeeded was sent.
    renewed: Duration,
    /// Since when renewals have succeeded without a gap.
    steady_since: Duration,
    /// Outcomes that could not be written at the first try, and wait.
    stalled: usize,
    draining: bool,
}

/// An outcome waits to be written; the gate is shut for as long as one does.
#[derive(Debug)]
pub struct Stall(Arc<Gate>);

impl Gate {
    /// A gate that is shut until an epoch begins.
    pub fn new(boottime: Boottime) -> Self {
        Self { state: Mutex::default(), boottime, changed: Notify::new() }
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// The time by which renewals count.
    pub fn now(&self) -> Duration {
        self.boottime.now()
    }

    /// A new epoch began; `sent` is when it was asked for.
    pub fn begin(&self, epoch: Epoch, sent: Duration) {
        self.with(|state| (state.epoch, state.renewed, state.steady_since) = (Some(epoch), sent, sent));
        self.changed.notify_waiters();
    }

    /// The epoch was renewed by what was sent at `sent`.
    pub fn renewed(&self, sent: Duration) {
        self.with(|state| {
            if sent.saturating_sub(state.renewed) >= START_WITHIN {
                state.steady_since = sent;
            }
            state.renewed = sent;
        });
        self.changed.notify_waiters();
    }

    /// The epoch is dead: nothing that was claimed under it is ours.
    pub fn end(&self) {
        self.with(|state| state.epoch = None);
        self.changed.notify_waiters();
    }

    /// No attempt starts from here on.
    pub fn drain(&self) {
        self.with(|state| state.draining = true);
        self.changed.notify_waiters();
    }

    /// Completes when no attempt starts any more, because the house closes.
    pub async fn drained(&self) {
        loop {
            let changed = self.changed();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.is_draining() {
                return;
            }
            changed.await;
        }
    }

    /// Whether the house closes.
    pub fn is_draining(&self) -> bool {
        self.with(|state| state.draining)
    }

    /// The epoch under which attempts may start now.
    pub fn open(&self) -> Option<Epoch> {
        let now = self.boottime.now();
        self.with(|state| {
            let fresh = now.saturating_sub(state.renewed) < START_WITHIN;
            state.epoch.filter(|_| fresh && state.stalled == 0 && !state.draining)
        })
    }

    /// Whether an attempt at what was claimed under `epoch` may start now.
    pub fn lets(&self, epoch: Epoch) -> bool {
        self.open() == Some(epoch)
    }

    /// Whether renewals have succeeded without a gap for `patience`. Without that, the silence of others proves nothing: the database
    /// may have been away from all of us.
    pub fn is_steady(&self, patience: Duration) -> bool {
        let now = self.boottime.now();
        self.with(|state| {
            let fresh = now.saturating_sub(state.renewed) < START_WITHIN;
            state.epoch.is_some() && fresh && state.renewed.saturating_sub(state.steady_since) >= patience
        })
    }

    /// The epoch that is ours, as far as we know, whether or not attempts may start.
    pub fn epoch(&self) -> Option<Epoch> {
        self.with(|state| state.epoch)
    }

    /// Shuts the gate until the returned value is dropped.
    pub fn stall(self: &Arc<Self>) -> Stall {
        self.with(|state| state.stalled += 1);
        Stall(self.clone())
    }

    /// Completes at the next change. Enable it before looking.
    pub fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }
}

impl Drop for Stall {
    fn drop(&mut self) {
        let left = self.0.with(|state| {
            state.stalled -= 1;
            state.stalled
        });
        if left == 0 {
            self.0.changed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_start_only_while_the_renewal_is_fresh() {
        let boottime = Boottime::manual();
        let gate = Gate::new(boottime.clone());
        assert_eq!(gate.open(), None);
        gate.begin(7, boottime.now());
        boottime.advance(Duration::from_millis(14_999));
        assert_eq!(gate.open(), Some(7));
        boottime.advance(Duration::from_millis(1));
        assert_eq!((gate.open(), gate.epoch()), (None, Some(7)));
        gate.renewed(boottime.now());
        assert_eq!(gate.open(), Some(7));
        gate.end();
        assert_eq!(gate.open(), None);
    }

    #[test]
    fn only_renewals_without_a_gap_make_an_engine_steady() {
        let patience = Duration::from_secs(20);
        let boottime = Boottime::manual();
        let gate = Gate::new(boottime.clone());
        let renew_for = |seconds: u64| {
            for _ in 0..seconds / 5 {
                boottime.advance(Duration::from_secs(5));
                gate.renewed(boottime.now());
            }
        };
        gate.begin(7, boottime.now());
        renew_for(15);
        assert!(!gate.is_steady(patience));
        renew_for(5);
        assert!(gate.is_steady(patience));
        // The database was away: the first renewal afterwards says nothing of the others.
        boottime.advance(Duration::from_secs(25));
        assert!(!gate.is_steady(patience));
        gate.renewed(boottime.now());
        assert!(!gate.is_steady(patience));
        renew_for(20);
        assert!(gate.is_steady(patience));
        gate.begin(8, boottime.now());
        assert!(!gate.is_steady(patience), "a new epoch begins anew");
    }

    #[test]
    fn an_outcome_that_waits_shuts_the_gate_and_so_does_closing() {
        let gate = Arc::new(Gate::new(Boottime::manual()));
        gate.begin(7, gate.now());
        let (one, two) = (gate.stall(), gate.stall());
        drop(one);
        assert_eq!(gate.open(), None);
        drop(two);
        assert_eq!(gate.open(), Some(7));
        gate.drain();
        assert_eq!(gate.open(), None);
    }
}
