//! Connections to one endpoint that are kept from one request to the next.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::net::exchange::Connection;

/// A connection on which nothing was said for longer is not used again: servers close those.
const IDLE_MAX: Duration = Duration::from_secs(3);

/// The connections of one session; they end with it. Each leads to an address that was looked at when it was made.
#[derive(Default)]
pub struct Line {
    kept: Mutex<Vec<Kept>>,
}

struct Kept {
    connection: Connection,
    url: String,
    since: Instant,
}

impl Line {
    /// One that was made for this very URL: what its team changes is not called where it was.
    pub(super) fn take(&self, url: &str) -> Option<Connection> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|kept| kept.url == url && kept.since.elapsed() < IDLE_MAX);
        kept.pop().map(|kept| kept.connection)
    }

    /// Keeps one over which an answer was read to its end.
    pub(super) fn keep(&self, connection: Connection, url: &str) {
        let kept = Kept { connection, url: url.to_owned(), since: Instant::now() };
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(kept);
    }
}
