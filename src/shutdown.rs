//! One signal to stop, in two degrees: take nothing new, then let go of everything.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

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

    /// Waits for every task begun by [`Shutdown::spawn`]; those that outlast `grace` are told to let go.
    pub async fn finished(&self, grace: Duration) {
        self.tasks.close();
        if tokio::time::timeout(grace, self.tasks.wait()).await.is_err() {
            self.abort.cancel();
            let _ = tokio::time::timeout(Duration::from_secs(2), self.tasks.wait()).await;
        }
    }
}
