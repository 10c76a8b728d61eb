//! `posthouse teams`: the tenants.

use clap::Subcommand;
use serde::Serialize;

use crate::cli::context::Global;
use crate::cli::{Usage, output};
use crate::model::team::Team;
use crate::store::Store;

/// Teams: make, list.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make a team.
    Create {
        name: String,
        /// Print the record as JSON.
        #[arg(long)]
        json: bool,
    },
    /// List all teams.
    List {
        /// Print one JSON object a line.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Serialize)]
struct Record {
    id: String,
    name: String,
    created_at: String,
}

impl From<&Team> for Record {
    fn from(team: &Team) -> Self {
        Self { id: team.id.to_string(), name: team.name.clone(), created_at: team.created_at.rfc3339() }
    }
}

impl Verb {
    /// Runs the verb.
    pub fn run(&self, global: &Global) -> anyhow::Result<()> {
        match self {
            Self::Create { name, json } => {
                let name = checked(name)?;
                global.on_store(async |store| create(store, name, *json).await)
            }
            Self::List { json } => global.on_store(async |store| list(store, *json).await),
        }
    }
}

/// A name that can be typed, shown and told from an id.
fn checked(name: &str) -> anyhow::Result<&str> {
    let sound = !name.trim().is_empty() && name.trim() == name && name.chars().count() <= 100 && !name.contains(char::is_control);
    if sound {
        Ok(name)
    } else {
        Err(Usage(format!("{name:?} can't be a name: 1 to 100 characters, no blanks at the ends")).into())
    }
}

async fn create(store: &Store, name: &str, json: bool) -> anyhow::Result<()> {
    let team = store.create_team(name).await?;
    if json { output::json(&Record::from(&team)) } else { output::line(&format!("team {} made, id {}", team.name, team.id)) }
}

async fn list(store: &Store, json: bool) -> anyhow::Result<()> {
    let teams: Vec<Record> = store.teams().await?.iter().map(Record::from).collect();
    if json {
        return teams.iter().try_for_each(output::json);
    }
    let rows: Vec<_> = teams.into_iter().map(|t| [t.id, t.name, t.created_at]).collect();
    output::table(["ID", "NAME", "CREATED"], &rows)
}
