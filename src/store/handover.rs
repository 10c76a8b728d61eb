//! The hand-over: what the committer asks of the engine in this process, so that a healthy message needs no read.

use std::any::Any;
use std::sync::Arc;

use crate::id::Id;
use crate::model::message::{Body, Message, Recipient};
use crate::model::stream::Stream;

/// An engine's life, as a number that is never used twice; 0 is nobody's.
pub type Epoch = i64;

/// Recipients of one message, claimed under an epoch.
#[derive(Clone, Debug)]
pub struct Claim {
    pub epoch: Epoch,
    pub message: Arc<Message>,
    pub body: Body,
    /// Those that are to be attempted, of one message. Their `attempts` is the number settling must find.
    pub recipients: Vec<Recipient>,
}

/// What is about to be inserted, as far as the scheduler must know it.
#[derive(Clone, Copy, Debug)]
pub struct Offer<'a> {
    pub message: &'a Message,
    pub octets: usize,
    /// Recipients that would be claimed.
    pub recipients: usize,
}

/// A place given by the scheduler; dropping it gives the place back. What is inside is the scheduler's own affair.
pub type Slot = Box<dyn Any + Send>;

/// The engine's side of the hand-over. Its methods are called by the committer and must not block.
pub trait Scheduler: Send + Sync {
    /// A place for the message and the epoch to claim it under, or nothing: then it is inserted ready.
    /// From this moment on the message counts as held.
    fn reserve(&self, offer: Offer<'_>) -> Option<(Epoch, Slot)>;

    /// The claim is durable: start it. A claim whose epoch has ended is dropped.
    fn hand_over(&self, slot: Slot, claim: Claim);

    /// Something is ready, from this process or another: look for it.
    fn wake(&self, stream: Stream);

    /// Whether the message is held by this engine.
    fn holds(&self, message: Id) -> bool;
}
