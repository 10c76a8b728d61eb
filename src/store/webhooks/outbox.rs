//! Events that endpoints are to be told of: noted in the transaction that writes them, and turned into deliveries soon after.

use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::event::Event;
use crate::model::webhook::WebhookKind;
use crate::store::db::{Tx, repeated};
use crate::store::sql::{Kind, Sql, Value, values};
use crate::store::webhooks::noted::{Noted, NotedKey};
use crate::store::webhooks::{behind, turns};
use crate::store::{Store, StoreError};

/// Notes what an endpoint wants to be told of, be it that it is switched off: then it may ask for it later. Of a team without such an endpoint it writes
/// nothing, after a look into a small index.
pub(in crate::store) static INSERT: Sql = Sql::rows(
    "INSERT {or fail} INTO webhook_outbox (team_id, event_id, message_id) SELECT team, event_id, message_id FROM {rows}
     WHERE EXISTS (SELECT 1 FROM webhooks hook WHERE hook.team_id = v.team AND (hook.kinds & v.kind) <> 0)",
    &[("event_id", Kind::Bytes), ("message_id", Kind::Bytes), ("team", Kind::Bytes), ("kind", Kind::Int)],
);
/// Two processes may do the same at once.
pub(in crate::store) static TELL: Sql = Sql::rows(
    "INSERT INTO webhook_events (id, team_id, kind, body) SELECT id, team_id, kind, body FROM {rows} WHERE TRUE ORDER BY id
     ON CONFLICT (id) DO NOTHING",
    &[("id", Kind::Bytes), ("team_id", Kind::Bytes), ("kind", Kind::Int), ("body", Kind::Text)],
);
/// One for each endpoint that wants to know and is not behind from then on or before, but for the one that is named.
macro_rules! deliver {
    ($behind:literal) => {
        Sql::rows(
            concat!(
                "INSERT INTO webhook_deliveries (event_id, webhook_id, state, attempts, next_attempt_at)
                 SELECT v.event, hook.id, 'pending', 0, CAST($1 AS BIGINT) FROM {rows}
                     JOIN webhooks hook ON hook.team_id = v.team AND hook.behind_from ",
                $behind,
                " AND hook.enabled = 1 AND (hook.kinds & v.kind) <> 0
                 WHERE hook.id <> $2 ORDER BY v.event, hook.id
                 ON CONFLICT (event_id, webhook_id) DO NOTHING"
            ),
            &[("event", Kind::Bytes), ("team", Kind::Bytes), ("kind", Kind::Int)],
        )
    };
}
/// To those that keep up.
pub(in crate::store) static DELIVER: Sql = deliver!("IS NULL");
/// Events are told in about the order of their ids: one may come behind others that an endpoint has been told of, be it by catching up.
pub(in crate::store) static DELIVER_LATE: Sql = deliver!("> v.event");
pub(in crate::store) static FORGET: Sql = Sql::rows(
    "DELETE FROM webhook_outbox WHERE (team_id, event_id) IN (SELECT v.team, v.event FROM {rows})",
    &[("team", Kind::Bytes), ("event", Kind::Bytes)],
);

/// The row for an event that endpoints can be told of.
pub(in crate::store) fn row(event: &Event) -> Option<Vec<Value>> {
    WebhookKind::of(event).map(|kind| values![event.id, event.message, event.team, kind.bit()])
}

/// What is told of an event, the same to every endpoint and at every attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookEvent {
    pub id: Id,
    pub team: Id,
    pub kind: WebhookKind,
    pub body: String,
}

/// A delivery is small, but each endpoint's lie on a page of their own: so many write about as much as a message.
const DELIVERIES_OF_ITEM: usize = 2;

/// No endpoint's.
const NOBODY: Id = Id([0; 16]);

impl Store {
    /// Waits until events may have been noted by this process. Cancel safe.
    pub async fn events_noted(&self) {
        self.desk().noted().notified().await;
    }

    /// Keeps what is told, makes a delivery of it for each endpoint that wants to know, and takes what was noted off the list of what waits:
    /// one transaction. Of an endpoint that has no room for them it writes down from which on it is behind. Returns how many deliveries that makes.
    pub async fn announce(&self, told: &[WebhookEvent], noted: Noted) -> Result<u64, StoreError> {
        let Noted { keys, tx, .. } = noted;
        let crowded = self.crowded_by(told).await?;
        match tx {
            Some(tx) => self.try_announce(tx, told, &crowded, &keys).await,
            None => repeated(|| async { self.try_announce(self.db().begin().await?, told, &crowded, &keys).await }).await,
        }
    }

    async fn try_announce(
        &self,
        mut tx: Tx,
        told: &[WebhookEvent],
        crowded: &[Vec<Value>],
        keys: &[NotedKey],
    ) -> Result<u64, StoreError> {
        turns::among_others(&mut tx, told.iter().map(|event| event.team)).await?;
        behind::mark(&mut tx, crowded).await?;
        let made = tell(&mut tx, told, NOBODY, self.desk().clock().now()).await?;
        let done: Vec<_> = keys.iter().map(|key| values![key.team, key.event]).collect();
        tx.run(&FORGET, &[], &done).await?;
        tx.commit().await?;
        self.db().committed(keys.len() + usize::try_from(made).unwrap_or(0) / DELIVERIES_OF_ITEM);
        Ok(made)
    }
}

/// Keeps what is told, and makes a delivery of it for each endpoint that wants to know but `but`, and those that are behind. The caller has
/// the teams' turns ([`turns::among_others`]).
pub(super) async fn tell(tx: &mut Tx, told: &[WebhookEvent], but: Id, now: Timestamp) -> Result<u64, StoreError> {
    if told.is_empty() {
        return Ok(0);
    }
    let bodies: Vec<_> = told.iter().map(|e| values![e.id, e.team, e.kind.bit(), e.body.as_str()]).collect();
    let deliveries: Vec<_> = told.iter().map(|e| values![e.id, e.team, e.kind.bit()]).collect();
    tx.run(&TELL, &[], &bodies).await?;
    // In this order: whoever keeps up at the first may be found behind by another process at the second, and not the other way round.
    let made = tx.run(&DELIVER, &values![now, but], &deliveries).await?;
    Ok(made + tx.run(&DELIVER_LATE, &values![now, but], &deliveries).await?)
}
