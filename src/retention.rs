//! How long things are kept: deletes the content of messages and their events when they are old enough, little by little beside all
//! other work.

use std::time::{Duration, Instant};

use crate::clock::{Clock, Timestamp};
use crate::config;
use crate::shutdown::Shutdown;
use crate::store::retention::Place;
use crate::store::{Store, StoreError};

/// From the end of one pass to the next.
const EVERY: Duration = Duration::from_secs(600);
/// So many times as long as a step took is left to others before the next.
const REST: u32 = 4;

/// Deletes what has been kept for long enough.
#[derive(Clone, Debug)]
pub struct Retention {
    store: Store,
    clock: Clock,
    /// `None`: for ever.
    bodies: Option<Duration>,
    events: Option<Duration>,
    webhooks: Option<Duration>,
    rest: u32,
}

impl Retention {
    /// As configured.
    pub fn new(store: Store, config: &config::Retention, clock: Clock) -> Self {
        let kept = |span: config::units::Span| Some(span.0).filter(|span| !span.is_zero());
        let (bodies, events, webhooks) = (kept(config.bodies), kept(config.events), kept(config.webhooks));
        Self { store, clock, bodies, events, webhooks, rest: REST }
    }

    /// One that leaves nothing to others.
    pub fn without_rest(self) -> Self {
        Self { rest: 0, ..self }
    }

    /// Passes over everything again and again, until closing begins.
    pub async fn run(self, shutdown: Shutdown) {
        let passes = async {
            loop {
                if let Err(failure) = self.pass().await {
                    tracing::warn!(%failure, "what has been kept for long enough can't be deleted now");
                }
                tokio::time::sleep(EVERY).await;
            }
        };
        tokio::select! {
            () = shutdown.begun() => {}
            () = passes => {}
        }
    }

    /// Deletes all that is old enough now, and gives its space back. What can't be deleted of one kind keeps nothing of another; the first
    /// failure is told.
    pub async fn pass(&self) -> Result<(), StoreError> {
        let store = &self.store;
        let outcomes = [
            self.bodies().await,
            self.events().await,
            store.forget_secrets().await,
            self.webhook_history().await,
            self.all(|| store.forget_removed_webhooks()).await,
            self.all(|| store.give_back_space()).await,
        ];
        outcomes.into_iter().collect()
    }

    async fn bodies(&self) -> Result<(), StoreError> {
        let Some(before) = self.before(self.bodies) else { return Ok(()) };
        let mut place = Some(Place::default());
        while let Some(after) = place {
            place = self.step(self.store.forget_bodies(after, before)).await?;
        }
        Ok(())
    }

    async fn events(&self) -> Result<(), StoreError> {
        let Some(before) = self.before(self.events) else { return Ok(()) };
        let mut place = Some(Place::default());
        while let Some(after) = place {
            place = self.step(self.store.forget_events(after, before)).await?;
        }
        Ok(())
    }

    async fn webhook_history(&self) -> Result<(), StoreError> {
        let Some(before) = self.before(self.webhooks) else { return Ok(()) };
        self.all(|| self.store.forget_webhook_history(before)).await
    }

    /// When that began which is kept for so long.
    fn before(&self, span: Option<Duration>) -> Option<Timestamp> {
        span.map(|span| self.clock.now().minus(span))
    }

    /// Takes steps for as long as there is more.
    async fn all<S: Future<Output = Result<bool, StoreError>>>(&self, step: impl Fn() -> S) -> Result<(), StoreError> {
        while self.step(step()).await? {}
        Ok(())
    }

    async fn step<T>(&self, step: impl Future<Output = T>) -> T {
        let begun = Instant::now();
        let outcome = step.await;
        tokio::time::sleep(begun.elapsed() * self.rest).await;
        outcome
    }
}
