//! `posthouse suppressions`: addresses that a team's mail is kept from.

use clap::Subcommand;
use serde::Serialize;

use crate::cli::context::{Global, TeamChoice};
use crate::cli::output;
use crate::clock::Clock;
use crate::model::address::Address;
use crate::model::suppression::Suppression;
use crate::store::Store;

/// How many are read at once.
const PAGE: usize = 500;

/// Addresses that mail is kept from: add, remove, list.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Suppress an address; one that is suppressed already keeps its first evidence.
    Add {
        address: Address,
        /// Why, in a word.
        #[arg(long, default_value = "manual")]
        reason: String,
        #[command(flatten)]
        team: TeamChoice,
    },
    /// Lift a suppression.
    Remove {
        address: Address,
        #[command(flatten)]
        team: TeamChoice,
    },
    /// List a team's suppressions, by address.
    List {
        #[command(flatten)]
        team: TeamChoice,
        /// Print one JSON object a line.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Serialize)]
struct Record {
    address: String,
    reason: String,
    message: Option<String>,
    evidence: Option<String>,
    created_at: String,
}

impl From<Suppression> for Record {
    fn from(suppression: Suppression) -> Self {
        Self {
            address: suppression.address,
            reason: suppression.reason,
            message: suppression.message.map(|id| id.to_string()),
            evidence: suppression.evidence,
            created_at: suppression.created_at.rfc3339(),
        }
    }
}

impl Verb {
    /// Runs the verb.
    pub fn run(&self, global: &Global) -> anyhow::Result<()> {
        match self {
            Self::Add { address, reason, team } => global.on_store(async |store| add(store, team, address, reason).await),
            Self::Remove { address, team } => global.on_store(async |store| remove(store, team, address).await),
            Self::List { team, json } => global.on_store(async |store| list(store, team, *json).await),
        }
    }
}

async fn add(store: &Store, team: &TeamChoice, address: &Address, reason: &str) -> anyhow::Result<()> {
    let suppression = Suppression {
        team: team.find(store).await?.id,
        address: address.key(),
        reason: reason.to_owned(),
        message: None,
        evidence: None,
        created_at: Clock::System.now(),
    };
    let new = store.suppress(&[suppression]).await?;
    output::line(&format!("{} is suppressed{}", address.key(), if new == 0 { " already" } else { "" }))
}

async fn remove(store: &Store, team: &TeamChoice, address: &Address) -> anyhow::Result<()> {
    let lifted = store.unsuppress(team.find(store).await?.id, &address.key()).await?;
    anyhow::ensure!(lifted, "{} is not suppressed", address.key());
    output::line(&format!("{} is not suppressed any more", address.key()))
}

async fn list(store: &Store, team: &TeamChoice, json: bool) -> anyhow::Result<()> {
    let team = team.find(store).await?.id;
    let mut rows = Vec::new();
    let mut after = String::new();
    loop {
        let page = store.suppressions(team, &after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.address.clone();
        let records = page.into_iter().map(Record::from);
        if json {
            records.into_iter().try_for_each(|record| output::json(&record))?;
        } else {
            rows.extend(records.map(|r| [r.address, r.reason, r.created_at, r.evidence.unwrap_or_default()]));
        }
    }
    if json { Ok(()) } else { output::table(["ADDRESS", "REASON", "SINCE", "EVIDENCE"], &rows) }
}
