//! What waits for an endpoint is attempted sooner.

use crate::clock::Timestamp;
use crate::id::Id;
use crate::store::db::{Tx, repeated};
use crate::store::sql::{Sql, values};
use crate::store::{Store, StoreError};

/// Deliveries of one transaction.
const AT_ONCE: usize = 500;
/// Transactions at most: what still fails meanwhile could keep it going for ever.
const STEPS_MAX: usize = 2000;

/// Whether earlier attempts count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waited {
    /// As many attempts are left as before.
    Counts,
    /// Each delivery begins anew.
    Begins,
}

pub(in crate::store) static BRING_FORWARD: Sql = Sql::new(
    "UPDATE webhook_deliveries SET next_attempt_at = $2, attempts = CASE WHEN $3 = 1 THEN 0 ELSE attempts END
     WHERE (event_id, webhook_id) IN (
         SELECT event_id, webhook_id FROM webhook_deliveries
         WHERE webhook_id = $1 AND state = 'pending' AND (next_attempt_at > $2 OR ($3 = 1 AND attempts > 0))
         ORDER BY next_attempt_at LIMIT $4)",
);

/// Has some of what waits for an endpoint attempted now. Returns how many deliveries that were; fewer than 500 were all.
pub(super) async fn step(tx: &mut Tx, webhook: Id, waited: Waited, now: Timestamp) -> Result<u64, StoreError> {
    tx.run(&BRING_FORWARD, &values![webhook, now, i64::from(waited == Waited::Begins), AT_ONCE], &[]).await
}

impl Store {
    /// Has what waits for an endpoint attempted now, in transactions of at most 500 deliveries.
    pub(super) async fn bring_forward(&self, webhook: Id, waited: Waited) -> Result<(), StoreError> {
        let now = self.desk().clock().now();
        for _ in 0..STEPS_MAX {
            if repeated(|| self.try_step(webhook, waited, now)).await? < AT_ONCE as u64 {
                break;
            }
        }
        Ok(())
    }

    async fn try_step(&self, webhook: Id, waited: Waited, now: Timestamp) -> Result<u64, StoreError> {
        let mut tx = self.db().begin().await?;
        let changed = step(&mut tx, webhook, waited, now).await?;
        tx.commit().await?;
        Ok(changed)
    }
}
