//! What a domain is to publish: the proof that it is its team's, the keys that its mail is signed with, the return path that bounces
//! come back by, a policy for mail that fails, and a name for what is tracked.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::gateway::Gateway;
use crate::model::dkim::{Algorithm, DkimKey, KeyState};
use crate::model::domain::{Domain, TRACKING_LABEL};

/// A DNS record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsRecord {
    pub purpose: Purpose,
    /// Fully qualified, without the last dot.
    pub name: String,
    /// TXT: its text, however many strings that takes; MX and CNAME: the host.
    pub value: String,
    /// The domain is not verified without it.
    pub required: bool,
}

/// What a record is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Only who rules the zone can publish it.
    Ownership,
    Dkim(DkimKey),
    ReturnPathMx,
    ReturnPathSpf,
    Dmarc,
    Tracking,
}

impl Purpose {
    /// `TXT`, `MX` or `CNAME`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ReturnPathMx => "MX",
            Self::Tracking => "CNAME",
            Self::Ownership | Self::Dkim(_) | Self::ReturnPathSpf | Self::Dmarc => "TXT",
        }
    }

    /// An MX record's preference.
    pub fn priority(&self) -> Option<u16> {
        (*self == Self::ReturnPathMx).then_some(10)
    }

    /// What it is for, as a person reads it.
    pub fn text(&self) -> String {
        match self {
            Self::Ownership => "shows that the domain is yours".to_owned(),
            Self::Dkim(key) => {
                let kind = if key.algorithm == Algorithm::Rsa { "RSA" } else { "Ed25519" };
                match (key.state, key.retire_at) {
                    (KeyState::Pending, _) => format!("DKIM key ({kind}), in use once it is seen here"),
                    (KeyState::Active, _) => format!("DKIM key ({kind}) that signs your mail"),
                    (KeyState::Retiring, Some(end)) => format!("DKIM key ({kind}) that signed; keep it until {}", end.rfc3339()),
                    (KeyState::Retiring, None) => format!("DKIM key ({kind}) that signed"),
                }
            }
            Self::ReturnPathMx => "brings bounces back".to_owned(),
            Self::ReturnPathSpf => "SPF: lets this gateway send for the return path".to_owned(),
            Self::Dmarc => "DMARC: tells receivers what to do with mail that fails; any policy will do".to_owned(),
            Self::Tracking => "gives the links of tracked mail a name of yours".to_owned(),
        }
    }
}

/// The records of a domain. Those that lead to the gateway are there when it has a name.
pub fn records(domain: &Domain, keys: &[DkimKey], gateway: &Gateway) -> Vec<DnsRecord> {
    let name = &domain.name;
    let record = |purpose, name: String, value: String, required| DnsRecord { purpose, name, value, required };
    let proof = format!("posthouse-verification={}", domain.id);
    let mut records = vec![record(Purpose::Ownership, format!("_posthouse.{name}"), proof, true)];
    for key in keys {
        let value = format!("v=DKIM1; k={}; p={}", key.algorithm.as_str(), STANDARD.encode(&key.public));
        records.push(record(
            Purpose::Dkim(key.clone()),
            format!("{}._domainkey.{name}", key.selector),
            value,
            is_required(key, keys),
        ));
    }
    if let Some(host) = &gateway.mail {
        let below = domain.return_label.below(name);
        records.push(record(Purpose::ReturnPathMx, below.clone(), host.clone(), false));
        records.push(record(Purpose::ReturnPathSpf, below, format!("v=spf1 a:{host} ~all"), false));
    }
    records.push(record(Purpose::Dmarc, format!("_dmarc.{name}"), "v=DMARC1; p=none".to_owned(), false));
    // RFC 1034 section 3.6.2: no other record stands beside a CNAME.
    if let Some(host) = &gateway.web
        && domain.return_label.as_str() != TRACKING_LABEL
    {
        records.push(record(Purpose::Tracking, format!("{TRACKING_LABEL}.{name}"), host.clone(), false));
    }
    records
}

/// Every verifier knows RSA; and while a key signs, its successor can wait.
fn is_required(key: &DkimKey, keys: &[DkimKey]) -> bool {
    let signs = |key: &DkimKey| key.algorithm == Algorithm::Rsa && key.state == KeyState::Active;
    match key.state {
        KeyState::Active => signs(key),
        KeyState::Pending => key.algorithm == Algorithm::Rsa && !keys.iter().any(signs),
        KeyState::Retiring => false,
    }
}

impl DnsRecord {
    /// The record as a line of a zone file (RFC 1035 section 5.1), a text cut into strings that fit.
    pub fn zone_line(&self) -> String {
        let value = match (&self.purpose, self.purpose.priority()) {
            (_, Some(priority)) => format!("{priority} {}.", self.value),
            (Purpose::Tracking, None) => format!("{}.", self.value),
            _ => quoted(&self.value),
        };
        format!("{}. IN {} {value}", self.name, self.purpose.kind())
    }
}

/// A string of a TXT record holds 255 octets at most (RFC 1035 section 3.3).
fn quoted(text: &str) -> String {
    let strings: Vec<String> =
        text.as_bytes().chunks(255).map(|part| format!("\"{}\"", String::from_utf8_lossy(part).replace('"', "\\\""))).collect();
    strings.join(" ")
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;
    use crate::clock::Timestamp;
    use crate::id::Id;
    use crate::model::domain::{DomainStatus, ReturnLabel};

    /// One with a name for mail, and none for the web.
    pub fn gateway() -> Gateway {
        Gateway { mail: Some("mx.gate.test".to_owned()), web: None }
    }

    /// A key without a meaning.
    pub fn key(algorithm: Algorithm, state: KeyState) -> DkimKey {
        let selector = format!("ph1{}", algorithm.as_str());
        DkimKey { id: Id([1; 16]), algorithm, selector, state, public: vec![7; 294], created_at: Timestamp(0), retire_at: None }
    }

    /// A pending domain.
    pub fn domain() -> Domain {
        Domain {
            id: Id([0; 16]),
            team: Id([2; 16]),
            name: "example.com".to_owned(),
            status: DomainStatus::Pending,
            trusted: false,
            created_at: Timestamp(0),
            verified_at: None,
            misses: 0,
            missing_since: None,
            return_label: ReturnLabel::default(),
            return_path: false,
            tracking: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{domain, gateway, key};
    use super::*;

    fn required(keys: &[DkimKey]) -> Vec<String> {
        records(&domain(), keys, &Gateway::default()).into_iter().filter(|r| r.required).map(|r| r.name).collect()
    }

    #[test]
    fn one_rsa_key_is_needed_and_the_proof() {
        use {Algorithm::*, KeyState::*};
        let rsa = ["_posthouse.example.com", "ph1rsa._domainkey.example.com"];
        assert_eq!(required(&[key(Rsa, Pending), key(Ed25519, Pending)]), rsa);
        assert_eq!(required(&[key(Rsa, Retiring), key(Rsa, Active), key(Rsa, Pending)]), rsa);
        assert_eq!(required(&[]), rsa[..1]);
    }

    #[test]
    fn a_zone_line_can_be_pasted() {
        let gateway = Gateway { web: Some("gate.test".to_owned()), ..gateway() };
        let domain = Domain { return_label: "bounce".parse().unwrap(), ..domain() };
        let records = records(&domain, &[key(Algorithm::Rsa, KeyState::Active)], &gateway);
        let lines: Vec<String> = records.iter().map(DnsRecord::zone_line).collect();
        assert_eq!(lines[0], format!("_posthouse.example.com. IN TXT \"posthouse-verification={}\"", "0".repeat(26)));
        let strings: Vec<&str> = lines[1].split('"').skip(1).step_by(2).collect();
        assert_eq!(strings.iter().map(|s| s.len()).collect::<Vec<_>>(), [255, records[1].value.len() - 255]);
        assert_eq!(strings.concat(), records[1].value);
        assert_eq!(lines[2], "bounce.example.com. IN MX 10 mx.gate.test.");
        assert_eq!(lines[3], "bounce.example.com. IN TXT \"v=spf1 a:mx.gate.test ~all\"");
        assert_eq!(lines[4], "_dmarc.example.com. IN TXT \"v=DMARC1; p=none\"");
        assert_eq!(lines[5], "track.example.com. IN CNAME gate.test.");
    }
}
