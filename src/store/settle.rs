//! Settling: the outcome of an attempt, its event and what follows from it, in one shared commit.

use std::collections::HashSet;

use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::outcome::Outcome;
use crate::store::commit::{Desk, Work};
use crate::store::db::Tx;
use crate::store::handover::Epoch;
use crate::store::sql::{Kind, Sql, Value, record, values};
use crate::store::{Store, StoreError, counters, events, idempotency, rows};

/// The outcomes of one attempt at one message. Written together; each recipient that is no longer claimed under this epoch and
/// attempt is fenced: nothing is written for it.
#[derive(Clone, Debug)]
pub struct Settlement {
    pub epoch: Epoch,
    pub team: Id,
    pub message: Id,
    pub outcomes: Vec<Settled>,
}

/// One recipient's outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The recipient's place in the message.
    pub index: i64,
    /// `Recipient::attempts` as claimed.
    pub attempt: i64,
    pub outcome: Outcome,
}

impl Store {
    /// Writes the outcomes in the next shared commit. Returns how many recipients were fenced, once the rest is durable.
    pub async fn settle(&self, settlement: Settlement) -> Result<usize, StoreError> {
        if settlement.outcomes.is_empty() {
            return Ok(0);
        }
        self.submit(settlement.outcomes.len() * 256, |reply| Work::Settle { settlement, reply }).await
    }
}

/// Locks in one order what the update will change, so that two committers can't wait for each other.
static LOCK: Sql = Sql::rows(
    "SELECT r.idx AS idx FROM {rows} JOIN outbound_recipients r ON r.message_id = v.message AND r.idx = v.place
     ORDER BY r.message_id, r.idx {lock} OF r",
    &[("message", Kind::Bytes), ("place", Kind::Int)],
);

/// The fence: only a row that is still claimed under this epoch and attempt is changed.
static UPDATE: Sql = Sql::rows(
    "UPDATE outbound_recipients SET state = v.after, epoch = 0,
         attempts = attempts + v.counted,
         lane = CASE WHEN v.counted = 1 THEN lane | 1 ELSE lane END,
         next_attempt_at = COALESCE(v.due, next_attempt_at),
         last_reply = COALESCE(v.reply, last_reply),
         updated_at = v.at
     FROM {rows}
     WHERE message_id = v.message AND idx = v.place AND epoch = v.claimed_by AND attempts = v.attempt AND state = 'queued'
     RETURNING message_id, idx",
    &[
        ("message", Kind::Bytes),
        ("place", Kind::Int),
        ("claimed_by", Kind::Int),
        ("attempt", Kind::Int),
        ("after", Kind::Text),
        ("counted", Kind::Int),
        ("due", Kind::Int),
        ("reply", Kind::Text),
        ("at", Kind::Int),
    ],
);

record!(Changed { message_id: Vec<u8>, idx: i64 });

/// Settles a batch inside `tx`. For each settlement, how many of its recipients were fenced.
pub(super) async fn update(tx: &mut Tx, batch: &[&Settlement], desk: &Desk) -> Result<Vec<usize>, StoreError> {
    let now = desk.clock().now();
    let changes: Vec<_> = batch.iter().flat_map(|s| s.outcomes.iter().map(|settled| row(s, settled, now))).collect();
    if !desk.db().is_sqlite() {
        let places: Vec<_> = changes.iter().map(|change| change[..2].to_vec()).collect();
        tx.run(&LOCK, &[], &places).await?;
    }
    let mut changed = HashSet::new();
    for row in tx.fetch::<Changed>(&UPDATE, &[], &changes).await? {
        changed.insert((rows::id(&row.message_id)?, row.idx));
    }
    let mut follow = Follow::default();
    let fenced = batch.iter().map(|settlement| follow.add(settlement, &mut changed, desk, now)).collect();
    follow.write(tx, desk).await?;
    Ok(fenced)
}

fn row(settlement: &Settlement, settled: &Settled, now: Timestamp) -> Vec<Value> {
    let outcome = &settled.outcome;
    let counted = i64::from(*outcome != Outcome::Released);
    let due = if let Outcome::Deferred { until, .. } = outcome { Some(*until) } else { None };
    values![
        settlement.message,
        settled.index,
        settlement.epoch,
        settled.attempt,
        outcome.state().as_str(),
        counted,
        due,
        outcome.reply().map(|r| r.line()),
        now,
    ]
}

/// What follows from the outcomes that were written.
#[derive(Default)]
struct Follow {
    events: Vec<Vec<Value>>,
    counts: counters::Changes,
    ended: Vec<Id>,
}

impl Follow {
    fn add(&mut self, settlement: &Settlement, changed: &mut HashSet<(Id, i64)>, desk: &Desk, now: Timestamp) -> usize {
        let mut fenced = 0;
        let mut any_ended = false;
        for settled in &settlement.outcomes {
            // Taken out, so that a second settlement of the same claim in one batch is told that it was fenced.
            if !changed.remove(&(settlement.message, settled.index)) {
                fenced += 1;
                continue;
            }
            if !settled.outcome.state().is_open() {
                self.counts.add(settlement.team, counters::OPEN, -1);
                any_ended = true;
            }
            if let Some(kind) = settled.outcome.event() {
                let reply = settled.outcome.reply().map(|r| r.line());
                let detail = serde_json::json!({ "reply": reply, "attempt": settled.attempt + 1 });
                let id = desk.next_id();
                self.events.push(events::row(
                    id,
                    settlement.team,
                    settlement.message,
                    Some(settled.index),
                    kind.as_str(),
                    now,
                    &detail,
                ));
            }
        }
        if any_ended {
            self.ended.push(settlement.message);
        }
        fenced
    }

    async fn write(self, tx: &mut Tx, desk: &Desk) -> Result<(), StoreError> {
        events::insert(tx, &self.events).await?;
        counters::apply(tx, self.counts, desk.name()).await?;
        idempotency::give_up(tx, &self.ended).await
    }
}
