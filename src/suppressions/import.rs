//! A list of addresses that comes in, a transaction at a time, with what came of it so far.

use std::io;

use super::entry::Entry;
pub use super::lines::of_lines;
pub use super::rows::{Row, of_csv};
use crate::clock::Timestamp;
use crate::id::Id;
use crate::store::suppressions::AT_ONCE;
use crate::store::{Store, StoreError};

/// Refused lines that are told one by one; all are counted.
pub const TOLD: usize = 100;

/// What came of an import so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Lines with an entry.
    pub read: u64,
    pub added: u64,
    /// Suppressed before, or twice on the list: the first evidence stays.
    pub already: u64,
    pub refused: u64,
    /// The first [`TOLD`] that were refused.
    pub faults: Vec<Refused>,
}

/// A line that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Counted from 1.
    pub line: u64,
    pub error: String,
}

/// Why an import can't go on. What was written stays; the list may be imported again.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("the list can't be read: {0}")]
    Read(#[from] io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An import under way.
#[derive(Debug)]
pub struct Import<I> {
    store: Store,
    team: Id,
    now: Timestamp,
    rows: I,
    pub tally: Tally,
}

impl<I: Iterator<Item = io::Result<Row>>> Import<I> {
    /// None of these rows is read yet. `now`: since when the team's mail is kept from the addresses.
    pub fn new(store: Store, team: Id, now: Timestamp, rows: I) -> Self {
        Self { store, team, now, rows, tally: Tally::default() }
    }

    /// Reads on for one transaction, and writes it. False: nothing was left.
    pub async fn step(&mut self) -> Result<bool, ImportError> {
        let mut read = 0;
        let mut sound = Vec::new();
        // Bounded by lines, not by what is sound of them, so that the tally moves however much is refused.
        while read < AT_ONCE {
            let Some(row) = self.rows.next() else { break };
            read += 1;
            let Row { line, entry } = row?;
            match entry.and_then(|entry: Entry| entry.suppression(self.team, self.now).map_err(|fault| fault.to_string())) {
                Ok(suppression) => sound.push(suppression),
                Err(error) => self.refuse(line, error),
            }
        }
        let added = self.store.suppress(&sound).await?;
        self.tally.read += read as u64;
        self.tally.added += added;
        self.tally.already += (sound.len() as u64).saturating_sub(added);
        Ok(read > 0)
    }

    fn refuse(&mut self, line: u64, error: String) {
        self.tally.refused += 1;
        if self.tally.faults.len() < TOLD {
            self.tally.faults.push(Refused { line, error });
        }
    }
}
