//! Keys: made, loaded, and put to use.

use std::fmt;

use aws_lc_rs::digest::Digest;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{self, KeySize};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256};

use crate::model::dkim::Algorithm;

/// A key pair that was just made.
pub struct NewKey {
    /// PKCS #8.
    pub private: Vec<u8>,
    /// What `p=` publishes: SubjectPublicKeyInfo of an RSA key (RFC 6376 section 3.6.1), the 32 octets of an Ed25519 key (RFC 8463
    /// section 4.1).
    pub public: Vec<u8>,
}

/// Makes a key pair; `None` when the library fails. RSA takes some tenths of a second.
pub fn generate(algorithm: Algorithm) -> Option<NewKey> {
    match algorithm {
        Algorithm::Rsa => {
            let pair = rsa::KeyPair::generate(KeySize::Rsa2048).ok()?;
            let private = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).ok()?.as_ref().to_vec();
            let public = AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key()).ok()?.as_ref().to_vec();
            Some(NewKey { private, public })
        }
        Algorithm::Ed25519 => {
            let pair = Ed25519KeyPair::generate().ok()?;
            let private = pair.to_pkcs8v1().ok()?.as_ref().to_vec();
            Some(NewKey { private, public: pair.public_key().as_ref().to_vec() })
        }
    }
}

/// A private key that signs under a selector.
pub struct SigningKey {
    selector: String,
    pair: Pair,
}

enum Pair {
    Rsa(rsa::KeyPair),
    Ed25519(Ed25519KeyPair),
}

impl SigningKey {
    /// From PKCS #8; `None` when it is no key of that kind.
    pub fn load(selector: &str, algorithm: Algorithm, private: &[u8]) -> Option<Self> {
        let pair = match algorithm {
            Algorithm::Rsa => Pair::Rsa(rsa::KeyPair::from_pkcs8(private).ok()?),
            Algorithm::Ed25519 => Pair::Ed25519(Ed25519KeyPair::from_pkcs8_maybe_unchecked(private).ok()?),
        };
        Some(Self { selector: selector.to_owned(), pair })
    }

    /// The name under which the public key stands, below `_domainkey`.
    pub fn selector(&self) -> &str {
        &self.selector
    }

    /// How it signs.
    pub fn algorithm(&self) -> Algorithm {
        match self.pair {
            Pair::Rsa(_) => Algorithm::Rsa,
            Pair::Ed25519(_) => Algorithm::Ed25519,
        }
    }

    /// The signature of what has this SHA-256 (RFC 6376 section 3.3.1; in RFC 8463 section 3 the digest itself is what is signed).
    pub(super) fn sign(&self, digest: &Digest) -> Option<Vec<u8>> {
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign_digest(&RSA_PKCS1_SHA256, digest, &mut signature).ok()?;
                Some(signature)
            }
            Pair::Ed25519(pair) => Some(pair.try_sign(digest.as_ref()).ok()?.as_ref().to_vec()),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({} {})", self.selector, self.algorithm().as_str())
    }
}
