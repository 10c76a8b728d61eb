//! Settling: the outcome of an attempt, its event and what follows from it, in one shared commit.

use std::collections::HashSet;

use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::event::Event;
use crate::model::hop::Hop;
use crate::model::outcome::{Bounce, Outcome, RecipientState};
use crate::model::statistics::Day;
use crate::model::suppression::Suppression;
use crate::store::accept::{self, Acceptance};
use crate::store::commit::{Desk, Work};
use crate::store::db::Tx;
use crate::store::handover::Epoch;
use crate::store::sheet::Sheet;
use crate::store::sql::{Kind, Sql, Value, record, values};
use crate::store::{Store, StoreError, counters, rows, status, suppressions};

/// The outcomes of one attempt at one message. Written together; each recipient that is no longer claimed under this epoch and
/// attempt is fenced: nothing is written for it.
#[derive(Clone, Debug)]
pub struct Settlement {
    pub epoch: Epoch,
    pub team: Id,
    pub message: Id,
    /// [`Message::lone_day`](crate::model::message::Message::lone_day): with it the message's status follows from the outcome; without it
    /// the store looks at all recipients.
    pub lone: Option<Day>,
    /// Of the attempt, when one was begun.
    pub hop: Option<Hop>,
    pub outcomes: Vec<Settled>,
    /// What the sender is told by mail, by the recipient's place: accepted in the transaction that writes the outcome, and not at all when
    /// the recipient is fenced.
    pub notices: Vec<(i64, Acceptance)>,
}

impl Settlement {
    /// Whether it leaves recipients ready for anybody.
    pub(super) fn releases(&self) -> bool {
        !self.notices.is_empty() || self.outcomes.iter().any(|settled| settled.outcome == Outcome::Released)
    }
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
        let octets =
            settlement.outcomes.len() * 256 + settlement.notices.iter().map(|(_, notice)| notice.body.len()).sum::<usize>();
        self.submit(octets, |reply| Work::Settle { settlement: Box::new(settlement), reply }).await
    }
}

/// Which of the rows are still claimed under their epoch and attempt, in one text: `0 1 3`. On PostgreSQL it locks them, in one order, so
/// that two committers can't wait for each other.
static STANDING: Sql = Sql::rows(
    "SELECT COALESCE(string_agg(q.word, ' '), '') AS standing FROM (
         SELECT CAST(v.n AS TEXT) AS word
         FROM {rows} JOIN outbound_recipients r ON r.message_id = v.message AND r.idx = v.place
         WHERE r.epoch = v.claimed_by AND r.attempts = v.attempt AND r.state = 'queued'
         ORDER BY r.message_id, r.idx {lock}) AS q",
    &[("n", Kind::Int), ("message", Kind::Bytes), ("place", Kind::Int), ("claimed_by", Kind::Int), ("attempt", Kind::Int)],
);

/// Changes what is still claimed, and nothing else. On PostgreSQL each row that it changed is counted.
pub(super) static UPDATE: Sql = Sql::rows(
    "UPDATE {or fail} outbound_recipients SET state = v.after, epoch = 0,
         attempts = attempts + v.counted,
         lane = CASE WHEN v.counted = 1 THEN lane | 1 ELSE lane END,
         next_attempt_at = COALESCE(v.due, next_attempt_at),
         last_reply = COALESCE(v.reply, last_reply),
         waits_for = v.waits,
         updated_at = v.at
     FROM {rows} WHERE message_id = v.message AND idx = v.place
         AND epoch = v.claimed_by AND attempts = v.attempt AND state = 'queued'
     {postgres: RETURNING 1 AS changed}",
    &[
        ("message", Kind::Bytes),
        ("place", Kind::Int),
        ("claimed_by", Kind::Int),
        ("attempt", Kind::Int),
        ("after", Kind::Text),
        ("counted", Kind::Int),
        ("due", Kind::Int),
        ("reply", Kind::Text),
        ("waits", Kind::Text),
        ("at", Kind::Int),
    ],
);

/// Locks the messages whose status, and whose hold on a key, hangs on several recipients: of two transactions that end the last two
/// recipients of one message, the second must see what the first wrote. A statement of its own, so that what follows looks anew.
static LOCK: Sql = Sql::rows(
    "SELECT COUNT(*) FROM (
         SELECT r.id FROM {rows} JOIN outbound_messages r ON r.id = v.message
         WHERE r.recipients > 1
         ORDER BY r.id {lock}) AS q",
    &[("message", Kind::Bytes)],
);

record!(Standing { standing: String });

/// Puts the outcomes of a batch on the sheet, as far as their claims still stand. For each settlement, how many of its recipients
/// were fenced.
pub(super) async fn fill(tx: &mut Tx, batch: &[&Settlement], desk: &Desk, sheet: &mut Sheet) -> Result<Vec<usize>, StoreError> {
    let mut fenced = vec![0; batch.len()];
    if batch.is_empty() {
        return Ok(fenced);
    }
    lock(tx, batch.iter().map(|settlement| settlement.message)).await?;
    let now = desk.clock().now();
    let standing = standing(tx, batch).await?;
    let mut settled_now = HashSet::new();
    for (n, (place, settlement, settled)) in each(batch).enumerate() {
        // Of two outcomes of one claim in one batch the first counts.
        if standing.contains(&n) && settled_now.insert((settlement.message, settled.index)) {
            sheet.outcomes.push(row(settlement, settled, now));
            follow(settlement, settled, desk, now, sheet);
        } else {
            fenced[place] += 1;
        }
    }
    Ok(fenced)
}

/// Puts the outcomes of a batch on the sheet as if all claims still stood; the sheet must then be written as a whole, which fails if they
/// don't. False: it is known that this can't be done.
pub(super) fn fill_as_claimed(batch: &[&Settlement], desk: &Desk, sheet: &mut Sheet) -> bool {
    // A statement of PostgreSQL does not see what its own parts write, so it can't look at a message's other recipients.
    let blind = !desk.db().is_sqlite();
    if blind && batch.iter().any(|settlement| settlement.lone.is_none() && settlement.ends_any()) {
        return false;
    }
    let now = desk.clock().now();
    for (_, settlement, settled) in each(batch) {
        sheet.outcomes.push(row(settlement, settled, now));
        follow(settlement, settled, desk, now, sheet);
    }
    true
}

/// Locks, on PostgreSQL and in one order, what must not change while it is decided what has become of these messages as a whole.
pub(super) async fn lock(tx: &mut Tx, messages: impl Iterator<Item = Id>) -> Result<(), StoreError> {
    if matches!(tx, Tx::Postgres(_)) {
        let messages: Vec<_> = messages.map(|id| values![id]).collect();
        tx.run(&LOCK, &[], &messages).await?;
    }
    Ok(())
}

impl Settlement {
    fn ends_any(&self) -> bool {
        self.outcomes.iter().any(|settled| !settled.outcome.state().is_open())
    }
}

/// Every outcome of the batch, with its settlement and that one's place.
fn each<'a>(batch: &'a [&Settlement]) -> impl Iterator<Item = (usize, &'a Settlement, &'a Settled)> {
    batch.iter().enumerate().flat_map(|(place, settlement)| settlement.outcomes.iter().map(move |s| (place, *settlement, s)))
}

/// Which outcomes, counted through the batch, still find their claim.
async fn standing(tx: &mut Tx, batch: &[&Settlement]) -> Result<HashSet<usize>, StoreError> {
    let asked: Vec<_> = each(batch)
        .enumerate()
        .map(|(n, (_, s, settled))| {
            values![i64::try_from(n).unwrap_or(i64::MAX), s.message, settled.index, s.epoch, settled.attempt]
        })
        .collect();
    let found = tx.fetch::<Standing>(&STANDING, &[], &asked).await?.pop().map_or_else(String::new, |row| row.standing);
    let number = |word: &str| word.parse().map_err(|e| rows::broken("the outcomes that stand", &e));
    found.split_ascii_whitespace().map(number).collect()
}

fn row(settlement: &Settlement, settled: &Settled, now: Timestamp) -> Vec<Value> {
    let outcome = &settled.outcome;
    let (counted, due) = (i64::from(outcome.is_attempt()), outcome.until());
    let (after, reply) = (outcome.state().as_str(), outcome.reply().map(|r| r.line()));
    let waits = outcome.waits_for().map(str::to_owned);
    values![settlement.message, settled.index, settlement.epoch, settled.attempt, after, counted, due, reply, waits, now]
}

/// What follows from an outcome that is written.
fn follow(settlement: &Settlement, settled: &Settled, desk: &Desk, now: Timestamp, sheet: &mut Sheet) {
    let told = settlement.notices.iter().filter(|(index, _)| *index == settled.index);
    told.for_each(|(_, notice)| accept::add_ready(notice, desk, sheet));
    let state = settled.outcome.state();
    if !state.is_open() {
        end(settlement, state, sheet);
    }
    if let Some(kind) = settled.outcome.event() {
        let mut detail = serde_json::json!({ "reply": null, "attempt": settled.attempt + 1 });
        if let Some(reply) = settled.outcome.reply() {
            reply.tell(&mut detail);
        }
        if let Some(hop) = &settlement.hop {
            hop.tell(&mut detail);
        }
        if let Outcome::Rejected(why) = &settled.outcome {
            detail = serde_json::json!({ "reason": why.line() });
        }
        if let Outcome::Bounced(bounce) = &settled.outcome {
            bounce.class.tell(&mut detail);
            sheet.suppressions.extend(bad_address(settlement.team, settlement.message, bounce, now));
        }
        let (id, recipient) = (desk.next_id(), Some(settled.index));
        sheet.tell(&Event { id, team: settlement.team, message: settlement.message, recipient, kind, at: now, detail });
    }
}

/// What the end of a recipient in `state` makes of its message.
fn end(settlement: &Settlement, state: RecipientState, sheet: &mut Sheet) {
    let Settlement { team, message, .. } = *settlement;
    sheet.counts.add(team, counters::OPEN, -1);
    let Some(day) = settlement.lone else {
        sheet.changed.insert(message);
        sheet.ended.push((message, false));
        return;
    };
    let status = status::of_lone(state);
    sheet.statuses.push(status::row(message, status));
    sheet.counts.add_on(day, team, status.as_str(), 1);
    if !matches!(state, RecipientState::Sent | RecipientState::Delivered) {
        sheet.ended.push((message, true));
    }
}

/// The suppression that a bounce calls for, with its evidence.
pub(super) fn bad_address(team: Id, message: Id, bounce: &Bounce, now: Timestamp) -> Option<Vec<Value>> {
    let address = bounce.bad_address.clone()?;
    let (reason, evidence) = ("bounce".to_owned(), Some(bounce.reply.line()));
    Some(suppressions::row(&Suppression { team, address, reason, message: Some(message), evidence, created_at: now }))
}
