//! Who signs what leaves: the keys of the From domain, as the store has them, remembered for seconds.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::id::Id;
use crate::mime::dkim::key::SigningKey;
use crate::mime::dkim::sign;
use crate::model::dkim::SecretKey;
use crate::model::message::Message;
use crate::recent::Recent;
use crate::store::{Store, StoreError};

/// How long keys are remembered: a key that retires is published for days yet.
const REMEMBERED: Duration = Duration::from_secs(4);
/// How long it is remembered that a domain has none: mail of a domain verified a moment ago should not leave unsigned.
const NONE_REMEMBERED: Duration = Duration::from_secs(1);
/// How many domains are remembered.
const REMEMBERED_AT_MOST: usize = 4096;

/// Finds what signs a message.
pub struct Signer {
    store: Store,
    clock: Clock,
    /// By team and From domain.
    known: Recent<(Id, String), Signing>,
    /// The domains that have no keys.
    keyless: Recent<(Id, String), ()>,
}

/// What signs mail in the name of one domain.
#[derive(Clone, Debug)]
pub struct Signing {
    domain: Arc<str>,
    keys: Arc<[SigningKey]>,
    clock: Clock,
}

impl Signer {
    /// A signer with the keys of `store`.
    pub fn new(store: Store, clock: Clock) -> Self {
        let known = Recent::new(REMEMBERED, REMEMBERED_AT_MOST);
        Self { store, clock, known, keyless: Recent::new(NONE_REMEMBERED, REMEMBERED_AT_MOST) }
    }

    /// What signs this message: the keys of its From domain, or of the parent that its team has verified. `None`: it goes unsigned.
    pub async fn of(&self, message: &Message) -> Result<Option<Signing>, StoreError> {
        let Some((_, domain)) = message.from.rsplit_once('@') else { return Ok(None) };
        let name = (message.team, domain.to_owned());
        let signing = self.known.get(&name);
        if signing.is_some() || self.keyless.get(&name).is_some() {
            return Ok(signing);
        }
        let asked = Instant::now();
        let found = self.store.signing_domain(message.team, domain).await?;
        let signing = found.and_then(|(domain, keys)| self.load(&domain, &keys));
        match &signing {
            Some(signing) => self.known.put(name, signing.clone(), asked),
            None => self.keyless.put(name, (), asked),
        }
        Ok(signing)
    }

    fn load(&self, domain: &str, keys: &[SecretKey]) -> Option<Signing> {
        let load = |key: &SecretKey| {
            let loaded = SigningKey::load(&key.selector, key.algorithm, &key.private.0);
            if loaded.is_none() {
                tracing::error!(domain, selector = key.selector, "a key in the store is broken; nothing is signed with it");
            }
            loaded
        };
        let keys: Arc<[SigningKey]> = keys.iter().filter_map(load).collect();
        (!keys.is_empty()).then(|| Signing { domain: domain.into(), keys, clock: self.clock.clone() })
    }
}

impl Signing {
    /// The fields to put above `top`, whole fields, and a message that leaves below these. Nothing, when it can't be signed: it is delivered
    /// all the same, as a message without a signature is no worse than one that is lost.
    pub fn fields(&self, top: &[u8], message: &[u8]) -> Bytes {
        match sign(top, message, &self.keys, &self.domain, self.clock.now()) {
            Ok(fields) => fields.into(),
            Err(failure) => {
                tracing::warn!(domain = &*self.domain, %failure, "a message leaves unsigned");
                Bytes::new()
            }
        }
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer")
    }
}
