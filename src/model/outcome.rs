//! What became of a recipient: a closed set.

use crate::clock::Timestamp;
use crate::model::bounce::BounceClass;
use crate::model::event::EventKind;

/// The state of one recipient of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecipientState {
    /// Open: waiting, or being attempted.
    Queued,
    /// Open, but held back: by an operator, or for making the engine itself fail.
    Held,
    /// A relay that gives no later word has it. Final.
    Sent,
    Delivered,
    Bounced,
    Failed,
    /// Not sent, as mail is kept from it: found at acceptance, while others of the same message went, or before an attempt.
    Rejected,
    Cancelled,
}

impl RecipientState {
    /// Every state.
    pub const ALL: [Self; 8] =
        [Self::Queued, Self::Held, Self::Sent, Self::Delivered, Self::Bounced, Self::Failed, Self::Rejected, Self::Cancelled];

    /// The word used in the store and on every interface.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Held => "held",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Bounced => "bounced",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
        }
    }

    /// From the store's word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == word)
    }

    /// Whether more may happen to it by itself.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Queued | Self::Held)
    }
}

/// The reply of the next hop that decided an attempt, or what stood in its way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// SMTP reply code; 0 when there was none (no connection, a timeout).
    pub code: u16,
    /// Enhanced status code (RFC 3463), when one was given.
    pub enhanced: Option<String>,
    /// The text, cleaned of control characters, at most 500 characters.
    pub text: String,
}

impl Reply {
    /// No reply from a peer: what went wrong instead, in words.
    pub fn fault(text: impl Into<String>) -> Self {
        Self { code: 0, enhanced: None, text: clean(&text.into()) }
    }

    /// A peer's reply.
    pub fn new(code: u16, enhanced: Option<String>, text: &str) -> Self {
        Self { code, enhanced, text: clean(text) }
    }

    /// One line, as it is stored and shown: `550 5.1.1 no such user`.
    pub fn line(&self) -> String {
        let mut line = String::new();
        if self.code != 0 {
            line.push_str(&self.code.to_string());
            line.push(' ');
        }
        if let Some(enhanced) = &self.enhanced {
            line.push_str(enhanced);
            line.push(' ');
        }
        line.push_str(&self.text);
        line
    }

    /// Adds it to the evidence of an event.
    pub fn tell(&self, detail: &mut serde_json::Value) {
        detail["reply"] = self.line().into();
        if let Some(enhanced) = &self.enhanced {
            detail["enhanced_code"] = enhanced.as_str().into();
        }
    }
}

fn clean(text: &str) -> String {
    text.chars().take(500).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A refusal for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounce {
    pub reply: Reply,
    pub class: BounceClass,
    /// The address in its comparable form, when the class says that it is bad and the mail was really sent: it is suppressed.
    pub bad_address: Option<String>,
}

impl From<Reply> for Bounce {
    /// One that says nothing of the address.
    fn from(reply: Reply) -> Self {
        Self { reply, class: BounceClass::Other, bad_address: None }
    }
}

/// How one attempt ended for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A relay took it and promises no later word.
    Sent(Reply),
    /// It is where it should be.
    Delivered(Reply),
    /// Not now: try again at the time given.
    Deferred { reply: Reply, until: Timestamp },
    /// The next hop refused the recipient or the message for good.
    Bounced(Bounce),
    /// Given up, with the last reply.
    Failed(Reply),
    /// Not sent: mail is kept from it now, for the reason given.
    Rejected(Reply),
    /// Not tried again before an operator releases it.
    Held(Reply),
    /// Not attempted after all: back into the queue as it was, no attempt counted.
    Released,
    /// Not attempted, since its destination has no room now: to be brought again at the time given, no attempt counted. `why` says what
    /// it waits for.
    PutOff { until: Timestamp, why: String },
}

impl Outcome {
    /// The recipient's state afterwards.
    pub fn state(&self) -> RecipientState {
        match self {
            Self::Sent(_) => RecipientState::Sent,
            Self::Delivered(_) => RecipientState::Delivered,
            Self::Deferred { .. } | Self::Released | Self::PutOff { .. } => RecipientState::Queued,
            Self::Bounced(_) => RecipientState::Bounced,
            Self::Failed(_) => RecipientState::Failed,
            Self::Rejected(_) => RecipientState::Rejected,
            Self::Held(_) => RecipientState::Held,
        }
    }

    /// Whether an attempt was made.
    pub fn is_attempt(&self) -> bool {
        !matches!(self, Self::Rejected(_) | Self::Released | Self::PutOff { .. })
    }

    /// When it is to be attempted next, when that has changed.
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Deferred { until, .. } | Self::PutOff { until, .. } => Some(*until),
            _ => None,
        }
    }

    /// What it waits for, other than its turn.
    pub fn waits_for(&self) -> Option<&str> {
        if let Self::PutOff { why, .. } = self { Some(why) } else { None }
    }

    /// The event that tells of it; a release is none.
    pub fn event(&self) -> Option<EventKind> {
        match self {
            Self::Sent(_) => Some(EventKind::Sent),
            Self::Delivered(_) => Some(EventKind::Delivered),
            Self::Deferred { .. } | Self::Held(_) => Some(EventKind::Deferred),
            Self::Bounced(_) => Some(EventKind::Bounced),
            Self::Failed(_) => Some(EventKind::Failed),
            Self::Rejected(_) => Some(EventKind::Rejected),
            Self::Released | Self::PutOff { .. } => None,
        }
    }

    /// The reply that decided it.
    pub fn reply(&self) -> Option<&Reply> {
        match self {
            Self::Sent(r) | Self::Delivered(r) | Self::Failed(r) | Self::Rejected(r) | Self::Held(r) => Some(r),
            Self::Bounced(bounce) => Some(&bounce.reply),
            Self::Deferred { reply, .. } => Some(reply),
            Self::Released | Self::PutOff { .. } => None,
        }
    }
}
