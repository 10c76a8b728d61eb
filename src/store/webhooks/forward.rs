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

/// What is attempted sooner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// What waits long since this was attempted last: as many attempts are left as before.
    Long(Long),
    /// All, and each delivery begins anew.
    All,
}

/// What has waited long, so that a further attempt is worth one of those that are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Long {
    /// After so many attempts the first long wait begins, which may be cut short at any time,
    pub first_after: i64,
    /// and others where they would end before this time.
    pub ends_before: Timestamp,
}

pub(in crate::store) static BRING_FORWARD: Sql = Sql::new(
    "UPDATE webhook_deliveries SET next_attempt_at = $2, attempts = CASE WHEN $3 = 1 THEN 0 ELSE attempts END
     WHERE (event_id, webhook_id) IN (
         SELECT event_id, webhook_id FROM webhook_deliveries
         WHERE webhook_id = $1 AND state = 'pending'
             AND CASE WHEN $3 = 1 THEN next_attempt_at > $2 OR attempts > 0
                 ELSE next_attempt_at > $2 AND (attempts = $4 OR next_attempt_at < $5) END
         ORDER BY next_attempt_at LIMIT $6)",
);

/// Has some of what waits for an endpoint attempted now. Returns how many deliveries that were; fewer than 500 were all.
pub(super) async fn step(tx: &mut Tx, webhook: Id, waited: Waited, now: Timestamp) -> Result<u64, StoreError> {
    let Long { first_after, ends_before } = match waited {
        Waited::Long(long) => long,
        Waited::All => Long { first_after: 0, ends_before: now },
    };
    let scalars = values![webhook, now, i64::from(waited == Waited::All), first_after, ends_before, AT_ONCE];
    tx.run(&BRING_FORWARD, &scalars, &[]).await
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
