//! What is done with an endpoint: trying it out, a new secret, what it was told, telling it again.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::attempt::WebhookAttempt;
use super::webhook::Webhook;
use crate::clock::Timestamp;
use crate::door::rest::access::{Caller, WebhooksManage};
use crate::door::rest::body::Payload;
use crate::door::rest::cursor;
use crate::door::rest::door::Door;
use crate::door::rest::krafter::Resources;
use crate::door::rest::krafter::data::{Data, json};
use crate::door::rest::krafter::openapi::{AskedNumber, Failures, FailuresOfBody, FailuresOfOne};
use crate::door::rest::krafter::paging::{Page, Place};
use crate::door::rest::problem::{Details, Problem};
use crate::door::rest::query::Parameters;
use crate::door::rest::reference::Reference;
use crate::id::Id;
use crate::model::webhook::WebhookKind;
use crate::store::webhooks::replay::Which;

/// How long the secret before a new one signs, too, where nothing is said; and at most.
const OVERLAP: u64 = 86_400;
const OVERLAP_MAX: u64 = 30 * 86_400;

/// How a secret is to be replaced. A field that is `null` counts as left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// Seconds for which the secret before signs, too: a day where nothing is said.
    #[schema(maximum = 2592000)]
    pub overlap: Option<u64>,
}

/// What is to be told again: one event, or all of a time. A field that is `null` counts as left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"from": "2026-11-21T00:00:00Z", "to": "2026-11-22T00:00:00Z"}))]
pub struct Replay {
    /// In any form an id is written in.
    pub event_id: Option<String>,
    /// From this time on.
    #[schema(format = DateTime)]
    pub from: Option<String>,
    /// And before this one.
    #[schema(format = DateTime)]
    pub to: Option<String>,
}

/// How much is told again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Replayed {
    pub queued: u64,
}

pub fn routes() -> Resources {
    Resources::new()
        .routes(routes!(test_webhook))
        .routes(routes!(rotate_webhook))
        .routes(routes!(list_webhook_deliveries))
        .routes(routes!(replay_webhook))
}

/// Sends an endpoint a test now, and tells what it answered
#[utoipa::path(
    post,
    path = "/webhooks/{id}/test",
    tag = "webhooks",
    params(("id" = String, Path)),
    responses((status = 200, description = "What came of it", body = Data<WebhookAttempt>), FailuresOfOne)
)]
async fn test_webhook(
    State(door): State<Arc<Door>>,
    caller: Caller<WebhooksManage>,
    Reference(id): Reference,
) -> Result<Data<WebhookAttempt>, Problem> {
    let webhook = door.store.webhook(caller.team(), id).await?.ok_or(Problem::NotFound)?;
    let kind = webhook.settings.kinds.each().next().unwrap_or(WebhookKind::Sent);
    let attempt = door.webhooks.probe(&webhook, kind).await?.ok_or(Problem::Away)?;
    Ok(Data { data: attempt.into() })
}

/// Gives an endpoint a new secret
///
/// For the time of the overlap both secrets sign. The new one is in this answer, and never again.
#[utoipa::path(
    post,
    path = "/webhooks/{id}/rotate",
    tag = "webhooks",
    params(("id" = String, Path)),
    request_body = Option<Rotation>,
    responses((status = 200, description = "With its new secret", body = Data<Webhook>), FailuresOfOne, FailuresOfBody)
)]
async fn rotate_webhook(
    State(door): State<Arc<Door>>,
    caller: Caller<WebhooksManage>,
    Reference(id): Reference,
    payload: Payload,
) -> Result<Data<Webhook>, Problem> {
    let rotation = payload.json_if_any::<Rotation>()?;
    let overlap = rotation.overlap.unwrap_or(OVERLAP);
    if overlap > OVERLAP_MAX {
        return Err(Details::one("overlap", format!("must not be over {OVERLAP_MAX} seconds")).into());
    }
    let until = door.clock.now().plus(Duration::from_secs(overlap));
    let rotated = door.store.rotate_webhook(caller.team(), id, until).await?.ok_or(Problem::NotFound)?;
    Ok(Data { data: Webhook::revealed(rotated) })
}

/// Lists the requests to an endpoint, newest first
#[utoipa::path(
    get,
    path = "/webhooks/{id}/deliveries",
    tag = "webhooks",
    params(
        ("id" = String, Path),
        ("page" = inline(Option<AskedNumber>), Query, description = "From 1, which 0 stands for, too"),
        ("per_page" = inline(Option<AskedNumber>), Query, description = "25 where it is not said; taken into 1 to 100"),
        ("cursor" = Option<String>, Query, description = "meta.next_cursor of the page before; goes before `page`"),
    ),
    responses((status = 200, description = "A page of them", body = Page<WebhookAttempt>), Failures, FailuresOfOne)
)]
async fn list_webhook_deliveries(
    State(door): State<Arc<Door>>,
    caller: Caller<WebhooksManage>,
    Reference(id): Reference,
    mut asked: Parameters,
) -> Result<Response, Problem> {
    let place = Place::read(&mut asked, cursor::read);
    asked.end()?;
    let webhook = door.store.webhook(caller.team(), id).await?.ok_or(Problem::NotFound)?.id;
    let page = door.store.webhook_attempts(webhook, place.after, place.offset(), place.per_page + 1);
    let (rows, total) = tokio::try_join!(page, door.store.count_webhook_attempts(webhook))?;
    let page: Page<WebhookAttempt> = place.of(rows, total, |last| cursor::after(last.id));
    Ok(json(&page))
}

/// Tells an endpoint again
///
/// One event by its id, or all of a time that it wants to know of, 10,000 at most: those are kept that any endpoint on record wanted to know of when they happened.
#[utoipa::path(
    post,
    path = "/webhooks/{id}/replay",
    tag = "webhooks",
    params(("id" = String, Path)),
    request_body = Replay,
    responses((status = 202, description = "They are sent again", body = Data<Replayed>), FailuresOfOne, FailuresOfBody)
)]
async fn replay_webhook(
    State(door): State<Arc<Door>>,
    caller: Caller<WebhooksManage>,
    Reference(id): Reference,
    payload: Payload,
) -> Result<Response, Problem> {
    let which = payload.json::<Replay>()?.0.which(door.clock.now())?;
    let webhook = door.store.webhook(caller.team(), id).await?.ok_or(Problem::NotFound)?;
    if !webhook.settings.enabled {
        return Err(Problem::Conflict { code: "webhook_disabled", text: "The endpoint is switched off; switch it on first" });
    }
    let queued = door.store.replay_webhook(&webhook, which).await?;
    let queued =
        queued.ok_or_else(|| Details::one("from", "leaves more than 10,000 events before `to`; ask for a shorter time"))?;
    if queued == 0 && matches!(which, Which::One(_)) {
        return Err(Problem::NotFound);
    }
    Ok((StatusCode::ACCEPTED, Data { data: Replayed { queued } }).into_response())
}

impl Replay {
    fn which(self, now: Timestamp) -> Result<Which, Details> {
        if let Some(id) = self.event_id {
            if self.from.is_some() || self.to.is_some() {
                return Err(Details::one("event_id", "goes with neither `from` nor `to`"));
            }
            return id.parse::<Id>().map(Which::One).map_err(|fault| Details::one("event_id", fault.to_string()));
        }
        let time = |path: &str, text: &str| {
            let time = text.parse::<jiff::Timestamp>().map(|time| Timestamp(time.as_millisecond()));
            time.map_err(|_| Details::one(path, "must be a time such as 2026-12-31T12:00:00Z"))
        };
        let from = self.from.ok_or_else(|| Details::one("event_id", "is needed where no time is given by `from`"))?;
        let to = self.to.map_or(Ok(now), |to| time("to", &to))?;
        Ok(Which::Between(time("from", &from)?, to))
    }
}
