//! Whom a session talks to.

use std::net::IpAddr;
use std::sync::Arc;

use crate::model::key::ApiKey;

/// Whom the session talks to, and what it may offer.
#[derive(Clone, Debug)]
pub struct Peer {
    pub address: IpAddr,
    pub tls: Tls,
    /// AUTH is taken without TLS.
    pub cleartext_auth: bool,
    /// The key under which this peer submits with no AUTH.
    pub trusted: Option<Arc<ApiKey>>,
}

/// How the connection stands to TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Neither in use nor offered.
    Absent,
    /// STARTTLS is offered. With `required`, MAIL is refused before it.
    Offered { required: bool },
    /// STARTTLS is configured, but its certificate can't be loaded.
    Broken,
    /// In use, with its version and cipher suite: `TLSv1.3 TLS13_AES_256_GCM_SHA384`.
    Active(String),
}

/// Why a peer is turned away before a session begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Busy {
    Draining,
    TooManyConnections,
}

impl Peer {
    /// Whether AUTH is taken now.
    pub fn may_authenticate(&self) -> bool {
        self.cleartext_auth || self.is_secured()
    }

    /// Whether TLS is in use.
    pub fn is_secured(&self) -> bool {
        matches!(self.tls, Tls::Active(_))
    }

    /// Version and cipher suite, where TLS is in use.
    pub fn tls_facts(&self) -> Option<String> {
        match &self.tls {
            Tls::Active(facts) => Some(facts.clone()),
            _ => None,
        }
    }
}
