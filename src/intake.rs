//! The one way in: gathers the facts, folds the policies, commits once.

use crate::clock::Clock;
use crate::config::Config;
use crate::id::Ids;
use crate::model::address::Address;
use crate::model::key::ApiKey;
use crate::model::refusal::Refusal;
use crate::model::submission::{Receipt, Submission};
use crate::store::Store;

/// Accepts submissions. Clones share everything.
#[derive(Clone, Debug)]
pub struct Intake {}

impl Intake {
    /// An intake that writes into `store` under the rules of `config`.
    pub fn new(_store: Store, _config: &Config, _clock: Clock, _ids: Ids) -> Self {
        todo!()
    }

    /// Judges the submission and, when nothing speaks against it, writes it durably.
    pub async fn accept(&self, _submission: Submission) -> Result<Receipt, Refusal> {
        todo!()
    }

    /// What can be said at MAIL already: scope, null sender, size, rate, quota, room in queue and disk.
    pub async fn may_begin(&self, _key: &ApiKey, _declared_size: Option<u64>, _null_sender: bool) -> Result<(), Refusal> {
        todo!()
    }

    /// What can be said at RCPT to a strict key: suppressed, or not on the sandbox list.
    pub async fn may_address(&self, _key: &ApiKey, _recipient: &Address) -> Result<(), Refusal> {
        todo!()
    }
}
