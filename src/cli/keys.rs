//! `posthouse keys`: what clients log in with.

mod create;

use anyhow::Context as _;
use clap::Subcommand;
use serde::Serialize;

use crate::cli::context::{Global, TeamChoice};
use crate::cli::output;
use crate::clock::{Clock, Timestamp};
use crate::model::key::ApiKey;
use crate::store::{Store, quirks};

/// API keys: make, list, revoke.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make a key. Its text is shown now and never again.
    Create(Box<create::Create>),
    /// List a team's keys.
    List {
        #[command(flatten)]
        team: TeamChoice,
        /// Print one JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Revoke a key, by id or name. A running server obeys within 5 seconds.
    Revoke {
        key: String,
        #[command(flatten)]
        team: TeamChoice,
    },
}

#[derive(Serialize)]
struct Record {
    id: String,
    name: String,
    display: String,
    streams: Vec<String>,
    scopes: Vec<String>,
    sandbox: bool,
    status: &'static str,
    created_at: String,
    expires_at: Option<String>,
    revoked_at: Option<String>,
    last_used_at: Option<String>,
    quirks: Vec<Seen>,
}

/// A habit of the clients that use the key.
#[derive(Serialize)]
struct Seen {
    quirk: &'static str,
    text: &'static str,
    messages: u64,
}

impl Record {
    fn of(key: &ApiKey, quirks: &[quirks::Seen], now: Timestamp) -> Self {
        let own = quirks.iter().filter(|seen| seen.key == key.id);
        Self {
            id: key.id.to_string(),
            name: key.name.clone(),
            display: key.display.clone(),
            streams: streams(key),
            scopes: scopes(key),
            sandbox: key.is_sandbox(),
            status: status(key, now),
            created_at: key.created_at.rfc3339(),
            expires_at: key.expires_at.map(Timestamp::rfc3339),
            revoked_at: key.revoked_at.map(Timestamp::rfc3339),
            last_used_at: key.last_used_at.map(Timestamp::rfc3339),
            quirks: own.map(|seen| Seen { quirk: seen.quirk.word(), text: seen.quirk.text(), messages: seen.messages }).collect(),
        }
    }
}

fn streams(key: &ApiKey) -> Vec<String> {
    key.rights.streams.iter().map(|s| s.0.to_string()).collect()
}

fn scopes(key: &ApiKey) -> Vec<String> {
    key.rights.scopes.iter().map(|s| s.as_str().to_owned()).collect()
}

fn status(key: &ApiKey, now: Timestamp) -> &'static str {
    match (key.revoked_at, key.expires_at) {
        (Some(_), _) => "revoked",
        (None, Some(end)) if end <= now => "expired",
        _ => "active",
    }
}

impl Verb {
    /// Runs the verb.
    pub fn run(&self, global: &Global) -> anyhow::Result<()> {
        match self {
            Self::Create(create) => create.run(global),
            Self::List { team, json } => global.on_store(async |store| list(store, team, *json).await),
            Self::Revoke { key, team } => global.on_store(async |store| revoke(store, team, key).await),
        }
    }
}

async fn list(store: &Store, team: &TeamChoice, json: bool) -> anyhow::Result<()> {
    let team = team.find(store).await?.id;
    let (keys, quirks) = (store.keys(team).await?, store.quirks(team).await?);
    let records = keys.iter().map(|key| Record::of(key, &quirks, Clock::System.now()));
    if json {
        return records.into_iter().try_for_each(|record| output::json(&record));
    }
    let rows: Vec<_> = records.map(row).collect();
    output::table(["ID", "NAME", "KEY", "STREAMS", "SCOPES", "STATUS", "LAST USED", "QUIRKS"], &rows)
}

fn row(record: Record) -> [String; 8] {
    let quirks: Vec<_> = record.quirks.iter().map(|seen| format!("{} ({})", seen.text, seen.messages)).collect();
    let sandbox = if record.sandbox { ", sandbox" } else { "" };
    [
        record.id,
        record.name,
        format!("{}...", record.display),
        record.streams.join(","),
        record.scopes.join(","),
        format!("{}{sandbox}", record.status),
        record.last_used_at.unwrap_or_else(|| "never".to_owned()),
        quirks.join("; "),
    ]
}

async fn revoke(store: &Store, team: &TeamChoice, id_or_name: &str) -> anyhow::Result<()> {
    let team = team.find(store).await?.id;
    let key = store.key_by_name(team, id_or_name).await?.with_context(|| format!("the team has no key {id_or_name:?}"))?;
    if id_or_name.parse() != Ok(key.id) {
        let named = store.keys(team).await?.into_iter().filter(|k| k.name == key.name && k.revoked_at.is_none());
        let named: Vec<_> = named.map(|k| format!("{} ({}...)", k.id, k.display)).collect();
        anyhow::ensure!(named.len() == 1, "several keys are named {id_or_name:?}, name one by its id: {}", named.join(", "));
    }
    anyhow::ensure!(store.revoke_key(team, key.id).await?, "the key {id_or_name:?} can't be revoked: it is revoked already");
    output::line(&format!("key {} ({}...) is revoked", output::clean(&key.name), key.display))
}
