//! How much TLS a next hop is to have.

use crate::config::RelayTls;
use crate::delivery::security::Requirement;

/// On what terms a next hop is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Terms {
    /// As the operator has it for the one smarthost.
    Relay(RelayTls),
    /// As the recipient's domain has it; TLS begins by STARTTLS.
    Direct(Requirement),
}

impl Terms {
    pub(super) fn is_implicit(&self) -> bool {
        *self == Self::Relay(RelayTls::Implicit)
    }

    pub(super) fn is_clear(&self) -> bool {
        *self == Self::Relay(RelayTls::None)
    }

    pub(super) fn is_opportunistic(&self) -> bool {
        matches!(self, Self::Relay(RelayTls::Opportunistic) | Self::Direct(Requirement::Opportunistic))
    }
}
