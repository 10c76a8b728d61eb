//! From fit to durable: one submission, or many that came together.

use tracing::info;

use super::counts::{HandedIn, Place};
use super::room::Taken;
use super::{Inner, unwell};
use crate::id::Id;
use crate::model::refusal::{Code, Refusal};
use crate::model::submission::{LeftOut, Receipt, Replay};
use crate::store::StoreError;
use crate::store::accept::{Acceptance, Accepted};

/// A submission as it will be kept, what its sender will hear, and its place in the key's allowance and on the disk.
pub struct Fit<'a> {
    pub acceptance: Acceptance,
    pub promise: Promise<'a>,
}

/// What becomes of a fit once its acceptance is in the store's hands.
pub struct Promise<'a> {
    pub receipt: Receipt,
    pub place: Place<'a>,
    /// Given back when all is over.
    pub room: Taken<'a>,
}

/// A promise whose acceptance is in the store's hands: whoever waited for it may be gone when it is written.
struct Pending<'a> {
    receipt: Receipt,
    place: HandedIn<'a>,
    automatic: bool,
    _room: Taken<'a>,
}

impl Inner {
    /// Commits one, and says what came of it.
    pub(super) async fn commit(&self, fit: Fit<'_>) -> Result<Receipt, Refusal> {
        let (acceptance, pending) = fit.hand_in();
        pending.settle(self.store.accept(acceptance).await)
    }

    /// Commits those that came together, in one transaction as far as a batch has room. The answers stand in their order.
    pub(super) async fn commit_all(&self, fits: Vec<Fit<'_>>) -> Vec<Result<Receipt, Refusal>> {
        let (acceptances, pending): (_, Vec<_>) = fits.into_iter().map(Fit::hand_in).unzip();
        let written = self.store.accept_all(acceptances).await;
        pending.into_iter().zip(written).map(|(pending, written)| pending.settle(written)).collect()
    }
}

impl<'a> Fit<'a> {
    fn hand_in(self) -> (Acceptance, Pending<'a>) {
        let Self { acceptance, promise: Promise { receipt, place, room } } = self;
        let automatic = acceptance.idempotency.as_ref().is_some_and(|claim| claim.automatic);
        (acceptance, Pending { receipt, place: place.hand_in(), automatic, _room: room })
    }
}

impl Pending<'_> {
    fn settle(self, written: Result<Accepted, StoreError>) -> Result<Receipt, Refusal> {
        let Self { receipt, place, automatic, _room } = self;
        if !may_have_written(&written) {
            place.give_back();
        }
        match written.map_err(|fault| unwell(&fault))? {
            Accepted::New => Ok(receipt),
            Accepted::Replay { id, accepted_at } => Ok(replay(id, Replay { accepted_at, automatic }, receipt.recipients)),
            Accepted::KeyReused { id } => {
                let text = format!("this key was used within 24 h for another message, {id}; use a new key");
                Err(Refusal::new(Code::IdempotencyKeyReused, text))
            }
        }
    }
}

/// Of a store that went away it is not known what it still wrote.
fn may_have_written(written: &Result<Accepted, StoreError>) -> bool {
    matches!(written, Ok(Accepted::New) | Err(StoreError::Unavailable(_)))
}

/// The answer to a repeat: the first one's id.
pub fn replay(id: Id, of: Replay, recipients: usize) -> Receipt {
    info!(message = %id, automatic = of.automatic, "a repeat of this message was not queued again");
    Receipt { id, replay_of: Some(of), left_out: LeftOut::default(), recipients, record: None }
}
