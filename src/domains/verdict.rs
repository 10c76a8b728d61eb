//! What a look at its records makes of a domain, and when the next look is due.
//!
//! A zone that is being worked on, or a name server that answers for another day, must not stop a sender: a verified domain fails only when
//! [`FAILS_AFTER_LOOKS`] looks in a row missed a required record over [`FAILS_AFTER`]. What could not be looked up counts for nothing.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::domains::look::{Finding, Seen};
use crate::domains::records::Purpose;
use crate::id::Id;
use crate::model::dkim::{Algorithm, KeyState};
use crate::model::domain::{Domain, DomainStatus, Look};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Between looks at a domain that has all it needs.
const STEADY: Duration = HOUR.saturating_mul(6);
/// Between looks at a verified domain that lacks something.
const WORRIED: Duration = HOUR.saturating_mul(4);
/// A pending domain is looked at after one minute, two, four, up to this.
const PATIENT: Duration = HOUR.saturating_mul(6);
/// Until the next look when a domain's own name leads to where nobody answers to it yet.
const HALF_WAY: Duration = HOUR;
/// Until the next try when the DNS gave no answer.
const UNANSWERED: Duration = MINUTE.saturating_mul(15);
/// How many looks in a row, and over how long, before a verified domain fails.
const FAILS_AFTER_LOOKS: i64 = 6;
const FAILS_AFTER: Duration = DAY.saturating_mul(3);
/// How long a domain may stay pending.
const PENDING_AT_MOST: Duration = DAY.saturating_mul(14);

/// What becomes of the domain.
pub fn judge(domain: &Domain, findings: &[Finding], now: Timestamp) -> Look {
    let needed = || findings.iter().filter(|finding| finding.record.required).map(|finding| &finding.seen);
    let lacks = needed().any(|seen| matches!(seen, Seen::Missing | Seen::Differs(_)));
    let unanswered = needed().any(|seen| matches!(seen, Seen::Unknown(_)));
    let half_way = findings.iter().any(|finding| matches!(finding.seen, Seen::Unanswered(_)));
    let mut look = Look {
        status: domain.status,
        misses: domain.misses,
        missing_since: domain.missing_since,
        return_path: all_right(findings, &[Purpose::ReturnPathMx, Purpose::ReturnPathSpf]).unwrap_or(domain.return_path),
        tracking: all_right(findings, &[Purpose::Tracking]).unwrap_or(domain.tracking),
        next_look_at: now.plus(UNANSWERED),
        seen: seen_keys(findings),
    };
    if lacks {
        look.misses = domain.misses.saturating_add(1);
        look.missing_since = domain.missing_since.or(Some(now));
        look.status = without(domain, look.misses, now);
        look.next_look_at = now.plus(pause(look.status, look.misses));
    } else if !unanswered {
        (look.misses, look.missing_since) = (0, None);
        look.next_look_at = now.plus(STEADY);
        if domain.status != DomainStatus::Disabled {
            look.status = DomainStatus::Verified;
        }
    }
    if half_way {
        look.next_look_at = look.next_look_at.min(now.plus(HALF_WAY));
    }
    look
}

/// The status of a domain that lacks a required record.
fn without(domain: &Domain, misses: i64, now: Timestamp) -> DomainStatus {
    let lasting = domain.missing_since.is_some_and(|since| now.since(since) >= FAILS_AFTER) && misses >= FAILS_AFTER_LOOKS;
    match domain.status {
        DomainStatus::Verified if lasting && !domain.trusted => DomainStatus::Failed,
        DomainStatus::Pending if now.since(domain.created_at) >= PENDING_AT_MOST => DomainStatus::Failed,
        status => status,
    }
}

/// Until the next look at a domain that lacks a required record.
fn pause(status: DomainStatus, misses: i64) -> Duration {
    let doublings = u32::try_from(misses.clamp(1, 16) - 1).unwrap_or(0);
    match status {
        DomainStatus::Verified => WORRIED,
        DomainStatus::Pending => MINUTE.saturating_mul(1 << doublings).min(PATIENT),
        DomainStatus::Failed | DomainStatus::Disabled => DAY,
    }
}

/// Whether the records for these purposes are there; `None`: that is not known.
fn all_right(findings: &[Finding], purposes: &[Purpose]) -> Option<bool> {
    let seen: Vec<&Seen> =
        findings.iter().filter(|f| purposes.contains(&f.record.purpose)).map(|finding| &finding.seen).collect();
    let unknown = seen.iter().any(|seen| matches!(seen, Seen::Unknown(_)));
    (!unknown).then(|| !seen.is_empty() && seen.iter().all(|seen| **seen == Seen::Right))
}

/// The pending keys whose records are published.
fn seen_keys(findings: &[Finding]) -> Vec<(Id, Algorithm)> {
    let pending = |finding: &Finding| match &finding.record.purpose {
        Purpose::Dkim(key) if key.state == KeyState::Pending && finding.seen == Seen::Right => Some((key.id, key.algorithm)),
        _ => None,
    };
    findings.iter().filter_map(pending).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domains::gateway::Gateway;
    use crate::domains::records::{records, testing};

    const NOW: Timestamp = Timestamp(1_795_222_861_000);

    fn domain(status: DomainStatus) -> Domain {
        Domain { status, created_at: NOW, ..testing::domain() }
    }

    /// `see` tells of each record, by its place: proof, RSA, Ed25519, MX, SPF, DMARC.
    fn look(domain: &Domain, now: Timestamp, see: impl Fn(usize) -> Seen) -> Look {
        let keys = Algorithm::ALL.map(|algorithm| testing::key(algorithm, KeyState::Pending));
        let records = records(domain, &keys, &testing::gateway());
        let findings: Vec<_> =
            records.into_iter().enumerate().map(|(place, record)| Finding { record, seen: see(place) }).collect();
        judge(domain, &findings, now)
    }

    #[test]
    fn proof_and_rsa_make_it_verified_whatever_else_is_missing() {
        for status in [DomainStatus::Pending, DomainStatus::Failed] {
            let got = look(&domain(status), NOW, |place| if place < 2 { Seen::Right } else { Seen::Missing });
            assert_eq!((got.status, got.seen.len(), got.return_path), (DomainStatus::Verified, 1, false));
        }
        let all = look(&domain(DomainStatus::Pending), NOW, |_| Seen::Right);
        assert_eq!((all.seen.len(), all.return_path), (2, true));
        assert_eq!(look(&domain(DomainStatus::Disabled), NOW, |_| Seen::Right).status, DomainStatus::Disabled);
    }

    #[test]
    fn the_name_for_links_is_known_until_it_is_known_to_be_gone() {
        let gateway = Gateway { web: Some("gate.test".to_owned()), ..testing::gateway() };
        let tracking = |known: bool, seen: Seen| {
            let domain = Domain { tracking: known, ..domain(DomainStatus::Verified) };
            let findings = records(&domain, &[], &gateway).into_iter().map(|record| Finding { record, seen: seen.clone() });
            judge(&domain, &findings.collect::<Vec<_>>(), NOW).tracking
        };
        assert!(tracking(false, Seen::Right) && tracking(true, Seen::Unknown("timeout".into())));
        assert!(!tracking(true, Seen::Missing) && !tracking(false, Seen::Unknown("timeout".into())));
        assert!(!tracking(true, Seen::Unanswered("no TLS".into())));
    }

    #[test]
    fn a_name_that_nobody_answers_to_is_looked_at_again_soon() {
        let verified = domain(DomainStatus::Verified);
        let got = look(&verified, NOW, |place| if place == 5 { Seen::Unanswered("no TLS".into()) } else { Seen::Right });
        assert_eq!((got.status, got.next_look_at), (DomainStatus::Verified, NOW.plus(HOUR)));
        assert_eq!(look(&verified, NOW, |_| Seen::Right).next_look_at, NOW.plus(STEADY));
        let trusted = Domain { trusted: true, ..verified };
        let got = look(&trusted, NOW, |place| if place == 5 { Seen::Unanswered("no TLS".into()) } else { Seen::Missing });
        assert_eq!((got.status, got.next_look_at), (DomainStatus::Verified, NOW.plus(HOUR)));
    }

    #[test]
    fn a_pending_one_is_looked_at_less_and_less_often_and_fails_in_the_end() {
        let mut domain = domain(DomainStatus::Pending);
        let mut now = NOW;
        for minutes in [1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360] {
            let got = look(&domain, now, |_| Seen::Missing);
            assert_eq!((got.status, got.next_look_at), (DomainStatus::Pending, now.plus(MINUTE * minutes)));
            (domain.misses, now) = (got.misses, got.next_look_at);
        }
        assert_eq!(look(&domain, NOW.plus(PENDING_AT_MOST), |_| Seen::Missing).status, DomainStatus::Failed);
    }

    #[test]
    fn a_verified_one_fails_after_looks_over_days_and_not_by_silence() {
        let mut domain = domain(DomainStatus::Verified);
        let silent = look(&domain, NOW, |_| Seen::Unknown("timeout".into()));
        assert_eq!((silent.status, silent.misses), (DomainStatus::Verified, 0));
        let (mut now, mut looks) = (NOW, 0);
        while domain.status == DomainStatus::Verified {
            let got = look(&domain, now, |place| if place == 0 { Seen::Differs(vec![]) } else { Seen::Right });
            (domain.status, domain.misses, domain.missing_since) = (got.status, got.misses, got.missing_since);
            (now, looks) = (got.next_look_at, looks + 1);
        }
        assert_eq!((looks, domain.status), (19, DomainStatus::Failed), "three days, every four hours");
        let trusted = Domain { trusted: true, status: DomainStatus::Verified, ..domain.clone() };
        assert_eq!(look(&trusted, now, |_| Seen::Missing).status, DomainStatus::Verified);
        let back = look(&domain, now, |_| Seen::Right);
        assert_eq!((back.status, back.misses, back.missing_since), (DomainStatus::Verified, 0, None));
    }
}
