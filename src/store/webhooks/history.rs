//! What endpoints were told goes when it is old enough.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::id::Id;
use crate::store::db::repeated;
use crate::store::sql::{Sql, values};
use crate::store::{Store, StoreError};

/// Rows of each table that are deleted at a time.
const AT_ONCE: usize = 500;
/// What may still be attempted is kept, whatever the span: a week of attempts, and a day.
const KEPT_AT_LEAST: Duration = Duration::from_secs(8 * 86_400);

pub(in crate::store) static FORGET_ATTEMPTS: Sql =
    Sql::new("DELETE FROM webhook_attempts WHERE id IN (SELECT id FROM webhook_attempts WHERE id < $1 ORDER BY id LIMIT $2)");
pub(in crate::store) static FORGET_DELIVERIES: Sql = Sql::new(
    "DELETE FROM webhook_deliveries WHERE (event_id, webhook_id) IN (
         SELECT event_id, webhook_id FROM webhook_deliveries WHERE event_id < $1 ORDER BY event_id, webhook_id LIMIT $2)",
);
pub(in crate::store) static FORGET_EVENTS: Sql =
    Sql::new("DELETE FROM webhook_events WHERE id IN (SELECT id FROM webhook_events WHERE id < $1 ORDER BY id LIMIT $2)");

static FORGET_SECRETS: Sql =
    Sql::new("UPDATE webhooks SET previous_secret = NULL, previous_until = NULL WHERE previous_until <= $1");

impl Store {
    /// Deletes the secrets that sign no more.
    pub async fn forget_secrets(&self) -> Result<(), StoreError> {
        repeated(|| self.db().write(&FORGET_SECRETS, values![self.desk().clock().now()])).await.map(|_| ())
    }

    /// Deletes some of what endpoints were told of events before this time, and of what was to be told to one that is switched off or gone.
    /// True: there is more.
    pub async fn forget_webhook_history(&self, before: Timestamp) -> Result<bool, StoreError> {
        let oldest = before.min(self.desk().clock().now().minus(KEPT_AT_LEAST));
        let (before, mut more) = (Id::earliest_at(oldest), false);
        for forget in [&FORGET_ATTEMPTS, &FORGET_DELIVERIES, &FORGET_EVENTS] {
            more |= self.db().write(forget, values![before, AT_ONCE]).await? >= AT_ONCE as u64;
        }
        Ok(more)
    }
}
