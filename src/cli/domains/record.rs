//! A domain as it is printed: with what it is to publish.

use serde::Serialize;

use crate::cli::output;
use crate::clock::Timestamp;
use crate::domains::look::{Finding, Seen};
use crate::domains::records::DnsRecord;
use crate::model::domain::{Domain, DomainStatus};

/// A domain, and what it is to publish.
#[derive(Serialize)]
pub struct Record {
    id: String,
    domain: String,
    status: &'static str,
    return_path: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dns_records: Vec<DnsRecordLine>,
    trusted: bool,
    created_at: String,
    verified_at: Option<String>,
}

/// One DNS record.
#[derive(Serialize)]
pub struct DnsRecordLine {
    r#type: &'static str,
    name: String,
    value: String,
    priority: Option<u16>,
    purpose: String,
    required: bool,
    /// `found`, `missing`, `differs`, `unanswered` or `unknown`; only where it was looked up.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    /// What is published instead, who answers there, or why that is not known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    found: Vec<String>,
}

impl Record {
    /// The domain with its records; none of them where only domains are listed.
    pub fn new(domain: &Domain, records: impl IntoIterator<Item: Into<DnsRecordLine>>) -> Self {
        Self {
            id: domain.id.to_string(),
            domain: domain.name.clone(),
            status: domain.status.as_str(),
            return_path: domain.return_label.to_string(),
            dns_records: records.into_iter().map(Into::into).collect(),
            trusted: domain.trusted,
            created_at: domain.created_at.rfc3339(),
            verified_at: domain.verified_at.map(Timestamp::rfc3339),
        }
    }
}

impl From<&DnsRecord> for DnsRecordLine {
    fn from(record: &DnsRecord) -> Self {
        Self {
            r#type: record.purpose.kind(),
            name: record.name.clone(),
            value: record.value.clone(),
            priority: record.purpose.priority(),
            purpose: record.purpose.text(),
            required: record.required,
            state: None,
            found: Vec::new(),
        }
    }
}

impl From<&Finding> for DnsRecordLine {
    fn from(finding: &Finding) -> Self {
        Self { state: Some(finding.seen.as_str()), found: found(&finding.seen), ..Self::from(&finding.record) }
    }
}

/// What stands in a record's place, as a terminal can show it.
fn found(seen: &Seen) -> Vec<String> {
    seen.brief().iter().map(|text| output::clean(text).to_string()).collect()
}

/// A domain's state and records, in the syntax of a zone file: what is no record is a comment there.
pub fn print_zone(domain: &Domain, records: &[DnsRecord]) -> anyhow::Result<()> {
    let name = &domain.name;
    output::line(&format!("; {name} is {}.", state(domain)))?;
    output::line(&match domain.status {
        DomainStatus::Verified | DomainStatus::Disabled => "; Its records:".to_owned(),
        _ => format!(
            "; Publish these records, then look: `posthouse domains verify {name}` (`domains trust` vouches for it instead)."
        ),
    })?;
    for record in records {
        let required = if record.required { "required" } else { "recommended" };
        output::line(&format!("; {}: {required}", record.purpose.text()))?;
        output::line(&record.zone_line())?;
    }
    if !records.iter().any(|record| record.purpose.kind() == "MX") {
        output::line("; Set delivery.hostname to this machine's name in the DNS, to be shown the records of a return path too.")?;
    }
    Ok(())
}

/// What was found of each record.
pub fn print_findings(domain: &Domain, findings: &[Finding]) -> anyhow::Result<()> {
    for finding in findings {
        let record = &finding.record;
        let required = if record.required { ", required" } else { "" };
        output::line(&format!(
            "{:<8} {} {} ({}{required})",
            finding.seen.as_str(),
            record.purpose.kind(),
            record.name,
            record.purpose.text()
        ))?;
        if !matches!(finding.seen, Seen::Right | Seen::Unanswered(_)) {
            output::line(&format!("         should be: {}", record.value))?;
        }
        for text in found(&finding.seen) {
            output::line(&format!("         there is:  {text}"))?;
        }
    }
    output::line(&format!("{} is {}", domain.name, state(domain)))
}

/// The status in words.
fn state(domain: &Domain) -> String {
    let trusted = if domain.trusted { ", trusted without DNS" } else { "" };
    format!("{}{trusted}", domain.status.as_str())
}
