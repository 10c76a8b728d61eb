//! What protected a session, for the record of the attempt.

use std::fmt;

use super::result::TlsResult;

/// How a connection is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Protection {
    /// Not at all; with the reason when TLS was offered, and could not be had.
    Clear { because: Option<String> },
    Tls {
        /// `TLSv1.3`.
        protocol: String,
        /// `TLS13_AES_256_GCM_SHA384`.
        cipher: String,
        verified: Verified,
    },
}

/// Who says that the peer is the host it was taken for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verified {
    /// Nobody, and why.
    Not(TlsResult, String),
    /// A certificate of the host, by somebody trusted.
    WebPki,
    /// The host's TLSA records.
    Dane,
}

impl Default for Protection {
    fn default() -> Self {
        Self::Clear { because: None }
    }
}

impl fmt::Display for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clear { because: None } => f.write_str("clear"),
            Self::Clear { because: Some(cause) } => write!(f, "clear, since TLS failed: {cause}"),
            Self::Tls { protocol, cipher, verified } => write!(f, "{protocol} {cipher}, {verified}"),
        }
    }
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Not(_, cause) => write!(f, "not verified: {cause}"),
            Self::WebPki => f.write_str("verified by WebPKI"),
            Self::Dane => f.write_str("verified by DANE"),
        }
    }
}
