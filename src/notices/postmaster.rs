//! Who tells senders by mail what became of theirs: gathers what must be known first, and has the letters written.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::id::{Id, Ids};
use crate::model::address::Address;
use crate::model::domain::DomainStanding;
use crate::model::key::DsnChoice;
use crate::model::message::{Body, Message};
use crate::notices::letter::{Facts, News, Patience};
use crate::recent::Recent;
use crate::store::accept::Acceptance;
use crate::store::handover::Claim;
use crate::store::settle::Settlement;
use crate::store::{Store, StoreError};

/// How long a key's choice is remembered.
const REMEMBERED: Duration = Duration::from_secs(4);
/// How many keys are remembered.
const REMEMBERED_AT_MOST: usize = 4096;

/// Between two questions to a store that can't be reached.
const PAUSE: Duration = Duration::from_secs(2);

/// Tells senders by mail.
pub struct Postmaster {
    store: Store,
    hostname: String,
    patience: Patience,
    clock: Clock,
    ids: Ids,
    choices: Recent<Id, DsnChoice>,
}

impl Postmaster {
    /// Of the house with this store.
    pub fn new(store: Store, config: &Config, clock: Clock) -> Self {
        let retry = &config.delivery.retry;
        let patience = Patience { delayed_after: retry.delay_notice.0, give_up_after: retry.give_up_after.0 };
        let choices = Recent::new(REMEMBERED, REMEMBERED_AT_MOST);
        Self { store, hostname: config.smtp.hostname.clone(), patience, ids: Ids::random(clock.clone()), clock, choices }
    }

    /// The time by its clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Whether there may be anything to tell: most mail asks for nothing, and then nothing more need be known.
    pub fn is_asked(&self, claim: &Claim, settlement: &Settlement, passed_on: bool) -> bool {
        claim.message.reverse_path.is_some() && self.news(claim, settlement, passed_on).any(|(_, news)| self.is_due(&news))
    }

    /// Whether this is to be told, if the sender is one who is told anything.
    pub fn is_due(&self, news: &News<'_>) -> bool {
        news.due(self.patience).is_some()
    }

    /// The letters that go with the outcomes of a claim, by the recipient's place. Waits for a store that can't be reached, as settling
    /// does.
    pub async fn letters(&self, claim: &Claim, settlement: &Settlement, passed_on: bool) -> Vec<(i64, Acceptance)> {
        let Some((is_own_domain, choice)) = self.sender(&claim.message).await else { return Vec::new() };
        let facts = Facts { is_own_domain, choice, hostname: &self.hostname };
        let letter = |news: &News<'_>| news.letter(&claim.body, facts, self.patience, &self.ids);
        self.news(claim, settlement, passed_on).filter_map(|(place, news)| Some((place, letter(&news)?))).collect()
    }

    fn news<'a>(
        &self,
        claim: &'a Claim,
        settlement: &'a Settlement,
        passed_on: bool,
    ) -> impl Iterator<Item = (i64, News<'a>)> + use<'a> {
        let (message, now) = (&*claim.message, self.clock.now());
        let outcomes = claim.recipients.iter().zip(&settlement.outcomes);
        outcomes.map(move |(recipient, settled)| {
            (recipient.index, News { message, recipient, outcome: &settled.outcome, passed_on, now })
        })
    }

    /// The letter that tells of one recipient, of a message whose attempts are over.
    pub async fn letter(&self, news: &News<'_>, body: &Body) -> Result<Option<Acceptance>, StoreError> {
        let (is_own_domain, choice) = self.ask(news.message).await?;
        let facts = Facts { is_own_domain, choice, hostname: &self.hostname };
        Ok(news.letter(body, facts, self.patience, &self.ids))
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
                    sleep(PAUSE).await;
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
