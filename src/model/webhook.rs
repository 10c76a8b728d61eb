//! An endpoint that a team has told of what becomes of its mail, and what it can be told of.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::event::{Event, EventKind};

/// What an endpoint can be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WebhookKind {
    Sent,
    Delivered,
    Opened,
    Clicked,
    Bounced,
    Complained,
    Failed,
    Deferred,
    Unsubscribed,
    Cancelled,
    Rejected,
    /// Another endpoint of the team was given up.
    Disabled,
    /// A reader took back that they unsubscribed.
    Resubscribed,
}

impl WebhookKind {
    /// Every kind. The place of each is its bit in the store: new ones go to the end.
    pub const ALL: [Self; 13] = [
        Self::Sent,
        Self::Delivered,
        Self::Opened,
        Self::Clicked,
        Self::Bounced,
        Self::Complained,
        Self::Failed,
        Self::Deferred,
        Self::Unsubscribed,
        Self::Cancelled,
        Self::Rejected,
        Self::Disabled,
        Self::Resubscribed,
    ];

    /// The word used on every interface.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "email.sent",
            Self::Delivered => "email.delivered",
            Self::Opened => "email.opened",
            Self::Clicked => "email.clicked",
            Self::Bounced => "email.bounced",
            Self::Complained => "email.complained",
            Self::Failed => "email.failed",
            Self::Deferred => "email.deferred",
            Self::Unsubscribed => "email.unsubscribed",
            Self::Cancelled => "email.cancelled",
            Self::Rejected => "email.rejected",
            Self::Disabled => "webhook.disabled",
            Self::Resubscribed => "email.resubscribed",
        }
    }

    /// From its word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// What is told of an event of a message; `None`: nothing. What a program opened or clicked is no news of a person.
    pub fn of(event: &Event) -> Option<Self> {
        match event.kind {
            EventKind::Opened | EventKind::Clicked if event.is_automated() => None,
            EventKind::Queued | EventKind::Held | EventKind::Released => None,
            EventKind::Deferred => Some(Self::Deferred),
            EventKind::Sent => Some(Self::Sent),
            EventKind::Delivered => Some(Self::Delivered),
            EventKind::Opened => Some(Self::Opened),
            EventKind::Clicked => Some(Self::Clicked),
            EventKind::Bounced => Some(Self::Bounced),
            EventKind::Complained => Some(Self::Complained),
            EventKind::Unsubscribed => Some(Self::Unsubscribed),
            EventKind::Resubscribed => Some(Self::Resubscribed),
            EventKind::Failed => Some(Self::Failed),
            EventKind::Rejected => Some(Self::Rejected),
            EventKind::Cancelled => Some(Self::Cancelled),
        }
    }

    /// Its bit among [`Kinds`].
    pub fn bit(self) -> i64 {
        1 << self as i64
    }

    /// From its bit.
    pub fn from_bit(bit: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.bit() == bit)
    }
}

/// Some of the kinds, as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds(pub i64);

impl Kinds {
    /// Those of them, in the order of [`WebhookKind::ALL`].
    pub fn each(self) -> impl Iterator<Item = WebhookKind> {
        WebhookKind::ALL.into_iter().filter(move |kind| self.0 & kind.bit() != 0)
    }
}

impl FromIterator<WebhookKind> for Kinds {
    fn from_iter<T: IntoIterator<Item = WebhookKind>>(kinds: T) -> Self {
        Self(kinds.into_iter().fold(0, |bits, kind| bits | kind.bit()))
    }
}

/// What every secret of an endpoint begins with (Standard Webhooks).
const PREFIX: &str = "whsec_";

/// What signs the requests to an endpoint. Its `Debug` form hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret(String);

impl WebhookSecret {
    /// A new one: the prefix and the base64 of 32 random octets.
    pub fn generate() -> Self {
        let mut octets = [0u8; 32];
        rand::fill(&mut octets);
        Self(format!("{PREFIX}{}", STANDARD.encode(octets)))
    }

    /// One as it was shown when it was made.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The octets behind the prefix; none when it is no secret of ours.
    pub fn octets(&self) -> Option<Vec<u8>> {
        STANDARD.decode(self.0.strip_prefix(PREFIX)?).ok()
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(..)")
    }
}

/// What a team chose of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookSettings {
    pub url: String,
    pub kinds: Kinds,
    pub enabled: bool,
    pub description: String,
}

/// What signs: the secret, and for a time the one before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookSecrets {
    pub current: WebhookSecret,
    /// The one before, and until when it signs, too.
    pub previous: Option<(WebhookSecret, Timestamp)>,
}

/// How an endpoint has fared of late.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookHealth {
    /// Attempts that failed in a row.
    pub failures: i64,
    /// When the first of these was made.
    pub failing_since: Option<Timestamp>,
    /// Nothing is attempted before.
    pub paused_until: Option<Timestamp>,
    /// The last attempt that it took, to a few seconds.
    pub succeeded_at: Option<Timestamp>,
    /// Until then it counts as one that takes long to answer.
    pub slow_until: Option<Timestamp>,
    /// When the house gave it up, and why.
    pub disabled: Option<(Timestamp, String)>,
}

/// One endpoint on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    pub id: Id,
    pub team: Id,
    pub settings: WebhookSettings,
    pub secrets: WebhookSecrets,
    pub health: WebhookHealth,
    /// It does not keep up: of events from this one on it is told when it has room for them.
    pub behind_from: Option<Id>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_bits_that_never_move() {
        for (place, kind) in WebhookKind::ALL.into_iter().enumerate() {
            assert_eq!(kind.bit(), 1 << place, "{kind:?}");
            assert_eq!((WebhookKind::from_bit(kind.bit()), WebhookKind::from_word(kind.as_str())), (Some(kind), Some(kind)));
        }
        assert_eq!((WebhookKind::Sent.bit(), WebhookKind::Disabled.bit()), (1, 2048));
        let kinds: Kinds = [WebhookKind::Failed, WebhookKind::Sent].into_iter().collect();
        assert_eq!(kinds.each().collect::<Vec<_>>(), [WebhookKind::Sent, WebhookKind::Failed]);
        assert_eq!((WebhookKind::from_bit(3), WebhookKind::from_word("email.queued")), (None, None));
    }

    #[test]
    fn a_secret_has_32_octets_and_is_not_shown() {
        let secret = WebhookSecret::generate();
        assert_eq!(secret.octets().map(|octets| octets.len()), Some(32));
        assert_eq!(format!("{secret:?}"), "WebhookSecret(..)");
        assert_eq!(WebhookSecret::from_text("hush").octets(), None);
    }
}
