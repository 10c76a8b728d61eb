//! The status of a message: one word for the states of all its recipients.

use std::fmt;

use crate::model::outcome::RecipientState;

/// The word for a message as a whole, as lists show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageStatus {
    Queued,
    Complained,
    Bounced,
    Failed,
    Sent,
    Delivered,
    Cancelled,
    Rejected,
}

impl MessageStatus {
    /// Every status.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Complained,
        Self::Bounced,
        Self::Failed,
        Self::Sent,
        Self::Delivered,
        Self::Cancelled,
        Self::Rejected,
    ];

    /// From the store's word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    /// The first that holds: open recipients make it queued, or sent once any of them was sent; then the worst news that any
    /// recipient has. `complained`: whether any recipient complained, which is an event and no state.
    pub fn of(states: impl IntoIterator<Item = RecipientState>, complained: bool) -> Self {
        let states: Vec<RecipientState> = states.into_iter().collect();
        let any = |state| states.contains(&state);
        let went = any(RecipientState::Sent) || any(RecipientState::Delivered);
        if states.iter().any(|state| state.is_open()) {
            return if went { Self::Sent } else { Self::Queued };
        }
        if complained {
            return Self::Complained;
        }
        [
            (RecipientState::Bounced, Self::Bounced),
            (RecipientState::Failed, Self::Failed),
            (RecipientState::Sent, Self::Sent),
            (RecipientState::Delivered, Self::Delivered),
            (RecipientState::Cancelled, Self::Cancelled),
        ]
        .into_iter()
        .find_map(|(state, status)| any(state).then_some(status))
        .unwrap_or(Self::Rejected)
    }

    /// The word used in the store and on every interface.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Complained => "complained",
            Self::Bounced => "bounced",
            Self::Failed => "failed",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Cancelled => "cancelled",
            Self::Rejected => "rejected",
        }
    }
}

impl fmt::Display for MessageStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use RecipientState as R;

    use super::*;

    #[test]
    fn the_first_that_holds_is_the_status() {
        for (states, complained, status) in [
            (&[R::Queued, R::Rejected][..], false, MessageStatus::Queued),
            (&[R::Held], false, MessageStatus::Queued),
            (&[R::Queued, R::Sent], false, MessageStatus::Sent),
            (&[R::Held, R::Delivered], true, MessageStatus::Sent),
            (&[R::Queued, R::Bounced], true, MessageStatus::Queued),
            (&[R::Delivered, R::Bounced], true, MessageStatus::Complained),
            (&[R::Delivered, R::Failed, R::Bounced], false, MessageStatus::Bounced),
            (&[R::Delivered, R::Failed, R::Sent], false, MessageStatus::Failed),
            (&[R::Delivered, R::Sent, R::Cancelled], false, MessageStatus::Sent),
            (&[R::Delivered, R::Rejected, R::Cancelled], false, MessageStatus::Delivered),
            (&[R::Cancelled, R::Rejected], false, MessageStatus::Cancelled),
            (&[R::Rejected], false, MessageStatus::Rejected),
        ] {
            assert_eq!(MessageStatus::of(states.iter().copied(), complained), status, "{states:?}");
        }
    }
}
