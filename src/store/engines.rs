//! Engines and their epochs: who may hold claims, and whose claims are void.

use std::time::Duration;

use crate::store::handover::{Epoch, Scheduler};
use crate::store::{Store, StoreError};

/// How often an epoch is renewed.
pub const RENEW_EVERY: Duration = Duration::from_secs(5);
/// Counted from when the last renewal was sent: past it no attempt starts.
pub const START_WITHIN: Duration = Duration::from_secs(15);
/// Without renewal for this long, by the database's clock, an epoch is dead.
pub const DEAD_AFTER: Duration = Duration::from_secs(20);

impl Store {
    /// Begins a new epoch under a name that tells the machine and process. On SQLite every other epoch is dead from here on,
    /// since the lock file proves that no other engine runs.
    pub async fn open_epoch(&self, _name: &str) -> Result<Epoch, StoreError> {
        todo!()
    }

    /// Renews the epoch. False: it is dead, and what was claimed under it is no longer ours.
    pub async fn renew_epoch(&self, _epoch: Epoch) -> Result<bool, StoreError> {
        todo!()
    }

    /// Ends the epoch in order: what it still holds becomes free at once.
    pub async fn close_epoch(&self, _epoch: Epoch) -> Result<(), StoreError> {
        todo!()
    }

    /// Marks epochs dead that were not renewed in time. Returns every dead epoch whose rows are not all taken over yet.
    pub async fn bury_epochs(&self) -> Result<Vec<Epoch>, StoreError> {
        todo!()
    }

    /// Connects the engine of this process with the committers.
    pub fn attach(&self, _scheduler: std::sync::Arc<dyn Scheduler>) {
        todo!()
    }
}
