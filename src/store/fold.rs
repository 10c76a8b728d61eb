//! Folding SQLite's log into its file. A commit that did it by itself would keep everybody waiting for as long as it takes. So it is done
//! beside the writer, and then in the writer's place for the little that was written meanwhile: after that the log begins anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use sqlx::Sqlite;
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

use crate::store::StoreError;
use crate::store::seats::Seats;

/// About so many pages are written to the log from one folding to the next.
const PAGES: usize = 3000;
/// What a shared commit writes, were it of nothing; and a message or an outcome more.
const PAGES_OF_COMMIT: usize = 16;
const PAGES_OF_ITEM: usize = 2;

/// Counts what is committed, and has the log folded now and then; clones share the count.
#[derive(Clone, Debug)]
pub(super) struct Folding {
    pages: Arc<AtomicUsize>,
    due: Arc<Notify>,
    beside: Seats<Sqlite>,
    _worker: Arc<AbortOnDropHandle<()>>,
}

impl Folding {
    /// Begins with a connection of its own.
    pub fn start(beside: Seats<Sqlite>, writer: Seats<Sqlite>) -> Self {
        let due = Arc::new(Notify::new());
        let worker = tokio::spawn(work(due.clone(), beside.clone(), writer));
        Self { pages: Arc::default(), due, beside, _worker: Arc::new(AbortOnDropHandle::new(worker)) }
    }

    /// So many messages and outcomes were committed together.
    pub fn committed(&self, items: usize) {
        let pages = PAGES_OF_COMMIT + items * PAGES_OF_ITEM;
        if self.pages.fetch_add(pages, Relaxed) + pages >= PAGES {
            self.pages.store(0, Relaxed);
            self.due.notify_one();
        }
    }

    /// Closes the connection.
    pub async fn close(&self) {
        self.beside.close().await;
    }
}

async fn work(due: Arc<Notify>, beside: Seats<Sqlite>, writer: Seats<Sqlite>) {
    loop {
        due.notified().await;
        for seats in [&beside, &writer] {
            if let Err(failure) = fold(seats).await {
                // The writer folds by itself when the log becomes long.
                tracing::debug!(%failure, "the log was not folded");
            }
        }
    }
}

/// Folds what no reader needs in the log any more; waits for nobody.
async fn fold(seats: &Seats<Sqlite>) -> Result<(), StoreError> {
    seats.take().await?.say("PRAGMA wal_checkpoint(PASSIVE)").await
}
