//! The same test on every engine; a failure names the engine.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::time::Duration;

use posthouse::clock::Clock;
use posthouse::store::{Location, Store};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use super::IN_TIME;
use super::postgres::Cluster;

/// An empty book and what keeps it alive.
pub struct Book {
    pub store: Store,
    pub location: Location,
    pub clock: Clock,
}

impl Book {
    /// The same book opened again, as another process would.
    pub async fn again(&self) -> Store {
        Store::open(&self.location, self.clock.clone()).await.expect("the book opens again")
    }

    /// What it lies in.
    pub fn engine(&self) -> &'static str {
        match self.location {
            Location::Sqlite(_) => "SQLite",
            Location::Postgres(_) => "PostgreSQL",
        }
    }

    /// Another program that writes, and takes its time: SQLite's one writer is busy until this is dropped.
    pub async fn occupied(&self) -> Option<sqlx::SqliteConnection> {
        let Location::Sqlite(file) = &self.location else { return None };
        let mut other = beside(file).await;
        sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.expect("the lock");
        Some(other)
    }

    /// So many rows has a table.
    pub async fn rows(&self, table: &str) -> i64 {
        use sqlx::Connection as _;
        let sql = sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
        match &self.location {
            Location::Sqlite(file) => sqlx::query_scalar(sql).fetch_one(&mut beside(file).await).await.expect("counted"),
            Location::Postgres(url) => {
                let mut connection = sqlx::PgConnection::connect(url).await.expect("a connection");
                sqlx::query_scalar(sql).fetch_one(&mut connection).await.expect("counted")
            }
        }
    }

    /// Changes the tables behind the store's back.
    pub async fn tamper(&self, sql: &'static str) {
        use sqlx::Connection as _;
        match &self.location {
            Location::Sqlite(file) => {
                sqlx::query(sql).execute(&mut beside(file).await).await.expect("tampered with");
            }
            Location::Postgres(url) => {
                let mut connection = sqlx::PgConnection::connect(url).await.expect("a connection");
                sqlx::query(sql).execute(&mut connection).await.expect("tampered with");
            }
        }
    }
}

/// Another program's connection to a SQLite book. It waits for its turn: an engine that writes without a pause leaves few.
pub async fn beside(file: &Path) -> sqlx::SqliteConnection {
    SqliteConnectOptions::new().filename(file).busy_timeout(IN_TIME).connect().await.expect("a connection")
}

/// Runs `test` on an empty SQLite book alone: what it is about never comes to the store.
pub fn on_sqlite<F: Future<Output = ()>>(test: impl Fn(Book) -> F) {
    let folder = tempfile::tempdir().expect("a folder");
    run("SQLite", Location::Sqlite(folder.path().join("book.db")), &test);
}

/// Runs `test` on an empty SQLite book and on an empty PostgreSQL one.
pub fn on_every_engine<F: Future<Output = ()>>(test: impl Fn(Book) -> F) {
    on_sqlite(&test);
    if let Some(cluster) = Cluster::start() {
        run("PostgreSQL", Location::Postgres(cluster.database()), &test);
    }
}

/// What is counted by day is to be counted in one: waits where the day (UTC) is nearly over.
fn wait_for_a_day() {
    const DAY: u64 = 86_400;
    let left = || DAY - std::time::UNIX_EPOCH.elapsed().expect("a clock that is right").as_secs() % DAY;
    while left() < 30 {
        std::thread::park_timeout(Duration::from_secs(1));
    }
}

fn run<F: Future<Output = ()>>(engine: &str, location: Location, test: &impl Fn(Book) -> F) {
    wait_for_a_day();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let body = async {
        let clock = Clock::System;
        let store = Store::open(&location, clock.clone()).await.expect("the book opens");
        let keep = store.clone();
        test(Book { store, location: location.clone(), clock }).await;
        keep.close().await;
    };
    if let Err(panic) = std::panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(body))) {
        eprintln!("failed on {engine}");
        std::panic::resume_unwind(panic);
    }
}
