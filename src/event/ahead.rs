//! A clock that was ahead, and was set back: what is to happen at a time that was written down meanwhile would have to wait for it.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::Webhooks;
use super::schedule::LONGEST;
use crate::shutdown::Shutdown;

/// Between two looks at the clock.
const EVERY: Duration = Duration::from_secs(1);
/// It is set right by as much all the time.
const SLACK: Duration = Duration::from_secs(1);
/// Until it is tried again, when the store is away.
const SETBACK: Duration = Duration::from_secs(5);

/// Shortens waits that are longer than any should be: once at first, since nobody knows what the clock did before, and whenever it was set
/// back. Ends when closing begins.
pub(super) async fn mend(webhooks: Webhooks, shutdown: Shutdown) {
    let mut latest = webhooks.clock().now();
    shorten(&webhooks, &shutdown).await;
    while !shutdown.has_begun() {
        let _ = timeout(EVERY, shutdown.begun()).await;
        let now = webhooks.clock().now();
        if now.plus(SLACK) < latest {
            shorten(&webhooks, &shutdown).await;
        }
        latest = now;
    }
}

async fn shorten(webhooks: &Webhooks, shutdown: &Shutdown) {
    while !shutdown.has_begun() {
        match webhooks.store().shorten_webhook_waits(&LONGEST).await {
            Ok(0) => return,
            Ok(shortened) => {
                tracing::warn!(shortened, "the clock was ahead: what endpoints were to be told later is told now");
                return webhooks.ring();
            }
            Err(failure) => tracing::debug!(%failure, "waits can't be shortened now"),
        }
        tokio::select! {
            () = shutdown.begun() => {}
            () = sleep(SETBACK) => {}
        }
    }
}
