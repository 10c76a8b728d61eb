//! The keys that sign a domain's mail (RFC 6376, RFC 8463), and the states they pass through.

use std::fmt;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::id::Id;

/// How a signature is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSA with 2048 bits: what every verifier knows.
    Rsa,
    /// RFC 8463: short, fast, and known to some.
    Ed25519,
}

impl Algorithm {
    /// Every one of them, in the order in which signatures stand on a message.
    pub const ALL: [Self; 2] = [Self::Rsa, Self::Ed25519];

    /// `a=` of a signature.
    pub fn signature_name(self) -> &'static str {
        match self {
            Self::Rsa => "rsa-sha256",
            Self::Ed25519 => "ed25519-sha256",
        }
    }

    /// `k=` of a published key, and the store's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rsa => "rsa",
            Self::Ed25519 => "ed25519",
        }
    }

    /// From the store's word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == word)
    }
}

/// How far a key is in its life. What is removed is deleted, its private half with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Made; nothing is signed with it before its record was seen or vouched for.
    Pending,
    /// Signs.
    Active,
    /// Signs no more, but mail on its way still leans on its record.
    Retiring,
}

impl KeyState {
    /// The word used on every interface and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Retiring => "retiring",
        }
    }

    /// From the store's word; an unknown one counts as retiring, which signs nothing and is published still.
    pub fn from_word(word: &str) -> Self {
        match word {
            "pending" => Self::Pending,
            "active" => Self::Active,
            _ => Self::Retiring,
        }
    }
}

/// How long the record of a key that signs no more must stay: longer than a signature lasts and mail may lie about.
pub const OVERLAP: Duration = Duration::from_secs(14 * 24 * 3600);

/// A private key in PKCS #8, which is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct PrivateKey(pub Vec<u8>);

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

/// What signs: a private key and the name its public half is found under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretKey {
    pub algorithm: Algorithm,
    pub selector: String,
    pub private: PrivateKey,
}

/// A key pair to be kept for a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDkimKey {
    pub secret: SecretKey,
    /// The octets that `p=` publishes.
    pub public: Vec<u8>,
}

/// A domain's key, as everybody may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DkimKey {
    pub id: Id,
    pub algorithm: Algorithm,
    /// The record's name below `_domainkey` of the domain.
    pub selector: String,
    pub state: KeyState,
    /// The octets that `p=` publishes.
    pub public: Vec<u8>,
    pub created_at: Timestamp,
    /// When a retiring one is removed.
    pub retire_at: Option<Timestamp>,
}
