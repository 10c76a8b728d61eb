//! A sender domain as the API reads it, and as it shows it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::clock::Timestamp;
use crate::domains::look::{Finding, Seen};
use crate::domains::name;
use crate::domains::records::{self, Purpose};
use crate::door::rest::checks;
use crate::door::rest::problem::Details;
use crate::model::domain::{self, DomainStatus, ReturnLabel};

/// A domain that a team sends from, and what it is to publish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Domain {
    #[schema(format = "uuid")]
    pub id: String,
    /// A-labels, lower case.
    pub domain: String,
    pub status: DomainState,
    /// The label below it where its bounces come back to.
    pub return_path: String,
    /// The operator vouches for it, without DNS.
    pub trusted: bool,
    #[schema(required, format = DateTime)]
    pub verified_at: Option<String>,
    #[schema(format = DateTime)]
    pub created_at: String,
    pub dns_records: Vec<DnsRecord>,
}

/// How far a domain is proven to be the team's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DomainState {
    Pending,
    Verified,
    /// Its records were looked for, and are missing or wrong.
    Failed,
    /// Switched off by the operator.
    Disabled,
}

/// A DNS record that a domain is to publish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DnsRecord {
    #[serde(rename = "type")]
    pub kind: RecordType,
    /// Fully qualified, without the last dot.
    pub name: String,
    /// TXT: its text, without quotes; MX and CNAME: the host.
    pub value: String,
    /// Any will do: `Auto`.
    pub ttl: &'static str,
    /// Of an MX record.
    #[schema(required)]
    pub priority: Option<u16>,
    /// What it is for, in words.
    pub purpose: String,
    /// The domain is not verified without it.
    pub required: bool,
    pub category: Category,
    /// How it was found, where it was just looked up.
    #[schema(required)]
    pub state: Option<RecordState>,
    /// What is published in its place, who answers there, or why that is not known.
    pub found: Vec<String>,
}

/// The types that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum RecordType {
    Txt,
    Mx,
    Cname,
}

/// What a record is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Category {
    /// It shows whose the domain is.
    Verification,
    /// It makes receivers trust its mail, and brings back what they can't deliver.
    Delivery,
    /// It tells receivers what to do with mail that fails.
    Policy,
    /// It gives the links of tracked mail a name.
    Tracking,
}

/// How a record was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RecordState {
    Found,
    Missing,
    /// Something else is published in its place.
    Differs,
    /// It is there, but links below it do not lead here.
    Unanswered,
    /// It could not be looked up.
    Unknown,
}

/// A domain to be added.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDomain {
    #[schema(value_type = String, required, min_length = 1)]
    pub domain: Option<String>,
    /// The label below it where its bounces come back to; `send` where it is left out.
    #[schema(pattern = "^[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$")]
    pub return_path: Option<String>,
}

/// What may be changed of a domain. What is left out stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DomainChange {
    /// The records at the new label are looked up anew; until they are seen, bounces come back to the address that the sender gave.
    #[schema(pattern = "^[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$")]
    pub return_path: Option<String>,
}

impl NewDomain {
    /// The name in its one form, and the label.
    pub fn checked(self) -> Result<(String, ReturnLabel), Details> {
        let mut faults = Details::default();
        let written = checks::required(&mut faults, "domain", self.domain);
        let name = written.and_then(|text| {
            let name = name::comparable(&text);
            if name.is_none() {
                faults.add("domain", "is not a domain name");
            }
            name
        });
        let label = label(&mut faults, self.return_path).unwrap_or_default();
        match name {
            Some(name) if faults.is_empty() => Ok((name, label)),
            _ => Err(faults),
        }
    }
}

impl DomainChange {
    /// The label that is asked for, if one is.
    pub fn checked(self) -> Result<Option<ReturnLabel>, Details> {
        let mut faults = Details::default();
        let label = label(&mut faults, self.return_path);
        if faults.is_empty() { Ok(label) } else { Err(faults) }
    }
}

fn label(faults: &mut Details, text: Option<String>) -> Option<ReturnLabel> {
    text?.parse().map_err(|fault: &str| faults.add("return_path", fault)).ok()
}

impl Domain {
    /// The domain with its records, as they should be or as they were found.
    pub fn new(domain: &domain::Domain, records: impl IntoIterator<Item: Into<DnsRecord>>) -> Self {
        Self {
            id: domain.id.uuid(),
            domain: domain.name.clone(),
            status: domain.status.into(),
            return_path: domain.return_label.to_string(),
            trusted: domain.trusted,
            verified_at: domain.verified_at.map(Timestamp::rfc3339),
            created_at: domain.created_at.rfc3339(),
            dns_records: records.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<records::DnsRecord> for DnsRecord {
    fn from(record: records::DnsRecord) -> Self {
        let (kind, category) = match &record.purpose {
            Purpose::Ownership => (RecordType::Txt, Category::Verification),
            Purpose::Dkim(_) | Purpose::ReturnPathSpf => (RecordType::Txt, Category::Delivery),
            Purpose::ReturnPathMx => (RecordType::Mx, Category::Delivery),
            Purpose::Dmarc => (RecordType::Txt, Category::Policy),
            Purpose::Tracking => (RecordType::Cname, Category::Tracking),
        };
        Self {
            kind,
            priority: record.purpose.priority(),
            purpose: record.purpose.text(),
            name: record.name,
            value: record.value,
            ttl: "Auto",
            required: record.required,
            category,
            state: None,
            found: Vec::new(),
        }
    }
}

impl From<Finding> for DnsRecord {
    fn from(finding: Finding) -> Self {
        let state = match finding.seen {
            Seen::Right => RecordState::Found,
            Seen::Missing => RecordState::Missing,
            Seen::Differs(_) => RecordState::Differs,
            Seen::Unanswered(_) => RecordState::Unanswered,
            Seen::Unknown(_) => RecordState::Unknown,
        };
        let found = finding.seen.brief();
        Self { state: Some(state), found, ..finding.record.into() }
    }
}

impl From<DomainStatus> for DomainState {
    fn from(status: DomainStatus) -> Self {
        match status {
            DomainStatus::Pending => Self::Pending,
            DomainStatus::Verified => Self::Verified,
            DomainStatus::Failed => Self::Failed,
            DomainStatus::Disabled => Self::Disabled,
        }
    }
}
