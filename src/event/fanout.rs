//! From events that were noted to deliveries: the body is made once, as things stand now, for every endpoint and every attempt.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::Webhooks;
use super::announcement::{Announcement, News};
use crate::heavy;
use crate::id::Id;
use crate::model::webhook::WebhookKind;
use crate::shutdown::Shutdown;
use crate::store::StoreError;
use crate::store::webhooks::noted::{Noted, NotedEvent, NotedKey};
use crate::store::webhooks::outbox::WebhookEvent;

/// Events of one transaction, and deliveries: what it writes keeps mail waiting where there is one writer.
const EVENTS_MAX: usize = 100;
const DELIVERIES_MAX: usize = 5000;
/// Octets of a body, about.
const BODY_ABOUT: usize = 8192;
/// Another process may have noted some, which nobody says here.
const POLL: Duration = Duration::from_secs(1);
/// Between a look that found nothing and the next, however often it is rung: a busy house rings at every batch of mail.
const REST: Duration = Duration::from_millis(100);
/// So many times as long as it worked is left to others: mail comes first, and waits where there is one writer for all.
const LEFT_BY_THE_ONLY_WRITER: u32 = 4;
const LEFT_BY_ONE_OF_SEVERAL: u32 = 1;
/// But no longer than this: some of the work was waiting for the writer.
const LEFT_AT_MOST: Duration = Duration::from_millis(200);

/// Who makes deliveries.
struct Fanout {
    webhooks: Webhooks,
    /// Events that are taken at a time.
    most: usize,
    /// How many times as long as it worked it rests.
    left: u32,
    /// The team whose turn was the last.
    last: Option<Id>,
}

/// Makes deliveries until closing begins.
pub(super) async fn run(webhooks: Webhooks, shutdown: Shutdown) {
    let left = if webhooks.store().is_shared() { LEFT_BY_ONE_OF_SEVERAL } else { LEFT_BY_THE_ONLY_WRITER };
    let mut fanout = Fanout { webhooks, most: EVENTS_MAX, left, last: None };
    while !shutdown.has_begun() {
        let begun = Instant::now();
        match fanout.round().await {
            Ok(false) => fanout.pause(&shutdown).await,
            Ok(true) => {
                fanout.webhooks.ring();
                tokio::time::sleep((begun.elapsed() * fanout.left).min(LEFT_AT_MOST)).await;
            }
            Err(failure) => {
                tracing::warn!(%failure, "events can't be made known now");
                fanout.pause(&shutdown).await;
            }
        }
    }
}

impl Fanout {
    async fn pause(&self, shutdown: &Shutdown) {
        let rung = async {
            tokio::time::sleep(REST).await;
            let _ = tokio::time::timeout(POLL, self.webhooks.store().events_noted()).await;
        };
        tokio::select! {
            () = shutdown.begun() => {}
            () = rung => {}
        }
    }

    /// Makes deliveries of the oldest events that were noted, of some teams. False: there was none.
    async fn round(&mut self) -> Result<bool, StoreError> {
        let noted = self.webhooks.store().take_noted(self.last, self.most).await?;
        self.last = noted.last;
        if noted.keys.is_empty() {
            return Ok(false);
        }
        let told: Vec<WebhookEvent> = heavy::run(noted.events.len() * BODY_ABOUT, || {
            noted.events.iter().filter_map(|noted| told(&self.webhooks, noted)).collect()
        });
        let keys = noted.keys.clone();
        let made = match self.webhooks.store().announce(&told, noted).await {
            Err(failure) if failure.may_be_one_rows_fault() => self.one_by_one(&told, &keys).await?,
            made => made?,
        };
        let for_each = usize::try_from(made).unwrap_or(usize::MAX) / keys.len();
        self.most = (DELIVERIES_MAX / for_each.max(1)).clamp(1, EVENTS_MAX);
        Ok(true)
    }

    /// The same for each by itself: one that can't be written is left out, and keeps no other waiting.
    async fn one_by_one(&self, told: &[WebhookEvent], keys: &[NotedKey]) -> Result<u64, StoreError> {
        let (store, mut made) = (self.webhooks.store(), 0);
        for key in keys {
            let alone = told.iter().find(|told| told.id == key.event);
            made += match store.announce(alone.map_or(&[], std::slice::from_ref), Noted::only(*key)).await {
                Err(failure) if failure.may_be_one_rows_fault() => {
                    tracing::error!(event = %key.event, %failure, "an event can't be made known, and is left out");
                    store.announce(&[], Noted::only(*key)).await?
                }
                made => made?,
            };
        }
        Ok(made)
    }
}

/// The event in the words of the dialect. Whatever goes wrong with that is about this one alone.
fn told(webhooks: &Webhooks, noted: &NotedEvent) -> Option<WebhookEvent> {
    let NotedEvent { event, email, as_of } = noted;
    let kind = WebhookKind::of(event)?;
    let announcement = Announcement { id: event.id, kind, at: event.at, news: News::Email { event, email, as_of: *as_of } };
    let body = catch_unwind(AssertUnwindSafe(|| webhooks.wording()(&announcement)));
    let body = body.map_err(|_| tracing::error!(event = %event.id, "an event can't be put in words, and is left out")).ok()?;
    Some(WebhookEvent { id: event.id, team: event.team, kind, body })
}
