//! API keys.

use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::key::{ApiKey, KeyRights, Secret, SecretHash};
use crate::store::{Store, StoreError};

/// A key to be made.
#[derive(Clone, Debug)]
pub struct NewKey {
    pub team: Id,
    pub name: String,
    pub secret: Secret,
    pub rights: KeyRights,
    pub expires_at: Option<Timestamp>,
}

impl Store {
    /// Makes a key.
    pub async fn create_key(&self, _key: NewKey) -> Result<ApiKey, StoreError> {
        todo!()
    }

    /// The key with this hash, revoked and expired ones included.
    pub async fn key_by_hash(&self, _hash: SecretHash) -> Result<Option<ApiKey>, StoreError> {
        todo!()
    }

    /// The key by id, or by its team's name for it (the newest that is not revoked).
    pub async fn key_by_name(&self, _team: Id, _id_or_name: &str) -> Result<Option<ApiKey>, StoreError> {
        todo!()
    }

    /// A team's keys, newest first.
    pub async fn keys(&self, _team: Id) -> Result<Vec<ApiKey>, StoreError> {
        todo!()
    }

    /// Revokes a key. False: the team has no such key.
    pub async fn revoke_key(&self, _team: Id, _key: Id) -> Result<bool, StoreError> {
        todo!()
    }

    /// Notes when keys were last used; many at once, seldom.
    pub async fn touch_keys(&self, _used: &[(Id, Timestamp)]) -> Result<(), StoreError> {
        todo!()
    }

    /// Messages accepted under the key since `since` (for quotas; the caller counts on from there).
    pub async fn accepted_since(&self, _key: Id, _since: Timestamp) -> Result<u64, StoreError> {
        todo!()
    }
}
