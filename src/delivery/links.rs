//! The links of ours that mail carries: below which name they lie, and what they are made by.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::id::Id;
use crate::model::message::Message;
use crate::recent::Recent;
use crate::store::secrets::LINKS;
use crate::store::{Store, StoreError};
use crate::tracking::links::{Links, at_host};
use crate::tracking::token::Seal;

/// How long it is remembered whether a domain has a name for its links.
const REMEMBERED: Duration = Duration::from_secs(4);
/// How many domains are remembered.
const REMEMBERED_AT_MOST: usize = 4096;
/// Octets of large messages that are held once more, as one recipient's copy, all together.
const COPIES: u32 = 128 << 20;
/// Those up to this are held without being counted.
const SMALL: usize = 256 << 10;

/// Finds what the links of a message are made by.
pub struct LinkNames {
    store: Store,
    seal: OnceCell<Seal>,
    /// The house's own.
    base: Arc<str>,
    /// By team and From domain, what its links lie below.
    known: Recent<(Id, String), Arc<str>>,
    copies: Arc<Semaphore>,
}

impl LinkNames {
    /// Below `public_url` or a sender domain's own name, by the secret that `store` keeps.
    pub fn new(store: Store, public_url: &str) -> Self {
        let known = Recent::new(REMEMBERED, REMEMBERED_AT_MOST);
        Self { store, seal: OnceCell::new(), base: public_url.into(), known, copies: Arc::new(Semaphore::new(COPIES as usize)) }
    }

    /// What makes the links of `message`; `None`: it has none of ours.
    pub async fn of(&self, message: &Message) -> Result<Option<Links>, StoreError> {
        if !message.is_per_recipient() {
            return Ok(None);
        }
        let seal =
            self.seal.get_or_try_init(|| async { Ok::<_, StoreError>(Seal::new(&self.store.secret(LINKS).await?)) }).await?;
        let base = self.base(message).await?;
        Ok(Some(Links::new(&base, seal)))
    }

    /// Waits for room for a copy of so many octets. Whoever has it holds no other.
    pub async fn room(&self, octets: usize) -> Option<OwnedSemaphorePermit> {
        let counted = u32::try_from(octets).unwrap_or(COPIES).min(COPIES);
        if octets <= SMALL { None } else { self.copies.clone().acquire_many_owned(counted).await.ok() }
    }

    async fn base(&self, message: &Message) -> Result<Arc<str>, StoreError> {
        let name = (message.team, message.sender_domain().to_owned());
        if let Some(base) = self.known.get(&name) {
            return Ok(base);
        }
        let asked = Instant::now();
        let host = self.store.tracking_host(message.team, message.sender_domain()).await?;
        let own = host.and_then(|host| at_host(&self.base, &host));
        let base = own.map_or_else(|| self.base.clone(), |url| url.as_str().into());
        self.known.put(name, base.clone(), asked);
        Ok(base)
    }
}

impl std::fmt::Debug for LinkNames {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinkNames").field("base", &self.base).finish_non_exhaustive()
    }
}
