//! Readers who wish no more mail of a stream, with the evidence.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::stream::Stream;

/// What a wish is about: mail that one person caused is never unsubscribed from.
pub const SCOPE: Stream = Stream::Broadcast;

/// Names that a sender puts between double braces in the bodies of such mail, where each reader's own link for it is to stand: as templates of
/// several makers have it.
pub const LINK_NAMES: [&str; 2] = ["unsubscribe_url", "unsubscribeUrl"];

/// A reader's wish to get no more mail of [`SCOPE`] from a team. No suppression: whoever may, overrides it for a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsubscribe {
    pub team: Id,
    /// The address in its comparable form ([`crate::model::address::Address::key`]).
    pub address: String,
    pub how: How,
    /// The message whose link was followed.
    pub message: Option<Id>,
    pub evidence: Evidence,
    pub created_at: Timestamp,
}

/// The way a wish was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// By the reader's mail program (RFC 8058).
    OneClick,
    /// By the button of the page that the link leads to.
    Page,
    /// By a program with a key.
    Api,
    /// By an operator.
    Cli,
}

impl How {
    /// Every way.
    pub const ALL: [Self; 4] = [Self::OneClick, Self::Page, Self::Api, Self::Cli];

    /// The word used in the store and on every interface.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OneClick => "one_click",
            Self::Page => "page",
            Self::Api => "api",
            Self::Cli => "cli",
        }
    }

    /// Whether the reader told it by a link, by which it may be taken back as well.
    pub fn is_by_link(self) -> bool {
        matches!(self, Self::OneClick | Self::Page)
    }

    /// From the store's word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|how| how.as_str() == word)
    }
}

/// Who told it, and why, as far as that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Characters of a reason.
const REASON_MAX: usize = 1000;

/// What is wrong with a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be at most {REASON_MAX} characters, no controls but tabs and line ends")]
pub struct BadReason;

impl Evidence {
    /// Of somebody who gives no more than a reason, or none.
    pub fn of_reason(reason: Option<String>) -> Result<Self, BadReason> {
        let reason = reason.filter(|text| !text.is_empty());
        let hides = |c: char| c.is_control() && !matches!(c, '\t' | '\r' | '\n');
        match &reason {
            Some(text) if text.chars().nth(REASON_MAX).is_some() || text.chars().any(hides) => Err(BadReason),
            _ => Ok(Self { reason, ..Self::default() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_bounded_and_hides_nothing() {
        let reason = |text: &str| Evidence::of_reason(Some(text.to_owned())).map(|evidence| evidence.reason);
        assert_eq!(reason(""), Ok(None));
        assert_eq!(reason("by\r\n\tphone"), Ok(Some("by\r\n\tphone".to_owned())));
        assert!(reason(&"\u{e4}".repeat(REASON_MAX)).is_ok());
        for bad in ["\0", "\u{1b}[31m", &"x".repeat(REASON_MAX + 1)] {
            assert_eq!(reason(bad), Err(BadReason), "{bad:?}");
        }
    }
}
