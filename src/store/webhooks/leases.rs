//! Which process sends to an endpoint, where there are several: a lease for a time, by the database's clock.

use std::time::Duration;

use crate::id::Id;
use crate::store::sql::{Kind, Sql, record, values};
use crate::store::{Store, StoreError, rows};

/// How long a lease lasts: longer than anyone works at an endpoint without taking it anew.
pub const LEASED_FOR: Duration = Duration::from_secs(45);

/// In one order, so that two processes can't wait for each other. Who has a lease may have it anew: its earlier life did not give it back.
/// One that lasts for longer than any is given for was given while the database's clock was ahead.
pub(in crate::store) static TAKE: Sql = Sql::rows(
    "INSERT INTO webhook_leases (webhook_id, holder, ends_at) SELECT v.webhook, $1, {now} + $2 FROM {rows} WHERE TRUE ORDER BY v.webhook
     ON CONFLICT (webhook_id) DO UPDATE SET holder = excluded.holder, ends_at = excluded.ends_at
         WHERE webhook_leases.ends_at <= {now} OR webhook_leases.ends_at > {now} + $2 OR webhook_leases.holder = excluded.holder
     RETURNING webhook_id",
    &[("webhook", Kind::Bytes)],
);
static GIVE_BACK: Sql = Sql::rows(
    "DELETE FROM webhook_leases WHERE holder = $1 AND webhook_id IN (SELECT webhook FROM {rows})",
    &[("webhook", Kind::Bytes)],
);
/// A lease that a crash of the database undoes is missed by nobody: an endpoint may hear of an event twice.
static UNSYNCED: Sql = Sql::new("SET LOCAL synchronous_commit TO off");

record!(LeaseRow { webhook_id: Vec<u8> });

/// The same in milliseconds, as it is bound.
pub(super) fn span() -> i64 {
    i64::try_from(LEASED_FOR.as_millis()).unwrap_or(i64::MAX)
}

impl Store {
    /// Takes these endpoints for a process, but for those that another has. On SQLite there is no other, and nothing is written.
    pub async fn lease_webhooks(&self, holder: Id, webhooks: Vec<Id>) -> Result<Vec<Id>, StoreError> {
        if self.db().is_sqlite() || webhooks.is_empty() {
            return Ok(webhooks);
        }
        let asked: Vec<_> = webhooks.into_iter().map(|id| values![id]).collect();
        let mut tx = self.db().begin().await?;
        tx.run(&UNSYNCED, &[], &[]).await?;
        let taken = tx.fetch::<LeaseRow>(&TAKE, &values![holder, span()], &asked).await?;
        tx.commit().await?;
        taken.iter().map(|row| rows::id(&row.webhook_id)).collect()
    }

    /// Lets other processes have these endpoints.
    pub async fn release_webhooks(&self, holder: Id, mut webhooks: Vec<Id>) -> Result<(), StoreError> {
        if self.db().is_sqlite() || webhooks.is_empty() {
            return Ok(());
        }
        webhooks.sort_unstable();
        let given: Vec<_> = webhooks.into_iter().map(|id| values![id]).collect();
        let mut tx = self.db().begin().await?;
        tx.run(&UNSYNCED, &[], &[]).await?;
        tx.run(&GIVE_BACK, &values![holder], &given).await?;
        tx.commit().await
    }
}
