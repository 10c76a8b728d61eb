//! `posthouse config`: what is in force, and whether it makes sense.

use std::path::Path;

use anyhow::Context as _;
use clap::Subcommand;

use crate::cli::context::Global;
use crate::cli::output;
use crate::config::{self, Config, show};
use crate::pem;
use crate::store::Location;
use crate::telemetry;

/// The configuration: check it, show it.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Read the configuration as the server would, and say what is wrong with it.
    Check,
    /// Print what is in force; passwords and keys are masked.
    Show {
        /// Print the documented defaults instead.
        #[arg(long)]
        default: bool,
    },
}

impl Verb {
    /// Runs the verb.
    pub fn run(&self, global: &Global) -> anyhow::Result<()> {
        match self {
            Self::Check => check(global),
            Self::Show { default: true } => output::text(config::DEFAULT),
            Self::Show { default: false } => output::text(&show::shown(&global.load()?)?),
        }
    }
}

fn check(global: &Global) -> anyhow::Result<()> {
    let config = global.load()?;
    Location::from_config(&config.database.0, &config.data_dir).map_err(anyhow::Error::msg)?;
    telemetry::filter(&config.log.level)?;
    certificates(&config)?;
    output::line("the configuration is valid")
}

/// Whether the files that the configuration names hold what they should.
fn certificates(config: &Config) -> anyhow::Result<()> {
    if !config.tls.cert.is_empty() {
        pem::certificates(Path::new(&config.tls.cert)).context("tls.cert")?;
        pem::private_key(Path::new(&config.tls.key)).context("tls.key")?;
    }
    let named = config.delivery.relays.iter().map(|(name, relay)| (format!("delivery.relays.{name}.ca"), relay));
    for (key, relay) in named.chain([("delivery.relay.ca".to_owned(), &config.delivery.relay)]) {
        if !relay.ca.is_empty() {
            pem::certificates(Path::new(&relay.ca)).context(key)?;
        }
    }
    Ok(())
}
