//! `posthouse queue`: what waits, what became of it, and the operator's hand on it.

mod attempt;
mod record;
mod show;
mod stats;

use anyhow::Context as _;
use clap::Subcommand;

use crate::cli::context::Global;
use crate::cli::output;
use crate::id::Id;
use crate::store::Store;
use crate::store::operate::QueueAction;
use crate::store::read::Filter;
use record::Record;

/// How many messages are read at once.
const PAGE: usize = 200;

/// The queue: look at it, and lay hands on it.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Count recipients by state; those that wait also by lane and by domain.
    Stats {
        /// Print the counts as JSON.
        #[arg(long)]
        json: bool,
    },
    /// List messages that wait, newest first.
    List(List),
    /// Show one message: its recipients, why each of them waits, the attempts, and what else happened to it.
    Show {
        id: Id,
        /// Print the record as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Attempt what waits of a message now.
    Retry(Ids),
    /// Hold back what waits of a message.
    Hold(Ids),
    /// End a hold.
    Release(Ids),
    /// Never send what waits of a message.
    Cancel(Ids),
}

/// Which messages to list.
#[derive(Debug, clap::Args)]
pub struct List {
    /// Finished ones too.
    #[arg(long)]
    all: bool,
    /// Only this team's, by name or id; every team's without it.
    #[arg(long, value_name = "TEAM")]
    team: Option<String>,
    /// At most so many.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Print one JSON object a line, a message each.
    #[arg(long)]
    json: bool,
}

/// The messages an action is for.
#[derive(Debug, clap::Args)]
pub struct Ids {
    #[arg(required = true)]
    ids: Vec<Id>,
}

impl Verb {
    /// Runs the verb.
    pub fn run(&self, global: &Global) -> anyhow::Result<()> {
        let act = |ids: &Ids, action, done: &'static str| {
            let ids = ids.ids.clone();
            global.on_store(async move |store| apply(store, &ids, action, done).await)
        };
        match self {
            Self::Stats { json } => global.on_store(async |store| stats::stats(store, *json).await),
            Self::List(list) => global.on_store(async |store| list.print(store).await),
            Self::Show { id, json } => global.on_store(async |store| show::show(store, *id, *json).await),
            Self::Retry(ids) => act(ids, QueueAction::Retry, "due now"),
            Self::Hold(ids) => act(ids, QueueAction::Hold, "held"),
            Self::Release(ids) => act(ids, QueueAction::Release, "released"),
            Self::Cancel(ids) => act(ids, QueueAction::Cancel, "cancelled"),
        }
    }
}

impl List {
    async fn print(&self, store: &Store) -> anyhow::Result<()> {
        let team = match &self.team {
            Some(name) => Some(store.team(name).await?.with_context(|| format!("there is no team {name:?}"))?.id),
            None => None,
        };
        let mut left = self.limit.unwrap_or(usize::MAX);
        let mut filter = Filter { team, before: None, open_only: !self.all, limit: 0 };
        let mut rows = Vec::new();
        while left > 0 {
            filter.limit = left.min(PAGE);
            let page = store.messages(&filter).await?;
            let Some(last) = page.last() else { break };
            filter.before = Some(last.message.id);
            left -= page.len().min(left);
            let records = page.iter().map(Record::of);
            if self.json {
                records.into_iter().try_for_each(|record| output::json(&record))?;
            } else {
                rows.extend(records.flat_map(|record| record.rows()));
            }
        }
        if self.json { Ok(()) } else { record::table(&rows) }
    }
}

/// Acts on each message; one that could not be acted on fails the command after the others were.
async fn apply(store: &Store, ids: &[Id], action: QueueAction, done: &str) -> anyhow::Result<()> {
    let mut untouched = Vec::new();
    for id in ids {
        match store.queue_action(*id, action).await? {
            0 => untouched.push(id.to_string()),
            count => output::line(&format!("{id}: {count} recipient{} {done}", if count == 1 { "" } else { "s" }))?,
        }
    }
    let named = untouched.join(", ");
    anyhow::ensure!(
        untouched.is_empty(),
        "nothing to change in {named}: no such message, nothing waits, or an attempt is under way"
    );
    Ok(())
}
