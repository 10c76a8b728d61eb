//! What every verb begins with: the configuration, the log, the store and the team.

use std::path::PathBuf;

use anyhow::Context as _;

use crate::app;
use crate::config::load::{self, Sources};
use crate::config::{Config, Log};
use crate::model::team::Team;
use crate::store::Store;
use crate::telemetry;

/// Options of every command.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Global {
    /// Read this file instead of posthouse.toml in the working directory.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Keep data in this directory: data_dir of the configuration.
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<String>,
    /// Set a key of the configuration: --set delivery.route=relay; lists and tables as JSON.
    #[arg(long = "set", global = true, value_name = "NAME=VALUE", value_parser = setting)]
    set: Vec<(String, String)>,
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.trim().to_owned(), value.to_owned()))
}

impl Global {
    /// The same, but with this file when one is given.
    pub fn with_file(&self, file: Option<&str>) -> Self {
        Self { config: file.map(PathBuf::from).or_else(|| self.config.clone()), ..self.clone() }
    }

    /// The configuration in force for this command.
    pub fn load(&self) -> anyhow::Result<Config> {
        let data_dir = self.data_dir.iter().map(|dir| ("data_dir".to_owned(), dir.clone()));
        let sources = Sources {
            file: self.config.clone(),
            environment: std::env::vars_os().collect(),
            flags: self.set.iter().cloned().chain(data_dir).collect(),
        };
        Ok(load::load(&sources)?)
    }

    /// Opens the store, does the work and closes the store again, whatever came of it.
    pub fn on_store(&self, work: impl AsyncFnOnce(&Store) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let config = self.load()?;
        log_faults(&config)?;
        runtime()?.block_on(async {
            let store = app::open_store(&config).await?;
            let done = work(&store).await;
            store.close().await;
            done
        })
    }
}

/// Where the work of a command runs.
pub fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("the runtime can't begin")
}

/// A command that answers and ends logs only what goes wrong, unless more than the usual was asked for.
pub fn log_faults(config: &Config) -> anyhow::Result<()> {
    let level = if config.log.level == "info" { "warn".to_owned() } else { config.log.level.clone() };
    telemetry::start(&Log { format: config.log.format, level })
}

/// Which team a command is about.
#[derive(Debug, clap::Args)]
pub struct TeamChoice {
    /// The team, by name or id.
    #[arg(long, value_name = "TEAM", default_value = app::first_run::TEAM)]
    team: String,
}

impl TeamChoice {
    /// The team chosen; `default` is made when it is not there yet.
    pub async fn find(&self, store: &Store) -> anyhow::Result<Team> {
        if self.team == app::first_run::TEAM {
            return Ok(app::first_run::default_team(store).await?);
        }
        let found = store.team(&self.team).await?;
        found.with_context(|| format!("there is no team {:?}: see `posthouse teams list`", self.team))
    }
}
