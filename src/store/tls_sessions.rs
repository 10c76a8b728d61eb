//! What TLS sessions with other mail systems came to, by day: all engines add to the same rows, and reports are made of them (RFC 8460).

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::config::warmup::Day;
use crate::store::sql::{Kind, Sql, Value, record, values};
use crate::store::{Store, StoreError, rows};

/// Days that are kept: a report is asked for within one (RFC 8460 section 4.1), and the operator may look back.
pub(super) const KEPT_DAYS: i64 = 14;
/// Rows of one transaction.
const AT_ONCE: usize = 500;

/// In the order of the key, so that two engines that add at once can't wait for each other.
static ADD: Sql = Sql::rows(
    "INSERT INTO tls_sessions (day, domain, policy_id, result, host, address, policy, sessions)
     SELECT day, domain, policy_id, result, host, address, policy, sessions FROM {rows} WHERE TRUE
     ORDER BY day, domain, policy_id, result, host, address
     ON CONFLICT (day, domain, policy_id, result, host, address) DO UPDATE SET sessions = tls_sessions.sessions + excluded.sessions",
    &[
        ("day", Kind::Int),
        ("domain", Kind::Text),
        ("policy_id", Kind::Text),
        ("result", Kind::Text),
        ("host", Kind::Text),
        ("address", Kind::Text),
        ("policy", Kind::Text),
        ("sessions", Kind::Int),
    ],
);
/// By their key, some at a time.
static OF_DAY: Sql = Sql::new(
    "SELECT day, domain, result, host, address, policy, sessions FROM tls_sessions
     WHERE day = $1 AND (domain, policy_id, result, host, address) > ($2, $3, $4, $5, $6)
     ORDER BY domain, policy_id, result, host, address LIMIT $7",
);
pub(super) static FORGET: Sql = Sql::new(
    "DELETE FROM tls_sessions WHERE (day, domain, policy_id, result, host, address) IN (
         SELECT day, domain, policy_id, result, host, address FROM tls_sessions WHERE day < $1 ORDER BY day LIMIT $2)",
);

record!(SessionsRow { day: i64, domain: String, result: String, host: String, address: String, policy: String, sessions: i64 });

/// What sessions of one kind have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionKind {
    pub day: Day,
    /// A-labels, lower case.
    pub domain: String,
    pub policy: Arc<HeldTo>,
    /// `None`: they succeeded.
    pub failure: Option<SessionFailure>,
}

/// The policy that a session was held to, in the words of RFC 8460 section 4.4.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HeldTo {
    /// `policy-type`: `tlsa`, `sts` or `no-policy-found`.
    pub kind: String,
    /// `policy-string`.
    pub lines: Vec<String>,
    /// `mx-host`.
    pub hosts: Vec<String>,
}

/// How a session failed, and at which host.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionFailure {
    /// `result-type` (RFC 8460 section 4.3).
    pub result: String,
    pub host: String,
    pub address: Option<IpAddr>,
}

impl Store {
    /// Adds to the totals.
    pub async fn add_tls_sessions(&self, counted: &[(SessionKind, u64)]) -> Result<(), StoreError> {
        for some in counted.chunks(AT_ONCE) {
            let rows: Vec<_> = some.iter().map(|(kind, sessions)| row(kind, *sessions)).collect();
            let mut tx = self.db().begin().await?;
            tx.run(&ADD, &[], &rows).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// A page of the totals of a day, in the order of domain and policy, behind `after`.
    pub async fn tls_sessions(&self, day: Day, after: Option<&SessionKind>) -> Result<Vec<(SessionKind, u64)>, StoreError> {
        let key = after.map_or_else(|| vec![Value::from(""); 5], |last| row(last, 0)[1..6].to_vec());
        let scalars = [values![day.0], key, values![i64::try_from(AT_ONCE).unwrap_or(i64::MAX)]].concat();
        self.db().fetch::<SessionsRow>(&OF_DAY, scalars).await?.into_iter().map(read).collect()
    }
}

fn row(kind: &SessionKind, sessions: u64) -> Vec<Value> {
    let policy = serde_json::json!(*kind.policy).to_string();
    let digest = Sha256::digest(policy.as_bytes());
    let policy_id: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let failure = kind.failure.as_ref();
    let address = failure.and_then(|f| f.address).map_or_else(String::new, |address| address.to_string());
    values![
        kind.day.0,
        kind.domain.as_str(),
        policy_id,
        failure.map_or("", |f| f.result.as_str()),
        failure.map_or("", |f| f.host.as_str()),
        address,
        policy,
        i64::try_from(sessions).unwrap_or(i64::MAX)
    ]
}

fn read(row: SessionsRow) -> Result<(SessionKind, u64), StoreError> {
    let policy = serde_json::from_str(&row.policy).map_err(|e| rows::broken("tls_sessions.policy", &e))?;
    let address = row.address.parse().ok();
    let failure = (!row.result.is_empty()).then_some(SessionFailure { result: row.result, host: row.host, address });
    let kind = SessionKind { day: Day(row.day), domain: row.domain, policy: Arc::new(policy), failure };
    Ok((kind, u64::try_from(row.sessions).unwrap_or(0)))
}
