//! One signal to stop, in two degrees: take nothing new, then let go of everything.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Between a panic and the next beginning: what made it may still be there.
const AGAIN: Duration = Duration::from_secs(1);

/// How the parts of a running house learn that it closes. Clones share the signal.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    drain: CancellationToken,
    abort: CancellationToken,
    tasks: TaskTracker,
}

impl Shutdown {
    /// Begins to close: no new work is taken, what is in flight is finished.
    pub fn begin(&self) {
        self.drain.cancel();
        self.tasks.close();
    }

    /// Completes when closing began. Cancel safe.
    pub async fn begun(&self) {
        self.drain.cancelled().await;
    }

    /// Whether closing began.
    pub fn has_begun(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// Completes when the time to finish is over: drop what you hold. Cancel safe.
    pub async fn aborted(&self) {
        self.abort.cancelled().await;
    }

    /// Runs `work` as a task that [`Shutdown::finished`] waits for.
    pub fn spawn<F>(&self, work: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tasks.spawn(work)
    }

    /// Runs `work` as such a task, and begins it anew for as long as it only ends by a panic.
    pub fn keep<F>(&self, name: &'static str, work: impl Fn(Self) -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let shutdown = self.clone();
        self.spawn(async move {
            while tokio::spawn(work(shutdown.clone())).await.is_err() && !shutdown.has_begun() {
                tracing::error!(name, "it panicked, and is begun again");
                let _ = tokio::time::timeout(AGAIN, shutdown.begun()).await;
            }
        });
    }

    /// Waits for every task begun by [`Shutdown::spawn`]; those that outlast `grace` are told to let go.
    pub async fn finished(&self, grace: Duration) {
        self.tasks.close();
        if tokio::time::timeout(grace, self.tasks.wait()).await.is_err() {
            self.abort.cancel();
            let _ = tokio::time::timeout(Duration::from_secs(2), self.tasks.wait()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_panics_is_begun_again_and_what_ends_is_not() {
        let (shutdown, begun) = (Shutdown::default(), Arc::new(AtomicUsize::new(0)));
        let counted = begun.clone();
        shutdown.keep("it", move |_| {
            let number = counted.fetch_add(1, Ordering::SeqCst);
            async move { assert!(number == 2, "number {number}") }
        });
        shutdown.finished(Duration::from_secs(60)).await;
        assert_eq!(begun.load(Ordering::SeqCst), 3);
    }
}
