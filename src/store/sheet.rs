//! Everything a batch writes, table by table: filled while the batch is judged, written in one go before the commit.

use crate::id::Id;
use crate::store::db::{Db, Tx};
use crate::store::script::Script;
use crate::store::sql::{Value, values};
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

/// What a batch writes as one transaction when its messages are new and its claims stand, as nearly all do. It fails when a key is taken
/// or a claim does not stand.
static WRITE_WHOLE: Script = Script::checked(
    &[
        &idempotency::INSERT,
        &accept::INSERT_MESSAGES,
        &accept::INSERT_RECIPIENTS,
        &accept::INSERT_BODIES,
        &settle::UPDATE,
        &events::INSERT,
        &suppressions::SUPPRESS,
        &idempotency::GIVE_UP,
        &refusals::INSERT,
        &counters::APPLY,
    ],
    OUTCOMES,
);

/// The place of the outcomes in [`WRITE_WHOLE`].
const OUTCOMES: usize = 4;

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
    /// Writes the rows and the `keys` of the new messages in a transaction of its own.
    pub async fn write_whole(self, keys: Vec<Vec<Value>>, db: &Db, committer: &str) -> Result<(), StoreError> {
        let (ended, counts) = (self.ended.iter().map(|id| values![*id]).collect(), self.counts.rows(committer));
        let mail = [keys, self.messages, self.recipients, self.bodies];
        let fates = [self.outcomes, self.events, self.suppressions];
        let tables: Vec<_> = mail.into_iter().chain(fates).chain([ended, self.refusals, counts]).collect();
        db.run_whole(&WRITE_WHOLE, &tables).await
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
