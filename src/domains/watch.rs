//! Looking again and again, by a worker beside the engine: pending domains become verified, verified ones are watched, keys begin to sign
//! and retire.

use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};

use crate::clock::Clock;
use crate::config::Config;
use crate::delivery::dns::Resolver;
use crate::domains::gateway::Gateway;
use crate::domains::keys;
use crate::domains::look::{Finding, Seen, look};
use crate::domains::reader::Reader;
use crate::domains::records::{DnsRecord, Purpose, records};
use crate::domains::verdict::judge;
use crate::model::domain::Domain;
use crate::shutdown::Shutdown;
use crate::store::{Store, StoreError};

/// Domains taken in one round.
const ROUND: i64 = 20;
/// Of these, how many are looked at together: those of which nothing can be heard for long hold up few others.
const AT_ONCE: usize = 8;
/// How often it is asked which domains are due.
const EVERY: Duration = Duration::from_secs(60);
/// For how long a taken domain is this process's own; also the wait after a look that could not be written down.
const TAKEN_FOR: Duration = Duration::from_secs(1800);

/// Who looks.
#[derive(Clone, Debug)]
pub struct Watch {
    pub store: Store,
    pub resolver: Resolver,
    pub gateway: Gateway,
    pub reader: Reader,
    pub clock: Clock,
    /// Between rounds.
    pub every: Duration,
}

impl Watch {
    /// As the configuration has it; the process has one resolver. Fails when a file that it names can't be read.
    pub fn new(store: Store, resolver: Resolver, config: &Config, clock: Clock) -> Result<Self, String> {
        let (gateway, reader) = (Gateway::of(config), Reader::new(config)?);
        Ok(Self { store, resolver, gateway, reader, clock, every: EVERY })
    }

    /// Looks until closing begins.
    pub async fn run(self, shutdown: Shutdown) {
        loop {
            tokio::select! {
                () = shutdown.begun() => return,
                () = tokio::time::sleep(self.every) => {}
            }
            tokio::select! {
                () = shutdown.begun() => return,
                looked = self.round() => {
                    if let Err(failure) = looked {
                        tracing::warn!(%failure, "the records of domains can't be looked after now");
                    }
                }
            }
        }
    }

    /// Looks at every domain that is due, and deletes keys that have retired.
    pub async fn round(&self) -> Result<(), StoreError> {
        self.store.remove_retired_keys().await?;
        loop {
            let due = self.store.take_due_domains(ROUND, TAKEN_FOR).await?;
            if due.is_empty() {
                return Ok(());
            }
            let looks = stream::iter(due).map(async |domain| (self.look(&domain).await, domain.name));
            let looked: Vec<_> = looks.buffer_unordered(AT_ONCE).collect().await;
            for (looked, domain) in looked {
                match looked {
                    Err(StoreError::Conflict(reason)) => tracing::info!(domain, reason, "a domain can't be verified"),
                    looked => drop(looked?),
                }
            }
        }
    }

    /// Looks at one domain now, and writes down what that changes. What was changed by somebody else meanwhile stays.
    pub async fn look(&self, domain: &Domain) -> Result<Vec<Finding>, StoreError> {
        let keys = keys::complete(&self.store, domain, self.clock.now()).await?;
        let findings = self.followed(look(&self.resolver, records(domain, &keys, &self.gateway)).await).await?;
        let verdict = judge(domain, &findings, self.clock.now());
        if verdict.status != domain.status {
            let (before, after) = (domain.status.as_str(), verdict.status.as_str());
            tracing::info!(domain = domain.name, before, after, "a domain's records were looked up");
        }
        self.store.write_look(domain, &verdict).await?;
        Ok(findings)
    }

    /// The findings; a name for links is as it should be only when a link below it leads here.
    async fn followed(&self, mut findings: Vec<Finding>) -> Result<Vec<Finding>, StoreError> {
        for Finding { record, seen } in &mut findings {
            if record.purpose == Purpose::Tracking
                && *seen == Seen::Right
                && let Err(why) = self.reader.follow(&self.store, &self.resolver, &record.name).await?
            {
                *seen = Seen::Unanswered(why);
            }
        }
        Ok(findings)
    }

    /// What a domain is to publish now.
    pub async fn records(&self, domain: &Domain) -> Result<Vec<DnsRecord>, StoreError> {
        Ok(records(domain, &self.store.dkim_keys(domain.id).await?, &self.gateway))
    }
}
