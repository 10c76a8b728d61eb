//! The locks on the data directory and on the SQLite file: one server (or migration) at a time, even after a crash.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

/// Held while this lives. The system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why the directory or the file can't be had alone.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("{what} is in use by another posthouse (pid {pid}): stop it first")]
    Held { what: String, pid: String },
    #[error("{path} can't be locked: {cause}")]
    Io { path: String, cause: io::Error },
}

impl Lock {
    /// Takes `lock` in the directory, and writes this process's id into it.
    pub fn take(data_dir: &Path) -> Result<Self, LockError> {
        Self::at(&data_dir.join("lock"), data_dir)
    }

    /// Takes `FILE.lock` beside a file that need not be there yet, in a directory that is; a link leads to the file it means.
    pub fn beside(file: &Path) -> Result<Self, LockError> {
        let file = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
        let mut path = file.clone().into_os_string();
        path.push(".lock");
        Self::at(&PathBuf::from(path), &file)
    }

    /// Takes the lock at `path`, which stands for `what`.
    fn at(path: &Path, what: &Path) -> Result<Self, LockError> {
        let io = |cause| LockError::Io { path: path.display().to_string(), cause };
        // Not truncated on opening: until the lock is had, the text is another's.
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held { what: what.display().to_string(), pid: holder(&mut file) });
            }
            Err(TryLockError::Error(cause)) => return Err(io(cause)),
        }
        write_pid(&mut file).map_err(io)?;
        Ok(Self { _file: file })
    }
}

/// The name that every holder of the lock on `data_dir` has, one after the other: this boot of this machine, and the lock file itself.
/// Whoever had it before this process is dead. `None` when this process is not the holder, or the system tells too little.
pub fn seat(data_dir: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;
    let mut file = File::open(data_dir.join("lock")).ok()?;
    let metadata = file.metadata().ok()?;
    let is_ours = holder(&mut file) == std::process::id().to_string();
    // Copies of a directory, and containers made from one image, differ in these three.
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().filter(|_| is_ours)?;
    Some(format!("{} {}:{}", boot.trim(), metadata.dev(), metadata.ino()))
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.take(32).read_to_string(&mut text);
    let pid = text.trim();
    if read.is_ok() && !pid.is_empty() { pid.to_owned() } else { "unknown".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_one_is_told_who_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let first = Lock::take(dir.path()).unwrap();
        let refused = Lock::take(dir.path()).unwrap_err().to_string();
        assert!(refused.contains(&format!("pid {}", std::process::id())), "{refused}");
        let seat = seat(dir.path());
        assert!(seat.is_some());
        drop(first);
        let _second = Lock::take(dir.path()).unwrap();
        assert_eq!(super::seat(dir.path()), seat, "the same seat");
        std::fs::write(dir.path().join("lock"), "1\n").unwrap();
        assert_eq!(super::seat(dir.path()), None, "another's");
    }

    #[test]
    fn a_file_has_one_lock_whatever_it_is_called() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("book.db"), dir.path().join("link.db"));
        std::fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let _first = Lock::beside(&file).unwrap();
        assert!(matches!(Lock::beside(&link), Err(LockError::Held { .. })));
    }
}
