//! The engine's life: an epoch is opened, renewed, and when it is found dead, another begins.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::delivery::dispatch::Dispatch;
use crate::delivery::gate::Gate;
use crate::delivery::pace::Pace;
use crate::store::handover::Epoch;
use crate::store::{Store, StoreError};

/// Keeps an epoch alive.
#[derive(Debug)]
pub struct Tenure {
    pub store: Store,
    pub gate: Arc<Gate>,
    pub dispatch: Arc<Dispatch>,
    pub pace: Pace,
    /// Tells machine and process.
    pub name: String,
    /// Only one process at a time has the name: whoever had it before is dead.
    pub sole: bool,
}

impl Tenure {
    /// Never ends by itself; dropped when the house closes, which then closes the epoch.
    pub async fn run(self) {
        loop {
            let epoch = self.open().await;
            self.keep(epoch).await;
            // Whatever was claimed under it may be claimed by others now: forgotten before anything else begins.
            self.gate.end();
            self.dispatch.drop_waiting();
            tracing::warn!(epoch, "this engine's epoch was found dead; a new one begins");
        }
    }

    async fn open(&self) -> Epoch {
        loop {
            let sent = self.gate.now();
            match self.begin().await {
                Ok(epoch) => {
                    self.gate.begin(epoch, sent);
                    return epoch;
                }
                Err(failure) => tracing::warn!(%failure, "no epoch could be opened"),
            }
            sleep(self.pace.poll).await;
        }
    }

    /// A new epoch; an earlier life's is over without waiting for its silence, and what it died with is charged before it is claimed.
    async fn begin(&self) -> Result<Epoch, StoreError> {
        self.dispatch.trials.charge().await?;
        if self.sole && self.store.bury_namesakes(&self.name).await? > 0 {
            tracing::info!("this engine's earlier life ended without closing; what it held is taken over");
        }
        let epoch = self.store.open_epoch(&self.name).await?;
        let met = self.meet(epoch, Duration::ZERO).await;
        if met.is_err()
            && let Err(failure) = self.store.close_epoch(epoch).await
        {
            // Until it is found dead others leave connections to it that nobody uses.
            tracing::warn!(epoch, %failure, "an epoch that never began can't be closed");
        }
        met.map(|()| epoch)
    }

    /// Renews until the epoch is dead.
    async fn keep(&self, epoch: Epoch) {
        let (began, mut wait) = (self.gate.now(), self.pace.renew);
        loop {
            sleep(wait).await;
            // Counted from before the renewal is sent: what comes back late must not seem fresh.
            let sent = self.gate.now();
            wait = match self.renew(epoch, sent.saturating_sub(began)).await {
                Ok(true) => {
                    self.gate.renewed(sent);
                    self.pace.renew
                }
                Ok(false) => return,
                Err(failure) => {
                    tracing::warn!(%failure, "the epoch could not be renewed");
                    self.pace.poll.min(self.pace.renew)
                }
            };
        }
    }

    /// Renews the epoch, which began so long ago. False: it is dead. Who could not learn who else lives is not renewed either: others rely
    /// on its having seen them.
    async fn renew(&self, epoch: Epoch, age: Duration) -> Result<bool, StoreError> {
        let lives = self.store.renew_epoch(epoch).await?;
        if lives {
            self.meet(epoch, age).await?;
        }
        Ok(lives)
    }

    /// Learns who else lives.
    async fn meet(&self, epoch: Epoch, age: Duration) -> Result<(), StoreError> {
        self.dispatch.meet(epoch, age, self.store.live_epochs().await?);
        Ok(())
    }
}
