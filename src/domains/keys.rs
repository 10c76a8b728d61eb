//! A domain's keys over its life: made when it is added, made anew at a rotation.

use tokio::sync::Semaphore;

use crate::clock::Timestamp;
use crate::id::Id;
use crate::mime::dkim::key::generate;
use crate::model::dkim::{Algorithm, DkimKey, KeyState, NewDkimKey, PrivateKey, SecretKey};
use crate::model::domain::{Domain, ReturnLabel};
use crate::store::domains::Added;
use crate::store::{Store, StoreError};

/// Adds a domain with its keys; one that the team has already is given what keys it lacks.
pub async fn add(store: &Store, team: Id, name: &str, label: &ReturnLabel, now: Timestamp) -> Result<Added, StoreError> {
    let added = store.add_domain(team, name, label).await?;
    complete(store, &added.domain, now).await?;
    Ok(added)
}

/// A domain's keys, those made now that it lacks: whoever was adding it may have been cut short.
pub async fn complete(store: &Store, domain: &Domain, now: Timestamp) -> Result<Vec<DkimKey>, StoreError> {
    let known = store.dkim_keys(domain.id).await?;
    let has = |algorithm| known.iter().any(|key| key.algorithm == algorithm && key.state != KeyState::Retiring);
    let lacking: Vec<Algorithm> = Algorithm::ALL.into_iter().filter(|algorithm| !has(*algorithm)).collect();
    if lacking.is_empty() {
        return Ok(known);
    }
    make(store, domain, lacking.into_iter(), KeyState::Active, now).await?;
    store.dkim_keys(domain.id).await
}

/// Vouches for a domain without DNS, adding it when needed: its mail is signed from now on.
pub async fn trust(store: &Store, team: Id, name: &str, now: Timestamp) -> Result<Domain, StoreError> {
    add(store, team, name, &ReturnLabel::default(), now).await?;
    store.trust_domain(team, name).await
}

/// Makes the keys that take over from those in use once their records are seen (or the domain is vouched for anew). False: such keys
/// are waiting already.
pub async fn rotate(store: &Store, domain: &Domain, now: Timestamp) -> Result<bool, StoreError> {
    if store.dkim_keys(domain.id).await?.iter().any(|key| key.state == KeyState::Pending) {
        return Ok(false);
    }
    make(store, domain, Algorithm::ALL.into_iter(), KeyState::Pending, now).await?;
    Ok(true)
}

/// Keys that are made at once; each keeps a core busy for a while.
static MAKING: Semaphore = Semaphore::const_new(2);

/// Makes keys, but for those of which there is one that waits already, or that is in the state `unless`.
async fn make(
    store: &Store,
    domain: &Domain,
    algorithms: impl Iterator<Item = Algorithm>,
    unless: KeyState,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut keys = Vec::new();
    for algorithm in algorithms {
        let _turn = MAKING.acquire().await;
        let made = tokio::task::spawn_blocking(move || generate(algorithm)).await.ok().flatten();
        let made = made.ok_or_else(|| StoreError::Broken("no key could be made".to_owned()))?;
        let secret = SecretKey { algorithm, selector: selector(algorithm, now), private: PrivateKey(made.private) };
        keys.push(NewDkimKey { secret, public: made.public });
    }
    if keys.is_empty() { Ok(()) } else { store.add_dkim_keys(domain.id, keys, unless).await }
}

/// `ph20261121k3fr`: the day it was made, so that a zone's owner sees which is old; three letters of chance, so that no two houses or
/// teams need the same name for different keys; and its kind.
fn selector(algorithm: Algorithm, now: Timestamp) -> String {
    const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let day: String = now.rfc3339().chars().take(10).filter(char::is_ascii_digit).collect();
    let chance: String = (0..3).map(|_| char::from(LETTERS[usize::from(rand::random::<u8>() % 32)])).collect();
    let kind = match algorithm {
        Algorithm::Rsa => 'r',
        Algorithm::Ed25519 => 'e',
    };
    format!("ph{day}{chance}{kind}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_tells_day_and_kind() {
        let text = selector(Algorithm::Ed25519, Timestamp(1_795_222_861_000));
        assert!(text.starts_with("ph20261121") && text.ends_with('e') && text.len() == 14, "{text}");
        assert!(text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()));
    }
}
