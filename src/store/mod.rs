//! The book: the only module that names sqlx. One set of SQL texts serves SQLite and PostgreSQL.

pub mod accept;
pub mod claim;
pub mod domains;
pub mod engines;
pub mod error;
pub mod handover;
pub mod keys;
pub mod read;
pub mod refusals;
pub mod settle;
pub mod suppressions;
pub mod teams;

use std::path::PathBuf;

pub use error::StoreError;

use crate::clock::Clock;

/// Where the book is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A SQLite file; made when missing.
    Sqlite(PathBuf),
    /// A PostgreSQL URL.
    Postgres(String),
}

impl Location {
    /// From `database` and `data_dir` of the configuration.
    pub fn from_config(database: &str, data_dir: &std::path::Path) -> Result<Self, String> {
        match database {
            "" => Ok(Self::Sqlite(data_dir.join("posthouse.db"))),
            url if url.starts_with("postgres://") || url.starts_with("postgresql://") => Ok(Self::Postgres(url.to_owned())),
            file => match file.strip_prefix("sqlite:") {
                Some(file) => Ok(Self::Sqlite(PathBuf::from(file.strip_prefix("//").unwrap_or(file)))),
                None => Err(format!("database = {file:?}: expected sqlite:FILE or postgres://...")),
            },
        }
    }
}

/// The open book. Clones share it.
#[derive(Clone, Debug)]
pub struct Store {}

impl Store {
    /// Opens the book, making and migrating it when needed, and checks that its promises hold (fsync, synchronous).
    pub async fn open(_location: &Location, _clock: Clock) -> Result<Self, StoreError> {
        todo!()
    }

    /// Whether it answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        todo!()
    }

    /// Ends the committers after what they hold is written, and closes the connections.
    pub async fn close(&self) {
        todo!()
    }
}
