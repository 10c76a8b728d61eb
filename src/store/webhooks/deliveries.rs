//! Deliveries: which are due, and what became of attempts at them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::webhook::{WebhookHealth, WebhookKind};
use crate::store::db::{Tx, repeated};
use crate::store::sql::{Kind, Sql, Value, record, values};
use crate::store::webhooks::attempts::{self, Attempt};
use crate::store::webhooks::forward::{Long, Waited};
use crate::store::webhooks::outbox::{WebhookEvent, tell};
use crate::store::webhooks::{leases, turns};
use crate::store::{Store, StoreError, rows};

/// How far an endpoint is to be trusted with our time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It has taken something, and not long ago; one failure or some since then do not matter.
    Proven,
    /// The same, but it takes long to answer.
    Slow,
    /// Nothing speaks for it, or against it.
    Unproven,
    /// It fails, and has failed often or not taken anything for long.
    Failing,
}

/// A success that lies longer ago proves nothing.
const PROVES_FOR: Duration = Duration::from_secs(86_400);

/// Endpoints with something to send, or that may have when they catch up: one of each team, then a second of each, and so on; of each turn those not tried for longest first.
pub(in crate::store) static WITH_DUE: Sql = Sql::new(
    "SELECT id, team_id FROM (
         SELECT hook.id, hook.team_id, COALESCE(hook.tried_at, 0) AS tried,
             ROW_NUMBER() OVER (PARTITION BY hook.team_id ORDER BY COALESCE(hook.tried_at, 0), hook.id) AS turn
         FROM webhooks hook
         WHERE hook.enabled = 1 AND (hook.paused_until IS NULL OR hook.paused_until <= $1)
             AND CASE WHEN hook.failures >= 10 THEN 3 WHEN hook.succeeded_at > $2 AND hook.slow_until > $1 THEN 1
                 WHEN hook.succeeded_at > $2 THEN 0 WHEN hook.failures > 0 THEN 3 ELSE 2 END = $3
             AND (hook.behind_from IS NOT NULL
                  OR EXISTS (SELECT 1 FROM webhook_deliveries d
                             WHERE d.webhook_id = hook.id AND d.state = 'pending' AND d.next_attempt_at <= $1))
             AND NOT EXISTS (SELECT 1 FROM webhook_leases l
                             WHERE l.webhook_id = hook.id AND l.holder <> $5 AND l.ends_at > {now} AND l.ends_at <= {now} + $6)) AS waiting
     ORDER BY turn, tried, id LIMIT $4",
);
pub(in crate::store) static DUE: Sql = Sql::new(
    "SELECT d.event_id, d.attempts, e.kind, e.body FROM webhook_deliveries d JOIN webhook_events e ON e.id = d.event_id
     WHERE d.webhook_id = $1 AND d.state = 'pending' AND d.next_attempt_at <= $2
     ORDER BY d.next_attempt_at, d.event_id LIMIT $3",
);
/// What another has attempted meanwhile stays as that one left it.
pub(in crate::store) static SETTLE: Sql = Sql::rows(
    "UPDATE webhook_deliveries SET state = v.after, attempts = v.number, next_attempt_at = COALESCE(v.again, next_attempt_at)
     FROM {rows} WHERE event_id = v.event AND webhook_id = v.webhook AND state = 'pending' AND attempts = v.number - 1",
    &[("event", Kind::Bytes), ("webhook", Kind::Bytes), ("number", Kind::Int), ("after", Kind::Text), ("again", Kind::Int)],
);
/// How an endpoint fared before its team changed it says nothing of it now.
pub(in crate::store) static FARE: Sql = Sql::rows(
    "UPDATE webhooks SET failures = v.failed, failing_since = v.since, paused_until = v.pause, succeeded_at = v.success,
         slow_until = v.slow, tried_at = v.at
     FROM {rows} WHERE id = v.webhook AND updated_at = v.as_of",
    &[
        ("webhook", Kind::Bytes),
        ("as_of", Kind::Int),
        ("failed", Kind::Int),
        ("since", Kind::Int),
        ("pause", Kind::Int),
        ("success", Kind::Int),
        ("slow", Kind::Int),
        ("at", Kind::Int),
    ],
);
static GIVE_UP: Sql = Sql::new(
    "UPDATE webhooks SET enabled = 0, disabled_at = $2, disabled_reason = $3, updated_at = $2
     WHERE id = $1 AND enabled = 1 AND updated_at = $4",
);

record!(EndpointRow { id: Vec<u8>, team_id: Vec<u8> });
record!(DueRow { event_id: Vec<u8>, attempts: i64, kind: i64, body: String });

/// An endpoint, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub id: Id,
    pub team: Id,
}

/// A delivery that is to be attempted now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    pub event: Id,
    pub kind: WebhookKind,
    pub body: String,
    /// Attempts that have ended.
    pub attempts: i64,
}

/// What follows from an attempt for its delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The endpoint has it.
    Done,
    /// Another attempt at this time.
    Again(Timestamp),
    /// No further attempt.
    Never,
}

/// An attempt that has ended, and what follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempted {
    pub attempt: Attempt,
    pub next: Next,
    /// Of the endpoint from now on, where that has changed.
    pub health: Option<WebhookHealth>,
    /// When the endpoint, as it was called, had last been changed.
    pub as_of: Timestamp,
    /// The endpoint was away, and is back: what is attempted sooner therefore.
    pub is_back: Option<Long>,
    /// The endpoint is switched off with this.
    pub given_up: Option<GivenUp>,
}

/// Why an endpoint is switched off, and what its team's others are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenUp {
    pub reason: &'static str,
    pub told: WebhookEvent,
}

impl Store {
    /// Endpoints of this standing that are to be sent something now and that no other process has, at most so many: the teams by turns, and
    /// of each turn those not tried for longest first.
    pub async fn webhooks_with_due(&self, holder: Id, standing: Standing, most: usize) -> Result<Vec<Endpoint>, StoreError> {
        let now = self.desk().clock().now();
        let scalars = values![now, now.minus(PROVES_FOR), standing as i64, most, holder, leases::span()];
        let found = self.db().fetch::<EndpointRow>(&WITH_DUE, scalars).await?;
        found.iter().map(|row| Ok(Endpoint { id: rows::id(&row.id)?, team: rows::id(&row.team_id)? })).collect()
    }

    /// What an endpoint is to be sent now, at most so many, oldest first.
    pub async fn due_deliveries(&self, webhook: Id, most: usize) -> Result<Vec<Due>, StoreError> {
        let found = self.db().fetch::<DueRow>(&DUE, values![webhook, self.desk().clock().now(), most]).await?;
        found.into_iter().map(due).collect()
    }

    /// Writes what came of attempts: their record, their deliveries, and how their endpoints fare, to the end of some. One transaction.
    pub async fn record_attempts(&self, ended: &[Attempted]) -> Result<(), StoreError> {
        repeated(|| self.try_record_attempts(ended)).await?;
        for (ended, long) in ended.iter().filter_map(|ended| Some((ended, ended.is_back?))) {
            if let Err(failure) = self.bring_forward(ended.attempt.webhook, Waited::Long(long)).await {
                tracing::warn!(%failure, "what waits for an endpoint that is back could not be brought forward; it has its times");
            }
        }
        Ok(())
    }

    async fn try_record_attempts(&self, ended: &[Attempted]) -> Result<(), StoreError> {
        let mut tx = self.db().begin().await?;
        let teams = ended.iter().filter_map(|ended| ended.given_up.as_ref()).map(|given_up| given_up.told.team);
        turns::among_others(&mut tx, teams).await?;
        let mut deliveries: Vec<_> = ended.iter().collect();
        // In one order, so that two processes can't wait for each other.
        deliveries.sort_by_key(|ended| (ended.attempt.event, ended.attempt.webhook));
        let deliveries: Vec<_> = deliveries.into_iter().map(settled).collect();
        tx.run(&SETTLE, &[], &deliveries).await?;
        attempts::insert(&mut tx, ended.iter().map(|ended| &ended.attempt)).await?;
        fare(&mut tx, ended).await?;
        for ended in ended {
            give_up(&mut tx, ended, self.desk().clock().now()).await?;
        }
        tx.commit().await?;
        self.db().committed(ended.len());
        Ok(())
    }
}

fn due(row: DueRow) -> Result<Due, StoreError> {
    let kind = WebhookKind::from_bit(row.kind).ok_or_else(|| rows::broken("webhook_events.kind", &row.kind))?;
    Ok(Due { event: rows::id(&row.event_id)?, kind, body: row.body, attempts: row.attempts })
}

fn settled(ended: &Attempted) -> Vec<Value> {
    let (after, next) = match ended.next {
        Next::Done => ("delivered", None),
        Next::Again(at) => ("pending", Some(at)),
        Next::Never => ("failed", None),
    };
    values![ended.attempt.event, ended.attempt.webhook, ended.attempt.number, after, next]
}

/// Of several attempts at one endpoint the last tells how it fares.
async fn fare(tx: &mut Tx, ended: &[Attempted]) -> Result<(), StoreError> {
    let mut last = BTreeMap::new();
    for ended in ended {
        if let Some(health) = &ended.health {
            last.insert(ended.attempt.webhook, (health, ended));
        }
    }
    let rows: Vec<_> = last
        .into_iter()
        .map(|(id, (h, e))| {
            values![id, e.as_of, h.failures, h.failing_since, h.paused_until, h.succeeded_at, h.slow_until, e.attempt.at]
        })
        .collect();
    if rows.is_empty() { Ok(()) } else { tx.run(&FARE, &[], &rows).await.map(|_| ()) }
}

/// Switches an endpoint off that is given up, and has its team's others told; not if somebody has changed it meanwhile.
async fn give_up(tx: &mut Tx, ended: &Attempted, now: Timestamp) -> Result<(), StoreError> {
    let Some(GivenUp { reason, told }) = &ended.given_up else { return Ok(()) };
    let webhook = ended.attempt.webhook;
    if tx.run(&GIVE_UP, &values![webhook, now, *reason, ended.as_of], &[]).await? > 0 {
        tell(tx, std::slice::from_ref(told), webhook, now).await?;
    }
    Ok(())
}
