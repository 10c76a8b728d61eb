//! `posthouse domains`: what a team may send from.

use anyhow::Context as _;
use clap::Subcommand;
use serde::Serialize;

use crate::cli::context::{Global, TeamChoice};
use crate::cli::{Usage, output};
use crate::clock::Timestamp;
use crate::model::address::Address;
use crate::model::domain::Domain;
use crate::store::Store;

/// Sender domains: add, trust, list, show, remove.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Add a domain; nothing is sent from it before it is verified or trusted, where that is asked for.
    Add(One),
    /// Vouch for a domain without DNS: for relays inside a network, and tests. Adds it when needed.
    Trust(One),
    /// List a team's domains.
    List {
        #[command(flatten)]
        team: TeamChoice,
        /// Print one JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Show one domain.
    Show(One),
    /// Remove a domain.
    Remove(One),
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

#[derive(Serialize)]
struct Record {
    id: String,
    domain: String,
    status: &'static str,
    /// What to publish: nothing yet, as no record is looked up.
    dns_records: [serde_json::Value; 0],
    trusted: bool,
    created_at: String,
    verified_at: Option<String>,
}

impl From<&Domain> for Record {
    fn from(domain: &Domain) -> Self {
        Self {
            id: domain.id.to_string(),
            domain: domain.name.clone(),
            status: domain.status.as_str(),
            dns_records: [],
            trusted: domain.trusted,
            created_at: domain.created_at.rfc3339(),
            verified_at: domain.verified_at.map(Timestamp::rfc3339),
        }
    }
}

impl Verb {
    /// Runs the verb.
    pub fn run(&self, global: &Global) -> anyhow::Result<()> {
        match self {
            Self::Add(one) => one.on_store(global, async |store, name| add(store, one, name).await),
            Self::Trust(one) => one.on_store(global, async |store, name| trust(store, one, name).await),
            Self::Show(one) => one.on_store(global, async |store, name| show(store, one, name).await),
            Self::Remove(one) => one.on_store(global, async |store, name| remove(store, one, name).await),
            Self::List { team, json } => global.on_store(async |store| list(store, team, *json).await),
        }
    }
}

impl One {
    /// Runs `work` with the domain's comparable form.
    fn on_store(&self, global: &Global, work: impl AsyncFnOnce(&Store, &str) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let name = comparable(&self.domain)?;
        global.on_store(async |store| work(store, &name).await)
    }

    fn print(&self, domain: &Domain, words: &str) -> anyhow::Result<()> {
        if self.json { output::json(&Record::from(domain)) } else { output::line(words) }
    }
}

/// A-labels, lower case; refuses what no address could have after its `@`, and address literals.
fn comparable(name: &str) -> anyhow::Result<String> {
    let address = Address::parse(&format!("postmaster@{name}"));
    let domain = address.ok().map(|address| address.ascii_domain()).filter(|domain| !domain.starts_with('['));
    Ok(domain.ok_or_else(|| Usage(format!("{name:?} is not a domain name")))?)
}

async fn add(store: &Store, one: &One, name: &str) -> anyhow::Result<()> {
    let domain = store.add_domain(one.team.find(store).await?.id, name).await?;
    one.print(&domain, &format!("{name} is {}: `posthouse domains trust {name}` vouches for it", domain.status.as_str()))
}

async fn trust(store: &Store, one: &One, name: &str) -> anyhow::Result<()> {
    let domain = store.trust_domain(one.team.find(store).await?.id, name).await?;
    one.print(&domain, &format!("{name} is trusted: mail from it and its subdomains is taken"))
}

async fn show(store: &Store, one: &One, name: &str) -> anyhow::Result<()> {
    let domains = store.domains(one.team.find(store).await?.id).await?;
    let domain = domains.iter().find(|d| d.name == name).with_context(|| format!("the team has no domain {name}"))?;
    if one.json { output::json(&Record::from(domain)) } else { table(std::slice::from_ref(domain)) }
}

async fn remove(store: &Store, one: &One, name: &str) -> anyhow::Result<()> {
    let removed = store.remove_domain(one.team.find(store).await?.id, name).await?;
    anyhow::ensure!(removed, "the team has no domain {name}");
    if one.json {
        output::json(&serde_json::json!({"domain": name, "removed": true}))
    } else {
        output::line(&format!("{name} is removed"))
    }
}

async fn list(store: &Store, team: &TeamChoice, json: bool) -> anyhow::Result<()> {
    let domains = store.domains(team.find(store).await?.id).await?;
    if json { domains.iter().map(Record::from).try_for_each(|record| output::json(&record)) } else { table(&domains) }
}

fn table(domains: &[Domain]) -> anyhow::Result<()> {
    let trusted = |domain: &Domain| if domain.trusted { "trusted" } else { "" }.to_owned();
    let rows: Vec<_> = domains
        .iter()
        .map(|d| [d.id.to_string(), d.name.clone(), d.status.as_str().to_owned(), trusted(d), d.created_at.rfc3339()])
        .collect();
    output::table(["ID", "DOMAIN", "STATUS", "HOW", "ADDED"], &rows)
}
