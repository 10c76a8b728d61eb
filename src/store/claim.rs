//! Claiming what is ready, and what a dead engine left behind.

use crate::clock::Timestamp;
use crate::store::commit::{Desk, Work};
use crate::store::db::Tx;
use crate::store::handover::{Claim, Epoch};
use crate::store::lanes::{self, LaneRow};
use crate::store::rows::ClaimedRow;
use crate::store::sql::{Sql, record, values};
use crate::store::{Store, StoreError};

/// The order in which rows are looked for: fresh before retried, transactional before broadcast. In the store each of these kinds has a
/// lane for every turn that teams take (`lanes`).
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

    /// Its name, as it is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FreshTransactional => "transactional",
            Self::RetriedTransactional => "transactional-retried",
            Self::FreshBroadcast => "broadcast",
            Self::RetriedBroadcast => "broadcast-retried",
        }
    }
}

/// What a claim brings at most.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    pub recipients: usize,
    /// Of all messages together; one comes in any case.
    pub octets: usize,
}

impl From<usize> for Limit {
    /// So many recipients, however large their messages are.
    fn from(recipients: usize) -> Self {
        Self { recipients, octets: usize::MAX }
    }
}

/// What a committer is asked to claim.
pub(super) struct Request {
    epoch: Epoch,
    from: Source,
    recipients: usize,
}

enum Source {
    Ready(Lane),
    Dead(Epoch, Lane),
}

/// So many lanes of its kind a claim takes from.
const LANES_MAX: usize = 8;

/// Rows claimed, not read any further yet.
pub(super) type ClaimedRows = Vec<ClaimedRow>;

impl Store {
    /// Claims recipients of `lane` that are due, within `limit`, of several teams where several wait, each one's oldest first, and reads
    /// their messages and bytes.
    /// Recipients of one message come in one claim. The caller has places for all of them.
    pub async fn claim(&self, epoch: Epoch, lane: Lane, limit: impl Into<Limit>) -> Result<Vec<Claim>, StoreError> {
        self.claim_and_read(epoch, Source::Ready(lane), limit.into()).await
    }

    /// Claims recipients of `lane` that a dead epoch left behind (see `dead_epochs`), due or not, within `limit`.
    pub async fn claim_from_dead(
        &self,
        epoch: Epoch,
        dead: Epoch,
        lane: Lane,
        limit: impl Into<Limit>,
    ) -> Result<Vec<Claim>, StoreError> {
        self.claim_and_read(epoch, Source::Dead(dead, lane), limit.into()).await
    }

    async fn claim_and_read(&self, epoch: Epoch, from: Source, limit: Limit) -> Result<Vec<Claim>, StoreError> {
        let request = Request { epoch, from, recipients: limit.recipients };
        let claimed = self.submit(0, |reply| Work::Claim { request, reply }).await?;
        self.read_back(epoch, claimed, limit.octets).await
    }

    /// When the next ready recipient of any lane is due, if one waits.
    pub async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        let found = self.db().fetch_one::<Due>(&lanes::NEXT_DUE, Vec::new()).await?;
        Ok(found.and_then(|row| row.due).map(Timestamp))
    }
}

/// Only a living epoch claims anything: an engine that does not know yet that it is dead must not take over from itself.
pub(super) static READY: Sql = Sql::new(
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
         WHERE state = 'queued' AND epoch = $1 AND lane & 3 = $2
           AND EXISTS (SELECT 1 FROM engines e WHERE e.epoch = $4 AND e.state = 'alive')
         ORDER BY next_attempt_at LIMIT $3 {skip locked})
     UPDATE outbound_recipients SET epoch = $4 FROM left_behind WHERE message_id = left_behind.m AND idx = left_behind.i
     RETURNING message_id, idx, address, notify, orcpt, state, attempts, next_attempt_at, last_reply, updated_at",
);

record!(Due { due: Option<i64> });

/// Claims inside `tx`.
pub(super) async fn update(tx: &mut Tx, request: &Request, desk: &Desk) -> Result<ClaimedRows, StoreError> {
    match request.from {
        Source::Ready(kind) => ready(tx, kind, request, desk.clock().now()).await,
        Source::Dead(dead, lane) => {
            tx.fetch(&LEFT_BEHIND, &values![dead, lane as i64, whole(request.recipients), request.epoch], &[]).await
        }
    }
}

/// Claims what is due, from lane after lane: each has its part of what is left, so that what one does not fill is for those behind it.
async fn ready(tx: &mut Tx, kind: Lane, request: &Request, now: Timestamp) -> Result<ClaimedRows, StoreError> {
    let (mut claimed, mut left) = (ClaimedRows::new(), request.recipients);
    let found = values![kind as i64, now, lanes::any(), whole(left.min(LANES_MAX))];
    let mut lanes = tx.fetch::<LaneRow>(&lanes::DUE, &found, &[]).await?;
    while let Some(LaneRow { lane }) = lanes.pop() {
        let part = left / (lanes.len() + 1);
        let rows: ClaimedRows = tx.fetch(&READY, &values![lane, now, whole(part), request.epoch], &[]).await?;
        left = left.saturating_sub(rows.len());
        claimed.extend(rows);
    }
    Ok(claimed)
}

fn whole(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
