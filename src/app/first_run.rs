//! The first run: a team and a key are there before the first client is.

use crate::config::Config;
use crate::model::key::{KeyRights, Secret, StreamWord};
use crate::model::stream::Stream;
use crate::model::team::Team;
use crate::store::keys::NewKey;
use crate::store::{Store, StoreError};

/// The team that everything belongs to when no other is named.
pub const TEAM: &str = "default";
/// The name of the key made on the first run.
const KEY: &str = "first";

/// The key that the first run leaves behind.
#[derive(Clone, Debug)]
pub enum FirstKey {
    /// Made now: the only moment at which its text is known.
    Made(Secret),
    /// The team has keys already.
    Known,
}

/// Makes the team `default` and, when it has no key, a transactional one. A key given by `bootstrap_key` is made whenever it is
/// missing. Several processes may do this on one PostgreSQL at once: who comes second finds what the first made.
pub async fn prepare(store: &Store, config: &Config) -> Result<FirstKey, StoreError> {
    let team = default_team(store).await?;
    let secret = match config.bootstrap_secret() {
        Some(given) if store.key_by_hash(given.hash()).await?.is_some() => return Ok(FirstKey::Known),
        Some(given) => given,
        None if store.keys(team.id).await?.is_empty() => Secret::generate(),
        None => return Ok(FirstKey::Known),
    };
    // One stream only, so that host, port and key are all that a program must be told.
    let rights = KeyRights { streams: vec![StreamWord(Stream::Transactional)], ..KeyRights::default() };
    let key = NewKey { team: team.id, name: KEY.to_owned(), secret: secret.clone(), rights, expires_at: None };
    match store.create_key(key).await {
        Ok(_) => Ok(FirstKey::Made(secret)),
        Err(StoreError::Conflict(_)) => Ok(FirstKey::Known),
        Err(e) => Err(e),
    }
}

/// The team `default`, made when it is missing.
pub async fn default_team(store: &Store) -> Result<Team, StoreError> {
    if let Some(team) = store.team(TEAM).await? {
        return Ok(team);
    }
    match store.create_team(TEAM).await {
        Err(taken @ StoreError::Conflict(_)) => store.team(TEAM).await?.ok_or(taken),
        made => made,
    }
}
