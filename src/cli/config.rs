//! `posthouse config`: what is in force, and whether it makes sense.

use clap::Subcommand;

use crate::cli::context::Global;
use crate::cli::output;
use crate::config::{self, show};
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
    Location::from_config(&config.database, &config.data_dir).map_err(anyhow::Error::msg)?;
    telemetry::filter(&config.log.level)?;
    output::line("the configuration is valid")
}
