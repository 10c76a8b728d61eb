//! The record of what is in flight, for the next life of this process: a small file in the data directory that says which messages the
//! house was at work on when it died.
//!
//! A slot is written when an attempt begins and emptied when it has ended, and never synced: the system keeps what a killed process wrote,
//! and a machine that loses its power says nothing about a message. Without the file mail is delivered all the same, and nothing is
//! suspected of a death.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::id::Id;

/// The file's name in the data directory.
const FILE: &str = "in-flight";
/// Octets before the first slot: the seat of who wrote it, padded with zeros.
const HEADER: usize = 128;
/// Octets of a slot: an id and how it flies, padded so that no slot lies across two pages.
const SLOT: usize = 32;
const ID: usize = 16;
/// A slot that nobody flies in.
const EMPTY: [u8; SLOT] = [0; SLOT];
/// It has flown alone without harm for so long that a death is hardly its own.
const LONG: u8 = 2;
const NEW: u8 = 1;
/// More than was ever in flight: what lies beyond is not read.
const READ_MAX: usize = HEADER + 65_536 * SLOT;

/// The record that this process keeps.
#[derive(Debug)]
pub struct Flights {
    file: File,
    slots: Mutex<Slots>,
    /// It can't be written, and that was said.
    failed: AtomicBool,
}

/// Slots that are free, and how many there are in all.
#[derive(Debug, Default)]
struct Slots {
    free: Vec<u64>,
    all: u64,
}

/// A slot taken; dropping it empties it.
#[derive(Debug)]
pub struct Flight {
    flights: Arc<Flights>,
    slot: u64,
}

/// What an earlier life had in flight when it died.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wreck {
    pub messages: BTreeSet<Id>,
    /// It was one message, and nothing speaks for its innocence.
    pub alone: bool,
}

impl Flights {
    /// The record of the process that sits in `seat` (`lock::seat`), with what its earlier life left in it. What another boot or a copied
    /// directory left is nothing.
    pub fn open(data_dir: &Path, seat: &str) -> io::Result<(Self, Wreck)> {
        let mut header = [0; HEADER];
        let named = seat.len().min(HEADER);
        header[..named].copy_from_slice(&seat.as_bytes()[..named]);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(data_dir.join(FILE))?;
        let wreck = match read(&file)? {
            left if left.starts_with(&header) => Wreck::read(left.get(HEADER..).unwrap_or_default()),
            _ => {
                file.set_len(0)?;
                file.write_all_at(&header, 0)?;
                Wreck::default()
            }
        };
        Ok((Self { file, slots: Mutex::default(), failed: AtomicBool::new(false) }, wreck))
    }

    /// Forgets what the earlier life left. Before the first flight, once the wreck is on record elsewhere.
    pub fn clear(&self) {
        self.report(self.file.set_len(HEADER as u64));
    }

    /// The message is in flight until the value is dropped.
    pub fn begin(self: &Arc<Self>, message: Id) -> Flight {
        let slot = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            slots.free.pop().unwrap_or_else(|| {
                slots.all += 1;
                slots.all - 1
            })
        };
        let mut octets = EMPTY;
        octets[..ID].copy_from_slice(&message.0);
        octets[ID] = NEW;
        self.write(slot, 0, &octets);
        Flight { flights: self.clone(), slot }
    }

    fn write(&self, slot: u64, at: usize, octets: &[u8]) {
        self.report(self.file.write_all_at(octets, HEADER as u64 + slot * SLOT as u64 + at as u64));
    }

    fn report(&self, written: io::Result<()>) {
        if let Err(failure) = written
            && !self.failed.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(%failure, "what is in flight can't be recorded: no message will be suspected of killing the process");
        }
    }
}

impl Flight {
    /// It has been alone for long: should the process die, something else is as likely the cause.
    pub fn has_been_long(&self) {
        self.flights.write(self.slot, ID, &[LONG]);
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.flights.write(self.slot, 0, &EMPTY);
        self.flights.slots.lock().unwrap_or_else(PoisonError::into_inner).free.push(self.slot);
    }
}

impl Wreck {
    fn read(slots: &[u8]) -> Self {
        let (mut messages, mut long) = (BTreeSet::new(), false);
        for slot in slots.chunks_exact(SLOT) {
            if let Ok(id) = Id::from_slice(&slot[..ID])
                && id != Id([0; ID])
            {
                messages.insert(id);
                long |= slot[ID] == LONG;
            }
        }
        Self { alone: messages.len() == 1 && !long, messages }
    }
}

fn read(file: &File) -> io::Result<Vec<u8>> {
    let octets = usize::try_from(file.metadata()?.len()).unwrap_or(READ_MAX).min(READ_MAX);
    let mut left = vec![0; octets];
    file.read_exact_at(&mut left, 0)?;
    Ok(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> Id {
        Id([n; 16])
    }

    fn open(folder: &Path, seat: &str) -> (Arc<Flights>, Wreck) {
        let (flights, wreck) = Flights::open(folder, seat).unwrap();
        (Arc::new(flights), wreck)
    }

    #[test]
    fn the_next_life_reads_what_was_in_flight_and_another_seat_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (flights, wreck) = open(folder.path(), "a");
        assert_eq!(wreck, Wreck::default());
        let (first, second) = (flights.begin(id(1)), flights.begin(id(2)));
        drop(first);
        let third = flights.begin(id(3));
        let (_, wreck) = open(folder.path(), "a");
        assert_eq!(wreck, Wreck { messages: BTreeSet::from([id(2), id(3)]), alone: false });
        drop(second);
        let (_, wreck) = open(folder.path(), "a");
        assert_eq!(wreck, Wreck { messages: BTreeSet::from([id(3)]), alone: true });
        third.has_been_long();
        let (later, wreck) = open(folder.path(), "a");
        assert_eq!(wreck, Wreck { messages: BTreeSet::from([id(3)]), alone: false });
        later.clear();
        assert_eq!(open(folder.path(), "a").1, Wreck::default());
        let _fourth = later.begin(id(4));
        assert_eq!(open(folder.path(), "b").1, Wreck::default(), "another boot's");
        assert_eq!(open(folder.path(), "a").1, Wreck::default(), "which is gone by then");
    }

    #[test]
    fn one_message_that_goes_two_ways_at_once_is_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (flights, _) = open(folder.path(), "a");
        let _both = (flights.begin(id(1)), flights.begin(id(1)));
        assert!(open(folder.path(), "a").1.alone);
    }

    #[test]
    fn a_record_that_is_cut_short_or_foreign_is_read_as_far_as_it_makes_sense() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), b"a").unwrap();
        let (flights, wreck) = open(folder.path(), "a");
        assert_eq!(wreck, Wreck::default());
        let _flight = flights.begin(id(1));
        flights.file.set_len((HEADER + SLOT + 5) as u64).unwrap();
        assert!(open(folder.path(), "a").1.alone);
    }
}
