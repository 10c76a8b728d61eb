//! How many sockets the process may have open: those of all doors, of delivery and of calls to endpoints together, and its files.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the number as far as the system lets anybody: the usual one is made for programs that open a few files.
pub fn raise() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::debug!(%error, "the number of open sockets can't be raised");
    }
}

/// So many may be open.
pub fn at_most() -> usize {
    getrlimit(Resource::Nofile).current.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX)
}
