//! What was turned away, for the owner of the key: a bounded record, written without anyone waiting for it.

use crate::clock::Timestamp;
use crate::id::Id;
use crate::store::{Store, StoreError};

/// One refusal on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusalRecord {
    pub team: Id,
    pub key: Id,
    /// `smtp` or `rest`.
    pub door: String,
    pub at: Timestamp,
    pub code: String,
    pub text: String,
    pub reverse_path: String,
    /// At most 10.
    pub recipients: Vec<String>,
    pub subject: String,
}

impl Store {
    /// Puts a refusal on record with the next shared commit; dropped when the committer is busy or the key has had too many.
    pub fn record_refusal(&self, _refusal: RefusalRecord) {
        todo!()
    }

    /// A team's refusals, newest first.
    pub async fn refusals(&self, _team: Id, _limit: usize) -> Result<Vec<RefusalRecord>, StoreError> {
        todo!()
    }
}
