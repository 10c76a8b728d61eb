//! From fit to durable: one submission, or many that came together.

use tracing::info;

use super::counts::Place;
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
    pub _room: Taken<'a>,
}

impl Inner {
    /// Commits one, and says what came of it.
    pub(super) async fn commit(&self, fit: Fit<'_>) -> Result<Receipt, Refusal> {
        let Fit { acceptance, promise } = fit;
        let automatic = is_automatic(&acceptance);
        promise.settle(self.store.accept(acceptance).await, automatic)
    }

    /// Commits those that came together, in one transaction as far as a batch has room. The answers stand in their order.
    pub(super) async fn commit_all(&self, fits: Vec<Fit<'_>>) -> Vec<Result<Receipt, Refusal>> {
        let mut acceptances = Vec::with_capacity(fits.len());
        let mut promises = Vec::with_capacity(fits.len());
        for Fit { acceptance, promise } in fits {
            promises.push((promise, is_automatic(&acceptance)));
            acceptances.push(acceptance);
        }
        let written = self.store.accept_all(acceptances).await;
        promises.into_iter().zip(written).map(|((promise, automatic), written)| promise.settle(written, automatic)).collect()
    }
}

fn is_automatic(acceptance: &Acceptance) -> bool {
    acceptance.idempotency.as_ref().is_some_and(|claim| claim.automatic)
}

impl Promise<'_> {
    fn settle(self, written: Result<Accepted, StoreError>, automatic: bool) -> Result<Receipt, Refusal> {
        let Self { receipt, place, _room } = self;
        match written.map_err(|fault| unwell(&fault))? {
            Accepted::New => {
                place.keep();
                Ok(receipt)
            }
            Accepted::Replay { id, accepted_at } => Ok(replay(id, Replay { accepted_at, automatic }, receipt.recipients)),
            Accepted::KeyReused { id } => {
                let text = format!("this key was used within 24 h for another message, {id}; use a new key");
                Err(Refusal::new(Code::IdempotencyKeyReused, text))
            }
        }
    }
}

/// The answer to a repeat: the first one's id.
pub fn replay(id: Id, of: Replay, recipients: usize) -> Receipt {
    info!(message = %id, automatic = of.automatic, "a repeat of this message was not queued again");
    Receipt { id, replay_of: Some(of), left_out: LeftOut::default(), recipients, record: None }
}
