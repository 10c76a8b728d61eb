//! Reverse-paths that tell us which message comes back (variable envelope return paths).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::id::Id;
use crate::model::address::Address;
use crate::model::message::{Message, Recipient};
use crate::recent::Recent;
use crate::store::secrets::RETURN_ADDRESSES;
use crate::store::{Store, StoreError};
use crate::wire::token::Seal;

/// How long it is remembered whether a domain has a return path.
const REMEMBERED: Duration = Duration::from_secs(4);
/// How many domains are remembered.
const REMEMBERED_AT_MOST: usize = 4096;

/// Finds the reverse-paths that are ours, where what comes back is heard.
pub struct ReturnPaths {
    store: Store,
    seal: OnceCell<Seal>,
    /// By team and From domain, the domain that mail comes back to.
    known: Recent<(Id, String), Option<Arc<str>>>,
}

/// What mail of one sender domain comes back to.
#[derive(Clone, Debug)]
pub struct ReturnPath {
    seal: Seal,
    domain: Arc<str>,
}

impl ReturnPaths {
    /// By the domains of `store`, and the secret it keeps.
    pub fn new(store: Store) -> Self {
        Self { store, seal: OnceCell::new(), known: Recent::new(REMEMBERED, REMEMBERED_AT_MOST) }
    }

    /// What the reverse-path of `message` becomes. `None`: it stays as it is, since the records of its From domain's return path are not
    /// there, or since it is null, as it must be (RFC 5321 section 4.5.5).
    pub async fn of(&self, message: &Message) -> Result<Option<ReturnPath>, StoreError> {
        let from = message.from.rsplit_once('@').filter(|_| message.reverse_path.is_some());
        let Some((_, from)) = from else { return Ok(None) };
        let Some(domain) = self.domain(message.team, from).await? else { return Ok(None) };
        let seal = self.seal.get_or_try_init(|| self.read_seal()).await?.clone();
        Ok(Some(ReturnPath { seal, domain }))
    }

    async fn domain(&self, team: Id, from: &str) -> Result<Option<Arc<str>>, StoreError> {
        let name = (team, from.to_owned());
        if let Some(domain) = self.known.get(&name) {
            return Ok(domain);
        }
        let asked = Instant::now();
        let domain: Option<Arc<str>> = self.store.return_path(team, from).await?.map(Into::into);
        self.known.put(name, domain.clone(), asked);
        Ok(domain)
    }

    async fn read_seal(&self) -> Result<Seal, StoreError> {
        Ok(Seal::new(&self.store.secret(RETURN_ADDRESSES).await?))
    }
}

impl ReturnPath {
    /// The reverse-path under which `message` leaves for `first` and, where there are `others`, more recipients of its domain in the same
    /// transaction.
    pub fn address(&self, message: Id, first: &Recipient, others: bool) -> Option<Address> {
        let only = if others { None } else { self.seal.of_recipient(message, first.index) };
        let token = only.unwrap_or_else(|| self.seal.of_domain(message, &first.path.address.ascii_domain()));
        let local_part = self.seal.local_part(token);
        Address::parse(&format!("{local_part}@{}", self.domain)).ok()
    }
}

impl std::fmt::Debug for ReturnPaths {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReturnPaths")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::model::outcome::RecipientState;

    #[test]
    fn a_reverse_path_names_the_message_and_its_one_recipient_or_their_domain() {
        let path = ReturnPath { seal: Seal::new(b"secret"), domain: "send.example.com".into() };
        let message = Id([7; 16]);
        let recipient = |index| Recipient {
            index,
            path: Address::parse("you@B\u{fc}cher.example").unwrap().into(),
            state: RecipientState::Queued,
            attempts: 0,
            next_attempt_at: Timestamp(0),
            last_reply: String::new(),
            updated_at: Timestamp(0),
        };
        let domain = path.seal.of_domain(message, "xn--bcher-kva.example");
        for (place, others, expected) in
            [(3, false, path.seal.of_recipient(message, 3).unwrap()), (3, true, domain), (1 << 20, false, domain)]
        {
            let address = path.address(message, &recipient(place), others).expect("an address");
            assert_eq!(address.domain(), "send.example.com");
            assert_eq!(path.seal.read(address.local_part()), Some(expected));
        }
    }
}
