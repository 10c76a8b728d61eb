//! The two engines behind one face: reading, and transactions that write.

use std::time::Duration;

use sqlx::postgres::PgPool;
use sqlx::sqlite::SqlitePool;
use sqlx::{Postgres, Sqlite};
use tokio::time::timeout;

use crate::store::StoreError;
use crate::store::fold::Folding;
use crate::store::script::Script;
use crate::store::seats::{Seat, Seats};
use crate::store::sql::{Record, Sql, Value};

/// Committers that work at once on PostgreSQL; SQLite has one writer.
pub(super) const POSTGRES_COMMITTERS: usize = 3;

/// PostgreSQL ends a statement by itself after 30 s: when even that is not heard, its machine or the way there is gone.
const ANSWER_WITHIN: Duration = Duration::from_secs(35);

/// Waits for PostgreSQL no longer than it may take: a peer that vanished without a word is otherwise waited for until TCP gives it up.
/// Boxed, since what is waited for would else lie in the caller's future twice.
fn answered<T, E: From<sqlx::Error>>(
    asked: impl Future<Output = Result<T, E>> + Send,
) -> impl Future<Output = Result<T, E>> + Send {
    let answer = timeout(ANSWER_WITHIN, Box::pin(asked));
    async { answer.await.unwrap_or_else(|_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()).into())) }
}

/// How long PostgreSQL may take for a read, a connection included: a server that stands still closes no connection, and whoever waits for
/// the answer has a client of its own.
const READ_WITHIN: Duration = Duration::from_secs(12);
/// The same for a look-up, which may have to wait for the one before it.
const LOOK_UP_WITHIN: Duration = Duration::from_secs(6);

/// Connections to one of the engines: for writing, for the look-ups that each message makes, and for all other reading.
#[derive(Clone, Debug)]
pub(super) enum Db {
    Sqlite { writer: Seats<Sqlite>, asker: Seats<Sqlite>, readers: SqlitePool, folding: Folding },
    Postgres { writers: Seats<Postgres>, asker: Seats<Postgres>, readers: PgPool },
}

/// A transaction that may write. Dropped before its commit it is rolled back.
pub(super) enum Tx {
    Sqlite(Seat<Sqlite>),
    Postgres(Seat<Postgres>),
}

impl Db {
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
            Self::Sqlite { readers, .. } => records(&sql.sqlite(&scalars, rows).fetch_all(readers).await?)?,
            Self::Postgres { readers, .. } => {
                let query = sql.postgres(&scalars, rows);
                records(&within(READ_WITHIN, async { Ok(query.fetch_all(readers).await?) }).await?)?
            }
        })
    }

    /// Reads records for a table of values over a connection that is kept for what each message asks.
    pub async fn ask<R: Record>(&self, sql: &Sql, rows: &[Vec<Value>]) -> Result<Vec<R>, StoreError> {
        match self {
            Self::Sqlite { asker, .. } => Tx::Sqlite(asker.take().await?).fetch(sql, &[], rows).await,
            Self::Postgres { asker, .. } => {
                within(LOOK_UP_WITHIN, async { Tx::Postgres(asker.take().await?).fetch(sql, &[], rows).await }).await
            }
        }
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

    /// Begins a transaction that writes. A connection that died unseen is replaced once without a word.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        match self.try_begin().await {
            Err(StoreError::Unavailable(_)) if !self.is_sqlite() => self.try_begin().await,
            begun => begun,
        }
    }

    async fn try_begin(&self) -> Result<Tx, StoreError> {
        match self {
            Self::Sqlite { writer, .. } => {
                let mut seat = writer.take().await?;
                // A transaction that reads first and writes later must take the write lock at once, or fail when another was faster.
                seat.begin("BEGIN IMMEDIATE").await?;
                Ok(Tx::Sqlite(seat))
            }
            Self::Postgres { writers, .. } => {
                let mut seat = writers.take().await?;
                answered(seat.begin("BEGIN")).await?;
                Ok(Tx::Postgres(seat))
            }
        }
    }

    /// Asks for a sign of life.
    pub async fn ping(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite { readers, .. } => sqlx::query("SELECT 1").execute(readers).await.map(|_| ())?,
            Self::Postgres { readers, .. } => {
                within(READ_WITHIN, async { Ok(sqlx::query("SELECT 1").execute(readers).await?) }).await?;
            }
        }
        Ok(())
    }

    /// Runs a script as a whole transaction, in one exchange with the database.
    pub async fn run_whole(&self, script: &Script, tables: &[Vec<Vec<Value>>]) -> Result<(), StoreError> {
        match self {
            Self::Sqlite { writer, .. } => {
                let mut seat = writer.take().await?;
                let mut connection = seat.lend()?;
                let outcome = script.sqlite_whole(tables).execute(&mut connection).await;
                let outcome = seat.put(connection, outcome);
                if outcome.is_err() {
                    seat.roll_back().await;
                }
                outcome.map(|_| ())
            }
            Self::Postgres { writers, .. } => {
                let mut seat = writers.take().await?;
                let mut connection = seat.lend()?;
                let outcome = answered(script.postgres_whole(tables).execute(&mut connection)).await;
                seat.put(connection, outcome).map(|_| ())
            }
        }
    }

    /// So many messages and outcomes were committed together: SQLite's log is longer.
    pub fn committed(&self, items: usize) {
        if let Self::Sqlite { folding, .. } = self {
            folding.committed(items);
        }
    }

    /// Closes every connection, letting SQLite fold its log into the file.
    pub async fn close(&self) {
        match self {
            Self::Sqlite { writer, asker, readers, folding } => {
                folding.close().await;
                readers.close().await;
                asker.close().await;
                writer.close().await;
            }
            Self::Postgres { writers, asker, readers } => {
                readers.close().await;
                asker.close().await;
                writers.close().await;
            }
        }
    }
}

impl Tx {
    /// Runs a statement; returns the rows it changed.
    pub async fn run(&mut self, sql: &Sql, scalars: &[Value], rows: &[Vec<Value>]) -> Result<u64, StoreError> {
        Ok(match self {
            Self::Sqlite(seat) => {
                let mut connection = seat.lend()?;
                let outcome = sql.sqlite(scalars, rows).execute(&mut connection).await;
                seat.put(connection, outcome)?.rows_affected()
            }
            Self::Postgres(seat) => {
                let mut connection = seat.lend()?;
                let outcome = answered(sql.postgres(scalars, rows).execute(&mut connection)).await;
                seat.put(connection, outcome)?.rows_affected()
            }
        })
    }

    /// Runs a script, with the rows of each of its statements.
    pub async fn run_script(&mut self, script: &Script, tables: &[Vec<Vec<Value>>]) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(seat) => {
                let mut connection = seat.lend()?;
                let outcome = script.sqlite(tables).execute(&mut connection).await;
                seat.put(connection, outcome)?;
            }
            Self::Postgres(_) => {
                for (sql, rows) in script.parts(tables) {
                    self.run(sql, &[], rows).await?;
                }
            }
        }
        Ok(())
    }

    /// Runs a statement that returns records, in no order.
    pub async fn fetch<R: Record>(&mut self, sql: &Sql, scalars: &[Value], rows: &[Vec<Value>]) -> Result<Vec<R>, StoreError> {
        match self {
            Self::Sqlite(seat) => {
                let mut connection = seat.lend()?;
                let outcome = sql.sqlite(scalars, rows).fetch_all(&mut connection).await;
                records(&seat.put(connection, outcome)?)
            }
            Self::Postgres(seat) => {
                let mut connection = seat.lend()?;
                let outcome = answered(sql.postgres(scalars, rows).fetch_all(&mut connection)).await;
                records(&seat.put(connection, outcome)?)
            }
        }
    }

    /// Makes it durable. When this fails the transaction may or may not have happened.
    pub async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(mut seat) => seat.commit().await,
            Self::Postgres(mut seat) => answered(seat.commit()).await,
        }
    }
}

/// What it waits for, unless that takes too long; the connection in use is closed then.
pub(super) async fn within<T>(patience: Duration, answer: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    match timeout(patience, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(StoreError::Unavailable("it does not answer".to_owned())),
    }
}

/// Times that what collided with another transaction is tried again.
const REPEATS: usize = 5;

/// What a transaction comes to, tried again for as long as it only collides with others.
pub(super) async fn repeated<T, F>(transaction: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    for _ in 0..REPEATS {
        match transaction().await {
            Err(StoreError::Repeat(_)) => {}
            other => return other,
        }
    }
    transaction().await.map_err(|error| match error {
        StoreError::Repeat(text) => StoreError::Unavailable(text),
        other => other,
    })
}

fn records<R, Row>(rows: &[Row]) -> Result<Vec<R>, StoreError>
where
    Row: sqlx::Row,
    R: for<'r> sqlx::FromRow<'r, Row>,
{
    Ok(rows.iter().map(R::from_row).collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_database_that_vanished_is_not_waited_for_for_ever() {
        let silence = std::future::pending::<Result<(), sqlx::Error>>();
        let outcome = answered(silence).await.map_err(StoreError::from);
        assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    }
}
