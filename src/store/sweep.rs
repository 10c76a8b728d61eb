//! Claims that nobody holds: found by a sweep, and let go together.

use std::collections::BTreeSet;

use crate::model::outcome::RecipientState;
use crate::store::handover::Epoch;
use crate::store::sql::{Kind, Sql, Value, record, values};
use crate::store::{Store, StoreError, rows, status};

/// Rows read, or let go, at a time.
const AT_ONCE: usize = 500;

/// A page of what an epoch holds claimed, by key.
static CLAIMED: Sql = Sql::new(
    "SELECT message_id, idx, attempts FROM outbound_recipients
     WHERE state = 'queued' AND epoch = $1 AND (message_id, idx) > ($2, $3) ORDER BY message_id, idx LIMIT $4",
);

/// Ends claims that still stand, in one order, so that two that do so can't wait for each other.
static LET_GO: Sql = Sql::rows(
    "WITH standing AS MATERIALIZED (
         SELECT r.message_id AS m, r.idx AS i FROM {rows} JOIN outbound_recipients r ON r.message_id = v.message AND r.idx = v.place
         WHERE r.state = 'queued' AND r.epoch = $1 AND (v.attempt IS NULL OR r.attempts = v.attempt)
         ORDER BY r.message_id, r.idx {lock})
     UPDATE outbound_recipients SET epoch = 0, state = $2, last_reply = COALESCE($3, last_reply), updated_at = $4
     FROM standing WHERE message_id = standing.m AND idx = standing.i",
    &[("message", Kind::Bytes), ("place", Kind::Int), ("attempt", Kind::Int)],
);

record!(ClaimedKey { message_id: Vec<u8>, idx: i64, attempts: i64 });

/// A recipient row that is claimed and not held: the bytes of its message's id, whatever they are, and its place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stray {
    pub message: Vec<u8>,
    pub index: i64,
    /// As claimed; `None`: whatever it is.
    pub attempts: Option<i64>,
}

/// Before every key.
fn first_key() -> Vec<Value> {
    vec![Value::Bytes(Some(Vec::new())), i64::MIN.into()]
}

impl Store {
    /// Frees rows claimed under `epoch` that the attached scheduler does not hold, and did not hold at the last sweep either: a claim
    /// on its way to the engine is not an orphan. Returns how many.
    pub async fn sweep(&self, epoch: Epoch) -> Result<u64, StoreError> {
        let (mut suspects, mut nameless, mut after) = (BTreeSet::new(), Vec::new(), first_key());
        loop {
            let scalars = [values![epoch], after, values![i64::try_from(AT_ONCE).unwrap_or(i64::MAX)]].concat();
            let page = self.db().fetch::<ClaimedKey>(&CLAIMED, scalars).await?;
            let Some(last) = page.last() else { break };
            after = vec![Value::Bytes(Some(last.message_id.clone())), last.idx.into()];
            for row in page {
                let stray = Stray { message: row.message_id, index: row.idx, attempts: Some(row.attempts) };
                match rows::id(&stray.message) {
                    Ok(id) if self.desk().scheduler().is_some_and(|s| s.holds(id)) => {}
                    Ok(_) => _ = suspects.insert(stray),
                    Err(_) => nameless.push(stray),
                }
            }
        }
        self.set_aside(epoch, nameless, "its message's id is none").await;
        let before = self.swap_suspects(suspects.clone());
        let unheld =
            |stray: &&Stray| !rows::id(&stray.message).is_ok_and(|id| self.desk().scheduler().is_some_and(|s| s.holds(id)));
        self.let_go(epoch, suspects.intersection(&before).filter(unheld).cloned()).await
    }

    /// Gives claims back, no attempt counted, for anybody to have. Returns how many still stood.
    pub(super) async fn let_go(&self, epoch: Epoch, strays: impl IntoIterator<Item = Stray>) -> Result<u64, StoreError> {
        let freed = self.end_claims(epoch, strays, RecipientState::Queued, None).await?;
        if freed > 0 {
            self.rope().pull();
        }
        Ok(freed)
    }

    /// Ends recipients of which too little is known for an event: their rows say why.
    pub(super) async fn set_aside(&self, epoch: Epoch, strays: Vec<Stray>, why: &str) {
        let Some(first) = strays.first().map(|stray| stray.message.clone()) else { return };
        match self.end_claims(epoch, strays, RecipientState::Failed, Some(why)).await {
            Ok(0) => {}
            Ok(recipients) => tracing::error!(recipients, message = ?first, why, "recipients that can't be delivered were ended"),
            Err(failure) => tracing::warn!(%failure, "recipients that can't be delivered can't be ended; they are claimed again"),
        }
    }

    async fn end_claims(
        &self,
        epoch: Epoch,
        strays: impl IntoIterator<Item = Stray>,
        after: RecipientState,
        why: Option<&str>,
    ) -> Result<u64, StoreError> {
        let rows: Vec<_> =
            strays.into_iter().map(|s| vec![Value::Bytes(Some(s.message)), s.index.into(), s.attempts.into()]).collect();
        let mut ended = 0;
        for rows in rows.chunks(AT_ONCE) {
            let scalars = values![epoch, after.as_str(), why.map(str::to_owned), self.desk().clock().now()];
            let mut tx = self.db().begin().await?;
            ended += tx.run(&LET_GO, &scalars, rows).await?;
            if !after.is_open() {
                // Whose they were is not known, so that no team counts them.
                let messages: Vec<_> = rows.iter().map(|row| row[..1].to_vec()).collect();
                tx.run(&status::UPDATE, &[], &messages).await?;
            }
            tx.commit().await?;
        }
        Ok(ended)
    }
}
