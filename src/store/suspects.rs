//! Messages under suspicion: how often each made its own attempt panic, or was alone in flight when the process died.

use crate::id::Id;
use crate::store::handover::Epoch;
use crate::store::sql::{Sql, record, values};
use crate::store::{Store, StoreError};

/// Faults after which a message is no longer attempted, but held.
pub const FAULTS_MAX: i64 = 3;

static FAULT: Sql = Sql::new(
    "INSERT INTO suspects (message_id, faults, trial) VALUES ($1, 1, 0)
     ON CONFLICT (message_id) DO UPDATE SET faults = suspects.faults + 1, trial = 0
     RETURNING faults",
);
static BEGIN_TRIAL: Sql = Sql::new(
    "INSERT INTO suspects (message_id, faults, trial) VALUES ($1, 0, $2)
     ON CONFLICT (message_id) DO UPDATE SET trial = excluded.trial
     RETURNING faults",
);
static END_TRIAL: Sql = Sql::new("UPDATE suspects SET trial = 0 WHERE message_id = $1");
/// A trial that its epoch did not survive counts, once.
static CHARGE: Sql = Sql::new(
    "UPDATE suspects SET faults = faults + 1, trial = 0
     WHERE trial <> 0 AND trial IN (SELECT epoch FROM engines WHERE state <> 'alive')",
);
pub(super) static ACQUIT: Sql = Sql::new("DELETE FROM suspects WHERE message_id = $1");

record!(Suspect { faults: i64 });

impl Store {
    /// An attempt at the message panicked. Returns its faults so far.
    pub async fn note_fault(&self, message: Id) -> Result<i64, StoreError> {
        self.faults(&FAULT, values![message]).await
    }

    /// From here on the message is in flight alone: if the epoch dies, that is the message's fault. Returns its faults so far.
    pub async fn begin_trial(&self, epoch: Epoch, message: Id) -> Result<i64, StoreError> {
        self.faults(&BEGIN_TRIAL, values![message, epoch]).await
    }

    async fn faults(&self, sql: &Sql, scalars: Vec<crate::store::sql::Value>) -> Result<i64, StoreError> {
        let mut tx = self.db().begin().await?;
        let suspect = tx.fetch::<Suspect>(sql, &scalars, &[]).await?.pop();
        tx.commit().await?;
        Ok(suspect.map_or(0, |s| s.faults))
    }

    /// The message is no longer in flight alone; its faults stand.
    pub async fn end_trial(&self, message: Id) -> Result<(), StoreError> {
        self.db().write(&END_TRIAL, values![message]).await.map(|_| ())
    }

    /// An attempt at the message came to an end like any other: it is suspected no longer.
    pub async fn acquit(&self, message: Id) -> Result<(), StoreError> {
        self.db().write(&ACQUIT, values![message]).await.map(|_| ())
    }

    /// Charges messages with the death of the epochs under which they were in flight alone. Returns how many.
    pub(super) async fn charge_suspects(&self) -> Result<u64, StoreError> {
        self.db().write(&CHARGE, Vec::new()).await
    }
}
