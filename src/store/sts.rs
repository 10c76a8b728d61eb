//! MTA-STS policies, kept until their end.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::store::sql::{Sql, record, values};
use crate::store::{Store, StoreError};

/// Of two engines that fetch at once the later one's holds.
static KEEP: Sql = Sql::new(
    "INSERT INTO sts_policies (domain, id, policy, fetched_at, ends_at) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (domain) DO UPDATE SET id = excluded.id, policy = excluded.policy, fetched_at = excluded.fetched_at,
         ends_at = excluded.ends_at",
);
static KEPT: Sql = Sql::new("SELECT id, policy, fetched_at FROM sts_policies WHERE domain = $1 AND ends_at > $2");
pub(super) static FORGET: Sql = Sql::new(
    "DELETE FROM sts_policies WHERE domain IN (SELECT domain FROM sts_policies WHERE ends_at <= $1 ORDER BY ends_at LIMIT $2)",
);

record!(PolicyRow { id: String, policy: String, fetched_at: i64 });

/// A policy on record that is not over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptPolicy {
    /// Of the DNS record that announced it.
    pub id: String,
    /// As it was fetched.
    pub text: String,
    /// How long ago that was.
    pub age: Duration,
}

impl Store {
    /// Keeps the policy of a domain (A-labels, lower case) in the place of an earlier one; durable when it returns.
    pub async fn keep_sts_policy(&self, domain: &str, id: &str, text: &str, max_age: Duration) -> Result<(), StoreError> {
        let now = self.desk().clock().now();
        self.db().write(&KEEP, values![domain, id, text, now, now.plus(max_age)]).await.map(|_| ())
    }

    /// The domain's policy, unless it is over.
    pub async fn sts_policy(&self, domain: &str) -> Result<Option<KeptPolicy>, StoreError> {
        let now = self.desk().clock().now();
        let found = self.db().fetch_one::<PolicyRow>(&KEPT, values![domain, now]).await?;
        Ok(found.map(|row| KeptPolicy { id: row.id, text: row.policy, age: now.since(Timestamp(row.fetched_at)) }))
    }
}
