//! Whom mail may be for that comes in.

use crate::model::address::Address;
use crate::model::message::Recipient;
use crate::wire::token::{Seal, Token};

/// Whom a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addressee {
    /// A return address of ours, and what it says.
    Return(Token),
    /// An address that feedback loops know.
    Abuse,
}

/// The addresses that there are.
#[derive(Clone, Debug)]
pub struct Addresses {
    seal: Seal,
    /// In their comparable form.
    abuse: Vec<String>,
}

impl Addresses {
    /// Those made under `seal`, and those of `abuse`, as they stand in the configuration.
    pub fn new(seal: Seal, abuse: &[String]) -> Self {
        let abuse = abuse.iter().filter_map(|address| Address::parse(address).ok()).map(|address| address.key()).collect();
        Self { seal, abuse }
    }

    /// Whose address it is; `None`: nobody's.
    pub fn addressee(&self, address: &Address) -> Option<Addressee> {
        let returned = self.seal.read(address.local_part()).map(Addressee::Return);
        returned.or_else(|| self.abuse.contains(&address.key()).then_some(Addressee::Abuse))
    }

    /// Whether what comes back by `token` may be about this recipient of its message.
    pub fn covers(&self, token: Token, recipient: &Recipient) -> bool {
        self.seal.covers(token, recipient.index, &recipient.path.address.ascii_domain())
    }

    /// What a reverse-path says that is told of second hand; `None`: it is none of ours.
    pub fn token(&self, reverse_path: &str) -> Option<Token> {
        self.seal.read(Address::parse(reverse_path).ok()?.local_part())
    }
}
