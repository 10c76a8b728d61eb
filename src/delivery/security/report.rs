//! Totals of sessions and of what failed in them, by day and by the policy that was applied, as RFC 8460 reports them.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::protection::{Protection, Verified};
use super::requirement::Requirement;
use super::result::TlsResult;
use super::sts::Mode;
use crate::clock::{Clock, Timestamp};
use crate::delivery::client::{ClientError, Step};
use crate::delivery::mx::{MxHost, Targets};

/// Today and the days that may still be asked for.
const DAYS_MAX: usize = 3;
/// Domains of one day; those beyond are not counted.
const DOMAINS_MAX: usize = 10_000;
/// Kinds of failure of one domain's day that are told apart.
const FAILURES_MAX: usize = 100;
const DAY_MILLIS: i64 = 86_400_000;

/// One session, or the attempt at one.
#[derive(Clone, Debug)]
pub struct Session<'a> {
    pub targets: &'a Targets,
    pub host: &'a MxHost,
    pub requirement: &'a Requirement,
    /// Where the host was, when that far was come.
    pub address: Option<IpAddr>,
}

/// What was counted, in memory. Cheap to add to.
#[derive(Debug, Default)]
pub struct Totals {
    clock: Clock,
    /// By the day's number since 1970, UTC.
    days: Mutex<BTreeMap<i64, Day>>,
}

/// By domain, and by the policy applied.
type Day = HashMap<(String, Applied), Summary>;

/// The policy that a session was held to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Applied {
    kind: &'static str,
    lines: Vec<String>,
    hosts: Vec<String>,
}

#[derive(Debug, Default)]
struct Summary {
    successes: u64,
    failures: HashMap<Failure, u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Failure {
    result: TlsResult,
    host: String,
    address: Option<IpAddr>,
}

impl Totals {
    /// Nothing was counted yet.
    pub fn new(clock: Clock) -> Self {
        Self { clock, days: Mutex::default() }
    }

    /// Counts a session, by what protects it or why there is none; one without the policy that was announced is a failure. What failed without any part of TLS in it is not counted.
    pub fn count(&self, session: &Session<'_>, came_to: Result<&Protection, &ClientError>) {
        let Some(result) = result_of(came_to) else { return };
        let result = result.or_else(|| short_of_testing(session, came_to));
        self.enter(session, result.or(session.targets.policy.failure));
    }

    /// Counts what kept a session from being tried: DNSSEC answers that do not hold, hosts that a policy does not name.
    pub fn count_failure(&self, session: &Session<'_>, result: TlsResult) {
        self.enter(session, Some(result));
    }

    fn enter(&self, session: &Session<'_>, result: Option<TlsResult>) {
        let day = self.clock.now().0.div_euclid(DAY_MILLIS);
        let mut days = self.days();
        days.entry(day).or_default();
        while days.len() > DAYS_MAX {
            days.pop_first();
        }
        let Some(domains) = days.get_mut(&day) else { return };
        let key = (session.targets.domain.clone(), Applied::of(session));
        if domains.len() >= DOMAINS_MAX && !domains.contains_key(&key) {
            return;
        }
        domains.entry(key).or_default().add(session, result);
    }

    /// The day's totals of every domain, each with `policies` as in a report of RFC 8460 section 4.4.
    pub fn export(&self, day: Timestamp) -> Value {
        let number = day.0.div_euclid(DAY_MILLIS);
        let days = self.days();
        let mut by_domain: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for ((domain, applied), summary) in days.get(&number).into_iter().flatten() {
            by_domain.entry(domain).or_default().push(summary.told(domain, applied));
        }
        let (start, end) = (Timestamp(number * DAY_MILLIS), Timestamp((number + 1) * DAY_MILLIS - 1000));
        let range = json!({"start-datetime": seconds(start), "end-datetime": seconds(end)});
        let report = |(domain, policies)| json!({"domain": domain, "date-range": range, "policies": policies});
        by_domain.into_iter().map(report).collect()
    }

    fn days(&self) -> MutexGuard<'_, BTreeMap<i64, Day>> {
        self.days.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Applied {
    fn of(session: &Session<'_>) -> Self {
        match (session.requirement, &session.targets.policy.sts) {
            (Requirement::Dane(dane), _) => {
                let lines = dane.records.iter().map(ToString::to_string).collect();
                Self { kind: "tlsa", lines, hosts: vec![session.host.name.clone()] }
            }
            (_, Some(policy)) => Self { kind: "sts", lines: policy.lines.clone(), hosts: policy.mx.clone() },
            (_, None) => Self { kind: "no-policy-found", lines: Vec::new(), hosts: Vec::new() },
        }
    }
}

impl Summary {
    fn add(&mut self, session: &Session<'_>, result: Option<TlsResult>) {
        let Some(result) = result else {
            self.successes += 1;
            return;
        };
        let failure = Failure { result, host: session.host.name.clone(), address: session.address };
        let known = self.failures.len();
        if known < FAILURES_MAX || self.failures.contains_key(&failure) {
            *self.failures.entry(failure).or_default() += 1;
        } else if let Some(count) = self.failures.values_mut().next() {
            // The total stays true where the details can't.
            *count += 1;
        }
    }

    fn told(&self, domain: &str, applied: &Applied) -> Value {
        let failed: u64 = self.failures.values().sum();
        let detail = |(failure, count): (&Failure, &u64)| {
            json!({
                "result-type": failure.result.as_str(),
                "receiving-mx-hostname": failure.host,
                "receiving-ip": failure.address.map(|address| address.to_string()),
                "failed-session-count": count,
            })
        };
        json!({
            "policy": {
                "policy-type": applied.kind,
                "policy-string": applied.lines,
                "policy-domain": domain,
                "mx-host": applied.hosts,
            },
            "summary": {"total-successful-session-count": self.successes, "total-failure-session-count": failed},
            "failure-details": self.failures.iter().map(detail).collect::<Vec<_>>(),
        })
    }
}

fn seconds(at: Timestamp) -> String {
    at.rfc3339().replace(".000Z", "Z")
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
    use std::sync::Arc;

    use super::*;
    use crate::delivery::mx::Group;
    use crate::delivery::security::DomainPolicy;
    use crate::delivery::security::sts::Policy;

    fn targets(domain: &str) -> (Targets, MxHost) {
        let host = MxHost { preference: 1, name: format!("mx.{domain}"), address: None, secure: false };
        let policy = Policy::parse("version: STSv1\nmode: testing\nmx: *.example.org\nmax_age: 1\n").unwrap();
        let policy = Arc::new(DomainPolicy { sts: Some(Arc::new(policy)), failure: None });
        (Targets { domain: domain.to_owned(), group: Group("mx:x".into()), hosts: vec![host.clone()], policy }, host)
    }

    #[test]
    fn sessions_are_counted_by_day_and_policy() {
        let totals = Totals::new(Clock::manual(Timestamp(0)));
        let (targets, host) = targets("example.org");
        let address = Some("192.0.2.1".parse().unwrap());
        let session = Session { targets: &targets, host: &host, requirement: &Requirement::Certified, address };
        let tls = Protection::Tls { protocol: "TLSv1.3".to_owned(), cipher: "x".to_owned(), verified: Verified::WebPki };
        totals.count(&session, Ok(&tls));
        totals.count(&session, Ok(&Protection::Clear { because: None }));
        for _ in 0..2 {
            totals.count(&session, Err(&ClientError::Untrusted(TlsResult::CertificateExpired, "x".to_owned())));
        }
        totals.count(&session, Err(&ClientError::Timeout(Step::Greeting)));
        totals.count_failure(&session, TlsResult::StsPolicyFetchError);
        let told = totals.export(Timestamp(5));
        let policy = &told[0]["policies"][0];
        assert_eq!(told[0]["date-range"]["end-datetime"], "1970-01-01T23:59:59Z");
        assert_eq!((&policy["policy"]["policy-type"], &policy["policy"]["mx-host"][0]), (&json!("sts"), &json!("*.example.org")));
        assert_eq!(policy["summary"], json!({"total-successful-session-count": 1, "total-failure-session-count": 4}));
        let details = policy["failure-details"].as_array().unwrap();
        let expired = details.iter().find(|d| d["result-type"] == "certificate-expired").unwrap();
        assert_eq!((&expired["failed-session-count"], &expired["receiving-ip"]), (&json!(2), &json!("192.0.2.1")));
        assert_eq!(totals.export(Timestamp(DAY_MILLIS)), json!([]));
    }

    #[test]
    fn what_falls_short_of_a_policy_in_testing_is_told() {
        let totals = Totals::new(Clock::manual(Timestamp(0)));
        let (targets, host) = targets("example.org");
        let stranger = MxHost { name: "mx.elsewhere.example".to_owned(), ..host.clone() };
        let tls = |verified| Protection::Tls { protocol: "TLSv1.3".to_owned(), cipher: "x".to_owned(), verified };
        let expired = tls(Verified::Not(TlsResult::CertificateExpired, "x".to_owned()));
        for (host, protection) in [(&host, expired), (&stranger, tls(Verified::WebPki))] {
            let session = Session { targets: &targets, host, requirement: &Requirement::Opportunistic, address: None };
            totals.count(&session, Ok(&protection));
        }
        let details = totals.export(Timestamp(0))[0]["policies"][0]["failure-details"].clone();
        let told = |result: &str| details.as_array().unwrap().iter().any(|d| d["result-type"] == result);
        assert!(told("certificate-expired") && told("validation-failure"), "{details}");
    }

    #[test]
    fn days_and_details_are_bounded() {
        let clock = Clock::manual(Timestamp(0));
        let totals = Totals::new(clock.clone());
        let (targets, host) = targets("example.org");
        for n in 0..500u32 {
            let address = Some(std::net::Ipv4Addr::from(n).into());
            let session = Session { targets: &targets, host: &host, requirement: &Requirement::Opportunistic, address };
            totals.count_failure(&session, TlsResult::ValidationFailure);
        }
        let policy = &totals.export(Timestamp(0))[0]["policies"][0];
        assert_eq!(policy["summary"]["total-failure-session-count"], 500);
        assert_eq!(policy["failure-details"].as_array().unwrap().len(), FAILURES_MAX);
        for _ in 0..5 {
            clock.advance(std::time::Duration::from_hours(24));
            let session = Session { targets: &targets, host: &host, requirement: &Requirement::Opportunistic, address: None };
            totals.count_failure(&session, TlsResult::ValidationFailure);
        }
        assert_eq!(totals.export(Timestamp(0)), json!([]));
        assert_eq!(totals.days().len(), DAYS_MAX);
    }
}
