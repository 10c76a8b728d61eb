//! Claiming what is ready, and what a dead engine left behind.

use crate::clock::Timestamp;
use crate::store::commit::{Desk, Work};
use crate::store::db::Tx;
use crate::store::handover::{Claim, Epoch};
use crate::store::rows::ClaimedRow;
use crate::store::sql::{Sql, record, values};
use crate::store::{Store, StoreError};

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
pub(super) type ClaimedRows = Vec<ClaimedRow>;

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
        self.read_back(epoch, claimed).await
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

static NEXT_DUE: Sql =
    Sql::new("SELECT MIN(next_attempt_at) AS due FROM outbound_recipients WHERE state = 'queued' AND epoch = 0 AND lane = $1");

record!(Due { due: Option<i64> });

/// Claims inside `tx`.
pub(super) async fn update(tx: &mut Tx, request: &Request, desk: &Desk) -> Result<ClaimedRows, StoreError> {
    let limit = i64::try_from(request.limit).unwrap_or(i64::MAX);
    match request.from {
        From::Ready(lane) => tx.fetch(&READY, &values![lane as i64, desk.clock().now(), limit, request.epoch], &[]).await,
        From::Dead(dead, lane) => tx.fetch(&LEFT_BEHIND, &values![dead, lane as i64, limit, request.epoch], &[]).await,
    }
}
