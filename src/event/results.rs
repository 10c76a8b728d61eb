//! Writes down what came of attempts: those that end while the last are being written share a transaction.

use tokio::sync::{mpsc, oneshot};

use crate::store::webhooks::deliveries::Attempted;
use crate::store::{Store, StoreError};

/// Sessions whose results wait.
const ROOM: usize = 64;

/// What one session brings at a time.
struct Entry {
    ended: Vec<Attempted>,
    reply: oneshot::Sender<Result<(), StoreError>>,
}

/// Where results are handed in. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Results(mpsc::Sender<Entry>);

/// Where results are handed in, and the work of writing them, which ends when nobody holds the former.
pub(super) fn open(store: Store) -> (Results, impl Future<Output = ()>) {
    let (sender, receiver) = mpsc::channel(ROOM);
    (Results(sender), write(store, receiver))
}

impl Results {
    /// Writes them; durable when it returns.
    pub async fn record(&self, ended: Vec<Attempted>) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        let away = || StoreError::Unavailable("it is being closed".to_owned());
        self.0.send(Entry { ended, reply }).await.map_err(|_| away())?;
        answer.await.unwrap_or_else(|_| Err(away()))
    }
}

async fn write(store: Store, mut entries: mpsc::Receiver<Entry>) {
    let mut batch = Vec::new();
    while entries.recv_many(&mut batch, ROOM).await > 0 {
        // A panic costs the batch it arose in, whose askers hear that the store is away.
        let _ = tokio::spawn(write_batch(store.clone(), std::mem::take(&mut batch))).await;
    }
}

async fn write_batch(store: Store, batch: Vec<Entry>) {
    let all: Vec<Attempted> = batch.iter().flat_map(|entry: &Entry| entry.ended.iter().cloned()).collect();
    let written = store.record_attempts(&all).await;
    for entry in batch {
        // What one session brings can't be written: the others' can.
        let outcome = match &written {
            Err(StoreError::Unavailable(_)) | Ok(()) => written.clone(),
            Err(_) => store.record_attempts(&entry.ended).await,
        };
        let _ = entry.reply.send(outcome);
    }
}
