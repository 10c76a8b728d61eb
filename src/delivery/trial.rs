//! What was in flight when a process died goes single file: one message at a time, alone if that can be had soon. Only a message that is
//! alone in flight when the process dies again is charged with it (`store::suspects`); after a few such deaths it is held.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::model::message::Message;
use crate::store::Store;
use crate::store::handover::{Claim, Epoch};
use crate::store::suspects::FAULTS_MAX;

/// How long all others are kept waiting until a suspect is alone in flight; else it is attempted among them, and charged with nothing.
const ALONE_WITHIN: Duration = Duration::from_millis(250);
/// How long a suspect is alone, and the next one waits: whoever kills a process does it soon.
pub const ALONE_AT_MOST: Duration = Duration::from_secs(1);

/// Admits suspects to their attempts.
#[derive(Debug)]
pub struct Trials {
    store: Store,
    /// One permit for each attempt in flight.
    attempts: Arc<Semaphore>,
    workers: u32,
}

/// A suspect's attempt that may begin.
#[derive(Debug)]
pub struct Trial {
    /// Counts the attempt itself.
    pub attempt: Option<OwnedSemaphorePermit>,
    /// All the others: nothing else is in flight, and the store knows.
    others: Option<OwnedSemaphorePermit>,
    /// Under the charge of too many deaths: it may not begin after all.
    pub is_convicted: bool,
}

impl Trials {
    /// `attempts` has as many permits as there are `workers`.
    pub fn new(store: Store, attempts: Arc<Semaphore>, workers: usize) -> Self {
        Self { store, attempts, workers: u32::try_from(workers).unwrap_or(u32::MAX) }
    }

    /// Waits for the suspect's turn, alone or, when others take too long, among them.
    pub async fn begin(&self, claim: &Claim) -> Trial {
        let all = timeout(ALONE_WITHIN, self.attempts.clone().acquire_many_owned(self.workers)).await;
        if let Ok(Ok(mut all)) = all {
            let attempt = all.split(1);
            return self.mark(claim.epoch, &claim.message, Trial { attempt, others: Some(all), is_convicted: false }).await;
        }
        let attempt = self.attempts.clone().acquire_owned().await.ok();
        Trial { attempt, others: None, is_convicted: false }
    }

    /// The mark is durable before anything can go wrong.
    async fn mark(&self, epoch: Epoch, message: &Message, trial: Trial) -> Trial {
        match self.store.begin_trial(epoch, message.id).await {
            Ok(faults) => Trial { is_convicted: faults >= FAULTS_MAX, ..trial },
            Err(failure) => {
                tracing::warn!(message = %message.id, %failure, "a suspect can't be marked; it is attempted among others");
                Trial { others: None, ..trial }
            }
        }
    }

    /// The suspect has been alone for long enough: it goes on among others.
    pub async fn relent(&self, message: &Message, trial: &mut Trial) {
        if let Some(others) = trial.others.take() {
            let ended = self.store.end_trial(message.id).await;
            drop(others);
            warn(message, ended);
        }
    }

    /// An attempt at the message panicked. True: that was once too often.
    pub async fn panicked(&self, message: &Message) -> bool {
        match self.store.note_fault(message.id).await {
            Ok(faults) => faults >= FAULTS_MAX,
            Err(failure) => {
                tracing::warn!(message = %message.id, %failure, "a panic can't be counted");
                false
            }
        }
    }

    /// The attempt came to an end like any other. Whatever it still kept from others is given back.
    pub async fn acquit(&self, message: &Message, trial: &mut Trial) {
        let acquitted = self.store.acquit(message.id).await;
        trial.others = None;
        warn(message, acquitted);
    }
}

fn warn(message: &Message, outcome: Result<(), crate::store::StoreError>) {
    if let Err(failure) = outcome {
        tracing::warn!(message = %message.id, %failure, "a trial's end can't be written");
    }
}
