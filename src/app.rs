//! The house as a whole: builds store, intake, keyring, doors and engine from a configuration, and runs them until told to close.

pub mod bound;
pub mod first_run;
pub mod signals;

use std::time::Duration;

use anyhow::Context as _;

use crate::clock::Clock;
use crate::config::Config;
use crate::shutdown::Shutdown;
use crate::store::{Location, Store, StoreError};
use bound::Bound;
use first_run::FirstKey;

/// How long what is in flight may take to finish once the house closes.
const GRACE: Duration = Duration::from_secs(25);

/// A house whose store is open and whose sockets are bound; clients that knock are let in by [`House::run`].
#[derive(Debug)]
pub struct House {
    pub config: Config,
    pub bound: Bound,
    pub first_key: FirstKey,
    store: Store,
}

/// Opens the house and runs it.
pub async fn run(config: Config, bound: Bound, shutdown: Shutdown) -> anyhow::Result<()> {
    House::open(config, bound).await?.run(shutdown).await
}

impl House {
    /// Opens the store and makes sure that there is a key.
    pub async fn open(config: Config, bound: Bound) -> anyhow::Result<Self> {
        let store = open_store(&config).await?;
        let first_key = first_run::prepare(&store, &config).await.context("the first key can't be made")?;
        Ok(Self { config, bound, first_key, store })
    }

    /// Serves until `shutdown` begins, then finishes what is in flight.
    pub async fn run(self, shutdown: Shutdown) -> anyhow::Result<()> {
        shutdown.begun().await;
        shutdown.finished(GRACE).await;
        self.store.close().await;
        Ok(())
    }
}

/// Opens the store that the configuration names, making its directory when needed.
pub async fn open_store(config: &Config) -> anyhow::Result<Store> {
    let location = Location::from_config(&config.database, &config.data_dir).map_err(anyhow::Error::msg)?;
    make_data_dir(config)?;
    let opened: Result<Store, StoreError> = Store::open(&location, Clock::System).await;
    opened.context("the store can't be opened")
}

/// Makes the data directory, for this user's eyes only.
pub fn make_data_dir(config: &Config) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&config.data_dir);
    made.with_context(|| format!("data_dir {} can't be made", config.data_dir.display()))
}
