//! Connecting: how each engine is set up, and whether it keeps what durability rests on.

use std::path::Path;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, query_scalar};

use crate::store::db::{Db, POSTGRES_COMMITTERS};
use crate::store::fold::Folding;
use crate::store::seats::Seats;
use crate::store::{Location, StoreError};

/// How long a lock or a connection is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// For all other reading than look-ups.
const READERS: u32 = 4;

/// Connects, making a SQLite file when there is none.
pub(super) async fn connect(location: &Location) -> Result<Db, StoreError> {
    match location {
        Location::Sqlite(file) => sqlite(file).await,
        Location::Postgres(url) => postgres(url).await,
    }
}

async fn sqlite(file: &Path) -> Result<Db, StoreError> {
    if let Some(folder) = file.parent().filter(|f| !f.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|e| StoreError::Unavailable(format!("{}: {e}", folder.display())))?;
    }
    let common = SqliteConnectOptions::new()
        .filename(file)
        .busy_timeout(PATIENCE)
        .synchronous(SqliteSynchronous::Full)
        // In KiB, for each connection. Four times as much was measured, and no faster.
        .pragma("cache_size", "-16384")
        .disable_statement_logging();
    let options = common
        .clone()
        .create_if_missing(true)
        // These two can be chosen before the first table only, and before WAL.
        .page_size(8192)
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        .journal_mode(SqliteJournalMode::Wal)
        // What SQLite keeps for the length of a statement or transaction, it keeps in memory and not in files that come and go.
        .pragma("temp_store", "MEMORY")
        // Pages. Before the log is so long it should have been folded ([`Folding`]).
        .pragma("wal_autocheckpoint", "8000");
    let writer = Seats::new(1, PATIENCE * 2, options.clone()).await?;
    let folding = Folding::start(Seats::new(1, PATIENCE, options).await?, writer.clone());
    // A cache is emptied whenever another connection has written: a reader's lasts for little more than one statement.
    let read_only = common.read_only(true).pragma("cache_size", "-4096");
    let asker = Seats::new(1, PATIENCE, read_only.clone()).await?;
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(PATIENCE)
        .test_before_acquire(false)
        .connect_with(read_only);
    Ok(Db::Sqlite { writer, asker, readers: readers.await?, folding })
}

async fn postgres(url: &str) -> Result<Db, StoreError> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|e| StoreError::Conflict(format!("database: {e}")))?
        .options([
            ("synchronous_commit", "on"),
            ("lock_timeout", "5000"),
            ("idle_in_transaction_session_timeout", "30000"),
            ("statement_timeout", "30000"),
        ])
        .application_name("posthouse")
        .disable_statement_logging();
    // One more than the committers, for the commands that write beside them.
    let writers = Seats::new(POSTGRES_COMMITTERS + 1, PATIENCE, options.clone()).await?;
    let asker = Seats::new(1, PATIENCE, options.clone()).await?;
    let readers = PgPoolOptions::new().max_connections(READERS).acquire_timeout(PATIENCE).connect_with(options);
    Ok(Db::Postgres { writers, asker, readers: readers.await? })
}

/// Reads back what durability rests on, and refuses to run without it.
pub(super) async fn check_durability(db: &Db) -> Result<(), StoreError> {
    let wrong = match db {
        Db::Sqlite { writer, .. } => {
            let mut seat = writer.take().await?;
            let mut connection = seat.lend()?;
            let wrong = wrong_in_sqlite(&mut connection).await;
            seat.put(connection, wrong)?
        }
        Db::Postgres { writers, .. } => {
            let mut seat = writers.take().await?;
            let mut connection = seat.lend()?;
            let wrong = wrong_in_postgres(&mut connection).await;
            seat.put(connection, wrong)?
        }
    };
    wrong.map_or(Ok(()), |text| Err(StoreError::Broken(text)))
}

async fn wrong_in_sqlite(connection: &mut SqliteConnection) -> Result<Option<String>, sqlx::Error> {
    let journal: String = query_scalar("PRAGMA journal_mode").fetch_one(&mut *connection).await?;
    let synchronous: i64 = query_scalar("PRAGMA synchronous").fetch_one(&mut *connection).await?;
    let page_size: i64 = query_scalar("PRAGMA page_size").fetch_one(&mut *connection).await?;
    let auto_vacuum: i64 = query_scalar("PRAGMA auto_vacuum").fetch_one(&mut *connection).await?;
    let busy_timeout: i64 = query_scalar("PRAGMA busy_timeout").fetch_one(&mut *connection).await?;
    // Synchronous 2 is FULL, 3 is EXTRA; auto_vacuum 2 is INCREMENTAL.
    let right = journal == "wal" && synchronous >= 2 && page_size == 8192 && auto_vacuum == 2 && busy_timeout > 0;
    Ok((!right).then(|| {
        format!(
            "SQLite runs with journal_mode={journal}, synchronous={synchronous}, page_size={page_size}, \
             auto_vacuum={auto_vacuum}, busy_timeout={busy_timeout}; wal, 2, 8192, 2 and a timeout are needed"
        )
    }))
}

async fn wrong_in_postgres(connection: &mut PgConnection) -> Result<Option<String>, sqlx::Error> {
    let fsync: String = query_scalar("SHOW fsync").fetch_one(&mut *connection).await?;
    let commit: String = query_scalar("SHOW synchronous_commit").fetch_one(&mut *connection).await?;
    let wrong = fsync != "on" || commit != "on";
    Ok(wrong.then(|| format!("PostgreSQL runs with fsync={fsync}, synchronous_commit={commit}; both must be on")))
}
