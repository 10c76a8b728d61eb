//! `posthouse migrate`: the store brought up to this version, while nobody serves from it.

use anyhow::Context as _;

use crate::app;
use crate::cli::context::{self, Global};
use crate::cli::output;

/// Migrates the store; refuses while a server runs on this data directory or this SQLite file.
pub fn run(global: &Global) -> anyhow::Result<()> {
    let config = global.load()?;
    context::log_faults(&config)?;
    let _locks = app::lock(&config)?;
    context::runtime()?.block_on(async {
        let store = app::open_store(&config).await.context("the store was not migrated")?;
        store.close().await;
        output::line("the store is up to date")
    })
}
