//! Everything a batch writes, table by table: filled while the batch is judged, written in one go before the commit.

use crate::id::Id;
use crate::store::db::{Db, Tx};
use crate::store::sql::{Script, Value, values};
use crate::store::{StoreError, accept, counters, events, idempotency, refusals, settle, suppressions};

/// Counters come last, so that rows which several committers share are locked for the shortest time.
static WRITE: Script = Script::new(&[
    &accept::INSERT_MESSAGES,
    &accept::INSERT_RECIPIENTS,
    &accept::INSERT_BODIES,
    &settle::UPDATE,
    &events::INSERT,
    &suppressions::SUPPRESS,
    &idempotency::GIVE_UP,
    &refusals::INSERT,
    &counters::APPLY,
]);

/// What a batch of nothing but new messages writes, as one transaction. A key that is taken makes it fail.
static WRITE_NEW: Script = Script::whole(&[
    &idempotency::INSERT,
    &accept::INSERT_MESSAGES,
    &accept::INSERT_RECIPIENTS,
    &accept::INSERT_BODIES,
    &events::INSERT,
    &refusals::INSERT,
    &counters::APPLY,
]);

/// The rows of a batch.
#[derive(Default)]
pub(super) struct Sheet {
    pub messages: Vec<Vec<Value>>,
    pub recipients: Vec<Vec<Value>>,
    pub bodies: Vec<Vec<Value>>,
    pub outcomes: Vec<Vec<Value>>,
    pub events: Vec<Vec<Value>>,
    pub suppressions: Vec<Vec<Value>>,
    /// Messages that may have ended badly.
    pub ended: Vec<Id>,
    pub refusals: Vec<Vec<Value>>,
    pub counts: counters::Changes,
}

impl Sheet {
    /// Writes new messages, their `keys` and what belongs to them in a transaction of its own; `None` where the engine has no such way.
    pub async fn write_new(self, keys: Vec<Vec<Value>>, db: &Db, committer: &str) -> Option<Result<(), StoreError>> {
        let counts = self.counts.rows(committer);
        let tables = [keys, self.messages, self.recipients, self.bodies, self.events, self.refusals, counts];
        db.run_whole(&WRITE_NEW, &tables).await
    }

    /// Writes the rows inside `tx`, under the committer's name.
    pub async fn write(self, tx: &mut Tx, committer: &str) -> Result<(), StoreError> {
        let ended = self.ended.iter().map(|id| values![*id]).collect();
        let counts = self.counts.rows(committer);
        let (mail, fates) = ([self.messages, self.recipients, self.bodies], [self.outcomes, self.events, self.suppressions]);
        let tables: Vec<_> = mail.into_iter().chain(fates).chain([ended, self.refusals, counts]).collect();
        if tables.iter().all(Vec::is_empty) {
            return Ok(());
        }
        tx.run_script(&WRITE, &tables).await
    }
}
