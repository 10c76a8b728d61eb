//! `/webhooks`: endpoints that are told what becomes of a team's mail.

mod actions;
mod attempt;
mod body;
mod webhook;

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse as _, Response};
use utoipa_axum::routes;

pub use body::body;

use super::Resources;
use super::data::{Data, json};
use super::openapi::{AskedNumber, Failures, FailuresOfBody, FailuresOfOne};
use super::paging::{Page, Place};
use crate::door::rest::access::{Caller, WebhooksManage};
use crate::door::rest::body::Payload;
use crate::door::rest::cursor;
use crate::door::rest::door::Door;
use crate::door::rest::problem::{Details, Problem};
use crate::door::rest::query::Parameters;
use crate::door::rest::reference::Reference;
use webhook::{NewWebhook, Webhook, WebhookChange};

/// How often a change is made anew over what somebody else changed meanwhile.
const CHANGES_MAX: usize = 10;

pub fn routes() -> Resources {
    Resources::new()
        .routes(routes!(create_webhook, list_webhooks))
        .routes(routes!(show_webhook, put_webhook, change_webhook, delete_webhook))
        .merge(actions::routes())
}

/// Whether the address may be called.
async fn callable(door: &Door, url: &str) -> Result<(), Problem> {
    door.webhooks.check(url).await.map_err(|fault| Details::one("url", fault).into())
}

/// Keeps a new endpoint
///
/// The secret that signs the requests to it is in this answer, and never again.
#[utoipa::path(
    post,
    path = "/webhooks",
    tag = "webhooks",
    request_body = NewWebhook,
    responses((status = 201, description = "Told from now on", body = Data<Webhook>, headers(("location" = String))), FailuresOfBody)
)]
async fn create_webhook(
    State(door): State<Arc<Door>>,
    caller: Caller<WebhooksManage>,
    payload: Payload,
) -> Result<Response, Problem> {
    let (new, _room) = payload.json::<NewWebhook>()?;
    let settings = new.checked()?;
    callable(&door, &settings.url).await?;
    let kept = door
        .store
        .create_webhook(caller.team(), settings, door.endpoints_per_team)
        .await?
        .ok_or(Problem::Conflict { code: "too_many_webhooks", text: "The team has as many endpoints as it may; remove one" })?;
    let location = format!("/api/v1/webhooks/{}", kept.id.uuid());
    Ok((StatusCode::CREATED, [(LOCATION, location)], Data { data: Webhook::revealed(kept) }).into_response())
}

/// Lists endpoints, newest first
#[utoipa::path(
    get,
    path = "/webhooks",
    tag = "webhooks",
    params(
        ("page" = inline(Option<AskedNumber>), Query, description = "From 1, which 0 stands for, too"),
        ("per_page" = inline(Option<AskedNumber>), Query, description = "25 where it is not said; taken into 1 to 100"),
        ("cursor" = Option<String>, Query, description = "meta.next_cursor of the page before; goes before `page`"),
    ),
    responses((status = 200, description = "A page of them", body = Page<Webhook>), Failures)
)]
async fn list_webhooks(
    State(door): State<Arc<Door>>,
    caller: Caller<WebhooksManage>,
    mut asked: Parameters,
) -> Result<Response, Problem> {
    let place = Place::read(&mut asked, cursor::read);
    asked.end()?;
    let page = door.store.webhooks(caller.team(), place.after, place.offset(), place.per_page + 1);
    let (rows, total) = tokio::try_join!(page, door.store.count_webhooks(caller.team()))?;
    let page: Page<Webhook> = place.of(rows, total, |last| cursor::after(last.id));
    Ok(json(&page))
}

/// Shows an endpoint, and how it fares
#[utoipa::path(
    get,
    path = "/webhooks/{id}",
    tag = "webhooks",
    params(("id" = String, Path)),
    responses((status = 200, description = "The endpoint", body = Data<Webhook>), FailuresOfOne)
)]
async fn show_webhook(
    State(door): State<Arc<Door>>,
    caller: Caller<WebhooksManage>,
    Reference(id): Reference,
) -> Result<Data<Webhook>, Problem> {
    let webhook = door.store.webhook(caller.team(), id).await?.ok_or(Problem::NotFound)?;
    Ok(Data { data: webhook.into() })
}

/// Changes an endpoint
#[utoipa::path(
    put,
    path = "/webhooks/{id}",
    tag = "webhooks",
    params(("id" = String, Path)),
    request_body = WebhookChange,
    responses((status = 200, description = "As it is now", body = Data<Webhook>), FailuresOfOne, FailuresOfBody)
)]
async fn put_webhook(
    door: State<Arc<Door>>,
    caller: Caller<WebhooksManage>,
    reference: Reference,
    payload: Payload,
) -> Result<Data<Webhook>, Problem> {
    change_webhook(door, caller, reference, payload).await
}

/// Changes an endpoint
///
/// One that is switched on again is sent what still waits for it; how it fared before is forgotten.
#[utoipa::path(
    patch,
    path = "/webhooks/{id}",
    tag = "webhooks",
    params(("id" = String, Path)),
    request_body = WebhookChange,
    responses((status = 200, description = "As it is now", body = Data<Webhook>), FailuresOfOne, FailuresOfBody)
)]
async fn change_webhook(
    State(door): State<Arc<Door>>,
    caller: Caller<WebhooksManage>,
    Reference(id): Reference,
    payload: Payload,
) -> Result<Data<Webhook>, Problem> {
    let (change, _room) = payload.json::<WebhookChange>()?;
    for _ in 0..CHANGES_MAX {
        let known = door.store.webhook(caller.team(), id).await?.ok_or(Problem::NotFound)?;
        let settings = change.clone().over(known.settings.clone()).checked()?;
        if settings.url != known.settings.url {
            callable(&door, &settings.url).await?;
        }
        if let Some(changed) = door.store.update_webhook(&known, settings).await? {
            return Ok(Data { data: changed.into() });
        }
    }
    Err(Problem::Away)
}

/// Removes an endpoint
#[utoipa::path(
    delete,
    path = "/webhooks/{id}",
    tag = "webhooks",
    params(("id" = String, Path)),
    responses((status = 204, description = "It is told nothing more"), FailuresOfOne)
)]
async fn delete_webhook(
    State(door): State<Arc<Door>>,
    caller: Caller<WebhooksManage>,
    Reference(id): Reference,
) -> Result<StatusCode, Problem> {
    let is_gone = door.store.delete_webhook(caller.team(), id).await?;
    if is_gone { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::NotFound) }
}
