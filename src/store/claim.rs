//! Claiming what is ready, and what a dead engine left behind.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;

use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::message::{Body, Message, Recipient};
use crate::model::outcome::{Outcome, Reply};
use crate::store::commit::{Desk, Work};
use crate::store::db::Tx;
use crate::store::handover::{Claim, Epoch};
use crate::store::rows::{MessageRow, RecipientRow};
use crate::store::settle::{Settled, Settlement};
use crate::store::sql::{Kind, Sql, record, values};
use crate::store::{Store, StoreError, rows};

/// The order in which rows are looked for: fresh before retried, transactional before broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    FreshTransactional = 0,
    RetriedTransactional = 1,
    FreshBroadcast = 2,
    RetriedBroadcast = 3,
}

impl Lane {
    /// All, in the order of their claim on the engine.
    pub const ALL: [Lane; 4] =
        [Lane::FreshTransactional, Lane::RetriedTransactional, Lane::FreshBroadcast, Lane::RetriedBroadcast];
}

/// What a committer is asked to claim.
pub(super) struct Request {
    epoch: Epoch,
    from: From,
    limit: usize,
}

enum From {
    Ready(Lane),
    Dead(Epoch, Lane),
}

/// Rows claimed, not read any further yet.
pub(super) type ClaimedRows = Vec<RecipientRow>;

/// Bytes read back at a time: more stays for the next claim.
const READ_BACK_OCTETS: u64 = 64 << 20;

impl Store {
    /// Claims at most `limit` recipients of `lane` that are due, oldest first, and reads their messages and bytes.
    /// Recipients of one message come in one claim. The caller has places for all of them.
    pub async fn claim(&self, epoch: Epoch, lane: Lane, limit: usize) -> Result<Vec<Claim>, StoreError> {
        self.claim_and_read(Request { epoch, from: From::Ready(lane), limit }).await
    }

    /// Claims at most `limit` recipients of `lane` that a dead epoch left behind (see `dead_epochs`), due or not.
    pub async fn claim_from_dead(&self, epoch: Epoch, dead: Epoch, lane: Lane, limit: usize) -> Result<Vec<Claim>, StoreError> {
        self.claim_and_read(Request { epoch, from: From::Dead(dead, lane), limit }).await
    }

    async fn claim_and_read(&self, request: Request) -> Result<Vec<Claim>, StoreError> {
        let epoch = request.epoch;
        let claimed = self.submit(0, |reply| Work::Claim { request, reply }).await?;
        let mut by_message: BTreeMap<Id, Group> = BTreeMap::new();
        for row in claimed {
            match row.message() {
                Ok(message) => by_message.entry(message).or_default().push(row),
                Err(failure) => tracing::error!(%failure, "a recipient of no message can't be delivered"),
            }
        }
        self.read_claims(epoch, by_message).await
    }

    /// Reads what was claimed. What can't be had now, for its size, goes back into the queue; what can't be read at all is given up.
    async fn read_claims(&self, epoch: Epoch, by_message: BTreeMap<Id, Group>) -> Result<Vec<Claim>, StoreError> {
        if by_message.is_empty() {
            return Ok(Vec::new());
        }
        let mut messages = self.claimed_messages(by_message.keys()).await?;
        let (mut octets, mut now, mut later) = (0, Vec::new(), Vec::new());
        for (id, Group { recipients, unreadable }) in by_message {
            let Some((team, message)) = messages.remove(&id) else {
                tracing::error!(message = %id, "recipients without a message");
                continue;
            };
            self.give_up(epoch, team, id, &unreadable, "the stored recipient can't be read").await;
            let Some(message) = message else {
                self.give_up(epoch, team, id, &places(&recipients), "the stored message can't be read").await;
                continue;
            };
            if recipients.is_empty() {
                continue;
            }
            octets += message.size;
            let group = if now.is_empty() || octets <= READ_BACK_OCTETS { &mut now } else { &mut later };
            group.push((message, recipients));
        }
        for (message, recipients) in later {
            self.settle(settlement(epoch, message.team, message.id, &places(&recipients), &Outcome::Released)).await?;
        }
        self.with_bodies(epoch, now).await
    }

    /// The claims of what was read, with its bytes.
    async fn with_bodies(&self, epoch: Epoch, read: Vec<(Arc<Message>, Vec<Recipient>)>) -> Result<Vec<Claim>, StoreError> {
        let wanted: Vec<_> = read.iter().map(|(message, _)| values![message.id]).collect();
        let mut bodies = self.bodies(&wanted).await?;
        let mut claims = Vec::with_capacity(read.len());
        for (message, mut recipients) in read {
            recipients.sort_unstable_by_key(|r| r.index);
            match bodies.remove(&message.id).map(Body::free) {
                Some(body) => claims.push(Claim { epoch, message, body, recipients }),
                None => {
                    self.give_up(epoch, message.team, message.id, &places(&recipients), "the stored content is missing").await;
                }
            }
        }
        Ok(claims)
    }

    /// The teams of these messages, and the messages themselves, as far as they can be read.
    async fn claimed_messages(
        &self,
        ids: impl Iterator<Item = &Id>,
    ) -> Result<HashMap<Id, (Id, Option<Arc<Message>>)>, StoreError> {
        let ids: Vec<_> = ids.map(|id| values![*id]).collect();
        let rows = self.db().fetch_rows::<MessageRow>(&MESSAGES, Vec::new(), &ids).await?;
        let read = rows.into_iter().map(|row| {
            let (id, team) = (rows::id(&row.id)?, rows::id(&row.team_id)?);
            let message =
                row.message().inspect_err(|failure| tracing::error!(message = %id, %failure, "a message can't be read"));
            Ok((id, (team, message.ok().map(Arc::new))))
        });
        read.collect()
    }

    /// Ends recipients that can't be attempted, ever, so that they don't hold up the others at each claim.
    async fn give_up(&self, epoch: Epoch, team: Id, message: Id, places: &[(i64, i64)], why: &str) {
        if places.is_empty() {
            return;
        }
        tracing::error!(%message, recipients = places.len(), why, "given up");
        let outcome = Outcome::Failed(Reply::fault(why));
        if let Err(failure) = self.settle(settlement(epoch, team, message, places, &outcome)).await {
            tracing::warn!(%message, %failure, "what can't be read can't be given up, either; it is claimed again");
        }
    }

    async fn bodies(&self, wanted: &[Vec<crate::store::sql::Value>]) -> Result<HashMap<Id, Bytes>, StoreError> {
        let found = self.db().fetch_rows::<BodyRow>(&BODIES, Vec::new(), wanted).await?;
        found.into_iter().map(|row| Ok((rows::id(&row.message_id)?, Bytes::from(row.mime)))).collect()
    }

    /// When the next ready recipient of any lane is due, if one waits.
    pub async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        let mut next = None;
        for lane in Lane::ALL {
            let found = self.db().fetch_one::<Due>(&NEXT_DUE, values![lane as i64]).await?;
            let due = found.and_then(|d| d.due).map(Timestamp);
            next = [next, due].into_iter().flatten().min();
        }
        Ok(next)
    }

    /// Frees rows claimed under `epoch` that the attached scheduler does not hold, and did not hold at the last sweep either: a claim
    /// on its way to the engine is not an orphan. Returns how many.
    pub async fn sweep(&self, epoch: Epoch) -> Result<u64, StoreError> {
        let claimed = self.db().fetch::<Claimed>(&CLAIMED, values![epoch]).await?;
        let mut suspects = BTreeMap::new();
        for row in claimed {
            let id = rows::id(&row.message_id)?;
            if !self.desk().scheduler().is_some_and(|s| s.holds(id)) {
                suspects.insert((id, row.idx, row.attempts), rows::id(&row.team_id)?);
            }
        }
        let before = self.swap_suspects(suspects.keys().copied().collect());
        let mut freed = 0;
        for ((message, index, attempt), team) in suspects {
            if before.contains(&(message, index, attempt)) && !self.desk().scheduler().is_some_and(|s| s.holds(message)) {
                let outcomes = vec![Settled { index, attempt, outcome: Outcome::Released }];
                let fenced = self.settle(Settlement { epoch, team, message, outcomes }).await?;
                freed += u64::from(fenced == 0);
            }
        }
        Ok(freed)
    }
}

/// What was claimed of one message.
#[derive(Default)]
struct Group {
    recipients: Vec<Recipient>,
    /// Place and attempts of those whose rows can't be read.
    unreadable: Vec<(i64, i64)>,
}

impl Group {
    fn push(&mut self, row: RecipientRow) {
        let place = (row.idx, row.attempts);
        match row.recipient() {
            Ok(recipient) => self.recipients.push(recipient),
            Err(failure) => {
                tracing::error!(%failure, "a recipient can't be read");
                self.unreadable.push(place);
            }
        }
    }
}

/// Each recipient's place in the message, and its attempts.
fn places(recipients: &[Recipient]) -> Vec<(i64, i64)> {
    recipients.iter().map(|r| (r.index, r.attempts)).collect()
}

/// The same outcome for all of them.
fn settlement(epoch: Epoch, team: Id, message: Id, places: &[(i64, i64)], outcome: &Outcome) -> Settlement {
    let outcomes = places.iter().map(|&(index, attempt)| Settled { index, attempt, outcome: outcome.clone() });
    Settlement { epoch, team, message, outcomes: outcomes.collect() }
}

/// Only a living epoch claims anything: an engine that does not know yet that it is dead must not take over from itself.
static READY: Sql = Sql::new(
    "WITH due AS MATERIALIZED (
         SELECT message_id AS m, idx AS i FROM outbound_recipients
         WHERE state = 'queued' AND epoch = 0 AND lane = $1 AND next_attempt_at <= $2
           AND EXISTS (SELECT 1 FROM engines e WHERE e.epoch = $4 AND e.state = 'alive')
         ORDER BY next_attempt_at LIMIT $3 {skip locked})
     UPDATE outbound_recipients SET epoch = $4 FROM due WHERE message_id = due.m AND idx = due.i
     RETURNING message_id, idx, address, notify, orcpt, state, attempts, next_attempt_at, last_reply, updated_at",
);

static LEFT_BEHIND: Sql = Sql::new(
    "WITH left_behind AS MATERIALIZED (
         SELECT message_id AS m, idx AS i FROM outbound_recipients
         WHERE state = 'queued' AND epoch = $1 AND lane = $2
           AND EXISTS (SELECT 1 FROM engines e WHERE e.epoch = $4 AND e.state = 'alive')
         ORDER BY next_attempt_at LIMIT $3 {skip locked})
     UPDATE outbound_recipients SET epoch = $4 FROM left_behind WHERE message_id = left_behind.m AND idx = left_behind.i
     RETURNING message_id, idx, address, notify, orcpt, state, attempts, next_attempt_at, last_reply, updated_at",
);

static MESSAGES: Sql = Sql::rows(
    "SELECT id, team_id, key_id, stream, source, sandbox, reverse_path, from_address, subject, size, send_at, details, created_at
     FROM {rows} JOIN outbound_messages ON id = v.message",
    &[("message", Kind::Bytes)],
);

static BODIES: Sql =
    Sql::rows("SELECT message_id, mime FROM {rows} JOIN message_bodies ON message_id = v.message", &[("message", Kind::Bytes)]);

static NEXT_DUE: Sql =
    Sql::new("SELECT MIN(next_attempt_at) AS due FROM outbound_recipients WHERE state = 'queued' AND epoch = 0 AND lane = $1");

static CLAIMED: Sql = Sql::new(
    "SELECT r.message_id AS message_id, r.idx AS idx, r.attempts AS attempts, m.team_id AS team_id
     FROM outbound_recipients r JOIN outbound_messages m ON m.id = r.message_id
     WHERE r.state = 'queued' AND r.epoch = $1 LIMIT 1000",
);

record!(BodyRow { message_id: Vec<u8>, mime: Vec<u8> });
record!(Due { due: Option<i64> });
record!(Claimed { message_id: Vec<u8>, idx: i64, attempts: i64, team_id: Vec<u8> });

/// Claims inside `tx`.
pub(super) async fn update(tx: &mut Tx, request: &Request, desk: &Desk) -> Result<ClaimedRows, StoreError> {
    let limit = i64::try_from(request.limit).unwrap_or(i64::MAX);
    match request.from {
        From::Ready(lane) => tx.fetch(&READY, &values![lane as i64, desk.clock().now(), limit, request.epoch], &[]).await,
        From::Dead(dead, lane) => tx.fetch(&LEFT_BEHIND, &values![dead, lane as i64, limit, request.epoch], &[]).await,
    }
}
