//! MTA-STS (RFC 8461): a domain says by DNS that it has a policy, and by HTTPS what it is. A policy once fetched binds us until its
//! end, restarts included, so that who can forge DNS answers or cut HTTPS off can't make us forget it.

mod fetch;
mod policy;
mod record;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

pub use fetch::Fetcher;
pub use policy::{Mode, Policy};

use crate::delivery::dns::{DnsError, Resolver};
use crate::delivery::security::result::TlsResult;
use crate::store::{Store, StoreError};

/// Domains whose policies, or the failures to fetch them, are kept.
const KEPT_MAX: usize = 50_000;
/// RFC 8461 section 3.3: a policy that could not be fetched is not asked for more often.
const FAILURE_KEPT: Duration = Duration::from_mins(5);
/// RFC 8461 section 10.2: a policy is fetched again in good time before its end, lest it lapse unseen.
const REFRESHED_AFTER: Duration = Duration::from_hours(24);

/// What a domain asks of those who send to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DomainPolicy {
    pub sts: Option<Arc<Policy>>,
    /// Why the policy that is announced is not the one in force.
    pub failure: Option<TlsResult>,
}

impl DomainPolicy {
    /// Whether certificates are to be verified.
    pub fn is_enforced(&self) -> bool {
        self.sts.as_ref().is_some_and(|policy| policy.mode == Mode::Enforce)
    }

    /// Whether mail may go to the host.
    pub fn admits(&self, host: &str) -> bool {
        self.sts.as_ref().is_none_or(|policy| policy.mode != Mode::Enforce || policy.names(host))
    }
}

/// Why what a domain asks can't be known now.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Unread {
    /// What binds us can't be read, or a new policy can't be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The domain was not asked.
    #[error(transparent)]
    Dns(#[from] DnsError),
}

/// The policies of all domains, as far as they were asked for. Clones share them.
#[derive(Clone)]
pub struct Policies {
    resolver: Resolver,
    fetcher: Fetcher,
    /// Where they outlive this process. `None`: nowhere.
    store: Option<Store>,
    kept: Arc<Mutex<HashMap<String, Kept>>>,
}

#[derive(Clone)]
struct Kept {
    id: String,
    policy: Option<Fetched>,
    /// When, and how, the fetch of `id` failed last.
    failure: Option<(Instant, TlsResult)>,
}

/// A policy, and how old it was when this process came to know it.
#[derive(Clone)]
struct Fetched {
    policy: Arc<Policy>,
    known_since: Instant,
    age_then: Duration,
}

impl Fetched {
    fn new(policy: Policy, age_then: Duration) -> Self {
        Self { policy: Arc::new(policy), known_since: Instant::now(), age_then }
    }

    fn age(&self) -> Duration {
        self.age_then.saturating_add(self.known_since.elapsed())
    }
}

impl Kept {
    fn policy(&self) -> Option<Arc<Policy>> {
        self.policy.as_ref().filter(|fetched| fetched.age() < fetched.policy.max_age).map(|fetched| fetched.policy.clone())
    }

    /// Whether there is nothing to be gained by fetching `id`.
    fn is_settled(&self, id: &str) -> bool {
        if self.id != id {
            return false;
        }
        let is_fresh = self.policy.as_ref().is_some_and(|f| f.age() < REFRESHED_AFTER.min(f.policy.max_age / 2));
        is_fresh || self.failure.is_some_and(|(at, _)| at.elapsed() < FAILURE_KEPT)
    }
}

impl Policies {
    /// None is known yet, and none outlives this process.
    pub fn new(resolver: Resolver, fetcher: Fetcher) -> Self {
        Self { resolver, fetcher, store: None, kept: Arc::default() }
    }

    /// With a store that keeps them until their end.
    pub fn kept_in(self, store: Store) -> Self {
        Self { store: Some(store), ..self }
    }

    /// The same policies, asked for by `resolver`.
    pub fn asked_by(&self, resolver: Resolver) -> Self {
        Self { resolver, ..self.clone() }
    }

    /// The policy in force for the domain (A-labels, lower case). May take as long as two questions and a fetch. An error: mail has to wait.
    pub async fn of(&self, domain: &str) -> Result<Arc<DomainPolicy>, Unread> {
        let kept = self.kept().get(domain).cloned();
        let kept = if kept.is_some() { kept } else { self.recall(domain).await? };
        let Some(id) = self.announced(domain).await? else {
            // RFC 8461 section 5.1: a policy that is valid still is applied, whatever can be found now.
            let sts = kept.as_ref().and_then(Kept::policy);
            return Ok(Arc::new(DomainPolicy { sts, failure: None }));
        };
        let kept = match kept {
            Some(kept) if kept.is_settled(&id) => kept,
            kept => self.refresh(domain, id, kept).await?,
        };
        Ok(Arc::new(DomainPolicy { sts: kept.policy(), failure: kept.failure.map(|(_, result)| result) }))
    }

    /// What an earlier life of this process, or another one, has fetched.
    async fn recall(&self, domain: &str) -> Result<Option<Kept>, StoreError> {
        let Some(store) = &self.store else { return Ok(None) };
        let Some(found) = store.sts_policy(domain).await? else { return Ok(None) };
        let Ok(policy) = Policy::parse(&found.text) else { return Ok(None) };
        let kept = Kept { id: found.id, policy: Some(Fetched::new(policy, found.age)), failure: None };
        self.keep(domain, kept.clone());
        Ok(Some(kept))
    }

    /// The id in the DNS record; none when there is no record, or no answer.
    async fn announced(&self, domain: &str) -> Result<Option<String>, DnsError> {
        match self.resolver.txt(&format!("_mta-sts.{domain}")).await {
            Ok(answer) => Ok(record::id(&answer.records).map(str::to_owned)),
            Err(DnsError::Unasked) => Err(DnsError::Unasked),
            Err(_) => Ok(None),
        }
    }

    async fn refresh(&self, domain: &str, id: String, kept: Option<Kept>) -> Result<Kept, Unread> {
        let host = format!("mta-sts.{domain}");
        let found = match self.resolver.addresses(&host).await {
            Err(DnsError::Unasked) => return Err(DnsError::Unasked.into()),
            found => found,
        };
        let fresh = match self.fetcher.fetch(&host, found).await {
            Ok(policy) => {
                // Before it is obeyed it is on disk: what has bound us once binds the next life as well.
                if let Some(store) = &self.store {
                    store.keep_sts_policy(domain, &id, &policy.told.lines.join("\n"), policy.max_age).await?;
                }
                Kept { id, policy: Some(Fetched::new(policy, Duration::ZERO)), failure: None }
            }
            Err((result, cause)) => {
                tracing::info!(domain, cause, "the MTA-STS policy can't be had");
                Kept { id, policy: kept.and_then(|kept| kept.policy), failure: Some((Instant::now(), result)) }
            }
        };
        self.keep(domain, fresh.clone());
        Ok(fresh)
    }

    fn keep(&self, domain: &str, fresh: Kept) {
        let mut kept = self.kept();
        if kept.len() >= KEPT_MAX && !kept.contains_key(domain) {
            kept.retain(|_, known| known.policy().is_some());
            // Those that are valid go only when there is no other way.
            if kept.len() >= KEPT_MAX
                && let Some(victim) = kept.keys().next().cloned()
            {
                kept.remove(&victim);
            }
        }
        kept.insert(domain.to_owned(), fresh);
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, HashMap<String, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
