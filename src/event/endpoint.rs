//! A session: what is due at one endpoint is sent to it for a while, one request at a time, or several where it answers well.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep, timeout};

use super::announcement::{Announcement, News};
use super::deliver::Place;
use super::line::Line;
use super::pool::{Pool, PoolPlace};
use super::results::Results;
use super::{Webhooks, breaker, schedule};
use crate::id::Id;
use crate::model::webhook::{Webhook, WebhookKind};
use crate::shutdown::Shutdown;
use crate::store::StoreError;
use crate::store::webhooks::attempts::Attempt;
use crate::store::webhooks::deliveries::{Attempted, Due, Endpoint, GivenUp, Next, Standing};
use crate::store::webhooks::outbox::WebhookEvent;

/// How long a session begins requests: others have their turn, too, and a lease outlasts it with its last requests.
const LASTS: Duration = Duration::from_secs(5);
/// Requests at once beside the first, at an endpoint that answers.
const EXTRAS_MAX: usize = 7;
/// What is due is read for so many requests one after another, where it answers, and written down together: so it hears of much that
/// happens at once without waiting for the store each time.
const AFTER_ANOTHER: usize = 4;
/// So long requests of one such round are begun.
const ROUND: Duration = Duration::from_secs(1);
/// Seconds between tries to write down what came of requests. With all else that a session takes they fit into its lease.
const SETBACKS: [u64; 4] = [1, 2, 4, 8];
/// So long nobody works at an endpoint of which nothing can be written down: else it would be sent the same again at once, for ever.
const REST: Duration = Duration::from_secs(8);

/// The work at one endpoint.
pub(super) struct Session {
    pub webhooks: Webhooks,
    pub results: Results,
    /// Of the endpoint when the session began.
    pub standing: Standing,
    /// Where several requests may be under way at once: what allows them.
    pub extras: Option<Pool>,
}

impl Session {
    /// Sends what is due, and gives the place back.
    pub async fn run(self, place: Place, shutdown: Shutdown) -> Place {
        let id = place.endpoint.id;
        if let Err(failure) = self.work(place.endpoint, &shutdown).await {
            tracing::warn!(webhook = %id, %failure, "what an endpoint was told can't be written down; it may be told again");
            rest(REST, &shutdown).await;
        }
        place
    }

    async fn work(&self, endpoint: Endpoint, shutdown: &Shutdown) -> Result<(), StoreError> {
        let (until, line) = (Instant::now() + LASTS, Line::default());
        while Instant::now() < until && !shutdown.has_begun() {
            // As its team has it now.
            let found = self.webhooks.store().webhook(endpoint.team, endpoint.id).await?;
            let Some(mut webhook) = found.filter(|webhook| webhook.settings.enabled) else { break };
            let ended = match &self.extras {
                Some(extras) if webhook.health.failures == 0 => self.round(&webhook, extras, &line, shutdown).await?,
                _ => self.one(&webhook).await?,
            };
            if ended.is_empty() || !self.settle(&mut webhook, ended, shutdown).await? {
                break;
            }
        }
        Ok(())
    }

    /// One request, to see how it goes.
    async fn one(&self, webhook: &Webhook) -> Result<Vec<Attempt>, StoreError> {
        let due = self.due(webhook, 1).await?;
        let Some(due) = due.first() else { return Ok(Vec::new()) };
        Ok(self.attempt(webhook, due, None).await.into_iter().collect())
    }

    /// Requests one after another and several at once, as long as it goes well.
    async fn round(
        &self,
        webhook: &Webhook,
        extras: &Pool,
        line: &Line,
        shutdown: &Shutdown,
    ) -> Result<Vec<Attempt>, StoreError> {
        let extras: Vec<PoolPlace> = (0..EXTRAS_MAX).map_while(|_| extras.enter(webhook.team)).collect();
        let at_once = 1 + extras.len();
        let due = self.due(webhook, at_once * AFTER_ANOTHER).await?;
        let (until, mut due) = (Instant::now() + ROUND, due.iter());
        let mut under_way: FuturesUnordered<_> =
            due.by_ref().take(at_once).map(|due| self.attempt(webhook, due, Some(line))).collect();
        let (mut ended, mut goes_well) = (Vec::new(), true);
        while let Some(attempt) = under_way.next().await {
            goes_well &= attempt.as_ref().is_some_and(|attempt| attempt.error.is_none());
            ended.extend(attempt);
            if !goes_well || shutdown.has_begun() || Instant::now() >= until {
                continue;
            }
            under_way.extend(due.next().map(|due| self.attempt(webhook, due, Some(line))));
        }
        Ok(ended)
    }

    /// What is due, at most so many; an endpoint that is behind, and has less due, catches up first.
    async fn due(&self, webhook: &Webhook, most: usize) -> Result<Vec<Due>, StoreError> {
        let (store, until) = (self.webhooks.store(), Instant::now() + ROUND);
        let (mut due, mut is_behind) = (store.due_deliveries(webhook.id, most).await?, webhook.behind_from.is_some());
        while is_behind && due.len() < most && Instant::now() < until {
            let begun = Instant::now();
            is_behind = store.catch_up_webhook(webhook).await?;
            due = store.due_deliveries(webhook.id, most).await?;
            if due.is_empty() {
                // Much happened that it does not want to know of: others have as much time.
                sleep(begun.elapsed()).await;
            }
        }
        Ok(due)
    }

    /// `None`: it was not made, and comes again as it is.
    async fn attempt(&self, webhook: &Webhook, due: &Due, line: Option<&Line>) -> Option<Attempt> {
        self.webhooks.call(webhook, (due.event, due.kind), due.attempts + 1, &due.body, line).await
    }

    /// Writes down what came of these. Whether more may be sent by this session: one whose endpoint has changed its standing ends.
    async fn settle(&self, webhook: &mut Webhook, mut attempts: Vec<Attempt>, shutdown: &Shutdown) -> Result<bool, StoreError> {
        // Of what was under way at once, one success shows that the endpoint is there.
        attempts.sort_by_key(|attempt| attempt.error.is_none());
        let was_away = breaker::is_away(&webhook.health, self.webhooks.clock().now());
        let mut ended: Vec<Attempted> = attempts.into_iter().map(|attempt| self.judge(webhook, attempt)).collect();
        let now = self.webhooks.clock().now();
        if let Some(last) = ended.last_mut() {
            last.is_back = (was_away && last.attempt.error.is_none()).then(|| schedule::long_waits(now));
            last.given_up = breaker::is_given_up(&webhook.health, now).then(|| self.farewell(webhook));
        }
        let is_given_up = ended.iter().any(|ended| ended.given_up.is_some());
        self.record(webhook.id, ended, shutdown).await?;
        if is_given_up {
            tracing::info!(webhook = %webhook.id, team = %webhook.team, "an endpoint is given up");
            self.webhooks.ring();
        }
        let is_among_its_kind = self.standing == Standing::Slow || !breaker::is_slow(&webhook.health, now);
        Ok(self.extras.is_some() && webhook.health.failures == 0 && is_among_its_kind)
    }

    /// Has these written down, and tries it for a while.
    async fn record(&self, webhook: Id, ended: Vec<Attempted>, shutdown: &Shutdown) -> Result<(), StoreError> {
        for setback in SETBACKS {
            match self.results.record(ended.clone()).await {
                Ok(()) => return Ok(()),
                Err(failure) => {
                    tracing::debug!(%webhook, %failure, "what came of requests can't be written now");
                }
            }
            rest(Duration::from_secs(setback), shutdown).await;
        }
        self.results.record(ended).await
    }

    /// What follows from an attempt, for its delivery and for the endpoint.
    fn judge(&self, webhook: &mut Webhook, attempt: Attempt) -> Attempted {
        let (now, took) = (self.webhooks.clock().now(), attempt.latency);
        let before = webhook.health.clone();
        let (health, next) = match &attempt.error {
            None => (breaker::succeeded(&before, took, now), Next::Done),
            Some(_) => (Some(breaker::failed(&before, took, now)), schedule::after_failure(attempt.number, now)),
        };
        if let Some(health) = &health {
            webhook.health = health.clone();
        }
        Attempted { attempt, next, health, as_of: webhook.updated_at, is_back: None, given_up: None }
    }

    /// What is written down with the attempt by which the endpoint is given up.
    fn farewell(&self, webhook: &Webhook) -> GivenUp {
        let (id, at, kind) = (self.webhooks.next_id(), self.webhooks.clock().now(), WebhookKind::Disabled);
        let reason = "it has taken nothing for 7 days";
        let body = self.webhooks.wording()(&Announcement { id, kind, at, news: News::Webhook(webhook, reason) });
        GivenUp { reason, told: WebhookEvent { id, team: webhook.team, kind, body } }
    }
}

/// Until then, or until closing begins.
async fn rest(span: Duration, shutdown: &Shutdown) {
    let _ = timeout(span, shutdown.begun()).await;
}
