//! Whose a domain's own name for links is now: domains pass from team to team, and links that are out stay where they lie.

use crate::id::Id;
use crate::store::sql::{Sql, record, values};
use crate::store::{Store, StoreError};

pub(super) static ANOTHERS: Sql = Sql::new(
    "SELECT COUNT(*) AS messages FROM domains d JOIN outbound_messages m ON m.id = $2
     WHERE d.name = $1 AND d.status = 'verified' AND d.team_id <> m.team_id",
);

record!(Anothers { messages: i64 });

impl Store {
    /// Whether a message is of another team than the one that stands verified to this domain. False where nobody does, and of a message that
    /// is none.
    pub async fn is_anothers(&self, domain: &str, message: Id) -> Result<bool, StoreError> {
        let found = self.db().fetch_one::<Anothers>(&ANOTHERS, values![domain, message]).await?;
        Ok(found.is_some_and(|found| found.messages > 0))
    }
}
