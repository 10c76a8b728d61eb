//! What was turned away, for the owner of the key: a bounded record, written without anyone waiting for it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::config::warmup::Day;
use crate::id::Id;
use crate::store::commit::Work;
use crate::store::sql::{Kind, Sql, Value, record, values};
use crate::store::{Store, StoreError, rows, sts, tls_sessions};

/// One refusal on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusalRecord {
    pub team: Id,
    pub key: Id,
    /// `smtp` or `rest`.
    pub door: String,
    pub at: Timestamp,
    pub code: String,
    pub text: String,
    pub reverse_path: String,
    /// At most 10.
    pub recipients: Vec<String>,
    pub subject: String,
}

/// How many of one key are kept in a minute.
const PER_KEY_A_MINUTE: u32 = 60;
/// How long they are kept.
const KEPT: Duration = Duration::from_secs(30 * 86_400);
/// Rows deleted at a time.
const AT_ONCE: i64 = 500;

pub(super) static INSERT: Sql = Sql::rows(
    "INSERT {or fail} INTO refusals (id, team_id, key_id, door, code, text, reverse_path, recipients, subject, at)
     SELECT id, team_id, key_id, door, code, text, reverse_path, recipients, subject, at FROM {rows}",
    &[
        ("id", Kind::Bytes),
        ("team_id", Kind::Bytes),
        ("key_id", Kind::Bytes),
        ("door", Kind::Text),
        ("code", Kind::Text),
        ("text", Kind::Text),
        ("reverse_path", Kind::Text),
        ("recipients", Kind::Text),
        ("subject", Kind::Text),
        ("at", Kind::Int),
    ],
);
static OF_TEAM: Sql = Sql::new(
    "SELECT team_id, key_id, door, code, text, reverse_path, recipients, subject, at FROM refusals
     WHERE team_id = $1 ORDER BY id DESC LIMIT $2",
);
static FORGET: Sql = Sql::new("DELETE FROM refusals WHERE id IN (SELECT id FROM refusals WHERE id < $1 ORDER BY id LIMIT $2)");
/// Most of these have long ended; one that is still held begins anew when it is released.
static FORGET_SUSPECTS: Sql = Sql::new(
    "DELETE FROM suspects WHERE message_id IN (SELECT message_id FROM suspects WHERE message_id < $1 ORDER BY message_id LIMIT $2)",
);
static FORGET_KEYS: Sql = Sql::new(
    "DELETE FROM idempotency_keys WHERE key IN (SELECT key FROM idempotency_keys WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
);

record!(RefusalRow {
    team_id: Vec<u8>,
    key_id: Vec<u8>,
    door: String,
    code: String,
    text: String,
    reverse_path: String,
    recipients: String,
    subject: String,
    at: i64,
});

/// How many refusals each key had in the current minute.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<(i64, HashMap<Id, u32>)>);

impl Tally {
    /// Counts one; false when the key has had its share of this minute.
    fn admits(&self, key: Id, at: Timestamp) -> bool {
        let minute = at.0 / 60_000;
        let mut tally = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tally.0 != minute {
            *tally = (minute, HashMap::new());
        }
        let count = tally.1.entry(key).or_default();
        *count += 1;
        *count <= PER_KEY_A_MINUTE
    }
}

impl Store {
    /// Puts a refusal on record with the next shared commit; dropped when the committer is busy or the key has had too many.
    pub fn record_refusal(&self, refusal: RefusalRecord) {
        if self.tally().admits(refusal.key, refusal.at) {
            self.work().try_add(256, Work::Refuse(Box::new(refusal)));
        }
    }

    /// A team's refusals, newest first.
    pub async fn refusals(&self, team: Id, limit: usize) -> Result<Vec<RefusalRecord>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let found = self.db().fetch::<RefusalRow>(&OF_TEAM, values![team, limit]).await?;
        found.into_iter().map(refusal).collect()
    }

    /// Deletes some of what is kept for a time only and has outlived it: refusals, suspicions, idempotency keys, totals of TLS
    /// sessions, MTA-STS policies. True: there is more.
    pub async fn forget_expired(&self) -> Result<bool, StoreError> {
        let now = self.desk().clock().now();
        let outlived = Id::earliest_at(now.minus(KEPT));
        let refusals = self.db().write(&FORGET, values![outlived, AT_ONCE]).await?;
        let suspects = self.db().write(&FORGET_SUSPECTS, values![outlived, AT_ONCE]).await?;
        let keys = self.db().write(&FORGET_KEYS, values![now, AT_ONCE]).await?;
        let sessions = self.db().write(&tls_sessions::FORGET, values![Day::of(now).0 - tls_sessions::KEPT_DAYS, AT_ONCE]).await?;
        let policies = self.db().write(&sts::FORGET, values![now, AT_ONCE]).await?;
        Ok([refusals, suspects, keys, sessions, policies].into_iter().any(|deleted| deleted >= AT_ONCE.unsigned_abs()))
    }
}

fn refusal(row: RefusalRow) -> Result<RefusalRecord, StoreError> {
    Ok(RefusalRecord {
        team: rows::id(&row.team_id)?,
        key: rows::id(&row.key_id)?,
        door: row.door,
        at: Timestamp(row.at),
        code: row.code,
        text: row.text,
        reverse_path: row.reverse_path,
        recipients: serde_json::from_str(&row.recipients).map_err(|e| rows::broken("refusals.recipients", &e))?,
        subject: row.subject,
    })
}

/// The row to be inserted.
pub(super) fn row(id: Id, refusal: &RefusalRecord) -> Vec<Value> {
    values![
        id,
        refusal.team,
        refusal.key,
        refusal.door.as_str(),
        refusal.code.as_str(),
        refusal.text.as_str(),
        refusal.reverse_path.as_str(),
        serde_json::json!(refusal.recipients).to_string(),
        refusal.subject.as_str(),
        refusal.at,
    ]
}
