//! API keys.

use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::key::{ApiKey, KeyRights, Secret, SecretHash};
use crate::store::search::FOUND_MAX;
use crate::store::sql::{Kind, Sql, record, values};
use crate::store::{Store, StoreError, rows};

/// A key to be made.
#[derive(Clone, Debug)]
pub struct NewKey {
    pub team: Id,
    pub name: String,
    pub secret: Secret,
    pub rights: KeyRights,
    pub expires_at: Option<Timestamp>,
}

/// The columns of [`KeyRow`], spliced into each text that reads one.
macro_rules! select {
    ($rest:literal) => {
        Sql::new(concat!(
            "SELECT k.id, k.team_id, k.name, k.display, k.rights, k.created_at, k.expires_at, k.revoked_at, k.last_used_at,
                 t.requests_per_minute
             FROM api_keys k JOIN teams t ON t.id = k.team_id ",
            $rest
        ))
    };
}

static INSERT: Sql = Sql::new(
    "INSERT INTO api_keys (id, team_id, name, display, hash, rights, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
);
static BY_HASH: Sql = select!("WHERE k.hash = $1");
static BY_ID: Sql = select!("WHERE k.team_id = $1 AND k.id = $2");
static BY_NAME: Sql = select!("WHERE k.team_id = $1 AND k.name = $2 AND k.revoked_at IS NULL ORDER BY k.id DESC LIMIT 1");
static OF_TEAM: Sql = select!("WHERE k.team_id = $1 ORDER BY k.id DESC");
/// Newest first, from before `$2`.
static PAGE: Sql = select!("WHERE k.team_id = $1 AND k.id < $2 ORDER BY k.id DESC LIMIT $3 OFFSET $4");
static COUNT: Sql = Sql::new("SELECT COUNT(*) AS number FROM (SELECT 1 FROM api_keys WHERE team_id = $1 LIMIT $2) AS q");
static REVOKE: Sql = Sql::new("UPDATE api_keys SET revoked_at = COALESCE(revoked_at, $3) WHERE team_id = $1 AND id = $2");
static LOCK: Sql = Sql::rows(
    "SELECT 1 FROM {rows} JOIN api_keys r ON r.id = v.used ORDER BY r.id {lock}",
    &[("used", Kind::Bytes), ("at", Kind::Int)],
);
static TOUCH: Sql = Sql::rows(
    "UPDATE api_keys SET last_used_at = v.at FROM {rows} WHERE id = v.used AND (last_used_at IS NULL OR last_used_at < v.at)",
    &[("used", Kind::Bytes), ("at", Kind::Int)],
);
/// Ids begin with the time they were made at, so that the index of a team's messages finds the day.
static ACCEPTED: Sql = Sql::new(
    "SELECT COUNT(*) AS accepted FROM outbound_messages
     WHERE team_id = (SELECT team_id FROM api_keys WHERE id = $1) AND id >= $2 AND key_id = $1 AND created_at >= $3",
);

record!(KeyRow {
    id: Vec<u8>,
    team_id: Vec<u8>,
    name: String,
    display: String,
    rights: String,
    created_at: i64,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
    last_used_at: Option<i64>,
    requests_per_minute: Option<i64>,
});
record!(Number { number: i64 });
record!(Accepted { accepted: i64 });

/// Behind every id.
const LAST: Id = Id([0xff; 16]);

impl KeyRow {
    fn key(self) -> Result<ApiKey, StoreError> {
        Ok(ApiKey {
            id: rows::id(&self.id)?,
            team: rows::id(&self.team_id)?,
            name: self.name,
            display: self.display,
            rights: serde_json::from_str(&self.rights).map_err(|e| rows::broken("api_keys.rights", &e))?,
            created_at: Timestamp(self.created_at),
            expires_at: self.expires_at.map(Timestamp),
            revoked_at: self.revoked_at.map(Timestamp),
            last_used_at: self.last_used_at.map(Timestamp),
            requests_per_minute: self.requests_per_minute.and_then(|n| u32::try_from(n).ok()),
        })
    }
}

impl Store {
    /// Makes a key. The text of a key must be new.
    pub async fn create_key(&self, key: NewKey) -> Result<ApiKey, StoreError> {
        let rights = serde_json::to_string(&key.rights).map_err(|e| StoreError::Broken(e.to_string()))?;
        let (id, now) = (self.desk().next_id(), self.desk().clock().now());
        let (display, hash) = (key.secret.display(), key.secret.hash().0);
        let row = values![id, key.team, key.name.as_str(), display, hash, rights, now, key.expires_at];
        match self.db().write(&INSERT, row).await {
            Err(StoreError::Conflict(_)) => return Err(StoreError::Conflict("there is a key with this text already".to_owned())),
            other => other?,
        };
        let made = self.db().fetch_one::<KeyRow>(&BY_ID, values![key.team, id]).await?;
        made.ok_or_else(|| StoreError::Broken("the key was not kept".to_owned()))?.key()
    }

    /// The key with this hash, revoked and expired ones included.
    pub async fn key_by_hash(&self, hash: SecretHash) -> Result<Option<ApiKey>, StoreError> {
        self.db().fetch_one::<KeyRow>(&BY_HASH, values![hash.0]).await?.map(KeyRow::key).transpose()
    }

    /// The key by id, or by its team's name for it (the newest that is not revoked).
    pub async fn key_by_name(&self, team: Id, id_or_name: &str) -> Result<Option<ApiKey>, StoreError> {
        if let Ok(id) = id_or_name.parse::<Id>()
            && let Some(row) = self.db().fetch_one::<KeyRow>(&BY_ID, values![team, id]).await?
        {
            return row.key().map(Some);
        }
        self.db().fetch_one::<KeyRow>(&BY_NAME, values![team, id_or_name]).await?.map(KeyRow::key).transpose()
    }

    /// A team's keys, newest first.
    pub async fn keys(&self, team: Id) -> Result<Vec<ApiKey>, StoreError> {
        self.db().fetch::<KeyRow>(&OF_TEAM, values![team]).await?.into_iter().map(KeyRow::key).collect()
    }

    /// So many of a team's keys after the first `offset`, newest first, from before `before`.
    pub async fn keys_page(&self, team: Id, before: Option<Id>, offset: usize, limit: usize) -> Result<Vec<ApiKey>, StoreError> {
        let scalars = values![team, before.unwrap_or(LAST), limit, offset];
        self.db().fetch::<KeyRow>(&PAGE, scalars).await?.into_iter().map(KeyRow::key).collect()
    }

    /// How many keys a team has; at most [`FOUND_MAX`].
    pub async fn count_keys(&self, team: Id) -> Result<u64, StoreError> {
        let found = self.db().fetch_one::<Number>(&COUNT, values![team, FOUND_MAX]).await?;
        Ok(found.map_or(0, |row| u64::try_from(row.number).unwrap_or(0)))
    }

    /// Revokes a key. False: the team has no such key.
    pub async fn revoke_key(&self, team: Id, key: Id) -> Result<bool, StoreError> {
        Ok(self.db().write(&REVOKE, values![team, key, self.desk().clock().now()]).await? == 1)
    }

    /// Notes when keys were last used; many at once, seldom.
    pub async fn touch_keys(&self, used: &[(Id, Timestamp)]) -> Result<(), StoreError> {
        if used.is_empty() {
            return Ok(());
        }
        let used: Vec<_> = used.iter().map(|(id, at)| values![*id, *at]).collect();
        let mut tx = self.db().begin().await?;
        if !self.db().is_sqlite() {
            tx.run(&LOCK, &[], &used).await?;
        }
        tx.run(&TOUCH, &[], &used).await?;
        tx.commit().await
    }

    /// Messages accepted under the key since `since` (for quotas; the caller counts on from there).
    pub async fn accepted_since(&self, key: Id, since: Timestamp) -> Result<u64, StoreError> {
        let found = self.db().fetch_one::<Accepted>(&ACCEPTED, values![key, Id::earliest_at(since), since]).await?;
        Ok(found.map_or(0, |a| u64::try_from(a.accepted).unwrap_or(0)))
    }
}
