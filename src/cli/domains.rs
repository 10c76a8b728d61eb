//! `posthouse domains`: what a team may send from.

mod record;

use anyhow::Context as _;
use clap::Subcommand;

use crate::cli::context::{Global, TeamChoice};
use crate::cli::{Usage, output};
use crate::clock::Clock;
use crate::config::Config;
use crate::delivery::dns::Resolver;
use crate::domains::gateway::Gateway;
use crate::domains::keys;
use crate::domains::look::Seen;
use crate::domains::name;
use crate::domains::records::{DnsRecord, records};
use crate::domains::watch::Watch;
use crate::model::domain::{Domain, DomainStatus, ReturnLabel};
use crate::store::Store;
use record::{Record, print_findings, print_zone};

/// Where domains are only listed.
const NONE: &[DnsRecord] = &[];

/// Sender domains: add, verify, trust, rotate, disable, enable, list, show, remove.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Add a domain with keys that sign its mail, and print the records it is to publish, as a zone file has them. Nothing is sent from
    /// it before it is verified or trusted, where that is asked for.
    Add(Add),
    /// Look up each record of a domain, and say what is missing or differs. Fails unless the domain is verified then.
    Verify(One),
    /// Vouch for a domain without DNS: for relays inside a network, and tests. Adds it when needed.
    Trust(One),
    /// Make new keys, and print their records. They sign once their records are seen, or the domain is trusted anew; the old ones are
    /// to stay published for 14 days from then.
    Rotate(One),
    /// Switch a domain off: mail from it, and from what lies below it, is refused (domain_disabled).
    Disable(One),
    /// Switch a domain on again: one that is trusted is verified at once, another when its records are seen anew.
    Enable(One),
    /// List a team's domains.
    List {
        #[command(flatten)]
        team: TeamChoice,
        /// Print one JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Show one domain and its records.
    Show(One),
    /// Remove a domain.
    Remove(One),
}

/// A domain to be added.
#[derive(Debug, clap::Args)]
pub struct Add {
    #[command(flatten)]
    one: One,
    /// The label below the domain where its bounces come back to; without it send, or what the domain has.
    #[arg(long, value_name = "LABEL")]
    return_path: Option<ReturnLabel>,
}

/// A domain of a team.
#[derive(Debug, clap::Args)]
pub struct One {
    domain: String,
    #[command(flatten)]
    team: TeamChoice,
    /// Print the record as JSON.
    #[arg(long)]
    json: bool,
}

impl Verb {
    /// Runs the verb.
    pub fn run(&self, global: &Global) -> anyhow::Result<()> {
        match self {
            Self::Add(add) => add.one.on_store(global, async |desk, name| add.run(desk, name).await),
            Self::Verify(one) => one.on_store(global, async |desk, name| verify(desk, one, name).await),
            Self::Trust(one) => one.on_store(global, async |desk, name| trust(desk, one, name).await),
            Self::Rotate(one) => one.on_store(global, async |desk, name| rotate(desk, one, name).await),
            Self::Disable(one) => one.on_store(global, async |desk, name| disable(desk, one, name).await),
            Self::Enable(one) => one.on_store(global, async |desk, name| enable(desk, one, name).await),
            Self::Show(one) => one.on_store(global, async |desk, name| show(desk, one, name).await),
            Self::Remove(one) => one.on_store(global, async |desk, name| remove(desk, one, name).await),
            Self::List { team, json } => global.on_store(async |store| list(store, team, *json).await),
        }
    }
}

/// What the verbs work with.
struct Desk<'a> {
    store: &'a Store,
    config: &'a Config,
}

impl Desk<'_> {
    async fn records(&self, domain: &Domain) -> anyhow::Result<Vec<DnsRecord>> {
        let keys = self.store.dkim_keys(domain.id).await?;
        Ok(records(domain, &keys, &Gateway::of(self.config)))
    }

    async fn print(&self, domain: &Domain, one: &One) -> anyhow::Result<()> {
        let records = self.records(domain).await?;
        if one.json { output::json(&Record::new(domain, &records)) } else { print_zone(domain, &records) }
    }
}

impl One {
    /// Runs `work` with the domain's comparable form.
    fn on_store(&self, global: &Global, work: impl AsyncFnOnce(&Desk<'_>, &str) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let (name, config) = (comparable(&self.domain)?, global.load()?);
        global.on_store(async |store| work(&Desk { store, config: &config }, &name).await)
    }

    /// The domain, which the team must have.
    async fn find(&self, desk: &Desk<'_>, name: &str) -> anyhow::Result<Domain> {
        let found = desk.store.domain(self.team.find(desk.store).await?.id, name).await?;
        found.with_context(|| format!("the team has no domain {name}"))
    }
}

/// The domain's one form.
fn comparable(text: &str) -> anyhow::Result<String> {
    Ok(name::comparable(text).ok_or_else(|| Usage(format!("{text:?} is not a domain name")))?)
}

impl Add {
    async fn run(&self, desk: &Desk<'_>, name: &str) -> anyhow::Result<()> {
        let team = self.one.team.find(desk.store).await?.id;
        let label = self.return_path.clone().unwrap_or_default();
        let domain = keys::add(desk.store, team, name, &label, Clock::System.now()).await?.domain;
        if self.return_path.is_some() {
            desk.store.move_return_path(team, domain.id, &label).await?;
        }
        desk.print(&self.one.find(desk, name).await?, &self.one).await
    }
}

async fn verify(desk: &Desk<'_>, one: &One, name: &str) -> anyhow::Result<()> {
    let domain = one.find(desk, name).await?;
    let resolver = Resolver::new(&desk.config.delivery.dns).map_err(anyhow::Error::msg)?;
    let watch = Watch::new(desk.store.clone(), resolver, desk.config, Clock::System).map_err(anyhow::Error::msg)?;
    let findings = watch.look(&domain).await?;
    let domain = one.find(desk, name).await?;
    if one.json {
        output::json(&Record::new(&domain, &findings))?;
    } else {
        print_findings(&domain, &findings)?;
    }
    let lacking = findings.iter().filter(|finding| finding.record.required && finding.seen != Seen::Right).count();
    anyhow::ensure!(domain.trusted || lacking == 0, "{name}: required records that are not as they should be: {lacking}");
    anyhow::ensure!(domain.status == DomainStatus::Verified, "{name} is {}", domain.status.as_str());
    Ok(())
}

async fn trust(desk: &Desk<'_>, one: &One, name: &str) -> anyhow::Result<()> {
    let team = one.team.find(desk.store).await?.id;
    let domain = keys::trust(desk.store, team, name, Clock::System.now()).await?;
    if one.json {
        return desk.print(&domain, one).await;
    }
    output::line(&format!("{name} is trusted: mail from it and its subdomains is taken, and signed"))?;
    output::line(&format!("`posthouse domains show {name}` prints the records by which receivers check the signatures"))
}

async fn rotate(desk: &Desk<'_>, one: &One, name: &str) -> anyhow::Result<()> {
    let domain = one.find(desk, name).await?;
    if !keys::rotate(desk.store, &domain, Clock::System.now()).await? {
        output::note(&format!("{name} has keys that wait to be used already; no more are made"));
    }
    desk.print(&domain, one).await
}

async fn disable(desk: &Desk<'_>, one: &One, name: &str) -> anyhow::Result<()> {
    let disabled = desk.store.disable_domain(one.team.find(desk.store).await?.id, name).await?;
    anyhow::ensure!(disabled, "the team has no domain {name}");
    switched(desk, one, name, "is disabled: nothing is sent from it, or from what lies below it").await
}

async fn enable(desk: &Desk<'_>, one: &One, name: &str) -> anyhow::Result<()> {
    let enabled = desk.store.enable_domain(one.team.find(desk.store).await?.id, name).await?;
    anyhow::ensure!(enabled, "the team has no domain {name} that is disabled");
    let domain = one.find(desk, name).await?;
    switched(desk, one, name, &format!("is {}", domain.status.as_str())).await
}

async fn switched(desk: &Desk<'_>, one: &One, name: &str, how: &str) -> anyhow::Result<()> {
    if one.json { show(desk, one, name).await } else { output::line(&format!("{name} {how}")) }
}

async fn show(desk: &Desk<'_>, one: &One, name: &str) -> anyhow::Result<()> {
    let domain = one.find(desk, name).await?;
    desk.print(&domain, one).await
}

async fn remove(desk: &Desk<'_>, one: &One, name: &str) -> anyhow::Result<()> {
    let removed = desk.store.remove_domain(one.team.find(desk.store).await?.id, name).await?;
    anyhow::ensure!(removed, "the team has no domain {name}");
    if one.json {
        output::json(&serde_json::json!({"domain": name, "removed": true}))
    } else {
        output::line(&format!("{name} is removed, its keys with it"))
    }
}

async fn list(store: &Store, team: &TeamChoice, json: bool) -> anyhow::Result<()> {
    let domains = store.domains(team.find(store).await?.id).await?;
    if json { domains.iter().try_for_each(|domain| output::json(&Record::new(domain, NONE))) } else { table(&domains) }
}

fn table(domains: &[Domain]) -> anyhow::Result<()> {
    let trusted = |domain: &Domain| if domain.trusted { "trusted" } else { "" }.to_owned();
    let rows: Vec<_> = domains
        .iter()
        .map(|d| [d.id.to_string(), d.name.clone(), d.status.as_str().to_owned(), trusted(d), d.created_at.rfc3339()])
        .collect();
    output::table(["ID", "DOMAIN", "STATUS", "HOW", "ADDED"], &rows)
}
