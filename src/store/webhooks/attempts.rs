//! What was sent to endpoints, attempt by attempt, and what they answered.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::webhook::WebhookKind;
use crate::store::db::Tx;
use crate::store::emails::LAST;
use crate::store::search::FOUND_MAX;
use crate::store::sql::{Kind, Sql, record, values};
use crate::store::webhooks::NumberRow;
use crate::store::{Store, StoreError, rows};

/// Two processes never make the same one.
static INSERT: Sql = Sql::rows(
    "INSERT INTO webhook_attempts (id, webhook_id, event_id, kind, request_id, number, status, latency, answer, error)
     SELECT id, webhook_id, event_id, kind, request_id, number, status, latency, answer, error FROM {rows}",
    &[
        ("id", Kind::Bytes),
        ("webhook_id", Kind::Bytes),
        ("event_id", Kind::Bytes),
        ("kind", Kind::Int),
        ("request_id", Kind::Text),
        ("number", Kind::Int),
        ("status", Kind::Int),
        ("latency", Kind::Int),
        ("answer", Kind::Text),
        ("error", Kind::Text),
    ],
);
pub(in crate::store) static PAGE: Sql = Sql::new(
    "SELECT id, webhook_id, event_id, kind, request_id, number, status, latency, answer, error FROM webhook_attempts
     WHERE webhook_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3 OFFSET $4",
);
pub(in crate::store) static COUNT: Sql =
    Sql::new("SELECT COUNT(*) AS number FROM (SELECT 1 FROM webhook_attempts WHERE webhook_id = $1 LIMIT $2) AS q");

record!(AttemptRow {
    id: Vec<u8>,
    webhook_id: Vec<u8>,
    event_id: Vec<u8>,
    kind: i64,
    request_id: String,
    number: i64,
    status: Option<i64>,
    latency: i64,
    answer: String,
    error: Option<String>,
});

/// One request to an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    pub id: Id,
    pub webhook: Id,
    pub event: Id,
    pub kind: WebhookKind,
    /// `x-krafter-webhook-id`: a UUID of its own.
    pub request: String,
    /// From 1 for each delivery; 0: a test.
    pub number: i64,
    /// When it began.
    pub at: Timestamp,
    /// HTTP's; `None`: there was no answer.
    pub status: Option<u16>,
    pub latency: Duration,
    /// The beginning of the answer's body, without U+0000.
    pub answer: String,
    /// Why it failed, where it did.
    pub error: Option<String>,
}

impl Store {
    /// Requests to an endpoint, newest first: `limit` of those older than `before`, after the first `offset`. It is for the caller to know
    /// whose endpoint it is.
    pub async fn webhook_attempts(
        &self,
        webhook: Id,
        before: Option<Id>,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<Attempt>, StoreError> {
        let found = self.db().fetch::<AttemptRow>(&PAGE, values![webhook, before.unwrap_or(LAST), limit, offset]).await?;
        found.into_iter().map(attempt).collect()
    }

    /// How many requests to an endpoint are on record; at most [`FOUND_MAX`].
    pub async fn count_webhook_attempts(&self, webhook: Id) -> Result<u64, StoreError> {
        let found = self.db().fetch_one::<NumberRow>(&COUNT, values![webhook, FOUND_MAX]).await?;
        Ok(found.map_or(0, |row| u64::try_from(row.number).unwrap_or(0)))
    }

    /// Writes down a request that belongs to no delivery.
    pub async fn record_webhook_test(&self, attempt: &Attempt) -> Result<(), StoreError> {
        let mut tx = self.db().begin().await?;
        insert(&mut tx, std::iter::once(attempt)).await?;
        tx.commit().await
    }
}

pub(super) async fn insert(tx: &mut Tx, attempts: impl Iterator<Item = &Attempt>) -> Result<(), StoreError> {
    let row = |a: &Attempt| {
        let latency = i64::try_from(a.latency.as_millis()).unwrap_or(i64::MAX);
        let (request, answer, status) = (a.request.as_str(), a.answer.as_str(), a.status.map(i64::from));
        values![a.id, a.webhook, a.event, a.kind.bit(), request, a.number, status, latency, answer, a.error.clone()]
    };
    let rows: Vec<_> = attempts.map(row).collect();
    tx.run(&INSERT, &[], &rows).await.map(|_| ())
}

fn attempt(row: AttemptRow) -> Result<Attempt, StoreError> {
    let id = rows::id(&row.id)?;
    Ok(Attempt {
        id,
        webhook: rows::id(&row.webhook_id)?,
        event: rows::id(&row.event_id)?,
        kind: WebhookKind::from_bit(row.kind).ok_or_else(|| rows::broken("webhook_attempts.kind", &row.kind))?,
        request: row.request_id,
        number: row.number,
        at: id.made_at(),
        status: row.status.and_then(|status| u16::try_from(status).ok()),
        latency: Duration::from_millis(u64::try_from(row.latency).unwrap_or(0)),
        answer: row.answer,
        error: row.error,
    })
}
