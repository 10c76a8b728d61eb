//! What was in flight when a process died goes single file: one message at a time, alone if that can be had soon. Each is charged with the
//! first death, and with another only when it was alone in flight (`flights`); after a few it is held.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::timeout;

use crate::delivery::attempts::{Attempts, InFlight, Others};
use crate::delivery::fate::Fate;
use crate::delivery::flights::{Flights, Wreck};
use crate::id::Id;
use crate::model::message::Message;
use crate::model::outcome::Reply;
use crate::store::handover::Claim;
use crate::store::suspects::FAULTS_MAX;
use crate::store::{Store, StoreError};

/// How long all others are kept waiting until a suspect is alone in flight; else it is attempted among them.
const ALONE_WITHIN: Duration = Duration::from_millis(250);
/// How long a suspect is alone, and the next one waits: whoever kills a process does it soon.
pub const ALONE_AT_MOST: Duration = Duration::from_secs(1);

/// Charges messages with deaths, and admits suspects to their attempts.
#[derive(Debug)]
pub struct Trials {
    store: Store,
    attempts: Attempts,
    /// What this process's earlier life left in flight, until it is charged.
    wreck: Mutex<Option<(Arc<Flights>, Wreck)>>,
}

/// A suspect's attempt that may begin.
#[derive(Debug)]
pub struct Trial {
    /// Counts the attempt itself.
    pub in_flight: Option<InFlight>,
    /// All the others: nothing else is in flight.
    others: Option<Others>,
}

impl Trial {
    /// The suspect has been alone for long enough: it goes on among others.
    pub fn relent(&mut self) {
        if let Some(others) = self.others.take() {
            others.relent();
        }
    }
}

impl Trials {
    /// Of the engine whose attempts these are; `wreck` is what its process's earlier life left in flight.
    pub fn new(store: Store, attempts: Attempts, wreck: Option<(Arc<Flights>, Wreck)>) -> Self {
        Self { store, attempts, wreck: Mutex::new(wreck) }
    }

    /// Charges what was in flight when this process's earlier life died, once. Before anything is attempted.
    pub async fn charge(&self) -> Result<(), StoreError> {
        let wreck = || self.wreck.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((flights, Wreck { messages, alone })) = wreck().clone() else { return Ok(()) };
        if !messages.is_empty() {
            self.store.note_death(&messages, alone).await?;
            tracing::info!(messages = messages.len(), alone, "an earlier life of this process ended with mail in flight");
        }
        flights.clear();
        *wreck() = None;
        Ok(())
    }

    /// Which of the claims, left behind by a dead engine, are suspected of its death: all, when the store doesn't say.
    pub async fn suspects(&self, claims: &[Claim]) -> BTreeSet<Id> {
        let ids = || claims.iter().map(|claim| claim.message.id);
        self.store.suspected(ids()).await.unwrap_or_else(|failure| {
            tracing::warn!(%failure, "whom to suspect can't be read");
            ids().collect()
        })
    }

    /// Whether the message is charged with too many faults to be attempted once more.
    pub async fn is_convicted(&self, message: &Message) -> bool {
        let faults = self.store.faults(message.id).await.unwrap_or_else(|failure| {
            tracing::warn!(message = %message.id, %failure, "a suspect's faults can't be read; it is attempted");
            0
        });
        faults >= FAULTS_MAX
    }

    /// Waits for the suspect's turn, alone or, when others take too long, among them.
    pub async fn begin(&self, message: &Message) -> Trial {
        if let Ok((own, others)) = timeout(ALONE_WITHIN, self.attempts.begin_alone(message)).await {
            return Trial { in_flight: Some(own), others: Some(others) };
        }
        Trial { in_flight: Some(self.attempts.begin(message, None).await), others: None }
    }

    /// An attempt at the message panicked: what becomes of it.
    pub async fn panicked(&self, message: &Message) -> Fate {
        tracing::error!(message = %message.id, "an attempt panicked");
        let faults = self.store.note_fault(message.id).await.unwrap_or_else(|failure| {
            tracing::warn!(message = %message.id, %failure, "a panic can't be counted");
            0
        });
        match faults >= FAULTS_MAX {
            true => held(),
            false => Fate::Later(Reply::fault("the attempt made the engine itself fail")),
        }
    }

    /// The attempt came to an end like any other.
    pub async fn acquit(&self, message: &Message) {
        if let Err(failure) = self.store.acquit(message.id).await {
            tracing::warn!(message = %message.id, %failure, "a trial's end can't be written");
        }
    }
}

/// The fate of what is charged with too many faults.
pub fn held() -> Fate {
    Fate::Held(Reply::fault("held: attempts at it made the engine itself fail; `posthouse queue release` tries again"))
}
