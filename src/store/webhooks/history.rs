//! What endpoints were told goes when it is old enough.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::id::Id;
use crate::store::db::repeated;
use crate::store::sql::{Sql, values};
use crate::store::{Store, StoreError};

/// Rows of each table that are deleted at a time.
const AT_ONCE: usize = 500;
/// A week of attempts, and a day.
const ATTEMPTED_FOR: Duration = Duration::from_secs(8 * 86_400);

pub(in crate::store) static FORGET_ATTEMPTS: Sql =
    Sql::new("DELETE FROM webhook_attempts WHERE id IN (SELECT id FROM webhook_attempts WHERE id < $1 ORDER BY id LIMIT $2)");
/// What waits for an endpoint that is switched on stays while it may be attempted: it may have begun anew on the last day.
pub(in crate::store) static FORGET_DELIVERIES: Sql = Sql::new(
    "DELETE FROM webhook_deliveries WHERE (event_id, webhook_id) IN (
         SELECT d.event_id, d.webhook_id FROM webhook_deliveries d
         WHERE d.event_id < $1 AND (d.event_id < $3 OR d.state <> 'pending'
             OR NOT EXISTS (SELECT 1 FROM webhooks hook WHERE hook.id = d.webhook_id AND hook.enabled = 1))
         ORDER BY d.event_id, d.webhook_id LIMIT $2)",
);
/// One that somebody is still to be told of is read at each attempt.
pub(in crate::store) static FORGET_EVENTS: Sql = Sql::new(
    "DELETE FROM webhook_events WHERE id IN (
         SELECT told.id FROM webhook_events told
         WHERE told.id < $1 AND NOT EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.event_id = told.id)
         ORDER BY told.id LIMIT $2)",
);

static FORGET_SECRETS: Sql =
    Sql::new("UPDATE webhooks SET previous_secret = NULL, previous_until = NULL WHERE previous_until <= $1");

impl Store {
    /// Deletes the secrets that sign no more.
    pub async fn forget_secrets(&self) -> Result<(), StoreError> {
        repeated(|| self.db().write(&FORGET_SECRETS, values![self.desk().clock().now()])).await.map(|_| ())
    }

    /// Deletes some of what endpoints were told of events before this time, and of what was to be told to one that is switched off or gone;
    /// what waits for one that is on goes 8 days later. The last 8 days are kept, whatever the time. True: there is more.
    pub async fn forget_webhook_history(&self, before: Timestamp) -> Result<bool, StoreError> {
        let before = before.min(self.desk().clock().now().minus(ATTEMPTED_FOR));
        let (old, over) = (Id::earliest_at(before), Id::earliest_at(before.minus(ATTEMPTED_FOR)));
        let mut more = false;
        for (forget, scalars) in [
            (&FORGET_ATTEMPTS, values![old, AT_ONCE]),
            (&FORGET_DELIVERIES, values![old, AT_ONCE, over]),
            (&FORGET_EVENTS, values![old, AT_ONCE]),
        ] {
            more |= repeated(|| self.db().write(forget, scalars.clone())).await? >= AT_ONCE as u64;
        }
        Ok(more)
    }
}
