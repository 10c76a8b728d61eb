//! Acceptance: a message, its recipients, its bytes and its idempotency key in one shared, fsynced commit.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::envelope::ForwardPath;
use crate::model::message::{Body, Message};
use crate::store::{Store, StoreError};

/// A judged message, ready to be written.
#[derive(Clone, Debug)]
pub struct Acceptance {
    pub message: Arc<Message>,
    pub body: Body,
    pub recipients: Vec<NewRecipient>,
    pub idempotency: Option<Idempotency>,
}

/// One recipient row to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecipient {
    pub path: ForwardPath,
    /// Why it is left out, when it is: it is written as rejected, with an event that says so.
    pub rejected: Option<String>,
}

/// The claim that makes a repeat of a submission known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// SHA-256 over team, sandbox or live, and the key; automatic keys are in the same space.
    pub key: [u8; 32],
    /// What the sender meant; two submissions of one key must agree in it.
    pub fingerprint: [u8; 32],
    /// Made from Message-ID and bytes: given up when the message ends badly.
    pub automatic: bool,
}

/// How long a key is kept.
pub const IDEMPOTENCY_WINDOW: Duration = Duration::from_secs(24 * 3600);

/// What became of an acceptance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// Written, and durable.
    New,
    /// The key is taken by an equal submission.
    Replay { id: Id, accepted_at: Timestamp },
    /// The key is taken by another submission.
    KeyReused { id: Id },
}

impl Store {
    /// Writes the message in the next shared commit, and returns when that is durable.
    pub async fn accept(&self, _acceptance: Acceptance) -> Result<Accepted, StoreError> {
        todo!()
    }
}
