//! `posthouse teams`: the tenants.

use anyhow::Context as _;
use clap::Subcommand;
use serde::Serialize;

use crate::cli::context::Global;
use crate::cli::{Usage, output};
use crate::model::team::Team;
use crate::store::Store;

/// Teams: make, set, list.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make a team.
    Create {
        name: String,
        /// Print the record as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Change what holds for a team.
    Set {
        /// Its name or id.
        name: String,
        /// HTTP requests that it may make in a minute: 0 for any number, default for as many as the configuration says.
        #[arg(long, value_name = "N|default", value_parser = per_minute)]
        requests_per_minute: PerMinute,
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

/// A limit of a team's own, or none.
#[derive(Clone, Copy, Debug)]
pub struct PerMinute(Option<u32>);

#[derive(Serialize)]
struct Record {
    id: String,
    name: String,
    created_at: String,
    /// `null`: as many as the configuration says.
    requests_per_minute: Option<u32>,
}

impl From<&Team> for Record {
    fn from(team: &Team) -> Self {
        Self {
            id: team.id.to_string(),
            name: team.name.clone(),
            created_at: team.created_at.rfc3339(),
            requests_per_minute: team.requests_per_minute,
        }
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
            Self::Set { name, requests_per_minute: PerMinute(limit), json } => {
                global.on_store(async |store| set(store, name, *limit, *json).await)
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

fn per_minute(text: &str) -> Result<PerMinute, String> {
    match text {
        "default" => Ok(PerMinute(None)),
        number => number.parse().map(|number| PerMinute(Some(number))).map_err(|_| "write a number, or default".to_owned()),
    }
}

async fn set(store: &Store, name: &str, limit: Option<u32>, json: bool) -> anyhow::Result<()> {
    let team = store.team(name).await?.with_context(|| format!("there is no team {name:?}"))?;
    store.limit_requests(team.id, limit).await?;
    let team = Team { requests_per_minute: limit, ..team };
    if json {
        return output::json(&Record::from(&team));
    }
    output::line(&format!("team {} may make {} HTTP requests a minute", team.name, said(limit)))
}

fn said(limit: Option<u32>) -> String {
    match limit {
        None => "as many as by default".to_owned(),
        Some(0) => "any number of".to_owned(),
        Some(limit) => limit.to_string(),
    }
}

async fn list(store: &Store, json: bool) -> anyhow::Result<()> {
    let teams: Vec<Record> = store.teams().await?.iter().map(Record::from).collect();
    if json {
        return teams.iter().try_for_each(output::json);
    }
    let limit = |limit: Option<u32>| limit.map_or_else(|| "default".to_owned(), |limit| limit.to_string());
    let rows: Vec<_> = teams.into_iter().map(|t| [t.id, t.name, t.created_at, limit(t.requests_per_minute)]).collect();
    output::table(["ID", "NAME", "CREATED", "REQUESTS/MINUTE"], &rows)
}
