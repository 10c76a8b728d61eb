//! A day's totals as a report to one domain (RFC 8460 section 4.4).

use serde_json::{Value, json};

use crate::clock::Timestamp;
use crate::config::warmup::Day;
use crate::store::tls_sessions::{HeldTo, SessionKind};

/// A second, in milliseconds.
const SECOND: i64 = 1000;

/// Who reports.
#[derive(Clone, Copy, Debug)]
pub struct Reporter<'a> {
    /// `organization-name`; report ids end with it.
    pub organization: &'a str,
    /// `contact-info`.
    pub contact: &'a str,
}

/// A report that grows, about one domain and one day.
#[derive(Clone, Debug)]
pub struct Report {
    pub domain: String,
    pub day: Day,
    pub policies: Vec<PolicyTotals>,
}

/// What sessions under one policy came to.
#[derive(Clone, Debug)]
pub struct PolicyTotals {
    pub policy: HeldTo,
    pub successes: u64,
    pub failures: u64,
    details: Vec<Value>,
}

impl Report {
    /// A report that tells nothing yet.
    pub fn new(domain: &str, day: Day) -> Self {
        Self { domain: domain.to_owned(), day, policies: Vec::new() }
    }

    /// Adds sessions of this domain and day.
    pub fn add(&mut self, kind: &SessionKind, sessions: u64) {
        let place = self.policies.iter().position(|known| known.policy == *kind.policy).unwrap_or_else(|| {
            let policy = (*kind.policy).clone();
            self.policies.push(PolicyTotals { policy, successes: 0, failures: 0, details: Vec::new() });
            self.policies.len() - 1
        });
        let totals = &mut self.policies[place];
        let Some(failure) = &kind.failure else {
            totals.successes += sessions;
            return;
        };
        totals.failures += sessions;
        let mut detail = json!({
            "result-type": failure.result,
            "receiving-mx-hostname": failure.host,
            "failed-session-count": sessions,
        });
        if let Some(address) = failure.address {
            detail["receiving-ip"] = address.to_string().into();
        }
        totals.details.push(detail);
    }

    /// Its first and its last second.
    pub fn span(&self) -> (Timestamp, Timestamp) {
        (Day(self.day.0 - 1).end(), Timestamp(self.day.end().0 - SECOND))
    }

    /// `report-id`: the same each time that this one makes it.
    pub fn id(&self, by: Reporter<'_>) -> String {
        format!("{}_{}@{}", self.day, self.domain, by.organization)
    }

    /// As it is sent.
    pub fn json(&self, by: Reporter<'_>) -> Value {
        let (first, last) = self.span();
        let told = |totals: &PolicyTotals| {
            json!({
                "policy": {
                    "policy-type": totals.policy.kind,
                    "policy-string": totals.policy.lines,
                    "policy-domain": self.domain,
                    "mx-host": totals.policy.hosts,
                },
                "summary": {
                    "total-successful-session-count": totals.successes,
                    "total-failure-session-count": totals.failures,
                },
                "failure-details": totals.details,
            })
        };
        json!({
            "organization-name": by.organization,
            "date-range": {"start-datetime": seconds(first), "end-datetime": seconds(last)},
            "contact-info": by.contact,
            "report-id": self.id(by),
            "policies": self.policies.iter().map(told).collect::<Vec<_>>(),
        })
    }
}

fn seconds(at: Timestamp) -> String {
    at.rfc3339().replace(".000Z", "Z")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::tls_sessions::SessionFailure;

    #[test]
    fn a_report_tells_of_each_policy_what_its_sessions_came_to() {
        let kind = |policy: &str, result: Option<&str>| SessionKind {
            day: Day(20_778),
            domain: "example.org".to_owned(),
            policy: Arc::new(HeldTo { kind: policy.to_owned(), lines: vec!["mode: enforce".to_owned()], hosts: Vec::new() }),
            failure: result.map(|result| SessionFailure {
                result: result.to_owned(),
                host: "mx.example.org".to_owned(),
                address: Some("192.0.2.1".parse().unwrap()),
            }),
        };
        let mut report = Report::new("example.org", Day(20_778));
        for (policy, result, sessions) in
            [("sts", None, 5), ("sts", Some("certificate-expired"), 2), ("sts", Some("validation-failure"), 1), ("tlsa", None, 3)]
        {
            report.add(&kind(policy, result), sessions);
        }
        let told = report.json(Reporter { organization: "post.test", contact: "postmaster@post.test" });
        assert_eq!(told["date-range"], json!({"start-datetime": "2026-11-21T00:00:00Z", "end-datetime": "2026-11-21T23:59:59Z"}));
        assert_eq!(told["report-id"], "2026-11-21_example.org@post.test");
        let [sts, tlsa] = told["policies"].as_array().unwrap().as_slice() else { panic!("{told}") };
        assert_eq!(sts["summary"], json!({"total-successful-session-count": 5, "total-failure-session-count": 3}));
        let expired = json!({
            "result-type": "certificate-expired",
            "receiving-mx-hostname": "mx.example.org",
            "receiving-ip": "192.0.2.1",
            "failed-session-count": 2,
        });
        assert_eq!((&sts["failure-details"][0], sts["failure-details"].as_array().unwrap().len()), (&expired, 2));
        assert_eq!((&tlsa["policy"]["policy-type"], &tlsa["failure-details"]), (&json!("tlsa"), &json!([])));
    }
}
