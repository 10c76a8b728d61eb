//! What is asked of TLS by others than the recipient's domain.

use crate::config::routing::RuleTls;
use crate::mime::fields::{Bounds, Fields};

/// What is asked besides, or instead of, what the recipient's domain publishes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Demand {
    /// Nothing: what is published holds.
    #[default]
    Published,
    /// At least encryption, by the operator's rule.
    Encrypted,
    /// That nothing published holds, by the sender: this mail tells of TLS that fails (RFC 8689 section 3).
    Waived,
}

impl Demand {
    /// What is asked for a message that leaves by such a rule. What the operator requires, no sender waives.
    pub fn of(rule: RuleTls, message: &[u8]) -> Self {
        match rule {
            RuleTls::Required => Self::Encrypted,
            RuleTls::Opportunistic if waives(message) => Self::Waived,
            RuleTls::Opportunistic => Self::Published,
        }
    }
}

fn waives(message: &[u8]) -> bool {
    let header = Fields::split(message, Bounds::STORED);
    header.all("TLS-Required").any(|field| field.trimmed().eq_ignore_ascii_case(b"No"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_operator_requires_no_sender_waives() {
        let waiving = b"From: a@b\r\ntls-required: no\r\n\r\n";
        let silent = b"From: a@b\r\nTLS-Required: Yes\r\n\r\nTLS-Required: No\r\n";
        assert_eq!(Demand::of(RuleTls::Opportunistic, waiving), Demand::Waived);
        assert_eq!(Demand::of(RuleTls::Opportunistic, silent), Demand::Published);
        assert_eq!([waiving.as_slice(), silent].map(|message| Demand::of(RuleTls::Required, message)), [Demand::Encrypted; 2]);
    }
}
