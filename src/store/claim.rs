//! Claiming what is ready, and what a dead engine left behind.

use crate::clock::Timestamp;
use crate::store::handover::{Claim, Epoch};
use crate::store::{Store, StoreError};

/// The order in which rows are looked for: fresh before retried, transactional before broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    FreshTransactional = 0,
    RetriedTransactional = 1,
    FreshBroadcast = 2,
    RetriedBroadcast = 3,
}

impl Lane {
    /// All, in the order of their claim on the engine.
    pub const ALL: [Lane; 4] =
        [Lane::FreshTransactional, Lane::RetriedTransactional, Lane::FreshBroadcast, Lane::RetriedBroadcast];
}

impl Store {
    /// Claims at most `limit` recipients of `lane` that are due, oldest first, and reads their messages and bytes.
    /// Recipients of one message come in one claim. The caller has places for all of them.
    pub async fn claim(&self, _epoch: Epoch, _lane: Lane, _limit: usize) -> Result<Vec<Claim>, StoreError> {
        todo!()
    }

    /// Claims at most `limit` recipients that a dead epoch left behind (see `bury_epochs`), due or not.
    pub async fn claim_from_dead(&self, _epoch: Epoch, _dead: Epoch, _limit: usize) -> Result<Vec<Claim>, StoreError> {
        todo!()
    }

    /// When the next ready recipient of any lane is due, if one waits.
    pub async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        todo!()
    }

    /// Frees rows claimed under `epoch` that the attached scheduler does not hold. Returns how many.
    pub async fn sweep(&self, _epoch: Epoch) -> Result<u64, StoreError> {
        todo!()
    }
}
