//! Counts sessions and what failed in them, by day and by the policy that was applied, and has them kept for reports (RFC 8460).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::sleep;

use super::protection::{Protection, Verified};
use super::requirement::Requirement;
use super::result::TlsResult;
use super::sts::Mode;
use crate::clock::Clock;
use crate::config::warmup::Day;
use crate::delivery::client::{ClientError, Step};
use crate::delivery::mx::{MxHost, Targets};
use crate::store::Store;
use crate::store::tls_sessions::{HeldTo, SessionFailure, SessionKind};

/// How often what was counted goes to the store. What was counted since is lost with a process that is killed.
const WRITTEN_EVERY: Duration = Duration::from_mins(1);
/// Kinds of session that are told apart between two writes; those beyond are not counted.
const KINDS_MAX: usize = 20_000;

/// One session, or the attempt at one.
#[derive(Clone, Debug)]
pub struct Session<'a> {
    pub targets: &'a Targets,
    pub host: &'a MxHost,
    pub requirement: &'a Requirement,
    /// Where the host was, when that far was come.
    pub address: Option<IpAddr>,
}

/// What was counted and is not in the store yet. Cheap to add to.
#[derive(Debug, Default)]
pub struct Totals {
    clock: Clock,
    counts: Mutex<HashMap<SessionKind, u64>>,
}

impl Totals {
    /// Nothing was counted yet.
    pub fn new(clock: Clock) -> Self {
        Self { clock, counts: Mutex::default() }
    }

    /// Counts a session, by what protects it or why there is none; one without the policy that was announced is a failure. What failed
    /// without any part of TLS in it is not counted.
    pub fn count(&self, session: &Session<'_>, came_to: Result<&Protection, &ClientError>) {
        let Some(result) = result_of(came_to) else { return };
        let result = result.or_else(|| short_of_testing(session, came_to));
        self.enter(session, result.or(session.targets.policy.failure));
    }

    /// Counts what kept a session from being tried: DNSSEC answers that do not hold, hosts that no policy names.
    pub fn count_failure(&self, session: &Session<'_>, result: TlsResult) {
        self.enter(session, Some(result));
    }

    fn enter(&self, session: &Session<'_>, result: Option<TlsResult>) {
        let failure = result.map(|result| SessionFailure {
            result: result.as_str().to_owned(),
            host: session.host.name.clone(),
            address: session.address,
        });
        let domain = session.targets.domain.clone();
        self.add(SessionKind { day: Day::of(self.clock.now()), domain, policy: held_to(session), failure }, 1);
    }

    fn add(&self, kind: SessionKind, sessions: u64) {
        let mut counts = self.counts();
        if counts.len() < KINDS_MAX || counts.contains_key(&kind) {
            *counts.entry(kind).or_default() += sessions;
        }
    }

    /// Adds what was counted to the totals in `store`. What could not be written is written the next time, and may then count twice
    /// where the store failed after it had written.
    pub async fn write(&self, store: &Store) {
        let counted: Vec<(SessionKind, u64)> = std::mem::take(&mut *self.counts()).into_iter().collect();
        if let Err(failure) = store.add_tls_sessions(&counted).await {
            tracing::warn!(%failure, "totals of TLS sessions wait to be written");
            counted.into_iter().for_each(|(kind, sessions)| self.add(kind, sessions));
        }
    }

    /// Writes again and again; never ends.
    pub async fn keep_writing(&self, store: &Store) {
        loop {
            sleep(WRITTEN_EVERY).await;
            self.write(store).await;
        }
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<SessionKind, u64>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn held_to(session: &Session<'_>) -> Arc<HeldTo> {
    let of = |kind: &str, lines, hosts| Arc::new(HeldTo { kind: kind.to_owned(), lines, hosts });
    match (session.requirement, &session.targets.policy.sts) {
        (Requirement::Dane(dane), _) => {
            of("tlsa", dane.records.iter().map(ToString::to_string).collect(), vec![session.host.name.clone()])
        }
        (_, Some(policy)) => policy.told.clone(),
        (_, None) => of("no-policy-found", Vec::new(), Vec::new()),
    }
}

/// RFC 8461 section 5: a policy in testing binds nobody, but what would have failed by it is reported.
fn short_of_testing(session: &Session<'_>, came_to: Result<&Protection, &ClientError>) -> Option<TlsResult> {
    let policy = session.targets.policy.sts.as_ref().filter(|policy| policy.mode == Mode::Testing)?;
    if matches!(session.requirement, Requirement::Dane(_)) {
        return None;
    }
    match came_to {
        _ if !policy.names(&session.host.name) => Some(TlsResult::ValidationFailure),
        Ok(Protection::Tls { verified: Verified::Not(result, _), .. }) => Some(*result),
        _ => None,
    }
}

/// `None`: it says nothing of TLS. `Some(None)`: a success.
fn result_of(came_to: Result<&Protection, &ClientError>) -> Option<Option<TlsResult>> {
    match came_to {
        Ok(Protection::Tls { .. }) => Some(None),
        Ok(Protection::Clear { because: None }) | Err(ClientError::Insecure(_) | ClientError::Refused(Step::StartTls, _)) => {
            Some(Some(TlsResult::StarttlsNotSupported))
        }
        Err(ClientError::Untrusted(result, _)) => Some(Some(*result)),
        Ok(Protection::Clear { because: Some(_) }) | Err(ClientError::Tls(_)) => Some(Some(TlsResult::ValidationFailure)),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::delivery::mx::Group;
    use crate::delivery::security::DomainPolicy;
    use crate::delivery::security::sts::Policy;

    fn targets(domain: &str) -> (Targets, MxHost) {
        let host = MxHost { preference: 1, name: format!("mx.{domain}"), address: None, secure: false };
        let policy = Policy::parse("version: STSv1\nmode: testing\nmx: *.example.org\nmax_age: 1\n").unwrap();
        let policy = Arc::new(DomainPolicy { sts: Some(Arc::new(policy)), failure: None });
        (Targets { domain: domain.to_owned(), group: Group("mx:x".into()), hosts: vec![host.clone()], policy }, host)
    }

    fn tls(verified: Verified) -> Protection {
        Protection::Tls { protocol: "TLSv1.3".to_owned(), cipher: "x".to_owned(), verified }
    }

    /// Day, result (empty: success), sessions, in order.
    fn counted(totals: &Totals) -> Vec<(i64, String, u64)> {
        let word = |kind: &SessionKind| kind.failure.as_ref().map_or_else(String::new, |f| f.result.clone());
        let mut all: Vec<_> = totals.counts().iter().map(|(kind, n)| (kind.day.0, word(kind), *n)).collect();
        all.sort();
        all
    }

    #[test]
    fn sessions_are_counted_by_day_and_by_what_they_came_to() {
        let clock = Clock::manual(Timestamp(0));
        let totals = Totals::new(clock.clone());
        let (targets, host) = targets("example.org");
        let session = Session { targets: &targets, host: &host, requirement: &Requirement::Certified, address: None };
        for _ in 0..2 {
            totals.count(&session, Ok(&tls(Verified::WebPki)));
            totals.count(&session, Err(&ClientError::Untrusted(TlsResult::CertificateExpired, "x".to_owned())));
        }
        totals.count(&session, Ok(&Protection::Clear { because: None }));
        totals.count(&session, Err(&ClientError::Timeout(Step::Greeting)));
        clock.advance(Duration::from_hours(24));
        totals.count_failure(&session, TlsResult::StsPolicyFetchError);
        let expected =
            [(0, "", 2), (0, "certificate-expired", 2), (0, "starttls-not-supported", 1), (1, "sts-policy-fetch-error", 1)];
        assert_eq!(counted(&totals), expected.map(|(day, result, n)| (day, result.to_owned(), n)));
    }

    #[test]
    fn what_falls_short_of_a_policy_in_testing_is_told() {
        let totals = Totals::new(Clock::manual(Timestamp(0)));
        let (targets, host) = targets("example.org");
        let stranger = MxHost { name: "mx.elsewhere.example".to_owned(), ..host.clone() };
        let expired = tls(Verified::Not(TlsResult::CertificateExpired, "x".to_owned()));
        for (host, protection) in [(&host, expired), (&stranger, tls(Verified::WebPki))] {
            let session = Session { targets: &targets, host, requirement: &Requirement::Opportunistic, address: None };
            totals.count(&session, Ok(&protection));
        }
        let expected = [(0, "certificate-expired", 1), (0, "validation-failure", 1)];
        assert_eq!(counted(&totals), expected.map(|(day, result, n)| (day, result.to_owned(), n)));
    }

    #[test]
    fn kinds_are_bounded() {
        let totals = Totals::new(Clock::manual(Timestamp(0)));
        let (targets, host) = targets("example.org");
        for n in 0..KINDS_MAX + 5 {
            let address = Some(std::net::Ipv4Addr::from(u32::try_from(n).unwrap()).into());
            let session = Session { targets: &targets, host: &host, requirement: &Requirement::Opportunistic, address };
            totals.count_failure(&session, TlsResult::ValidationFailure);
        }
        assert_eq!(totals.counts().len(), KINDS_MAX);
    }
}
