//! `posthouse unsubscribes`: readers who wish no more broadcast mail of a team.

use clap::Subcommand;
use serde_json::json;

use crate::cli::context::{Global, TeamChoice};
use crate::cli::output;
use crate::clock::Clock;
use crate::model::address::Address;
use crate::model::unsubscribe::{Evidence, How, SCOPE, Unsubscribe};
use crate::store::Store;

/// Rows read at a time.
const PAGE: usize = 500;

/// Readers who wish no more broadcast mail: add, remove, list.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Unsubscribe an address; of one that unsubscribed already the first evidence is kept.
    Add {
        address: Address,
        /// How it is known.
        #[arg(long)]
        reason: Option<String>,
        #[command(flatten)]
        team: TeamChoice,
    },
    /// The reader wishes the mail again.
    Remove {
        address: Address,
        #[command(flatten)]
        team: TeamChoice,
    },
    /// List who unsubscribed from a team's mail, by address.
    List {
        #[command(flatten)]
        team: TeamChoice,
        /// Print one JSON object a line.
        #[arg(long)]
        json: bool,
    },
}

impl Verb {
    /// Runs the verb.
    pub fn run(&self, global: &Global) -> anyhow::Result<()> {
        match self {
            Self::Add { address, reason, team } => global.on_store(async |store| add(store, team, address, reason.clone()).await),
            Self::Remove { address, team } => global.on_store(async |store| remove(store, team, address).await),
            Self::List { team, json } => global.on_store(async |store| list(store, team, *json).await),
        }
    }
}

async fn add(store: &Store, team: &TeamChoice, address: &Address, reason: Option<String>) -> anyhow::Result<()> {
    let evidence = Evidence::of_reason(reason).map_err(|fault| anyhow::anyhow!("--reason {fault}"))?;
    let team = team.find(store).await?.id;
    let created_at = Clock::System.now();
    let wish = Unsubscribe { team, address: address.key(), how: How::Cli, message: None, evidence, created_at };
    let already = if store.unsubscribe(&wish).await? { "" } else { " already" };
    output::line(&format!("{} is unsubscribed from {SCOPE} mail{already}", wish.address))
}

async fn remove(store: &Store, team: &TeamChoice, address: &Address) -> anyhow::Result<()> {
    let is_back = store.resubscribe(team.find(store).await?.id, &address.key(), How::Cli).await?;
    anyhow::ensure!(is_back, "{} is not unsubscribed", address.key());
    output::line(&format!("{} gets {SCOPE} mail again", address.key()))
}

async fn list(store: &Store, team: &TeamChoice, as_json: bool) -> anyhow::Result<()> {
    let team = team.find(store).await?.id;
    let (mut after, mut rows) = (String::new(), Vec::new());
    loop {
        let page = store.unsubscribes(team, &after, 0, PAGE).await?;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.address);
        for wish in page {
            let (how, since) = (wish.how.as_str(), wish.created_at.rfc3339());
            if as_json {
                let email_id = wish.message.map(|id| id.uuid());
                let Evidence { ip, user_agent, reason } = wish.evidence;
                output::json(&json!({
                    "address": wish.address, "stream": SCOPE.as_str(), "how": how, "reason": reason, "ip": ip,
                    "user_agent": user_agent, "email_id": email_id, "created_at": since,
                }))?;
            } else {
                rows.push([wish.address, how.to_owned(), since, wish.evidence.reason.unwrap_or_default()]);
            }
        }
    }
    if as_json { Ok(()) } else { output::table(["ADDRESS", "HOW", "SINCE", "REASON"], &rows) }
}
