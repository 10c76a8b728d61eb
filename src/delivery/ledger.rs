//! Outcomes on their way into the store: they wait in memory until it takes them, and until then nothing new starts.

use std::sync::Arc;

use tokio::time::sleep;

use crate::delivery::attempts::InFlight;
use crate::delivery::gate::Gate;
use crate::delivery::pace::Pace;
use crate::delivery::places::Place;
use crate::shutdown::Shutdown;
use crate::store::settle::Settlement;
use crate::store::{Store, StoreError};

/// Times that a settlement is offered which the store calls broken: then it is left for good.
const BROKEN_TRIES: u32 = 5;

/// Writes outcomes. Clones share everything.
#[derive(Clone, Debug)]
pub struct Ledger {
    store: Store,
    gate: Arc<Gate>,
    pace: Pace,
    shutdown: Shutdown,
}

impl Ledger {
    /// A ledger kept in `store`.
    pub fn new(store: Store, gate: Arc<Gate>, pace: Pace, shutdown: Shutdown) -> Self {
        Self { store, gate, pace, shutdown }
    }

    /// Where it is kept.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Has the outcomes written, without waiting (`attempt` is over when they are durable): they join the next shared commit while the caller goes on. The place is given back
    /// once they are durable; there are never more of them on their way than there are places.
    pub fn settle<S>(&self, settlement: S, place: Arc<Place>, attempt: Option<InFlight>)
    where
        S: Future<Output = Settlement> + Send + 'static,
    {
        let ledger = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = async { ledger.write(settlement.await, place).await } => {}
                () = ledger.shutdown.aborted() => {}
            }
            drop(attempt);
        });
    }

    async fn write(&self, settlement: Settlement, place: Arc<Place>) {
        let (mut wait, mut tries, mut stall) = (self.pace.settle_retry, 0, None);
        loop {
            match self.store.settle(settlement.clone()).await {
                Ok(0) => return,
                Ok(fenced) => {
                    tracing::warn!(message = %settlement.message, fenced, "outcomes came too late: the claim was no longer ours");
                    return;
                }
                Err(StoreError::Broken(cause) | StoreError::Conflict(cause)) if tries >= BROKEN_TRIES => {
                    // Nobody else is kept waiting for it.
                    tracing::error!(message = %settlement.message, cause, "outcomes can't be written; the message is left as it is");
                    place.strand();
                    return;
                }
                Err(failure) => {
                    // Said once: hundreds may wait, and be offered again every few seconds, for as long as the store is away.
                    stall.get_or_insert_with(|| {
                        tracing::warn!(message = %settlement.message, %failure, "outcomes wait to be written");
                        self.gate.stall()
                    });
                }
            }
            tries += 1;
            sleep(wait).await;
            wait = (wait * 2).min(self.pace.settle_retry_max);
        }
    }
}
