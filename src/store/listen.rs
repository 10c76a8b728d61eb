//! The bell between processes: on PostgreSQL, whoever leaves mail ready tells the engines of the others. SQLite has one process.
//!
//! A notification takes a lock that all of the database shares, so it is no part of any batch: one task sends it after the commit, over a
//! transaction of its own that waits for no sync, and what is left ready meanwhile shares the next one. It may be lost: engines poll, too.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::Executor as _;
use sqlx::postgres::{PgListener, PgPool, PgPoolOptions};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::model::stream::Stream;
use crate::store::commit::Desk;
use crate::store::db::Db;
use crate::store::gather::{Bounds, Gather};
use crate::store::{Store, StoreError};

/// The channel; its notifications name the process they come from.
const CHANNEL: &str = "posthouse_ready";
const NOTIFY: &str = "SELECT pg_notify($1, $2), set_config('synchronous_commit', 'off', true)";
/// The first wait after the connection was lost; it doubles up to the last.
const BACK_OFF_FIRST: Duration = Duration::from_millis(100);
const BACK_OFF_LAST: Duration = Duration::from_secs(5);
/// After so long without a notification the connection is asked whether it still lives.
const QUIET: Duration = Duration::from_secs(30);
/// How long it has for its answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// A process's rope to the bells of the others.
#[derive(Clone, Debug)]
pub(super) struct Rope {
    pulls: Gather<()>,
    /// Names the process in its notifications, so that it doesn't wake itself.
    process: Arc<str>,
}

impl Rope {
    /// A rope that nobody holds yet: see [`ring`].
    pub fn new() -> Self {
        Self { pulls: Gather::new(1, 1), process: format!("{:016x}", rand::random::<u64>()).into() }
    }

    /// Something is ready that other processes may claim. Never waits; while a ring is on its way to be sent, it is the same ring.
    pub fn pull(&self) {
        self.pulls.try_add(0, ());
    }

    /// Lets go: what was pulled is still rung.
    pub fn close(&self) {
        self.pulls.close();
    }
}

/// The tasks that ring and that listen.
#[derive(Debug, Default)]
pub(super) struct Bells {
    ringing: Mutex<Option<JoinHandle<()>>>,
    listening: Mutex<Option<JoinHandle<()>>>,
}

impl Bells {
    /// Starts ringing those of other processes, where there can be any.
    pub fn start(db: &Db, rope: &Rope) -> Self {
        let bells = Self::default();
        match db {
            Db::Sqlite { .. } => rope.close(),
            Db::Postgres { readers, .. } => {
                replace(&bells.ringing, Some(tokio::spawn(ring(readers.clone(), rope.clone()))));
            }
        }
        bells
    }

    /// Stops listening. What was pulled is still rung.
    pub async fn close(&self, rope: &Rope) {
        rope.close();
        if let Some(ringing) = replace(&self.ringing, None) {
            let _ = ringing.await;
        }
        stop(replace(&self.listening, None)).await;
    }
}

fn replace<T>(place: &Mutex<Option<T>>, with: Option<T>) -> Option<T> {
    std::mem::replace(&mut *place.lock().unwrap_or_else(PoisonError::into_inner), with)
}

async fn stop(task: Option<JoinHandle<()>>) {
    if let Some(task) = task {
        task.abort();
        let _ = task.await;
    }
}

/// Sends what is pulled, until the rope is let go.
async fn ring(pool: PgPool, rope: Rope) {
    let mut pulls = rope.pulls.worker();
    while pulls.batch(Bounds { items: 1, octets: 0 }).await.is_some() {
        if let Err(error) = sqlx::query(NOTIFY).bind(CHANNEL).bind(&*rope.process).execute(&pool).await {
            tracing::debug!(%error, "other engines can't be told; they look by themselves");
        }
    }
}

impl Store {
    /// Wakes the attached engine when another process has left something ready. Called within the runtime.
    pub(super) fn listen(&self) {
        let Db::Postgres { readers, .. } = self.db() else { return };
        let options = readers.connect_options().as_ref().clone();
        // A connection of its own: the pools' are for those who wait for an answer.
        let pool = PgPoolOptions::new().max_connections(1).max_lifetime(None).idle_timeout(None).connect_lazy_with(options);
        let listening = tokio::spawn(listen(pool, self.desk().clone()));
        if let Some(earlier) = replace(&self.bells().listening, Some(listening)) {
            earlier.abort();
        }
    }
}

/// Listens for as long as the task lives.
async fn listen(pool: PgPool, desk: Desk) {
    let mut wait = BACK_OFF_FIRST;
    loop {
        let Err(error) = hear(&pool, &desk, &mut wait).await;
        tracing::debug!(%error, "other processes are not heard for now");
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(BACK_OFF_LAST);
    }
}

/// Listens over one connection until it is lost.
async fn hear(pool: &PgPool, desk: &Desk, wait: &mut Duration) -> Result<Infallible, StoreError> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    *wait = BACK_OFF_FIRST;
    // What came while nobody listened.
    wake(desk);
    loop {
        match timeout(QUIET, listener.try_recv()).await {
            Ok(Ok(Some(heard))) if heard.payload() == &*desk.rope().process => {}
            Ok(Ok(Some(_))) => wake(desk),
            Ok(Ok(None)) => return Err(StoreError::Unavailable("the connection was closed".to_owned())),
            Ok(Err(error)) => return Err(error.into()),
            Err(_) => is_alive(&mut listener).await?,
        }
    }
}

/// A peer that vanished without a word is silent, and so is a quiet one: only the latter answers.
async fn is_alive(listener: &mut PgListener) -> Result<(), StoreError> {
    let asked = timeout(ANSWER_WITHIN, listener.execute("SELECT 1")).await;
    asked.map_err(|_| StoreError::Unavailable("no answer".to_owned()))?.map(|_| ()).map_err(StoreError::from)
}

fn wake(desk: &Desk) {
    if let Some(scheduler) = desk.scheduler() {
        Stream::ALL.into_iter().for_each(|stream| scheduler.wake(stream));
    }
}
