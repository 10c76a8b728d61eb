//! Secrets that all processes of a house share. Made once, by whoever asks first.

use crate::store::sql::{Sql, record, values};
use crate::store::{Store, StoreError, rows};

static KEEP: Sql = Sql::new("INSERT INTO secrets (name, value, created_at) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING");
static KEPT: Sql = Sql::new("SELECT value FROM secrets WHERE name = $1");

record!(SecretRow { value: Vec<u8> });

/// The name of the secret that return addresses are sealed with.
pub const RETURN_ADDRESSES: &str = "return_addresses";
/// The name of the secret that links in mail are sealed with.
pub const LINKS: &str = "links";

impl Store {
    /// The secret of this name: 32 random octets, the same for every process from the first time on.
    pub async fn secret(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        if let Some(kept) = self.kept_secret(name).await? {
            return Ok(kept);
        }
        let mut fresh = [0u8; 32];
        rand::fill(&mut fresh);
        // Of two processes that come at once one inserts; both read what it was.
        self.db().write(&KEEP, values![name, fresh, self.desk().clock().now()]).await?;
        self.kept_secret(name).await?.ok_or_else(|| rows::broken("secrets", &name))
    }

    async fn kept_secret(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.db().fetch_one::<SecretRow>(&KEPT, values![name]).await?.map(|row| row.value))
    }
}
