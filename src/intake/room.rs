//! Room on the disk: below the reserve accepting stops, so that the outcomes of what was accepted can still be written.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::warn;

use crate::model::refusal::{Code, Refusal};
use crate::store::Store;

/// How long a look at the disk is good for, as long as what was taken since leaves room.
const SAMPLE: Duration = Duration::from_secs(1);
/// A message is written twice: into SQLite's log, and from there into the file.
const COPIES: u64 = 2;

/// The free space of one file system.
#[derive(Debug)]
pub struct Room {
    dir: PathBuf,
    /// Octets to keep free.
    reserve: u64,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    /// When the disk was last looked at.
    looked: Option<Instant>,
    /// Octets free then, less those that the store's log has yet to fold into its file.
    free: u64,
    /// Octets that may have been written since, or were on their way then.
    promised: u64,
    /// Octets on their way now: taken, and neither written nor refused yet.
    in_flight: u64,
}

/// Room taken for one message, until it is written or refused.
#[derive(Debug)]
pub struct Taken<'a> {
    room: &'a Room,
    octets: u64,
}

impl Room {
    /// The file system of `dir`, of which `reserve` octets stay free; 0 asks nothing.
    pub fn new(dir: PathBuf, reserve: u64) -> Self {
        Self { dir, reserve, book: Mutex::default() }
    }

    /// Takes room for a message of so many octets; refuses, for now, where that would touch the reserve. The disk is looked at once a
    /// second, and whenever the last look no longer vouches for the room.
    pub fn take(&self, octets: usize, store: &Store) -> Result<Taken<'_>, Refusal> {
        let octets = octets as u64;
        if self.reserve > 0 {
            let mut book = self.book();
            if book.is_stale() || !book.fits(octets, self.reserve) {
                book.free = self.look(store);
                book.promised = book.in_flight * COPIES;
                book.looked = Some(Instant::now());
            }
            if !book.fits(octets, self.reserve) {
                return Err(Refusal::new(Code::DiskFull, "there is no room to keep mail now; try again later"));
            }
            book.promised += octets * COPIES;
            book.in_flight += octets;
        }
        Ok(Taken { room: self, octets })
    }

    /// What can't be looked at counts as room: the write itself will tell.
    fn look(&self, store: &Store) -> u64 {
        match rustix::fs::statvfs(&self.dir) {
            Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize).saturating_sub(store.log_octets()),
            Err(fault) => {
                warn!(dir = %self.dir.display(), %fault, "the free space of data_dir can't be read");
                u64::MAX
            }
        }
    }

    /// A panic elsewhere cannot leave the book half changed: every change of it is a few additions.
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn is_stale(&self) -> bool {
        self.looked.is_none_or(|at| at.elapsed() >= SAMPLE)
    }

    fn fits(&self, octets: u64, reserve: u64) -> bool {
        let asked = octets.saturating_mul(COPIES).saturating_add(self.promised).saturating_add(reserve);
        asked <= self.free
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if self.room.reserve > 0 {
            self.room.book().in_flight -= self.octets;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::store::Location;

    async fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&Location::Sqlite(dir.path().join("posthouse.db")), Clock::System).await.unwrap();
        (dir, store)
    }

    #[tokio::test]
    async fn the_reserve_is_kept() {
        let (dir, store) = store().await;
        let take = |dir: PathBuf, reserve| Room::new(dir, reserve).take(1, &store).map(|_| ()).map_err(|r| r.code);
        assert_eq!(take(dir.path().into(), 0), Ok(()));
        assert_eq!(take(dir.path().into(), 1), Ok(()));
        assert_eq!(take(dir.path().into(), u64::MAX), Err(Code::DiskFull));
        assert_eq!(take("/nowhere/at/all".into(), 1), Ok(()));
    }

    #[tokio::test]
    async fn what_was_taken_since_the_last_look_counts() {
        let (dir, store) = store().await;
        let free = Room::new(dir.path().into(), 1).look(&store);
        let room = Room::new(dir.path().into(), free / 2);
        let one = room.take(free as usize / 8, &store).expect("a quarter of the disk, written twice");
        assert_eq!(
            room.take(free as usize / 4, &store).map_err(|r| r.code).err(),
            Some(Code::DiskFull),
            "the first is on its way"
        );
        drop(one);
        assert!(room.take(free as usize / 8, &store).is_ok(), "it was not written, and a new look shows that");
    }
}
