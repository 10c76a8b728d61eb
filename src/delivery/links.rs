//! The links of ours that mail carries: below which name they lie, and what they are made by.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;
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

/// Finds what the links of a message are made by.
pub struct LinkNames {
    store: Store,
    seal: OnceCell<Seal>,
    /// The house's own.
    base: Arc<str>,
    /// By team and From domain, what its links lie below.
    known: Recent<(Id, String), Arc<str>>,
}

impl LinkNames {
    /// Below `public_url` or a sender domain's own name, by the secret that `store` keeps.
    pub fn new(store: Store, public_url: &str) -> Self {
        let known = Recent::new(REMEMBERED, REMEMBERED_AT_MOST);
        Self { store, seal: OnceCell::new(), base: public_url.into(), known }
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
