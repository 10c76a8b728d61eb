//! What happened to a message: append-only, written in the transaction of the change it tells of.

use crate::clock::Timestamp;
use crate::id::Id;

/// The kinds of event. `queued` is the message row itself and is never stored as an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    Queued,
    Deferred,
    Sent,
    Delivered,
    Opened,
    Clicked,
    Bounced,
    Complained,
    Unsubscribed,
    /// A reader took back what they had told by a link.
    Resubscribed,
    Failed,
    Rejected,
    Cancelled,
    /// An operator holds it back.
    Held,
    /// An operator ended that.
    Released,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 15] = [
        Self::Queued,
        Self::Deferred,
        Self::Sent,
        Self::Delivered,
        Self::Opened,
        Self::Clicked,
        Self::Bounced,
        Self::Complained,
        Self::Unsubscribed,
        Self::Resubscribed,
        Self::Failed,
        Self::Rejected,
        Self::Cancelled,
        Self::Held,
        Self::Released,
    ];

    /// From the store's word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.as_str() == word)
    }

    /// The word used in the store and on every interface.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Deferred => "deferred",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Opened => "opened",
            Self::Clicked => "clicked",
            Self::Bounced => "bounced",
            Self::Complained => "complained",
            Self::Unsubscribed => "unsubscribed",
            Self::Resubscribed => "resubscribed",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
            Self::Held => "held",
            Self::Released => "released",
        }
    }
}

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub id: Id,
    pub team: Id,
    pub message: Id,
    /// The recipient's place in the message, from 0; `None` when it tells of the whole message.
    pub recipient: Option<i64>,
    pub kind: EventKind,
    pub at: Timestamp,
    /// The evidence: reply, address, attempt, ... A JSON object.
    pub detail: serde_json::Value,
}

impl Event {
    /// Whether no person but a program opened, or clicked: a scanner, a preview.
    pub fn is_automated(&self) -> bool {
        self.detail.get("automated").and_then(serde_json::Value::as_bool).unwrap_or(false)
    }
}
