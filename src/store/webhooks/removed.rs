//! What is left of endpoints that were removed goes little by little: one may have been told of a million events.

use std::time::Duration;

use crate::id::Id;
use crate::store::db::repeated;
use crate::store::sql::{Sql, record, values};
use crate::store::{Store, StoreError, rows};

/// Rows of each table that are deleted at a time.
const AT_ONCE: usize = 500;
/// Who works at an endpoint when it is removed, or makes deliveries for it, has ended by then.
const AFTER: Duration = Duration::from_secs(60);

pub(in crate::store) static REMOVED: Sql =
    Sql::new("SELECT webhook_id FROM webhooks_removed WHERE removed_at <= $1 ORDER BY webhook_id LIMIT 1");
pub(in crate::store) static FORGET_PENDING: Sql = Sql::new(
    "DELETE FROM webhook_deliveries WHERE (event_id, webhook_id) IN (
         SELECT event_id, webhook_id FROM webhook_deliveries WHERE webhook_id = $1 AND state = 'pending' ORDER BY next_attempt_at LIMIT $2)",
);
/// Those that have ended are found by their attempts: there is none without.
pub(in crate::store) static FORGET_ENDED: Sql = Sql::new(
    "DELETE FROM webhook_deliveries WHERE webhook_id = $1 AND event_id IN (
         SELECT event_id FROM webhook_attempts WHERE webhook_id = $1 ORDER BY id LIMIT $2)",
);
pub(in crate::store) static FORGET_ATTEMPTS: Sql = Sql::new(
    "DELETE FROM webhook_attempts WHERE id IN (SELECT id FROM webhook_attempts WHERE webhook_id = $1 ORDER BY id LIMIT $2)",
);
/// None takes it anew: who asks for leases has found the endpoint on record.
static FORGET_LEASE: Sql = Sql::new("DELETE FROM webhook_leases WHERE webhook_id = $1");
static DONE: Sql = Sql::new("DELETE FROM webhooks_removed WHERE webhook_id = $1");

record!(RemovedRow { webhook_id: Vec<u8> });

impl Store {
    /// Deletes some of what is left of endpoints that were removed a minute ago or earlier. True: there may be more.
    pub async fn forget_removed_webhooks(&self) -> Result<bool, StoreError> {
        let before = self.desk().clock().now().minus(AFTER);
        let Some(removed) = self.db().fetch_one::<RemovedRow>(&REMOVED, values![before]).await? else { return Ok(false) };
        let webhook = rows::id(&removed.webhook_id)?;
        repeated(|| self.forget_some_of(webhook)).await?;
        Ok(true)
    }

    async fn forget_some_of(&self, webhook: Id) -> Result<(), StoreError> {
        let mut tx = self.db().begin().await?;
        let mut gone = 0;
        for forget in [&FORGET_PENDING, &FORGET_ENDED, &FORGET_ATTEMPTS] {
            gone += tx.run(forget, &values![webhook, AT_ONCE], &[]).await?;
        }
        if gone == 0 {
            tx.run(&FORGET_LEASE, &values![webhook], &[]).await?;
            tx.run(&DONE, &values![webhook], &[]).await?;
        }
        tx.commit().await
    }
}
