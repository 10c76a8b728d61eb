//! Messages under suspicion: those whose own attempts panicked, or were in flight when their process died, and how often.

use std::collections::BTreeSet;

use crate::id::Id;
use crate::store::sql::{Kind, Sql, Value, record, values};
use crate::store::{Store, StoreError};

/// Faults after which a message is no longer attempted, but held.
pub const FAULTS_MAX: i64 = 3;

static FAULT: Sql = Sql::new(
    "INSERT INTO suspects (message_id, faults) VALUES ($1, 1)
     ON CONFLICT (message_id) DO UPDATE SET faults = suspects.faults + 1
     RETURNING faults",
);
static DEATH: Sql = Sql::rows(
    "INSERT INTO suspects (message_id, faults) SELECT message, 1 FROM {rows} WHERE TRUE ORDER BY message
     ON CONFLICT (message_id) DO UPDATE SET faults = suspects.faults + 1",
    &[("message", Kind::Bytes)],
);
/// Whoever was not alone is charged with its first death only.
static FIRST_DEATH: Sql = Sql::rows(
    "INSERT INTO suspects (message_id, faults) SELECT message, 1 FROM {rows} WHERE TRUE ORDER BY message
     ON CONFLICT (message_id) DO NOTHING",
    &[("message", Kind::Bytes)],
);
static SUSPECTED: Sql = Sql::rows(
    "SELECT s.message_id AS message_id, s.faults AS faults FROM {rows} JOIN suspects s ON s.message_id = v.message",
    &[("message", Kind::Bytes)],
);
pub(super) static ACQUIT: Sql = Sql::new("DELETE FROM suspects WHERE message_id = $1");

record!(Faults { faults: i64 });
record!(Suspect { message_id: Vec<u8>, faults: i64 });

impl Store {
    /// An attempt at the message panicked. Returns its faults so far.
    pub async fn note_fault(&self, message: Id) -> Result<i64, StoreError> {
        let mut tx = self.db().begin().await?;
        let noted = tx.fetch::<Faults>(&FAULT, &values![message], &[]).await?.pop();
        tx.commit().await?;
        Ok(noted.map_or(0, |row| row.faults))
    }

    /// A process died while it attempted these messages. The first death is charged to each, every further one only to a message that
    /// was `alone`.
    pub async fn note_death(&self, messages: &BTreeSet<Id>, alone: bool) -> Result<(), StoreError> {
        let sql = if alone { &DEATH } else { &FIRST_DEATH };
        let rows: Vec<_> = messages.iter().map(|message| values![*message]).collect();
        let mut tx = self.db().begin().await?;
        tx.run(sql, &[], &rows).await?;
        tx.commit().await
    }

    /// Which of the messages are suspected of any fault.
    pub async fn suspected(&self, messages: impl Iterator<Item = Id>) -> Result<BTreeSet<Id>, StoreError> {
        let asked: Vec<Vec<Value>> = messages.map(|message| values![message]).collect();
        let found = self.db().fetch_rows::<Suspect>(&SUSPECTED, Vec::new(), &asked).await?;
        found.iter().map(|row| crate::store::rows::id(&row.message_id)).collect()
    }

    /// How many faults the message is charged with.
    pub async fn faults(&self, message: Id) -> Result<i64, StoreError> {
        let found = self.db().fetch_rows::<Suspect>(&SUSPECTED, Vec::new(), &[values![message]]).await?;
        Ok(found.first().map_or(0, |row| row.faults))
    }

    /// An attempt at the message came to an end like any other: it is suspected no longer.
    pub async fn acquit(&self, message: Id) -> Result<(), StoreError> {
        self.db().write(&ACQUIT, values![message]).await.map(|_| ())
    }
}
