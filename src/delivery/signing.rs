//! Who signs what leaves: the keys of the From domain, as the store has them, remembered for seconds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::clock::Clock;
use crate::id::Id;
use crate::mime::dkim::key::SigningKey;
use crate::mime::dkim::sign;
use crate::model::dkim::SecretKey;
use crate::model::message::Message;
use crate::store::{Store, StoreError};

/// How long keys are remembered: a key that retires is published for days yet.
const KEYS_LAST: Duration = Duration::from_secs(4);
/// How long it is remembered that a domain has none: mail of a domain verified a moment ago should not leave unsigned.
const NOTHING_LASTS: Duration = Duration::from_secs(1);
/// How many domains are remembered.
const REMEMBERED_AT_MOST: usize = 4096;

/// Finds what signs a message.
pub struct Signer {
    store: Store,
    clock: Clock,
    known: Mutex<HashMap<(Id, String), Known>>,
}

/// What was found, and when.
type Known = (Instant, Option<Signing>);

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
        Self { store, clock, known: Mutex::default() }
    }

    /// What signs this message: the keys of its From domain, or of the parent that its team has verified. `None`: it goes unsigned.
    pub async fn of(&self, message: &Message) -> Result<Option<Signing>, StoreError> {
        let Some((_, domain)) = message.from.rsplit_once('@') else { return Ok(None) };
        let name = (message.team, domain.to_owned());
        if let Some(signing) = self.remembered(&name) {
            return Ok(signing);
        }
        let found = self.store.signing_domain(message.team, domain).await?;
        let signing = found.and_then(|(domain, keys)| self.load(&domain, &keys));
        self.remember(name, signing.clone());
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

    fn remembered(&self, name: &(Id, String)) -> Option<Option<Signing>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, signing) = known.get(name)?;
        let lasts = if signing.is_some() { KEYS_LAST } else { NOTHING_LASTS };
        (since.elapsed() < lasts).then(|| signing.clone())
    }

    fn remember(&self, name: (Id, String), signing: Option<Signing>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED_AT_MOST {
            known.clear();
        }
        known.insert(name, (Instant::now(), signing));
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
