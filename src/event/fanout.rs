//! From events that were noted to deliveries: the body is made once, as things stand now, for every endpoint and every attempt.

use std::time::{Duration, Instant};

use super::Webhooks;
use super::announcement::{Announcement, News};
use crate::heavy;
use crate::model::email::Email;
use crate::model::event::Event;
use crate::model::webhook::WebhookKind;
use crate::shutdown::Shutdown;
use crate::store::StoreError;
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

/// Makes deliveries until closing begins.
pub(super) async fn run(webhooks: Webhooks, shutdown: Shutdown) {
    let mut most = EVENTS_MAX;
    while !shutdown.has_begun() {
        let begun = Instant::now();
        match round(&webhooks, most).await {
            Ok(None) => pause(&webhooks, &shutdown).await,
            Ok(Some(for_each)) => {
                webhooks.ring();
                most = (DELIVERIES_MAX / for_each.max(1)).clamp(1, EVENTS_MAX);
                // Mail comes first: half of the time is its own.
                tokio::time::sleep(begun.elapsed()).await;
            }
            Err(failure) => {
                tracing::warn!(%failure, "events can't be made known now");
                pause(&webhooks, &shutdown).await;
            }
        }
    }
}

async fn pause(webhooks: &Webhooks, shutdown: &Shutdown) {
    let rung = async {
        tokio::time::sleep(REST).await;
        let _ = tokio::time::timeout(POLL, webhooks.store().events_noted()).await;
    };
    tokio::select! {
        () = shutdown.begun() => {}
        () = rung => {}
    }
}

/// Takes the oldest events that were noted, at most so many. Returns how many deliveries each made, about; `None`: there was no event.
async fn round(webhooks: &Webhooks, most: usize) -> Result<Option<usize>, StoreError> {
    let noted = webhooks.store().noted_events(most).await?;
    if noted.ids.is_empty() {
        return Ok(None);
    }
    let octets = noted.events.len() * BODY_ABOUT;
    let told: Vec<WebhookEvent> =
        heavy::run(octets, || noted.events.iter().filter_map(|(event, email)| told(webhooks, event, email)).collect());
    let made = webhooks.store().announce(&told, &noted.ids).await?;
    Ok(Some(usize::try_from(made).unwrap_or(usize::MAX) / noted.ids.len()))
}

fn told(webhooks: &Webhooks, event: &Event, email: &Email) -> Option<WebhookEvent> {
    let kind = WebhookKind::of(event)?;
    let announcement = Announcement { id: event.id, kind, at: event.at, news: News::Email(event, email) };
    Some(WebhookEvent { id: event.id, team: event.team, kind, body: webhooks.wording()(&announcement) })
}
