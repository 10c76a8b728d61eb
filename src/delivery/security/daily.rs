//! Mails the reports of each day to the domains that ask for them (RFC 8460 section 5.3): each once, however many engines there are.

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::report::{Report, Reporter};
use super::reports::Reports;
use super::rua;
use crate::clock::Clock;
use crate::config::Config;
use crate::config::warmup::Day;
use crate::delivery::dns::{DnsError, Resolver};
use crate::id::{Id, Ids};
use crate::mime::report::tls::TlsReport;
use crate::model::address::Address;
use crate::model::message::{Body, Message};
use crate::shutdown::Shutdown;
use crate::store::accept::{Acceptance, Idempotency, NewRecipient};
use crate::store::{Store, StoreError};

/// How often it is looked whether a day is due; what could not be mailed is tried again then.
const EVERY: Duration = Duration::from_mins(10);
/// After the end of a day: its last totals are written by then.
const WAIT: Duration = Duration::from_hours(1);
/// At most so much later, by chance: RFC 8460 section 4.1 asks for some hours, so that not everybody reports at once.
const SPREAD: Duration = Duration::from_hours(4);
/// A second, in milliseconds.
const SECOND: i64 = 1000;

/// Who mails them.
#[derive(Debug)]
pub struct DailyReports {
    store: Store,
    resolver: Resolver,
    /// In a domain that some team stands verified to: its keys sign, and without them a report counts for nothing.
    from: Address,
    wait: Duration,
    clock: Clock,
    ids: Ids,
}

impl DailyReports {
    /// As the configuration has it; `None`: nobody is mailed.
    pub fn new(store: Store, resolver: Resolver, config: &Config, clock: Clock) -> Option<Self> {
        let from = Address::parse(&config.delivery.tls_reports.from).ok()?;
        let wait = WAIT + SPREAD.mul_f64(rand::random());
        Some(Self { store, resolver, from, wait, ids: Ids::random(clock.clone()), clock })
    }

    /// Mails until closing begins.
    pub async fn run(self, shutdown: Shutdown) {
        let mut last = None;
        loop {
            tokio::select! {
                () = shutdown.begun() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
            // The day before the one that is over for as long as it is to be.
            let day = Day(Day::of(self.clock.now().minus(self.wait)).0 - 1);
            if last == Some(day) {
                continue;
            }
            let mailed = tokio::select! {
                () = shutdown.begun() => return,
                mailed = self.mail(day) => mailed,
            };
            match mailed {
                Ok(all) => last = all.then_some(day),
                Err(failure) => tracing::warn!(%day, %failure, "TLS reports can't be mailed now"),
            }
        }
    }

    /// Mails the reports of a day that were not mailed yet. False: whether some are asked for is not known now.
    pub async fn mail(&self, day: Day) -> Result<bool, StoreError> {
        let Some(domain) = self.store.verified_domain(&self.from.ascii_domain()).await? else {
            tracing::warn!(from = %self.from, "TLS reports are not mailed: no team stands verified to the domain they are to come from");
            return Ok(true);
        };
        let (mut reports, mut all) = (Reports::of(&self.store, day), true);
        while let Some(report) = reports.next().await? {
            match self.resolver.txt(&format!("_smtp._tls.{}", report.domain)).await {
                Ok(answer) => self.mail_one(domain.team, &report, rua::addresses(&answer.records)).await?,
                Err(DnsError::NoSuchDomain | DnsError::NoRecords) => {}
                Err(failure) => {
                    tracing::debug!(domain = report.domain, %failure, "whether TLS reports are asked for is not known now");
                    all = false;
                }
            }
        }
        Ok(all)
    }

    async fn mail_one(&self, team: Id, report: &Report, asked: Vec<Address>) -> Result<(), StoreError> {
        let mut to = Vec::new();
        for address in asked {
            if self.store.suppression(team, &address.key()).await?.is_none() {
                to.push(address);
            }
        }
        if !to.is_empty() {
            let accepted = self.store.accept(self.letter(team, report, &to)).await?;
            tracing::debug!(domain = report.domain, ?accepted, "a TLS report");
        }
        Ok(())
    }

    fn letter(&self, team: Id, report: &Report, to: &[Address]) -> Acceptance {
        let submitter = self.from.ascii_domain();
        let by = Reporter { organization: &submitter, contact: self.from.as_str() };
        let (report_id, json, (first, last)) = (report.id(by), report.json(by).to_string(), report.span());
        let mail = TlsReport {
            id: self.ids.next(),
            from: &self.from,
            to,
            at: self.clock.now(),
            domain: &report.domain,
            report_id: &report_id,
            span: (first.0 / SECOND, last.0 / SECOND),
            json: &json,
        };
        let body = Body::free(mail.compose().into_bytes());
        let message = Message {
            from: self.from.key(),
            from_header: self.from.to_string(),
            to_header: mail.to(),
            subject: mail.subject(),
            message_id: mail.message_id(),
            recipients: to.len(),
            size: body.len() as u64,
            ..Message::bare(mail.id, team, mail.at)
        };
        let recipients = to.iter().map(|to| NewRecipient { path: to.clone().into(), rejected: None }).collect();
        let idempotency = Some(once(&report_id));
        Acceptance { message: Arc::new(message), body, recipients, idempotency, quirks: Vec::new() }
    }
}

/// One report is one mail, whoever makes it and whatever was counted meanwhile.
fn once(report_id: &str) -> Idempotency {
    let key: [u8; 32] = Sha256::digest(format!("TLS report {report_id}")).into();
    Idempotency { key, fingerprint: key, automatic: false }
}
