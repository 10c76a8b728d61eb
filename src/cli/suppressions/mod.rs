//! `posthouse suppressions`: addresses that a team's mail is kept from.

mod import;

use std::path::PathBuf;

use clap::Subcommand;

use crate::cli::context::{Global, TeamChoice};
use crate::cli::output;
use crate::clock::Clock;
use crate::model::address::Address;
use crate::store::Store;
use crate::store::suppressions::Filter;
use crate::suppressions::entry::{Entry, REASON};
use crate::suppressions::pages::{Pages, Shown};
use crate::tables::write::Format;

/// Addresses that mail is kept from: add, remove, list, import, export.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Suppress an address; one that is suppressed already keeps its first evidence.
    Add {
        address: Address,
        /// Why, in a word.
        #[arg(long, default_value = REASON)]
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
    /// Suppress the addresses of a CSV list: columns address (or email), reason and evidence, named or in that order.
    Import {
        /// The list; - is standard input.
        file: PathBuf,
        #[command(flatten)]
        team: TeamChoice,
        /// Print what came of it as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print a team's suppressions as CSV, which import takes.
    Export {
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
            Self::Add { address, reason, team } => global.on_store(async |store| add(store, team, address, reason).await),
            Self::Remove { address, team } => global.on_store(async |store| remove(store, team, address).await),
            Self::List { team, json } => global.on_store(async |store| match json {
                true => export(store, team, Format::JsonLines).await,
                false => list(store, team).await,
            }),
            Self::Import { file, team, json } => global.on_store(async |store| import::run(store, team, file, *json).await),
            Self::Export { team, json } => {
                let format = if *json { Format::JsonLines } else { Format::Csv };
                global.on_store(async |store| export(store, team, format).await)
            }
        }
    }
}

async fn add(store: &Store, team: &TeamChoice, address: &Address, reason: &str) -> anyhow::Result<()> {
    let entry = Entry { address: address.to_string(), reason: Some(reason.to_owned()), evidence: None };
    let suppression = entry.suppression(team.find(store).await?.id, Clock::System.now())?;
    let new = store.suppress(&[suppression]).await?;
    output::line(&format!("{} is suppressed{}", address.key(), if new == 0 { " already" } else { "" }))
}

async fn remove(store: &Store, team: &TeamChoice, address: &Address) -> anyhow::Result<()> {
    let lifted = store.unsuppress(team.find(store).await?.id, &address.key()).await?;
    anyhow::ensure!(lifted, "{} is not suppressed", address.key());
    output::line(&format!("{} is not suppressed any more", address.key()))
}

async fn list(store: &Store, team: &TeamChoice) -> anyhow::Result<()> {
    let mut pages = Pages::new(store.clone(), team.find(store).await?.id, Filter::default());
    let mut rows = Vec::new();
    loop {
        let page = pages.next().await?;
        if page.is_empty() {
            return output::table(["ADDRESS", "REASON", "SINCE", "EVIDENCE"], &rows);
        }
        rows.extend(page.into_iter().map(|r| [r.address, r.reason, r.created_at, r.evidence.unwrap_or_default()]));
    }
}

async fn export(store: &Store, team: &TeamChoice, format: Format) -> anyhow::Result<()> {
    let mut pages = Pages::new(store.clone(), team.find(store).await?.id, Filter::default());
    output::bytes(&format.head::<Shown>())?;
    loop {
        let page = pages.next().await?;
        if page.is_empty() {
            return Ok(());
        }
        output::bytes(&format.lines(&page))?;
    }
}
