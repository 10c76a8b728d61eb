//! Suppressions. Read for each message, never cached; look-ups of many sessions share one read.

use crate::id::Id;
use crate::model::suppression::Suppression;
use crate::store::{Store, StoreError};

impl Store {
    /// Suppresses addresses; one that is suppressed already keeps its first evidence.
    pub async fn suppress(&self, _suppressions: &[Suppression]) -> Result<u64, StoreError> {
        todo!()
    }

    /// Lifts a suppression. False: there was none.
    pub async fn unsuppress(&self, _team: Id, _address: &str) -> Result<bool, StoreError> {
        todo!()
    }

    /// A team's suppressions after `after` (an address key; empty: from the start), by address.
    pub async fn suppressions(&self, _team: Id, _after: &str, _limit: usize) -> Result<Vec<Suppression>, StoreError> {
        todo!()
    }

    /// Which of the addresses (comparable forms) are suppressed, with the reason.
    pub async fn suppressed(&self, _team: Id, _addresses: Vec<String>) -> Result<Vec<(String, String)>, StoreError> {
        todo!()
    }
}
