//! How many attempts may be in flight: a crash can double no more than these.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::model::stream::Stream;

/// The attempts of an engine. Clones share them.
#[derive(Clone, Debug)]
pub struct Attempts {
    all: Arc<Semaphore>,
    /// Broadcast can't take the last quarter.
    broadcast: Arc<Semaphore>,
}

/// An attempt in flight: from before anything is said of the message until its outcome is durable.
#[derive(Debug)]
pub struct InFlight {
    _all: Option<OwnedSemaphorePermit>,
    _broadcast: Option<OwnedSemaphorePermit>,
}

impl Attempts {
    /// At most so many at once, one at least.
    pub fn new(most: usize) -> Self {
        let most = most.max(1);
        let broadcast = (most - most / 4).max(1);
        Self { all: Arc::new(Semaphore::new(most)), broadcast: Arc::new(Semaphore::new(broadcast)) }
    }

    /// Waits until another attempt may begin.
    pub async fn begin(&self, stream: Stream) -> InFlight {
        // Neither semaphore is ever closed.
        let broadcast = match stream {
            Stream::Broadcast => self.broadcast.clone().acquire_owned().await.ok(),
            Stream::Transactional => None,
        };
        InFlight { _all: self.all.clone().acquire_owned().await.ok(), _broadcast: broadcast }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    #[tokio::test(start_paused = true)]
    async fn broadcast_leaves_a_quarter_to_others() {
        let attempts = Attempts::new(4);
        let begun = async |stream| timeout(Duration::from_secs(1), attempts.begin(stream)).await;
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(begun(Stream::Broadcast).await.expect("room for three"));
        }
        assert!(begun(Stream::Broadcast).await.is_err());
        held.push(begun(Stream::Transactional).await.expect("the last quarter"));
        assert!(begun(Stream::Transactional).await.is_err());
        held.remove(0);
        assert!(begun(Stream::Broadcast).await.is_ok());
    }
}
