//! The keys that sign a domain's mail (RFC 6376, RFC 8463), and the states they pass through.

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
