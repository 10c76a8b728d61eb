//! `posthouse tls-report`: how mail was protected on its way to each domain in a day, as RFC 8460 reports it.

use crate::cli::context::Global;
use crate::cli::output;
use crate::clock::Clock;
use crate::config::Config;
use crate::config::warmup::Day;
use crate::delivery::security::report::{Report, Reporter};
use crate::delivery::security::reports::Reports;
use crate::model::address::ascii_domain;
use crate::store::Store;

/// How mail was protected on its way: one report a domain (RFC 8460).
#[derive(Debug, clap::Args)]
pub struct TlsReport {
    /// The day, UTC, as in 2026-11-21; without it yesterday, the last whole one.
    #[arg(long, value_name = "DAY")]
    day: Option<Day>,
    /// Of this domain alone.
    #[arg(long, value_name = "DOMAIN")]
    domain: Option<String>,
    /// Print one report a line as JSON, as it is sent to the domain.
    #[arg(long)]
    json: bool,
}

impl TlsReport {
    /// Prints the reports.
    pub fn run(&self, global: &Global) -> anyhow::Result<()> {
        let config = global.load()?;
        global.on_store(async |store| self.print(store, &config).await)
    }

    async fn print(&self, store: &Store, config: &Config) -> anyhow::Result<()> {
        let day = self.day.unwrap_or(Day(Day::of(Clock::System.now()).0 - 1));
        let wanted = self.domain.as_deref().map(|domain| ascii_domain(domain).unwrap_or_else(|| domain.to_owned()));
        let reports = reports(store, day, wanted.as_deref()).await?;
        if !self.json {
            return table(&reports);
        }
        let organization = config.smtp.hostname.as_str();
        let contact = format!("postmaster@{organization}");
        let by = Reporter { organization, contact: &contact };
        reports.iter().try_for_each(|report| output::json(&report.json(by)))
    }
}

async fn reports(store: &Store, day: Day, wanted: Option<&str>) -> anyhow::Result<Vec<Report>> {
    let (mut of_day, mut found) = (Reports::of(store, day), Vec::new());
    while let Some(report) = of_day.next().await? {
        found.extend(wanted.is_none_or(|domain| report.domain == domain).then_some(report));
    }
    Ok(found)
}

fn table(reports: &[Report]) -> anyhow::Result<()> {
    let policies = reports.iter().flat_map(|report| report.policies.iter().map(move |policy| (report, policy)));
    let rows: Vec<_> = policies
        .map(|(r, p)| [r.domain.clone(), p.policy.kind.clone(), p.successes.to_string(), p.failures.to_string()])
        .collect();
    output::table(["DOMAIN", "POLICY", "SUCCEEDED", "FAILED"], &rows)
}
