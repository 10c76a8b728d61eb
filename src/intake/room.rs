//! Room on the disk: below the reserve accepting stops, so that the outcomes of what was accepted can still be written.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::warn;

use crate::model::refusal::{Code, Refusal};

/// How long a look at the disk is good for.
const SAMPLE: Duration = Duration::from_secs(1);

/// The free space of one file system.
#[derive(Debug)]
pub struct Room {
    dir: PathBuf,
    /// Octets to keep free.
    reserve: u64,
    /// When it was last looked at, and whether there was room.
    last: Mutex<Option<(Instant, bool)>>,
}

impl Room {
    /// The file system of `dir`, of which `reserve` octets stay free; 0 asks nothing.
    pub fn new(dir: PathBuf, reserve: u64) -> Self {
        Self { dir, reserve, last: Mutex::new(None) }
    }

    /// Refuses, for now, while there is less than the reserve. Looks at the disk at most once a second.
    pub fn check(&self) -> Result<(), Refusal> {
        if self.reserve == 0 || self.is_left() {
            return Ok(());
        }
        Err(Refusal::new(Code::DiskFull, "there is no room to keep mail now; try again later"))
    }

    fn is_left(&self) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match *last {
            Some((at, left)) if at.elapsed() < SAMPLE => left,
            _ => {
                let left = self.look();
                *last = Some((Instant::now(), left));
                left
            }
        }
    }

    /// What can't be looked at counts as room: the write itself will tell.
    fn look(&self) -> bool {
        match rustix::fs::statvfs(&self.dir) {
            Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize) >= self.reserve,
            Err(fault) => {
                warn!(dir = %self.dir.display(), %fault, "the free space of data_dir can't be read");
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_kept() {
        let here = std::env::temp_dir();
        assert_eq!(Room::new(here.clone(), 0).check(), Ok(()));
        assert_eq!(Room::new(here.clone(), 1).check(), Ok(()));
        assert_eq!(Room::new(here, u64::MAX).check().map_err(|refusal| refusal.code), Err(Code::DiskFull));
        assert_eq!(Room::new("/nowhere/at/all".into(), u64::MAX).check(), Ok(()));
    }
}
