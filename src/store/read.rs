//! Reading the queue: lists, one message, its bytes; and the operator's hand on it.

use bytes::Bytes;

use crate::id::Id;
use crate::model::event::Event;
use crate::model::message::{Message, Recipient};
use crate::model::outcome::RecipientState;
use crate::store::{Store, StoreError};

/// Which messages to list. Newest first.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// `None`: of every team (the operator's view).
    pub team: Option<Id>,
    /// Only those older than this one.
    pub before: Option<Id>,
    /// Only those with an open recipient.
    pub open_only: bool,
    pub limit: usize,
}

/// A message with the state of its recipients.
#[derive(Clone, Debug)]
pub struct Listed {
    pub message: Message,
    pub recipients: Vec<Recipient>,
}

/// Open and ended recipients, by state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueStats {
    pub by_state: Vec<(RecipientState, u64)>,
    /// Open recipients that are due.
    pub due: u64,
    pub messages: u64,
}

/// What an operator does to a message's open recipients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueAction {
    /// Due now.
    Retry,
    Hold,
    /// Ends a hold.
    Release,
    Cancel,
}

impl Store {
    /// A page of messages with their recipients.
    pub async fn messages(&self, _filter: &Filter) -> Result<Vec<Listed>, StoreError> {
        todo!()
    }

    /// One message. `team`: only if it is that team's.
    pub async fn message(&self, _team: Option<Id>, _id: Id) -> Result<Option<Listed>, StoreError> {
        todo!()
    }

    /// A message's bytes as accepted, with our Received.
    pub async fn body(&self, _team: Option<Id>, _id: Id) -> Result<Option<Bytes>, StoreError> {
        todo!()
    }

    /// A message's events, oldest first, without the `queued` that the message itself is.
    pub async fn events(&self, _id: Id) -> Result<Vec<Event>, StoreError> {
        todo!()
    }

    /// Open recipients of a team's messages, for the queue limit.
    pub async fn queued(&self, _team: Id) -> Result<u64, StoreError> {
        todo!()
    }

    /// Totals for the operator.
    pub async fn queue_stats(&self) -> Result<QueueStats, StoreError> {
        todo!()
    }

    /// Acts on the open recipients of a message that no engine is attempting now. Returns how many were changed.
    pub async fn queue_action(&self, _id: Id, _action: QueueAction) -> Result<u64, StoreError> {
        todo!()
    }
}
