//! What was in flight when a process died goes single file: one message at a time, alone if that can be had soon. Only a message that is
//! alone in flight when the process dies again is charged with it (`store::suspects`); after a few such deaths it is held.

use std::time::Duration;

use tokio::time::timeout;

use crate::delivery::attempts::{Attempts, InFlight, Others};
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
    attempts: Attempts,
}

/// A suspect's attempt that may begin.
#[derive(Debug)]
pub struct Trial {
    /// Counts the attempt itself.
    pub in_flight: Option<InFlight>,
    /// All the others: nothing else is in flight, and the store knows.
    others: Option<Others>,
    /// Under the charge of too many deaths: it may not begin after all.
    pub is_convicted: bool,
}

impl Trials {
    /// Of the engine whose attempts these are.
    pub fn new(store: Store, attempts: Attempts) -> Self {
        Self { store, attempts }
    }

    /// Waits for the suspect's turn, alone or, when others take too long, among them.
    pub async fn begin(&self, claim: &Claim) -> Trial {
        if let Ok((own, others)) = timeout(ALONE_WITHIN, self.attempts.begin_alone()).await {
            let trial = Trial { in_flight: Some(own), others: Some(others), is_convicted: false };
            return self.mark(claim.epoch, &claim.message, trial).await;
        }
        let own = self.attempts.begin(claim.message.stream).await;
        Trial { in_flight: Some(own), others: None, is_convicted: false }
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
