//! Who holds a key: the look-up that every door authenticates by.

use std::net::IpAddr;
use std::sync::Arc;

use crate::clock::Clock;
use crate::id::Id;
use crate::model::key::{ApiKey, Secret};
use crate::store::Store;

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

/// Authenticates by key. Only hits are remembered, for up to 5 seconds; a miss always asks the store. Clones share the memory.
#[derive(Clone, Debug)]
pub struct Keyring {}

impl Keyring {
    /// A keyring over the store.
    pub fn new(_store: Store, _clock: Clock) -> Self {
        todo!()
    }

    /// The key with this text, if it may be used from `peer` now.
    pub async fn authenticate(&self, _secret: &Secret, _peer: IpAddr) -> Result<Arc<ApiKey>, Denied> {
        todo!()
    }

    /// The same key again, for a session that stays open: revocation, expiry and networks are judged as of at most 5 seconds ago.
    pub async fn recheck(&self, _key: &Arc<ApiKey>, _peer: IpAddr) -> Result<Arc<ApiKey>, Denied> {
        todo!()
    }

    /// A key by its id or its name in team `default`, for trusted networks.
    pub async fn by_name(&self, _id_or_name: &str, _peer: IpAddr) -> Result<Arc<ApiKey>, Denied> {
        todo!()
    }

    /// Writes down when keys were last used.
    pub async fn flush_last_used(&self) {
        let _: Option<Id> = None;
        todo!()
    }
}
