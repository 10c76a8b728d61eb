//! The links of ours that mail carries: below which name they lie, and what they are made by.

use tokio::sync::OnceCell;

use crate::model::message::Message;
use crate::store::secrets::LINKS;
use crate::store::{Store, StoreError};
use crate::tracking::links::Links;
use crate::tracking::token::Seal;

/// Finds what the links of a message are made by.
pub struct LinkNames {
    store: Store,
    seal: OnceCell<Seal>,
    /// The house's own.
    base: String,
}

impl LinkNames {
    /// Below `public_url`, by the secret that `store` keeps.
    pub fn new(store: Store, public_url: &str) -> Self {
        Self { store, seal: OnceCell::new(), base: public_url.to_owned() }
    }

    /// What makes the links of `message`; `None`: it has none of ours.
    pub async fn of(&self, message: &Message) -> Result<Option<Links>, StoreError> {
        if !message.is_per_recipient() {
            return Ok(None);
        }
        let seal =
            self.seal.get_or_try_init(|| async { Ok::<_, StoreError>(Seal::new(&self.store.secret(LINKS).await?)) }).await?;
        Ok(Some(Links::new(&self.base, seal.clone())))
    }
}

impl std::fmt::Debug for LinkNames {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinkNames").field("base", &self.base).finish_non_exhaustive()
    }
}
