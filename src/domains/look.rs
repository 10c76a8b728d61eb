//! Looking up what a domain publishes, record by record.

use tokio::task::JoinSet;

use crate::delivery::dns::{DnsError, Resolver};
use crate::domains::records::{DnsRecord, Purpose};

/// A record, and what is published in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub record: DnsRecord,
    pub seen: Seen,
}

/// What is published under a record's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// What it should be.
    Right,
    Missing,
    /// Something else: this.
    Differs(Vec<String>),
    /// What it should be, but nobody is there who answers as this house does: who is instead.
    Unanswered(String),
    /// It can't be known now: why.
    Unknown(String),
}

impl Seen {
    /// The word used on every interface.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Right => "found",
            Self::Missing => "missing",
            Self::Differs(_) => "differs",
            Self::Unanswered(_) => "unanswered",
            Self::Unknown(_) => "unknown",
        }
    }

    /// What there is instead, or why that is not known: little of it, as anything may be published.
    pub fn brief(&self) -> Vec<String> {
        let brief = |text: &String| text.chars().take(500).collect();
        match self {
            Self::Right | Self::Missing => Vec::new(),
            Self::Differs(values) => values.iter().take(5).map(brief).collect(),
            Self::Unanswered(why) | Self::Unknown(why) => vec![brief(why)],
        }
    }
}

/// Looks all of them up at once.
pub async fn look(resolver: &Resolver, records: Vec<DnsRecord>) -> Vec<Finding> {
    let mut looks = JoinSet::new();
    for (place, record) in records.into_iter().enumerate() {
        let resolver = resolver.clone();
        looks.spawn(async move {
            let seen = compare(&record, published(&resolver, &record).await);
            (place, Finding { record, seen })
        });
    }
    let mut findings = looks.join_all().await;
    findings.sort_by_key(|(place, _)| *place);
    findings.into_iter().map(|(_, finding)| finding).collect()
}

/// The values under the record's name. Whoever publishes a record wants to know now: what was not there a minute ago is asked for again.
async fn published(resolver: &Resolver, record: &DnsRecord) -> Result<Vec<String>, DnsError> {
    resolver.forget(&record.name);
    match record.purpose {
        Purpose::ReturnPathMx => Ok(resolver.mx(&record.name).await?.records.into_iter().map(|mx| mx.exchange).collect()),
        Purpose::Tracking => Ok(resolver.cname(&record.name).await?.records),
        _ => Ok(resolver.txt(&record.name).await?.records),
    }
}

fn compare(record: &DnsRecord, published: Result<Vec<String>, DnsError>) -> Seen {
    let values = match published {
        Ok(values) => values,
        Err(DnsError::NoSuchDomain | DnsError::NoRecords) => return Seen::Missing,
        Err(failure) => return Seen::Unknown(failure.to_string()),
    };
    let right = match &record.purpose {
        Purpose::Ownership => values.iter().any(|value| value.trim() == record.value),
        // RFC 6376 section 3.6.2.2: with several records under the name, nobody knows which one a verifier takes.
        Purpose::Dkim(_) => matches!(&values[..], [value] if key_of(value) == key_of(&record.value)),
        Purpose::ReturnPathMx | Purpose::Tracking => values.contains(&record.value),
        Purpose::ReturnPathSpf => {
            // RFC 7208 section 4.5: more than one is an error.
            let policies: Vec<&String> = values.iter().filter(|value| is_policy(value, "v=spf1")).collect();
            let mechanism = record.value.split(' ').nth(1).unwrap_or_default();
            matches!(policies[..], [policy] if policy.split_ascii_whitespace().any(|term| term.trim_start_matches('+') == mechanism))
        }
        Purpose::Dmarc => values.iter().filter(|value| is_policy(value, "v=DMARC1")).count() == 1,
    };
    if right { Seen::Right } else { Seen::Differs(values) }
}

/// Whether it begins with this version.
fn is_policy(text: &str, version: &str) -> bool {
    text.trim_start().strip_prefix(version).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', ';', '\t']))
}

/// Kind and key of a key record (RFC 6376 section 3.6.1), whatever else it says.
fn key_of(record: &str) -> (String, String) {
    let tag = |name: &str| {
        let tags = record.split(';').filter_map(|tag| tag.split_once('='));
        let mut values = tags.filter(|(tag, _)| tag.trim() == name).map(|(_, value)| value.split_ascii_whitespace().collect());
        values.next()
    };
    (tag("k").unwrap_or_else(|| "rsa".to_owned()), tag("p").unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domains::records::{records, testing};
    use crate::model::dkim::{Algorithm, KeyState};

    fn seen(place: usize, published: &[&str]) -> &'static str {
        let keys = [testing::key(Algorithm::Rsa, KeyState::Active)];
        let record = &records(&testing::domain(), &keys, &testing::gateway())[place];
        compare(record, Ok(published.iter().map(|text| (*text).to_owned()).collect())).as_str()
    }

    #[test]
    fn each_kind_has_its_own_way_of_being_right() {
        let keys = [testing::key(Algorithm::Rsa, KeyState::Active)];
        let expected: Vec<String> =
            records(&testing::domain(), &keys, &testing::gateway()).into_iter().map(|r| r.value).collect();
        for (place, value) in expected.iter().enumerate() {
            assert_eq!(seen(place, &[value]), "found", "{value}");
            assert_eq!(seen(place, &["something else"]), "differs", "{value}");
        }
        let key = expected[1].split("p=").nth(1).unwrap();
        assert_eq!(seen(0, &["another", &expected[0]]), "found");
        assert_eq!(seen(1, &[&format!("p = {} {} ; t=s", &key[..9], &key[9..])]), "found");
        assert_eq!(seen(1, &[&expected[1], "v=DKIM1; p="]), "differs");
        assert_eq!(seen(1, &[&expected[1].replace("k=rsa", "k=ed25519")]), "differs");
        assert_eq!(seen(2, &["other.mx.test", "mx.gate.test"]), "found");
        assert_eq!(seen(3, &["unrelated", "v=spf1 include:x.test +a:mx.gate.test -all"]), "found");
        assert_eq!(seen(3, &["v=spf1 a:mx.gate.test ~all", "v=spf1 -all"]), "differs");
        assert_eq!(seen(3, &["v=spf10 a:mx.gate.test"]), "differs");
        assert_eq!(seen(4, &["v=DMARC1;p=reject; rua=mailto:x@y.test"]), "found");
    }

    #[test]
    fn what_was_not_answered_is_not_missing() {
        let record = &records(&testing::domain(), &[], &testing::gateway())[0];
        assert_eq!(compare(record, Err(DnsError::NoSuchDomain)), Seen::Missing);
        assert_eq!(compare(record, Err(DnsError::NoRecords)), Seen::Missing);
        assert_eq!(compare(record, Err(DnsError::Temporary("timeout".into()))).as_str(), "unknown");
        assert_eq!(compare(record, Err(DnsError::Bogus("x".into()))).as_str(), "unknown");
    }
}
