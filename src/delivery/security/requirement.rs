//! What TLS with one host has to be.

use std::sync::Arc;

use super::dane::Dane;

/// The least that is asked of a session. What is more is taken, and told in [`super::Protection`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Requirement {
    /// TLS with anyone where it is offered, else none (RFC 7435).
    #[default]
    Opportunistic,
    /// TLS with anyone: by the operator's rule, or since all TLSA records are unusable (RFC 7672 section 2.2).
    Encrypted,
    /// TLS, and a certificate of the host by somebody trusted: MTA-STS that is enforced, a relay.
    Certified,
    /// TLS, and a certificate that the host's TLSA records tell of.
    Dane(Arc<Dane>),
}

impl Requirement {
    /// Whether mail waits rather than go in the clear.
    pub fn is_binding(&self) -> bool {
        *self != Self::Opportunistic
    }

    /// The same, or encryption where nothing was asked.
    pub fn at_least_encrypted(self) -> Self {
        if self.is_binding() { self } else { Self::Encrypted }
    }
}
