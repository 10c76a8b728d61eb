//! Endpoints that do not keep up: no deliveries are made for them until they have room, so that a thousand that never answer cost no
//! more than the first few events.
//!
//! What is due at an endpoint is bounded. Who has no room for what happens is *behind* from the first event that is left out, which is
//! written down in the transaction that leaves it out. When little is due any more the endpoint catches up: the next deliveries are made
//! from the events, which are kept, and the mark goes on.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::timeout;

use crate::id::Id;
use crate::model::webhook::Webhook;
use crate::store::db::{Tx, repeated};
use crate::store::emails::LAST;
use crate::store::sql::{Kind, Sql, Value, record, values};
use crate::store::webhooks::outbox::WebhookEvent;
use crate::store::webhooks::turns;
use crate::store::{Store, StoreError, rows};

/// Deliveries that may be due at an endpoint which takes what it is sent: more than are read at a time.
pub const ROOM: usize = 200;
/// At one that has taken nothing yet, or does not now: enough for the attempts that show it to be away.
pub const ROOM_UNPROVEN: usize = 10;
/// Who gets no turn for so long keeps its mark, and comes again.
const TURN_MAX: Duration = Duration::from_secs(1);
/// Events that are gone through at a time, whether or not the endpoint wants to know of them.
const EVENTS_AT_ONCE: usize = 2000;

/// `$room` for one that takes what it is sent, else `$unproven`.
macro_rules! room {
    ($room:literal, $unproven:literal) => {
        concat!("CASE WHEN hook.failures = 0 AND hook.succeeded_at IS NOT NULL THEN ", $room, " ELSE ", $unproven, " END")
    };
}

/// Endpoints at which more would be due, with these events, than they have room for.
pub(in crate::store) static CROWDED: Sql = Sql::rows(
    concat!(
        "SELECT hook.id, hook.team_id FROM {rows}
             JOIN webhooks hook ON hook.team_id = v.team AND hook.behind_from IS NULL AND hook.enabled = 1 AND (hook.kinds & v.kind) <> 0
         GROUP BY hook.id
         HAVING COUNT(*) + (SELECT COUNT(*) FROM (
                 SELECT 1 FROM webhook_deliveries d
                 WHERE d.webhook_id = hook.id AND d.state = 'pending' AND d.next_attempt_at <= $1 LIMIT $2) AS q) > ",
        room!("$2", "$3")
    ),
    &[("team", Kind::Bytes), ("kind", Kind::Int)],
);
pub(in crate::store) static MARK: Sql = Sql::rows(
    "UPDATE webhooks SET behind_from = v.event FROM {rows} WHERE id = v.webhook AND behind_from IS NULL",
    &[("webhook", Kind::Bytes), ("event", Kind::Bytes)],
);
pub(in crate::store) static WHERE_IT_IS: Sql = Sql::new(concat!(
    "SELECT hook.kinds, hook.behind_from, ",
    room!("CAST($2 AS BIGINT)", "CAST($3 AS BIGINT)"),
    " AS room FROM webhooks hook WHERE hook.id = $1 AND hook.behind_from IS NOT NULL"
));
/// The first of the next events for which there is no room.
pub(in crate::store) static NO_ROOM_FOR: Sql = Sql::new(
    "SELECT q.id FROM (SELECT e.id, e.kind FROM webhook_events e WHERE e.team_id = $1 AND e.id >= $2 ORDER BY e.id LIMIT $3) AS q
     WHERE (q.kind & $4) <> 0 ORDER BY q.id LIMIT 1 OFFSET $5",
);
/// The first behind so many events.
pub(in crate::store) static BEHIND_THESE: Sql =
    Sql::new("SELECT e.id FROM webhook_events e WHERE e.team_id = $1 AND e.id >= $2 ORDER BY e.id LIMIT 1 OFFSET $3");
pub(in crate::store) static FILL: Sql = Sql::new(
    "INSERT INTO webhook_deliveries (event_id, webhook_id, state, attempts, next_attempt_at)
     SELECT e.id, hook.id, 'pending', 0, CAST($3 AS BIGINT) FROM webhooks hook
         JOIN webhook_events e ON e.team_id = hook.team_id AND e.id >= hook.behind_from AND (e.kind & hook.kinds) <> 0
     WHERE hook.id = $1 AND e.id < $2 ORDER BY e.id
     ON CONFLICT (event_id, webhook_id) DO NOTHING",
);
static MOVE_ON: Sql = Sql::new("UPDATE webhooks SET behind_from = $2 WHERE id = $1");

record!(CrowdedRow { id: Vec<u8>, team_id: Vec<u8> });
record!(BehindRow { kinds: i64, behind_from: Vec<u8>, room: i64 });
record!(EventRow { id: Vec<u8> });

impl Store {
    /// Endpoints that have no room for these events, each with the first that is left out: rows for [`mark`]. It may be a moment old: who
    /// is held to be behind and is not hears of it all the same.
    pub(super) async fn crowded_by(&self, told: &[WebhookEvent]) -> Result<Vec<Vec<Value>>, StoreError> {
        let mut first: HashMap<Id, Id> = HashMap::new();
        for event in told {
            first.entry(event.team).and_modify(|id| *id = event.id.min(*id)).or_insert(event.id);
        }
        if told.is_empty() {
            return Ok(Vec::new());
        }
        let events: Vec<_> = told.iter().map(|event| values![event.team, event.kind.bit()]).collect();
        let scalars = values![self.desk().clock().now(), ROOM, ROOM_UNPROVEN];
        let mut found = self.db().fetch_rows::<CrowdedRow>(&CROWDED, scalars, &events).await?;
        // In one order, so that two processes can't wait for each other.
        found.sort_by(|one, other| one.id.cmp(&other.id));
        let marked = |row: CrowdedRow| Ok(values![row.id, first.get(&rows::id(&row.team_id)?).copied()]);
        found.into_iter().map(marked).collect()
    }

    /// Makes the next deliveries for an endpoint that is behind, as many as it has room for. True: there is more that it may have at once.
    pub async fn catch_up_webhook(&self, webhook: &Webhook) -> Result<bool, StoreError> {
        // One at a time: all wait for their team's turn over a connection that mail would be written by.
        let Ok(_turn) = timeout(TURN_MAX, self.desk().catching_up().lock()).await else { return Ok(false) };
        repeated(|| self.try_catch_up(webhook)).await
    }

    async fn try_catch_up(&self, webhook: &Webhook) -> Result<bool, StoreError> {
        let mut tx = self.db().begin().await?;
        turns::alone(&mut tx, webhook.team).await?;
        let place = tx.fetch::<BehindRow>(&WHERE_IT_IS, &values![webhook.id, ROOM, ROOM_UNPROVEN], &[]).await?;
        let Some(place) = place.into_iter().next() else { return Ok(false) };
        let next = next(&mut tx, webhook.team, place).await?;
        let filled = values![webhook.id, next.unwrap_or(LAST), self.desk().clock().now()];
        let made = tx.run(&FILL, &filled, &[]).await?;
        tx.run(&MOVE_ON, &values![webhook.id, next], &[]).await?;
        tx.commit().await?;
        self.db().committed(usize::try_from(made).unwrap_or(0));
        Ok(next.is_some())
    }
}

/// Writes down that these endpoints are behind.
pub(super) async fn mark(tx: &mut Tx, crowded: &[Vec<Value>]) -> Result<(), StoreError> {
    if crowded.is_empty() { Ok(()) } else { tx.run(&MARK, &[], crowded).await.map(|_| ()) }
}

/// The event up to which an endpoint that is behind at this place can be told now; `None`: all.
async fn next(tx: &mut Tx, team: Id, place: BehindRow) -> Result<Option<Id>, StoreError> {
    let BehindRow { kinds, behind_from, room } = place;
    let scalars = values![team, behind_from.clone(), EVENTS_AT_ONCE, kinds, room];
    let mut found = tx.fetch::<EventRow>(&NO_ROOM_FOR, &scalars, &[]).await?;
    if found.is_empty() {
        found = tx.fetch::<EventRow>(&BEHIND_THESE, &values![team, behind_from, EVENTS_AT_ONCE], &[]).await?;
    }
    found.first().map(|row| rows::id(&row.id)).transpose()
}
