//! How many attempts may be in flight: a crash can double no more than these.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::model::stream::Stream;

/// The attempts of an engine. Clones share them.
#[derive(Clone, Debug)]
pub struct Attempts {
    most: u32,
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

/// All other attempts, which can't begin while this lives.
#[derive(Debug)]
pub struct Others {
    _kept: Option<OwnedSemaphorePermit>,
}

impl Attempts {
    /// At most so many at once, one at least.
    pub fn new(most: usize) -> Self {
        let most = u32::try_from(most.max(1)).unwrap_or(u32::MAX);
        let semaphore = |permits: u32| Arc::new(Semaphore::new(permits as usize));
        Self { most, all: semaphore(most), broadcast: semaphore((most - most / 4).max(1)) }
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

    /// Waits until an attempt may begin alone: no other is in flight while the second value lives.
    pub async fn begin_alone(&self) -> (InFlight, Others) {
        let mut others = self.all.clone().acquire_many_owned(self.most).await.ok();
        let own = others.as_mut().and_then(|all| all.split(1));
        (InFlight { _all: own, _broadcast: None }, Others { _kept: others })
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
