//! Who tells senders by mail what became of theirs: gathers what must be known first, and has the letters written.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::clock::Clock;
use crate::config::Config;
use crate::delivery::notices::{Facts, due, letter};
use crate::delivery::pace::Pace;
use crate::delivery::poison::guarded;
use crate::id::{Id, Ids};
use crate::model::address::Address;
use crate::model::domain::DomainStanding;
use crate::model::key::DsnChoice;
use crate::model::message::Message;
use crate::recent::Recent;
use crate::store::accept::Acceptance;
use crate::store::handover::Claim;
use crate::store::settle::Settlement;
use crate::store::{Store, StoreError};

/// How long a key's choice is remembered.
const REMEMBERED: Duration = Duration::from_secs(4);
/// How many keys are remembered.
const REMEMBERED_AT_MOST: usize = 4096;

/// Tells senders by mail.
pub struct Postmaster {
    store: Store,
    hostname: String,
    clock: Clock,
    ids: Ids,
    choices: Recent<Id, DsnChoice>,
    /// Between two questions to a store that can't be reached.
    pause: Duration,
}

/// Whether there may be anything to tell: most mail asks for nothing, and then nothing more need be known.
pub fn is_asked(claim: &Claim, settlement: &Settlement, passed_on: bool) -> bool {
    let mut outcomes = claim.recipients.iter().zip(&settlement.outcomes);
    claim.message.reverse_path.is_some() && outcomes.any(|(r, s)| due(r.path.notify, &s.outcome, passed_on).is_some())
}

impl Postmaster {
    /// Of the house with this name and store.
    pub fn new(store: Store, config: &Config, pace: &Pace, clock: Clock) -> Self {
        let choices = Recent::new(REMEMBERED, REMEMBERED_AT_MOST);
        let hostname = config.smtp.hostname.clone();
        Self { store, hostname, ids: Ids::random(clock.clone()), clock, choices, pause: pace.settle_retry_max }
    }

    /// The settlement of a claim, with the letters that go with its outcomes. Waits for a store that can't be reached, as settling does.
    pub async fn tell(&self, claim: &Claim, settlement: Settlement, passed_on: bool) -> Settlement {
        // Outcomes are written whatever their letters do.
        let notices = guarded(self.letters(claim, &settlement, passed_on)).await.unwrap_or_default();
        Settlement { notices, ..settlement }
    }

    async fn letters(&self, claim: &Claim, settlement: &Settlement, passed_on: bool) -> Vec<(i64, Acceptance)> {
        let Some((is_own_domain, choice)) = self.sender(&claim.message).await else { return Vec::new() };
        let facts = Facts { is_own_domain, choice, passed_on, hostname: &self.hostname, now: self.clock.now() };
        let outcomes = claim.recipients.iter().zip(&settlement.outcomes);
        outcomes.filter_map(|(r, s)| Some((r.index, letter(claim, r, &s.outcome, facts, &self.ids)?))).collect()
    }

    /// Whether the reverse-path is in a domain of the team's own, and what the key's owner wants; `None`: the store's answer makes no sense.
    async fn sender(&self, message: &Message) -> Option<(bool, DsnChoice)> {
        loop {
            match self.ask(message).await {
                Ok(known) => return Some(known),
                Err(failure @ (StoreError::Broken(_) | StoreError::Conflict(_))) => {
                    tracing::error!(message = %message.id, %failure, "whether a sender may be told is unknown; nothing is told");
                    return None;
                }
                Err(failure) => {
                    tracing::warn!(message = %message.id, %failure, "a sender waits to be told");
                    sleep(self.pause).await;
                }
            }
        }
    }

    async fn ask(&self, message: &Message) -> Result<(bool, DsnChoice), StoreError> {
        let path = message.reverse_path.as_deref().and_then(|path| Address::parse(path).ok());
        let Some(path) = path else { return Ok((false, DsnChoice::Never)) };
        let standing = self.store.domain_standing(message.team, &path.ascii_domain()).await?;
        Ok((standing == DomainStanding::Verified, self.choice(message).await?))
    }

    /// As the message's key was made. What came under no key is told of nothing.
    async fn choice(&self, message: &Message) -> Result<DsnChoice, StoreError> {
        let Some(key) = message.key else { return Ok(DsnChoice::Never) };
        if let Some(choice) = self.choices.get(&key) {
            return Ok(choice);
        }
        let asked = Instant::now();
        let known = self.store.key_by_name(message.team, &key.crockford()).await?;
        let choice = known.map_or(DsnChoice::Never, |key| key.rights.dsn);
        self.choices.put(key, choice, asked);
        Ok(choice)
    }
}

impl std::fmt::Debug for Postmaster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Postmaster")
    }
}
