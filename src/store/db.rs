//! The two engines behind one face: connecting, reading, and transactions that write.

use std::path::Path;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, Postgres, Sqlite, Transaction};

use crate::store::sql::{Record, Script, Sql, Value};
use crate::store::{Location, StoreError};

/// How long a lock or a connection is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// Committers that work at once on PostgreSQL; SQLite has one writer.
const POSTGRES_COMMITTERS: usize = 3;

/// Connections to one of the engines.
#[derive(Clone, Debug)]
pub(super) enum Db {
    Sqlite { writer: SqlitePool, readers: SqlitePool },
    Postgres { writers: PgPool, readers: PgPool },
}

/// A transaction that may write.
pub(super) enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Db {
    /// Connects, making a SQLite file when there is none.
    pub async fn connect(location: &Location) -> Result<Self, StoreError> {
        match location {
            Location::Sqlite(file) => Self::connect_sqlite(file).await,
            Location::Postgres(url) => Self::connect_postgres(url).await,
        }
    }

    async fn connect_sqlite(file: &Path) -> Result<Self, StoreError> {
        if let Some(folder) = file.parent().filter(|f| !f.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|e| StoreError::Unavailable(format!("{}: {e}", folder.display())))?;
        }
        let common = SqliteConnectOptions::new()
            .filename(file)
            .busy_timeout(PATIENCE)
            .synchronous(SqliteSynchronous::Full)
            .pragma("cache_size", "-65536")
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
            .pragma("wal_autocheckpoint", "4000");
        // The writer's connection is never closed for being idle or old: it is the only one.
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(PATIENCE * 2)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            // SQLite ends a transaction by itself when the disk is full; the driver then counts it as open for ever. Such a
            // connection is replaced.
            .before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
            .connect_with(options)
            .await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(4)
            .acquire_timeout(PATIENCE)
            .test_before_acquire(false)
            .connect_with(common.read_only(true))
            .await?;
        Ok(Self::Sqlite { writer, readers })
    }

    async fn connect_postgres(url: &str) -> Result<Self, StoreError> {
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
        let pool = |connections| PgPoolOptions::new().max_connections(connections).acquire_timeout(PATIENCE);
        // One more than the committers, for the commands that write beside them.
        let writers = pool(POSTGRES_COMMITTERS as u32 + 1).test_before_acquire(false).connect_with(options.clone()).await?;
        let readers = pool(4).connect_with(options).await?;
        Ok(Self::Postgres { writers, readers })
    }

    /// How many committers may work at once.
    pub fn committers(&self) -> usize {
        match self {
            Self::Sqlite { .. } => 1,
            Self::Postgres { .. } => POSTGRES_COMMITTERS,
        }
    }

    /// Whether it is SQLite: one machine, one writer.
    pub fn is_sqlite(&self) -> bool {
        matches!(self, Self::Sqlite { .. })
    }

    /// Octets of SQLite's write-ahead log; 0 on PostgreSQL, and when there is none.
    pub fn log_octets(&self) -> u64 {
        let Self::Sqlite { readers, .. } = self else { return 0 };
        let mut log = readers.connect_options().get_filename().as_os_str().to_owned();
        log.push("-wal");
        std::fs::metadata(log).map_or(0, |file| file.len())
    }

    /// Reads records outside any transaction.
    pub async fn fetch<R: Record>(&self, sql: &Sql, scalars: Vec<Value>) -> Result<Vec<R>, StoreError> {
        self.fetch_rows(sql, scalars, &[]).await
    }

    /// Reads records for a table of values.
    pub async fn fetch_rows<R: Record>(&self, sql: &Sql, scalars: Vec<Value>, rows: &[Vec<Value>]) -> Result<Vec<R>, StoreError> {
        Ok(match self {
            Self::Sqlite { readers, .. } => {
                let rows = sql.sqlite(&scalars, rows).fetch_all(readers).await?;
                rows.iter().map(R::from_row).collect::<Result<_, _>>()?
            }
            Self::Postgres { readers, .. } => {
                let rows = sql.postgres(&scalars, rows).fetch_all(readers).await?;
                rows.iter().map(R::from_row).collect::<Result<_, _>>()?
            }
        })
    }

    /// Reads at most one record.
    pub async fn fetch_one<R: Record>(&self, sql: &Sql, scalars: Vec<Value>) -> Result<Option<R>, StoreError> {
        Ok(self.fetch(sql, scalars).await?.into_iter().next())
    }

    /// One statement that writes, in a transaction of its own. Returns the rows it changed.
    pub async fn write(&self, sql: &Sql, scalars: Vec<Value>) -> Result<u64, StoreError> {
        let mut tx = self.begin().await?;
        let changed = tx.run(sql, &scalars, &[]).await?;
        tx.commit().await?;
        Ok(changed)
    }

    /// Begins a transaction that writes. A connection that died while it lay idle is replaced once without a word.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        match self.try_begin().await {
            Err(StoreError::Unavailable(_)) if !self.is_sqlite() => self.try_begin().await,
            begun => begun,
        }
    }

    async fn try_begin(&self) -> Result<Tx, StoreError> {
        Ok(match self {
            // A transaction that reads first and writes later must take the write lock at once, or fail when another was faster.
            Self::Sqlite { writer, .. } => Tx::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?),
            Self::Postgres { writers, .. } => Tx::Postgres(writers.begin().await?),
        })
    }

    /// Asks for a sign of life.
    pub async fn ping(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite { readers, .. } => sqlx::query("SELECT 1").execute(readers).await.map(|_| ())?,
            Self::Postgres { readers, .. } => sqlx::query("SELECT 1").execute(readers).await.map(|_| ())?,
        }
        Ok(())
    }

    /// Runs a script that is a whole transaction, in one call: every call more wakes two threads. Only SQLite can; `None` elsewhere.
    pub async fn run_whole(&self, script: &Script, tables: &[Vec<Vec<Value>>]) -> Option<Result<(), StoreError>> {
        let Self::Sqlite { writer, .. } = self else { return None };
        Some(Self::run_whole_sqlite(writer, script, tables).await)
    }

    async fn run_whole_sqlite(writer: &SqlitePool, script: &Script, tables: &[Vec<Vec<Value>>]) -> Result<(), StoreError> {
        let mut connection = writer.acquire().await?;
        let Err(error) = script.sqlite(tables).execute(&mut *connection).await else { return Ok(()) };
        // SQLite has ended the transaction by itself after some errors; a connection of which that is not known is not used again.
        if sqlx::query("ROLLBACK").execute(&mut *connection).await.is_err() {
            let _ = connection.close().await;
        }
        Err(error.into())
    }

    /// Closes every connection, letting SQLite fold its log into the file.
    pub async fn close(&self) {
        match self {
            Self::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            Self::Postgres { writers, readers } => {
                readers.close().await;
                writers.close().await;
            }
        }
    }

    /// Reads back what durability rests on, and refuses to run without it.
    pub async fn check_durability(&self) -> Result<(), StoreError> {
        let wrong = match self {
            Self::Sqlite { writer, .. } => {
                let mut connection = writer.acquire().await?;
                let journal: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *connection).await?;
                let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&mut *connection).await?;
                let page_size: i64 = sqlx::query_scalar("PRAGMA page_size").fetch_one(&mut *connection).await?;
                let auto_vacuum: i64 = sqlx::query_scalar("PRAGMA auto_vacuum").fetch_one(&mut *connection).await?;
                let busy_timeout: i64 = sqlx::query_scalar("PRAGMA busy_timeout").fetch_one(&mut *connection).await?;
                // Synchronous 2 is FULL, 3 is EXTRA; auto_vacuum 2 is INCREMENTAL.
                let right = journal == "wal" && synchronous >= 2 && page_size == 8192 && auto_vacuum == 2 && busy_timeout > 0;
                (!right).then(|| {
                    format!(
                        "SQLite runs with journal_mode={journal}, synchronous={synchronous}, page_size={page_size}, \
                         auto_vacuum={auto_vacuum}, busy_timeout={busy_timeout}; wal, 2, 8192, 2 and a timeout are needed"
                    )
                })
            }
            Self::Postgres { writers, .. } => {
                let mut connection = writers.acquire().await?;
                connection.ping().await?;
                let fsync: String = sqlx::query_scalar("SHOW fsync").fetch_one(&mut *connection).await?;
                let commit: String = sqlx::query_scalar("SHOW synchronous_commit").fetch_one(&mut *connection).await?;
                (fsync != "on" || commit != "on")
                    .then(|| format!("PostgreSQL runs with fsync={fsync}, synchronous_commit={commit}; both must be on"))
            }
        };
        wrong.map_or(Ok(()), |text| Err(StoreError::Broken(text)))
    }
}

impl Tx {
    /// Runs a statement; returns the rows it changed.
    pub async fn run(&mut self, sql: &Sql, scalars: &[Value], rows: &[Vec<Value>]) -> Result<u64, StoreError> {
        Ok(match self {
            Self::Sqlite(tx) => sql.sqlite(scalars, rows).execute(&mut **tx).await?.rows_affected(),
            Self::Postgres(tx) => sql.postgres(scalars, rows).execute(&mut **tx).await?.rows_affected(),
        })
    }

    /// Runs a script, with the rows of each of its statements.
    pub async fn run_script(&mut self, script: &Script, tables: &[Vec<Vec<Value>>]) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => {
                script.sqlite(tables).execute(&mut **tx).await?;
            }
            Self::Postgres(tx) => {
                for (sql, rows) in script.parts(tables) {
                    sql.postgres(&[], rows).execute(&mut **tx).await?;
                }
            }
        }
        Ok(())
    }

    /// Runs a statement that returns records, in no order.
    pub async fn fetch<R: Record>(&mut self, sql: &Sql, scalars: &[Value], rows: &[Vec<Value>]) -> Result<Vec<R>, StoreError> {
        Ok(match self {
            Self::Sqlite(tx) => {
                let rows = sql.sqlite(scalars, rows).fetch_all(&mut **tx).await?;
                rows.iter().map(R::from_row).collect::<Result<_, _>>()?
            }
            Self::Postgres(tx) => {
                let rows = sql.postgres(scalars, rows).fetch_all(&mut **tx).await?;
                rows.iter().map(R::from_row).collect::<Result<_, _>>()?
            }
        })
    }

    /// Makes it durable. When this fails the transaction may or may not have happened.
    pub async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => tx.commit().await?,
            Self::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }
}
