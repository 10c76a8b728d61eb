//! A session: what is due at one endpoint is sent to it for a while, one request at a time, or several where it answers well.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::announcement::{Announcement, News};
use super::deliver::Place;
use super::results::Results;
use super::{Webhooks, breaker, schedule};
use crate::id::Id;
use crate::model::webhook::{Webhook, WebhookKind};
use crate::shutdown::Shutdown;
use crate::store::StoreError;
use crate::store::webhooks::attempts::Attempt;
use crate::store::webhooks::deliveries::{Attempted, Due, Next};
use crate::store::webhooks::outbox::WebhookEvent;

/// How long a session begins requests: others have their turn, too, and a lease outlasts it with its last requests.
const LASTS: Duration = Duration::from_secs(5);
/// Requests at once beside the first, at an endpoint that answers.
const EXTRAS_MAX: usize = 7;
/// Seconds between tries to write down what came of requests. With all else that a session takes they fit into its lease.
const SETBACKS: [u64; 4] = [1, 2, 4, 8];
/// So long nobody works at an endpoint of which nothing can be written down: else it would be sent the same again at once, for ever.
const REST: Duration = Duration::from_secs(8);

/// The work at one endpoint.
pub(super) struct Session {
    pub webhooks: Webhooks,
    pub results: Results,
    pub webhook: Webhook,
    /// Where several requests may be under way at once: what allows them.
    pub extras: Option<Arc<Semaphore>>,
    pub holder: Id,
}

impl Session {
    /// Sends what is due, then lets go of the endpoint.
    pub async fn run(mut self, place: Place, shutdown: Shutdown) {
        if let Err(failure) = self.work(&shutdown).await {
            tracing::warn!(webhook = %self.webhook.id, %failure, "what an endpoint was told can't be written down; it may be told again");
            rest(REST, &shutdown).await;
        }
        if let Err(failure) = self.webhooks.store().release_webhook(self.holder, self.webhook.id).await {
            tracing::debug!(%failure, "an endpoint could not be let go of; its lease ends by itself");
        }
        drop(place);
    }

    async fn work(&mut self, shutdown: &Shutdown) -> Result<(), StoreError> {
        let until = Instant::now() + LASTS;
        while Instant::now() < until && !shutdown.has_begun() && self.read_anew().await? {
            let extras = self.extras();
            let due = self.webhooks.store().due_deliveries(self.webhook.id, 1 + extras.len()).await?;
            let attempts = join_all(due.iter().map(|due| self.attempt(due))).await;
            if attempts.is_empty() || !self.settle(attempts, shutdown).await? {
                break;
            }
        }
        Ok(())
    }

    /// Reads the endpoint as its team has it now. Whether it is still to be told anything.
    async fn read_anew(&mut self) -> Result<bool, StoreError> {
        let Some(webhook) = self.webhooks.store().webhook(self.webhook.team, self.webhook.id).await? else { return Ok(false) };
        self.webhook = webhook;
        Ok(self.webhook.settings.enabled)
    }

    fn extras(&self) -> Vec<OwnedSemaphorePermit> {
        let Some(extras) = &self.extras else { return Vec::new() };
        (0..EXTRAS_MAX).map_while(|_| extras.clone().try_acquire_owned().ok()).collect()
    }

    async fn attempt(&self, due: &Due) -> Attempt {
        self.webhooks.call(&self.webhook, due.event, due.kind, due.attempts + 1, &due.body).await
    }

    /// Writes down what came of these. Whether more may be sent by this session: one whose endpoint has changed its standing ends.
    async fn settle(&mut self, mut attempts: Vec<Attempt>, shutdown: &Shutdown) -> Result<bool, StoreError> {
        // Of what was under way at once, one success shows that the endpoint is there.
        attempts.sort_by_key(|attempt| attempt.error.is_none());
        let ended = attempts.into_iter().map(|attempt| self.judge(attempt)).collect();
        self.record(ended, shutdown).await?;
        if breaker::is_given_up(&self.webhook.health, self.webhooks.clock().now()) {
            self.give_up().await?;
        }
        Ok(self.extras.is_some() && self.webhook.health.failures == 0)
    }

    /// Has these written down, and tries it for a while.
    async fn record(&self, ended: Vec<Attempted>, shutdown: &Shutdown) -> Result<(), StoreError> {
        for setback in SETBACKS {
            match self.results.record(ended.clone()).await {
                Ok(()) => return Ok(()),
                Err(failure) => {
                    tracing::debug!(webhook = %self.webhook.id, %failure, "what came of requests can't be written now");
                }
            }
            rest(Duration::from_secs(setback), shutdown).await;
        }
        self.results.record(ended).await
    }

    /// What follows from an attempt.
    fn judge(&mut self, attempt: Attempt) -> Attempted {
        let now = self.webhooks.clock().now();
        let before = self.webhook.health.clone();
        let (health, next) = match &attempt.error {
            None => (breaker::succeeded(&before, now), Next::Done),
            Some(_) => (Some(breaker::failed(&before, now)), schedule::after_failure(attempt.number, now)),
        };
        if let Some(health) = &health {
            self.webhook.health = health.clone();
        }
        let is_back = attempt.error.is_none() && breaker::was_away(&before);
        Attempted { attempt, next, health, as_of: self.webhook.updated_at, is_back }
    }

    /// Switches the endpoint off, and has the team's others told.
    async fn give_up(&self) -> Result<(), StoreError> {
        let (id, at, kind) = (self.webhooks.next_id(), self.webhooks.clock().now(), WebhookKind::Disabled);
        let reason = "it has taken nothing for 7 days";
        let body = self.webhooks.wording()(&Announcement { id, kind, at, news: News::Webhook(&self.webhook, reason) });
        let told = WebhookEvent { id, team: self.webhook.team, kind, body };
        if self.webhooks.store().give_up_webhook(&self.webhook, reason, &told).await? {
            tracing::info!(webhook = %self.webhook.id, team = %self.webhook.team, reason, "an endpoint was switched off");
            self.webhooks.made().notify_one();
        }
        Ok(())
    }
}

/// Until then, or until closing begins.
async fn rest(span: Duration, shutdown: &Shutdown) {
    let _ = timeout(span, shutdown.begun()).await;
}
