//! The house as a whole: builds store, intake, keyring, doors and engine from a configuration, and runs them until told to close.

pub mod bound;
pub mod first_run;
pub mod signals;
pub mod systemd;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::sync::Semaphore;

use crate::clock::Clock;
use crate::config::{Config, Role, Route};
use crate::delivery::Engine;
use crate::delivery::bounce::Rules;
use crate::delivery::dns::Resolver;
use crate::delivery::security::daily::DailyReports;
use crate::domains::watch::Watch;
use crate::door::http::{self, Readiness};
use crate::door::inbound::{self, Inbound};
use crate::door::keyring::Keyring;
use crate::door::logins::Logins;
use crate::door::rest;
use crate::door::smtp::door::Door;
use crate::door::smtp::listener;
use crate::door::smtp::tls::Certificates;
use crate::event::Webhooks;
use crate::event::client::Client;
use crate::id::Ids;
use crate::intake::Intake;
use crate::lock::{self, Lock};
use crate::model::outcome::Reply;
use crate::net::sockets;
use crate::notices::Postmaster;
use crate::retention::Retention;
use crate::shutdown::Shutdown;
use crate::store::{Location, Store, StoreError};
use bound::Bound;
use first_run::FirstKey;

/// How long what is in flight may take to finish once the house closes.
const GRACE: Duration = Duration::from_secs(25);
/// How often refusals and idempotency keys that have outlived their time are looked for.
const FORGET_EVERY: Duration = Duration::from_secs(60);
/// How often it is looked for mail that is to be entered in the index of the search.
const INDEX_EVERY: Duration = Duration::from_secs(1);
/// When there is more of it, so many times as long as a block took is left to others.
const INDEX_REST: u32 = 4;
/// How often it is written down when keys were last used.
const NOTE_USE_EVERY: Duration = Duration::from_secs(30);

/// A house whose store is open and whose sockets are bound; clients that knock are let in by [`House::run`].
#[derive(Debug)]
pub struct House {
    pub config: Config,
    pub bound: Bound,
    pub first_key: FirstKey,
    store: Store,
    certificates: Certificates,
    /// `None`: another process delivers.
    engine: Option<Engine>,
    watch: Watch,
    webhooks: Webhooks,
    /// `None`: nothing comes in here about mail that left.
    inbound: Option<Inbound>,
}

/// Opens the house and runs it.
pub async fn run(config: Config, bound: Bound, shutdown: Shutdown) -> anyhow::Result<()> {
    House::open(config, bound).await?.run(shutdown).await
}

impl House {
    /// Opens the store and builds what may fail; last of all makes sure that there is a key.
    pub async fn open(config: Config, bound: Bound) -> anyhow::Result<Self> {
        let store = open_store(&config).await?;
        let certificates = Certificates::open(&config).context("TLS can't be set up")?;
        signals::reload_on_hangup(&certificates)?;
        let teams = store.teams().await.context("the teams can't be read")?;
        let engine = config.has(Role::Delivery).then(|| Engine::new(store.clone(), &config, &teams, Clock::System));
        let engine = engine
            .transpose()
            .map_err(anyhow::Error::msg)?
            .map(|engine| engine.seated(lock::seat(&config.data_dir)).recorded_in(&config.data_dir));
        let watch = watch(&config, &store, engine.as_ref())?;
        let webhooks = webhooks(&config, &store, &watch)?;
        let inbound = match bound.inbound {
            Some(_) => Some(open_inbound(&config, &store, &certificates).await?),
            None => None,
        };
        let first_key = first_run::prepare(&store, &config).await.context("the first key can't be made")?;
        Ok(Self { config, bound, first_key, store, certificates, engine, watch, webhooks, inbound })
    }

    /// Serves until `shutdown` begins, then finishes what is in flight, for at most 27 seconds.
    pub async fn run(self, shutdown: Shutdown) -> anyhow::Result<()> {
        sockets::raise();
        let Self { config, bound, store, certificates, engine, watch, webhooks, inbound, .. } = self;
        let keyring = Keyring::new(store.clone(), Clock::System);
        if let Some(engine) = engine {
            shutdown.spawn(engine.run(shutdown.clone()));
        }
        // Else another process looks after domains, or nothing leaves and they are looked at when somebody asks.
        if config.has(Role::Delivery) && config.delivery.route != Route::Capture {
            shutdown.spawn(watch.clone().run(shutdown.clone()));
        }
        let reports = DailyReports::new(store.clone(), watch.resolver.clone(), &config, Clock::System);
        if let Some(reports) = reports.filter(|_| config.has(Role::Delivery)) {
            shutdown.spawn(reports.run(shutdown.clone()));
        }
        let readiness = Readiness::default();
        let (smtp_door, api) = doors(&config, watch, webhooks.clone(), &keyring, certificates);
        let smtp = bound.smtp_addresses().first().map(|(address, _)| *address);
        if let Some(socket) = bound.http {
            let pages = http::Context::new(&config, api, readiness.clone());
            shutdown.spawn(http::run(socket, http::Context { smtp, ..pages }, shutdown.clone()));
        }
        if let (Some(socket), Some(inbound)) = (bound.inbound, inbound) {
            shutdown.spawn(inbound::listener::run(socket, inbound, shutdown.clone()));
        }
        shutdown.spawn(listener::run(bound.smtp, smtp_door, shutdown.clone()));
        shutdown.spawn(forget(store.clone(), shutdown.clone()));
        if config.has(Role::Events) {
            shutdown.spawn(index(store.clone(), shutdown.clone()));
            let retention = Retention::new(store.clone(), &config.retention, Clock::System);
            shutdown.keep("retention", move |shutdown| retention.clone().run(shutdown));
            webhooks.run(&shutdown);
        } else if !store.is_shared() {
            tracing::warn!(
                "no process has the role events: what happens to mail is told to no endpoint, and nothing that is old is deleted"
            );
        }
        shutdown.spawn(note_use(keyring.clone(), shutdown.clone()));

        readiness.announce();
        systemd::ready();
        shutdown.begun().await;
        systemd::stopping();
        shutdown.finished(GRACE).await;
        keyring.flush_last_used().await;
        store.close().await;
        Ok(())
    }
}

/// Who looks after domains, by the engine's resolver where it has one.
fn watch(config: &Config, store: &Store, engine: Option<&Engine>) -> anyhow::Result<Watch> {
    let resolver = match engine.and_then(Engine::resolver) {
        Some(resolver) => resolver.clone(),
        None => Resolver::new(&config.delivery.dns).map_err(anyhow::Error::msg)?,
    };
    Watch::new(store.clone(), resolver, config, Clock::System).map_err(anyhow::Error::msg)
}

/// Who tells endpoints of events, by the resolver that looks after domains.
fn webhooks(config: &Config, store: &Store, watch: &Watch) -> anyhow::Result<Webhooks> {
    let client = Client::new(config, watch.resolver.clone()).map_err(anyhow::Error::msg)?;
    Ok(Webhooks::new(store.clone(), client, rest::webhook_body, Clock::System).seated(lock::seat(&config.data_dir)))
}

/// The SMTP door and the HTTP API. They hand in at one intake, so that allowances and room are counted once; they share one budget of
/// message bytes, and count failed logins together.
fn doors(config: &Config, watch: Watch, webhooks: Webhooks, keyring: &Keyring, certificates: Certificates) -> (Door, rest::Door) {
    let budget = Arc::new(Semaphore::new(config.smtp.limits.buffered.as_usize().min(Semaphore::MAX_PERMITS)));
    let intake = Intake::new(watch.store.clone(), config, Clock::System, Ids::random(Clock::System));
    let logins: Arc<Logins> = Arc::default();
    let smtp = Door::new(config, intake.clone(), keyring.clone(), logins.clone(), certificates, budget.clone());
    let api = rest::Door::new(config, intake, watch, webhooks, keyring.clone(), logins, budget);
    (smtp, api)
}

/// The inbound listener, with the engine's rules for what a bounce means.
async fn open_inbound(config: &Config, store: &Store, certificates: &Certificates) -> anyhow::Result<Inbound> {
    let rules = Rules::new(&config.delivery.bounce).map_err(anyhow::Error::msg)?;
    let classify = Arc::new(move |reply: &Reply| rules.classify(reply));
    let opened = Inbound::open(config, store.clone(), classify).await;
    let inbound = opened.context("the secret of the return addresses can't be read")?;
    let postmaster = Postmaster::new(store.clone(), config, Clock::System);
    Ok(inbound.telling_by(postmaster).certified_by(certificates.clone()))
}

/// Deletes what the store keeps for a time only, little by little.
async fn forget(store: Store, shutdown: Shutdown) {
    loop {
        let rest = match store.forget_expired().await {
            Ok(true) => Duration::from_millis(200),
            Ok(false) => FORGET_EVERY,
            Err(failure) => {
                tracing::warn!(%failure, "what has outlived its time can't be deleted now");
                FORGET_EVERY
            }
        };
        tokio::select! {
            () = shutdown.begun() => return,
            () = tokio::time::sleep(rest) => {}
        }
    }
}

/// Enters mail in the index that searches use, behind its acceptance.
async fn index(store: Store, shutdown: Shutdown) {
    loop {
        let begun = Instant::now();
        let rest = match store.index_messages().await {
            Ok(true) => begun.elapsed() * INDEX_REST,
            Ok(false) => INDEX_EVERY,
            Err(failure) => {
                tracing::warn!(%failure, "mail can't be entered in the index of the search now");
                INDEX_EVERY
            }
        };
        tokio::select! {
            () = shutdown.begun() => return,
            () = tokio::time::sleep(rest) => {}
        }
    }
}

/// Writes down when keys were last used, now and then.
async fn note_use(keyring: Keyring, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = shutdown.begun() => return,
            () = tokio::time::sleep(NOTE_USE_EVERY) => keyring.flush_last_used().await,
        }
    }
}

/// Opens the store that the configuration names, making its directory when needed.
pub async fn open_store(config: &Config) -> anyhow::Result<Store> {
    let location = Location::from_config(&config.database.0, &config.data_dir).map_err(anyhow::Error::msg)?;
    make_data_dir(config)?;
    let opened: Result<Store, StoreError> = Store::open(&location, Clock::System).await;
    opened.context("the store can't be opened")
}

/// Locks what only one process may serve from or migrate: the data directory, and the SQLite file wherever it lies.
pub fn lock(config: &Config) -> anyhow::Result<Vec<Lock>> {
    make_data_dir(config)?;
    let mut locks = vec![Lock::take(&config.data_dir)?];
    if let Location::Sqlite(file) = Location::from_config(&config.database.0, &config.data_dir).map_err(anyhow::Error::msg)? {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("{} can't be made", folder.display()))?;
        }
        locks.push(Lock::beside(&file)?);
    }
    Ok(locks)
}

/// Makes the data directory, for this user's eyes only.
pub fn make_data_dir(config: &Config) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&config.data_dir);
    made.with_context(|| format!("data_dir {} can't be made", config.data_dir.display()))
}
