//! Why a next hop refused for good, as far as its reply tells.

use serde::{Deserialize, Serialize};

/// The class of a bounce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BounceClass {
    /// There is no such mailbox, or it is switched off for good.
    BadMailbox,
    /// There is no such domain, or it takes no mail.
    BadDomain,
    MailboxFull,
    /// The receiving side does not want this mail, by a rule of its own.
    Policy,
    /// The sending address or domain is on a list, or of ill repute.
    Reputation,
    /// What the message says or how it is made is refused: spam, a virus, a form that can't be carried.
    Content,
    TooLarge,
    /// The next hop does not take mail for that domain from us.
    RelayingDenied,
    /// SPF, DKIM, DMARC, reverse DNS, or a login.
    Authentication,
    /// The reverse-path is refused.
    BadSender,
    Greylisted,
    /// Too much at once, or too much for today.
    RateLimited,
    /// No way there: routing, the network, time that ran out.
    Unreachable,
    Other,
}

impl BounceClass {
    /// Every class.
    pub const ALL: [Self; 14] = [
        Self::BadMailbox,
        Self::BadDomain,
        Self::MailboxFull,
        Self::Policy,
        Self::Reputation,
        Self::Content,
        Self::TooLarge,
        Self::RelayingDenied,
        Self::Authentication,
        Self::BadSender,
        Self::Greylisted,
        Self::RateLimited,
        Self::Unreachable,
        Self::Other,
    ];

    /// The word used in rules, in the store and on every interface.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadMailbox => "bad_mailbox",
            Self::BadDomain => "bad_domain",
            Self::MailboxFull => "mailbox_full",
            Self::Policy => "policy",
            Self::Reputation => "reputation",
            Self::Content => "content",
            Self::TooLarge => "too_large",
            Self::RelayingDenied => "relaying_denied",
            Self::Authentication => "authentication",
            Self::BadSender => "bad_sender",
            Self::Greylisted => "greylisted",
            Self::RateLimited => "rate_limited",
            Self::Unreachable => "unreachable",
            Self::Other => "other",
        }
    }

    /// Adds it to the evidence of an event. It is hard where the address itself is bad, else soft: other mail may get there.
    pub fn tell(self, detail: &mut serde_json::Value) {
        detail["class"] = self.as_str().into();
        detail["bounce_type"] = if self.suppresses() { "hard" } else { "soft" }.into();
    }

    /// Whether it says that the address itself is bad, so that nothing more should be sent there.
    pub fn suppresses(self) -> bool {
        matches!(self, Self::BadMailbox | Self::BadDomain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_of_a_rule_is_the_word_that_is_shown() {
        for class in BounceClass::ALL {
            assert_eq!(serde_json::to_value(class).unwrap(), class.as_str());
        }
    }
}
