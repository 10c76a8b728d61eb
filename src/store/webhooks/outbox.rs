//! Events that endpoints are to be told of: noted in the transaction that writes them, and turned into deliveries soon after.

use std::collections::HashMap;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::email::Email;
use crate::model::event::Event;
use crate::model::webhook::WebhookKind;
use crate::store::db::{Tx, repeated};
use crate::store::events::{self, FoundEvent};
use crate::store::sql::{Kind, Sql, Value, record, values};
use crate::store::{Store, StoreError, rows};

/// Notes what somebody wants to be told of. Of a team without such an endpoint it writes nothing, after a look into a small index.
pub(in crate::store) static INSERT: Sql = Sql::rows(
    "INSERT {or fail} INTO webhook_outbox (event_id, message_id) SELECT event_id, message_id FROM {rows}
     WHERE EXISTS (SELECT 1 FROM webhooks hook WHERE hook.team_id = v.team AND hook.enabled = 1 AND (hook.kinds & v.kind) <> 0)",
    &[("event_id", Kind::Bytes), ("message_id", Kind::Bytes), ("team", Kind::Bytes), ("kind", Kind::Int)],
);

static NOTED: Sql = Sql::new("SELECT event_id, message_id FROM webhook_outbox ORDER BY event_id LIMIT $1");
/// The events themselves, as far as they are still there.
pub(in crate::store) static EVENTS: Sql = Sql::rows(
    "SELECT e.message_id, e.id, e.team_id, e.recipient, e.kind, e.at, e.detail
     FROM {rows} JOIN events e ON e.message_id = v.message AND e.id = v.event",
    &[("message", Kind::Bytes), ("event", Kind::Bytes)],
);
/// Two processes may do the same at once.
pub(in crate::store) static TELL: Sql = Sql::rows(
    "INSERT INTO webhook_events (id, team_id, kind, body) SELECT id, team_id, kind, body FROM {rows} WHERE TRUE ORDER BY id
     ON CONFLICT (id) DO NOTHING",
    &[("id", Kind::Bytes), ("team_id", Kind::Bytes), ("kind", Kind::Int), ("body", Kind::Text)],
);
/// One for each endpoint that wants to know, but for the one that is named.
pub(in crate::store) static DELIVER: Sql = Sql::rows(
    "INSERT INTO webhook_deliveries (event_id, webhook_id, state, attempts, next_attempt_at)
     SELECT v.event, hook.id, 'pending', 0, CAST($1 AS BIGINT) FROM {rows}
         JOIN webhooks hook ON hook.team_id = v.team AND hook.enabled = 1 AND (hook.kinds & v.kind) <> 0
     WHERE hook.id <> $2 ORDER BY v.event, hook.id
     ON CONFLICT (event_id, webhook_id) DO NOTHING",
    &[("event", Kind::Bytes), ("team", Kind::Bytes), ("kind", Kind::Int)],
);
static FORGET: Sql =
    Sql::rows("DELETE FROM webhook_outbox WHERE event_id IN (SELECT event FROM {rows})", &[("event", Kind::Bytes)]);

record!(NotedRow { event_id: Vec<u8>, message_id: Vec<u8> });

/// The row for an event that endpoints can be told of.
pub(in crate::store) fn row(event: &Event) -> Option<Vec<Value>> {
    WebhookKind::of(event).map(|kind| values![event.id, event.message, event.team, kind.bit()])
}

/// Events that wait to be told of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Noted {
    /// Each with its message as it stands now, oldest first.
    pub events: Vec<(Event, Arc<Email>)>,
    /// All that was read, those that can't be told of any more included.
    pub ids: Vec<Id>,
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

    /// The oldest of the events that wait to be told of, at most so many.
    pub async fn noted_events(&self, most: usize) -> Result<Noted, StoreError> {
        let found = self.db().fetch::<NotedRow>(&NOTED, values![most]).await?;
        let asked: Vec<_> = found.iter().map(|row| values![row.message_id.clone(), row.event_id.clone()]).collect();
        let ids = found.iter().map(|row| rows::id(&row.event_id)).collect::<Result<_, _>>()?;
        if asked.is_empty() {
            return Ok(Noted::default());
        }
        let found = self.db().fetch_rows::<FoundEvent>(&EVENTS, Vec::new(), &asked).await?;
        let mut events: Vec<Event> = found.into_iter().filter_map(events::readable).collect();
        events.sort_by_key(|event| event.id);
        Ok(Noted { events: self.with_emails(events).await?, ids })
    }

    /// Each event with its message; those whose message can't be read are left out.
    async fn with_emails(&self, events: Vec<Event>) -> Result<Vec<(Event, Arc<Email>)>, StoreError> {
        let mut teams: Vec<Id> = events.iter().map(|event| event.team).collect();
        teams.sort_unstable();
        teams.dedup();
        let mut emails = HashMap::new();
        for team in teams {
            let mut ids: Vec<Id> = events.iter().filter(|event| event.team == team).map(|event| event.message).collect();
            ids.sort_unstable();
            ids.dedup();
            emails.extend(self.emails_of(team, ids).await?.into_iter().map(|email| (email.message.id, Arc::new(email))));
        }
        Ok(events.into_iter().filter_map(|event| emails.get(&event.message).cloned().map(|email| (event, email))).collect())
    }

    /// Keeps what is told, makes a delivery of it for each endpoint that wants to know, and takes `ids` off the list of what waits: one
    /// transaction. Returns how many deliveries that makes.
    pub async fn announce(&self, told: &[WebhookEvent], ids: &[Id]) -> Result<u64, StoreError> {
        repeated(|| self.try_announce(told, ids)).await
    }

    async fn try_announce(&self, told: &[WebhookEvent], ids: &[Id]) -> Result<u64, StoreError> {
        let mut tx = self.db().begin().await?;
        let made = tell(&mut tx, told, NOBODY, self.desk().clock().now()).await?;
        let done: Vec<_> = ids.iter().map(|id| values![*id]).collect();
        tx.run(&FORGET, &[], &done).await?;
        tx.commit().await?;
        self.db().committed(ids.len() + usize::try_from(made).unwrap_or(0) / DELIVERIES_OF_ITEM);
        Ok(made)
    }
}

/// Keeps what is told, and makes a delivery of it for each endpoint that wants to know but `but`.
pub(super) async fn tell(tx: &mut Tx, told: &[WebhookEvent], but: Id, now: Timestamp) -> Result<u64, StoreError> {
    if told.is_empty() {
        return Ok(0);
    }
    let bodies: Vec<_> = told.iter().map(|e| values![e.id, e.team, e.kind.bit(), e.body.as_str()]).collect();
    let deliveries: Vec<_> = told.iter().map(|e| values![e.id, e.team, e.kind.bit()]).collect();
    tx.run(&TELL, &[], &bodies).await?;
    tx.run(&DELIVER, &values![now, but], &deliveries).await
}
