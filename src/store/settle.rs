//! Settling: the outcome of an attempt, its event and what follows from it, in one shared commit.

use crate::id::Id;
use crate::model::outcome::Outcome;
use crate::store::handover::Epoch;
use crate::store::{Store, StoreError};

/// The outcomes of one attempt at one message. Written together; each recipient that is no longer claimed under this epoch and
/// attempt is fenced: nothing is written for it.
#[derive(Clone, Debug)]
pub struct Settlement {
    pub epoch: Epoch,
    pub team: Id,
    pub message: Id,
    pub outcomes: Vec<Settled>,
}

/// One recipient's outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The recipient's place in the message.
    pub index: i64,
    /// `Recipient::attempts` as claimed.
    pub attempt: i64,
    pub outcome: Outcome,
}

impl Store {
    /// Writes the outcomes in the next shared commit. Returns how many recipients were fenced, once the rest is durable.
    pub async fn settle(&self, _settlement: Settlement) -> Result<usize, StoreError> {
        todo!()
    }
}
