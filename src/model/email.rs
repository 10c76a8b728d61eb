//! A message as its sender looks at it: what was accepted, and what became of it.

use crate::clock::Timestamp;
use crate::model::message::{Message, Recipient};
use crate::model::status::MessageStatus;

/// A message with its status and the fate of its recipients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email {
    pub message: Message,
    pub status: MessageStatus,
    /// In the order of the envelope.
    pub recipients: Vec<Recipient>,
    pub times: Times,
    /// The last reply of the recipient that fared worst; `None` when all is well, or nothing is known yet.
    pub error_reason: Option<String>,
}

/// When each thing happened first; `None`: it has not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// It left for a relay, or for where it was delivered.
    pub sent: Option<Timestamp>,
    pub delivered: Option<Timestamp>,
    pub opened: Option<Timestamp>,
    pub clicked: Option<Timestamp>,
    pub bounced: Option<Timestamp>,
    pub complained: Option<Timestamp>,
}

impl Email {
    /// Of these recipients' last replies the one that tells what went wrong.
    pub fn reason(recipients: &[Recipient]) -> Option<String> {
        use crate::model::outcome::RecipientState::{Bounced, Failed, Rejected};
        let of = |state| recipients.iter().find(|r| r.state == state && !r.last_reply.is_empty());
        [Bounced, Failed, Rejected].into_iter().find_map(of).map(|recipient| recipient.last_reply.clone())
    }
}
