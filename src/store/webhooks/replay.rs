//! Telling an endpoint again what it was told, or would have been.

use std::time::Instant;

use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::webhook::Webhook;
use crate::store::db::repeated;
use crate::store::sql::{Kind, Sql, Value, record, values};
use crate::store::webhooks::NumberRow;
use crate::store::{Store, StoreError, rows};

/// Events of one transaction.
const AT_ONCE: usize = 500;
/// Events of one wish.
const EVENTS_MAX: i64 = 10_000;

/// What is to be told again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// One event, whether or not the endpoint wants to know of its kind.
    One(Id),
    /// All that it wants to know of, from this time on and before that one.
    Between(Timestamp, Timestamp),
}

pub(in crate::store) static WANTED: Sql = Sql::new(
    "SELECT id FROM webhook_events WHERE team_id = $1 AND id >= $2 AND id < $3 AND (kind & $4) <> 0 ORDER BY id LIMIT $5",
);
pub(in crate::store) static MANY: Sql = Sql::new(
    "SELECT COUNT(*) AS number FROM (
         SELECT 1 FROM webhook_events WHERE team_id = $1 AND id >= $2 AND id < $3 AND (kind & $4) <> 0 LIMIT $5) AS q",
);
/// A delivery that has ended begins anew; one that waits is due now.
pub(in crate::store) static AGAIN: Sql = Sql::rows(
    "INSERT INTO webhook_deliveries (event_id, webhook_id, state, attempts, next_attempt_at)
     SELECT v.event, v.webhook, 'pending', 0, CAST($1 AS BIGINT) FROM {rows} WHERE TRUE ORDER BY v.event
     ON CONFLICT (event_id, webhook_id) DO UPDATE SET state = 'pending', attempts = 0, next_attempt_at = excluded.next_attempt_at",
    &[("event", Kind::Bytes), ("webhook", Kind::Bytes)],
);

record!(EventRow { id: Vec<u8> });

impl Store {
    /// Has an endpoint told again, in transactions of at most 500 events, and leaves as much time to others between them. Returns how many
    /// events that are; `None`: there are more than 10,000, and nothing is done.
    pub async fn replay_webhook(&self, webhook: &Webhook, which: Which) -> Result<Option<u64>, StoreError> {
        let (mut from, until, kinds) = match which {
            Which::One(id) => (id, next_after(id), -1),
            Which::Between(from, until) => (Id::earliest_at(from), Id::earliest_at(until), webhook.settings.kinds.0),
        };
        let many = self.db().fetch_one::<NumberRow>(&MANY, values![webhook.team, from, until, kinds, EVENTS_MAX + 1]).await?;
        if many.is_some_and(|row| row.number > EVENTS_MAX) {
            return Ok(None);
        }
        let mut queued = 0;
        loop {
            let begun = Instant::now();
            let found = self.db().fetch::<EventRow>(&WANTED, values![webhook.team, from, until, kinds, AT_ONCE]).await?;
            let Some(last) = found.last() else { break };
            from = next_after(rows::id(&last.id)?);
            let again: Vec<_> = found.iter().map(|row| values![row.id.clone(), webhook.id]).collect();
            repeated(|| self.tell_again(&again)).await?;
            queued += found.len() as u64;
            tokio::time::sleep(begun.elapsed()).await;
        }
        Ok(Some(queued))
    }

    async fn tell_again(&self, again: &[Vec<Value>]) -> Result<(), StoreError> {
        let mut tx = self.db().begin().await?;
        tx.run(&AGAIN, &values![self.desk().clock().now()], again).await?;
        tx.commit().await
    }
}

fn next_after(id: Id) -> Id {
    Id(u128::from_be_bytes(id.0).saturating_add(1).to_be_bytes())
}
