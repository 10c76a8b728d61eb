//! Who holds a key: the look-up that every door authenticates by.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::clock::{Clock, Timestamp};
use crate::id::Id;
use crate::model::key::{ApiKey, Secret, SecretHash};
use crate::recent::Recent;
use crate::store::{Store, StoreError};

/// Why a key does not open the door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    /// Unknown, wrong or revoked: one answer for all.
    Unknown,
    /// The right key, but its time is over.
    Expired,
    /// The right key, from a network that is not on its list.
    Network,
    /// The store can't be asked now.
    Unavailable,
}

/// How long a found key is believed. Revocation must show within 5 seconds, the asking included.
const BELIEVED: Duration = Duration::from_secs(4);
/// How many found keys are remembered.
const REMEMBERED: usize = 10_000;
/// The team whose keys trusted networks are given.
const DEFAULT_TEAM: &str = "default";

/// Authenticates by key. Only hits are remembered, for less than 5 seconds; a miss always asks the store. Clones share the memory.
#[derive(Clone, Debug)]
pub struct Keyring {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    store: Store,
    clock: Clock,
    by_hash: Recent<SecretHash, Arc<ApiKey>>,
    by_id: Recent<Id, Arc<ApiKey>>,
    default_team: OnceLock<Id>,
    /// When keys were used since the last flush.
    used: Mutex<HashMap<Id, Timestamp>>,
}

impl Keyring {
    /// A keyring over the store.
    pub fn new(store: Store, clock: Clock) -> Self {
        let shared = Shared {
            store,
            clock,
            by_hash: Recent::new(BELIEVED, REMEMBERED),
            by_id: Recent::new(BELIEVED, REMEMBERED),
            default_team: OnceLock::new(),
            used: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The key with this text, if it may be used from `peer` now.
    pub async fn authenticate(&self, secret: &Secret, peer: IpAddr) -> Result<Arc<ApiKey>, Denied> {
        let hash = secret.hash();
        let key = match self.shared.by_hash.get(&hash) {
            Some(key) => key,
            None => {
                let asked = Instant::now();
                let key = found(self.shared.store.key_by_hash(hash).await)?;
                self.shared.by_hash.put(hash, key.clone(), asked);
                key
            }
        };
        self.judge(key, peer)
    }

    /// The same key again, for a session that stays open: revocation, expiry and networks are judged as of at most 5 seconds ago.
    pub async fn recheck(&self, key: &Arc<ApiKey>, peer: IpAddr) -> Result<Arc<ApiKey>, Denied> {
        let key = match self.shared.by_id.get(&key.id) {
            Some(key) => key,
            None => {
                let asked = Instant::now();
                let key = found(self.shared.store.key_by_name(key.team, &key.id.crockford()).await)?;
                self.shared.by_id.put(key.id, key.clone(), asked);
                key
            }
        };
        self.judge(key, peer)
    }

    /// A key by its id or its name in team `default`, for trusted networks.
    pub async fn by_name(&self, id_or_name: &str, peer: IpAddr) -> Result<Arc<ApiKey>, Denied> {
        let team = self.default_team().await?;
        self.judge(found(self.shared.store.key_by_name(team, id_or_name).await)?, peer)
    }

    async fn default_team(&self) -> Result<Id, Denied> {
        if let Some(team) = self.shared.default_team.get() {
            return Ok(*team);
        }
        let team = self.shared.store.team(DEFAULT_TEAM).await.map_err(unavailable)?.ok_or(Denied::Unknown)?;
        Ok(*self.shared.default_team.get_or_init(|| team.id))
    }

    /// Whether a key that was found may be used from `peer` now; when so, notes that it was.
    fn judge(&self, key: Arc<ApiKey>, peer: IpAddr) -> Result<Arc<ApiKey>, Denied> {
        let now = self.shared.clock.now();
        if key.revoked_at.is_some() {
            return Err(Denied::Unknown);
        }
        if key.expires_at.is_some_and(|end| end <= now) {
            return Err(Denied::Expired);
        }
        if !key.works_from(peer) {
            return Err(Denied::Network);
        }
        self.shared.used.lock().unwrap_or_else(PoisonError::into_inner).insert(key.id, now);
        Ok(key)
    }

    /// Writes down when keys were last used. What can't be written is kept for the next time.
    pub async fn flush_last_used(&self) {
        let used = std::mem::take(&mut *self.shared.used.lock().unwrap_or_else(PoisonError::into_inner));
        if used.is_empty() {
            return;
        }
        let stamps: Vec<(Id, Timestamp)> = used.into_iter().collect();
        if let Err(error) = self.shared.store.touch_keys(&stamps).await {
            tracing::warn!(%error, "when keys were last used could not be written; trying again later");
            let mut used = self.shared.used.lock().unwrap_or_else(PoisonError::into_inner);
            stamps.into_iter().for_each(|(key, at)| {
                used.entry(key).or_insert(at);
            });
        }
    }
}

/// What the store says of a key: a hit, a miss, or no answer.
fn found(answer: Result<Option<ApiKey>, StoreError>) -> Result<Arc<ApiKey>, Denied> {
    let key = answer.map_err(unavailable)?.ok_or(Denied::Unknown)?;
    // A revoked key is a miss, and misses are not remembered.
    if key.revoked_at.is_some() { Err(Denied::Unknown) } else { Ok(Arc::new(key)) }
}

fn unavailable(error: StoreError) -> Denied {
    tracing::warn!(%error, "a key could not be looked up");
    Denied::Unavailable
}
