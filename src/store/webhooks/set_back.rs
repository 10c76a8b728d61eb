//! The clock was set back: what was to wait for a moment, by a clock that was ahead, would wait for as long as that was ahead.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::store::db::repeated;
use crate::store::sql::{Kind, Sql, Value, record, values};
use crate::store::{Store, StoreError};

/// Deliveries of one transaction.
const AT_ONCE: usize = 500;
/// Transactions at most: a process whose clock is still ahead could keep it going for ever.
const STEPS_MAX: usize = 2000;

/// What lies in the future did not happen there.
pub(in crate::store) static FARED: Sql = Sql::new(
    "UPDATE webhooks SET
         failing_since = CASE WHEN failing_since > $1 THEN $1 ELSE failing_since END,
         succeeded_at = CASE WHEN succeeded_at > $1 THEN $1 ELSE succeeded_at END,
         tried_at = CASE WHEN tried_at > $1 THEN $1 ELSE tried_at END,
         paused_until = CASE WHEN paused_until > $2 THEN $1 ELSE paused_until END,
         slow_until = CASE WHEN slow_until > $2 THEN $1 ELSE slow_until END
     WHERE failing_since > $1 OR succeeded_at > $1 OR tried_at > $1 OR paused_until > $2 OR slow_until > $2",
);
pub(in crate::store) static TOO_FAR: Sql = Sql::new(
    "SELECT d.event_id, d.webhook_id FROM webhooks hook
         JOIN webhook_deliveries d ON d.webhook_id = hook.id AND d.state = 'pending' AND d.next_attempt_at > $1
     WHERE d.attempts < $2 OR d.next_attempt_at > $3 LIMIT $4",
);
pub(in crate::store) static NOW: Sql = Sql::rows(
    "UPDATE webhook_deliveries SET next_attempt_at = CAST($1 AS BIGINT) FROM {rows}
     WHERE event_id = v.event AND webhook_id = v.webhook AND state = 'pending' AND next_attempt_at > $1",
    &[("event", Kind::Bytes), ("webhook", Kind::Bytes)],
);

record!(TooFarRow { event_id: Vec<u8>, webhook_id: Vec<u8> });

/// The longest that anything lawfully waits.
#[derive(Clone, Copy, Debug)]
pub struct Longest {
    /// An endpoint that is spared, or counts as slow.
    pub pause: Duration,
    /// A delivery of which fewer attempts have ended than `close`.
    pub retry: Duration,
    pub close: i64,
    /// One of which more have.
    pub late_retry: Duration,
}

impl Store {
    /// Has whatever waits for longer than this wait no longer, in transactions of at most 500 deliveries. Returns how many deliveries
    /// that were.
    pub async fn shorten_webhook_waits(&self, longest: &Longest) -> Result<u64, StoreError> {
        let now = self.desk().clock().now();
        repeated(|| self.db().write(&FARED, values![now, now.plus(longest.pause)])).await?;
        let mut shortened = 0;
        for _ in 0..STEPS_MAX {
            let bounds = values![now.plus(longest.retry), longest.close, now.plus(longest.late_retry), AT_ONCE];
            let found = self.db().fetch::<TooFarRow>(&TOO_FAR, bounds).await?;
            let mut found: Vec<_> = found.into_iter().map(|row| (row.event_id, row.webhook_id)).collect();
            // In one order, so that two processes can't wait for each other.
            found.sort();
            let found: Vec<_> = found.into_iter().map(|(event, webhook)| values![event, webhook]).collect();
            if found.is_empty() {
                break;
            }
            shortened += repeated(|| self.wait_no_longer(now, &found)).await?;
        }
        Ok(shortened)
    }

    async fn wait_no_longer(&self, now: Timestamp, deliveries: &[Vec<Value>]) -> Result<u64, StoreError> {
        let mut tx = self.db().begin().await?;
        let changed = tx.run(&NOW, &values![now], deliveries).await?;
        tx.commit().await?;
        Ok(changed)
    }
}
