//! The book: the only module that names sqlx. One set of SQL texts serves SQLite and PostgreSQL.

pub mod accept;
pub mod barriers;
mod bodies;
mod budgets;
pub mod cancel;
pub mod claim;
mod commit;
mod connect;
mod counters;
mod db;
pub mod dkim;
pub mod domains;
mod email;
pub mod emails;
mod engagement;
pub mod engines;
pub mod error;
pub mod events;
mod fold;
mod gather;
pub mod handover;
mod idempotency;
pub mod keys;
mod lanes;
mod link_hosts;
mod listen;
mod listing;
mod migrate;
pub mod operate;
#[cfg(test)]
mod plans;
pub mod quirks;
pub mod read;
mod read_back;
pub mod refusals;
pub mod retention;
pub mod returns;
mod rows;
mod script;
pub mod search;
mod seats;
pub mod secrets;
pub mod settle;
mod sheet;
mod sql;
mod statistics;
mod status;
pub mod sts;
pub mod suppressions;
pub mod suspects;
mod sweep;
pub mod teams;
pub mod templates;
pub mod tls_sessions;

pub mod unsubscribes;
pub mod webhooks;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use error::StoreError;

use crate::clock::Clock;
use commit::{Desk, Work};
use db::Db;
use gather::Gather;
use sweep::Stray;

/// Where the book is kept.
#[derive(Clone, PartialEq, Eq)]
pub enum Location {
    /// A SQLite file; made when missing.
    Sqlite(PathBuf),
    /// A PostgreSQL URL.
    Postgres(String),
}

/// A URL may hold a password: it is not shown.
impl std::fmt::Debug for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(file) => f.debug_tuple("Sqlite").field(file).finish(),
            Self::Postgres(_) => f.write_str("Postgres(..)"),
        }
    }
}

impl Location {
    /// From `database` and `data_dir` of the configuration.
    pub fn from_config(database: &str, data_dir: &Path) -> Result<Self, String> {
        match database {
            "" => Ok(Self::Sqlite(data_dir.join("posthouse.db"))),
            url if url.starts_with("postgres://") || url.starts_with("postgresql://") => Ok(Self::Postgres(url.to_owned())),
            file => match file.strip_prefix("sqlite:") {
                Some(file) => Ok(Self::Sqlite(PathBuf::from(file.strip_prefix("//").unwrap_or(file)))),
                None => Err("database: expected sqlite:FILE or postgres://...".to_owned()),
            },
        }
    }
}

/// The open book. Clones share it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    desk: Desk,
    work: Gather<Work>,
    look_ups: Gather<barriers::LookUp>,
    engagements: Gather<engagement::Noted>,
    standings: domains::Standings,
    tally: refusals::Tally,
    bells: listen::Bells,
    /// Recipients that the last sweep found unheld.
    suspects: Mutex<BTreeSet<Stray>>,
    workers: Mutex<Vec<tokio::task::JoinHandle<()>>>,
}

/// Work that may wait for the committers before who brings more has to wait.
const WORK_ROOM: usize = 8192;

/// How long closing may take: a database that hangs must not keep the process.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

impl Store {
    /// Opens the book, making and migrating it when needed, and checks that its promises hold (fsync, synchronous).
    pub async fn open(location: &Location, clock: Clock) -> Result<Self, StoreError> {
        let db = connect::connect(location).await?;
        migrate::run(&db).await?;
        connect::check_durability(&db).await?;
        let desk = Desk::new(db.clone(), clock);
        let (work, look_ups) = (Gather::new(WORK_ROOM, commit::CROWD), Gather::new(WORK_ROOM, 1));
        let mut workers = commit::start(&desk, &work);
        workers.push(barriers::start(&db, &look_ups));
        let engagements = Gather::new(WORK_ROOM, 1);
        workers.push(engagement::start(&desk, &engagements));
        let bells = listen::Bells::start(&db, desk.rope());
        let inner = Inner {
            desk,
            work,
            look_ups,
            engagements,
            standings: domains::Standings::default(),
            tally: refusals::Tally::default(),
            bells,
            suspects: Mutex::default(),
            workers: Mutex::new(workers),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Whether other servers may write to it, too.
    pub fn is_shared(&self) -> bool {
        !self.db().is_sqlite()
    }

    /// Whether it answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.db().ping().await
    }

    /// Octets of SQLite's write-ahead log: what folding it may yet add to the file. 0 on PostgreSQL.
    pub fn log_octets(&self) -> u64 {
        self.db().log_octets()
    }

    /// Ends the committers after what they hold is written, and closes the connections.
    pub async fn close(&self) {
        self.inner.work.close();
        self.inner.look_ups.close();
        self.inner.engagements.close();
        let workers = std::mem::take(&mut *self.inner.workers.lock().unwrap_or_else(PoisonError::into_inner));
        let closing = async {
            for worker in workers {
                let _ = worker.await;
            }
            self.inner.bells.close(self.rope()).await;
            self.db().close().await;
        };
        if tokio::time::timeout(CLOSE_WITHIN, closing).await.is_err() {
            tracing::warn!("the store did not close in time; what it had not answered is not known to be written");
        }
    }

    fn db(&self) -> &Db {
        self.inner.desk.db()
    }

    fn desk(&self) -> &Desk {
        &self.inner.desk
    }

    fn work(&self) -> &Gather<Work> {
        &self.inner.work
    }

    fn look_ups(&self) -> &Gather<barriers::LookUp> {
        &self.inner.look_ups
    }

    fn engagements(&self) -> &Gather<engagement::Noted> {
        &self.inner.engagements
    }

    fn standings(&self) -> &domains::Standings {
        &self.inner.standings
    }

    fn rope(&self) -> &listen::Rope {
        self.desk().rope()
    }

    fn bells(&self) -> &listen::Bells {
        &self.inner.bells
    }

    fn tally(&self) -> &refusals::Tally {
        &self.inner.tally
    }

    fn swap_suspects(&self, suspects: BTreeSet<Stray>) -> BTreeSet<Stray> {
        std::mem::replace(&mut *self.inner.suspects.lock().unwrap_or_else(PoisonError::into_inner), suspects)
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.db().is_sqlite() { "Store(SQLite)" } else { "Store(PostgreSQL)" })
    }
}
