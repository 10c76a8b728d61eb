//! `/keys`: what programs identify themselves by. Only a key that may do everything may see, make and revoke others.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse as _, Response};
use utoipa_axum::routes;

use super::Resources;
use super::data::{Data, json};
use super::key::{Key, NewKey};
use super::new_key::Wanted;
use super::openapi::{AskedNumber, Failures, FailuresOfBody, FailuresOfOne};
use super::paging::{Page, Place};
use crate::door::rest::access::{Caller, Everything};
use crate::door::rest::body::Payload;
use crate::door::rest::cursor;
use crate::door::rest::door::Door;
use crate::door::rest::problem::Problem;
use crate::door::rest::query::Parameters;
use crate::door::rest::reference::Reference;
use crate::model::key::Secret;
use crate::store::keys;

pub fn routes() -> Resources {
    Resources::new().routes(routes!(make_key, list_keys)).routes(routes!(revoke_key))
}

/// Makes a key, whose text is shown in this answer alone
#[utoipa::path(
    post,
    path = "/keys",
    tag = "keys",
    request_body = NewKey,
    responses((status = 201, description = "The key, with its text", body = Data<Key>), FailuresOfBody)
)]
async fn make_key(State(door): State<Arc<Door>>, caller: Caller<Everything>, payload: Payload) -> Result<Response, Problem> {
    let (new, _room) = payload.json::<NewKey>()?;
    let now = door.clock.now();
    let Wanted { name, rights, expires_at } = new.checked(&caller.key, now)?;
    let secret = Secret::generate();
    let new = keys::NewKey { team: caller.team(), name, secret: secret.clone(), rights, expires_at };
    let made = door.store.create_key(new).await?;
    tracing::info!(made = %made.id, "a key was made over HTTP");
    let shown = Key { key: Some(secret.reveal().to_owned()), ..Key::from((made, now)) };
    // Nobody on the way is to keep it.
    Ok((StatusCode::CREATED, [(CACHE_CONTROL, "no-store")], Data { data: shown }).into_response())
}

/// Lists keys, newest first, revoked ones too
#[utoipa::path(
    get,
    path = "/keys",
    tag = "keys",
    params(
        ("page" = inline(Option<AskedNumber>), Query, description = "From 1, which 0 stands for, too"),
        ("per_page" = inline(Option<AskedNumber>), Query, description = "25 where it is not said; taken into 1 to 100"),
        ("cursor" = Option<String>, Query, description = "meta.next_cursor of the page before; goes before `page`"),
    ),
    responses((status = 200, description = "A page of them", body = Page<Key>), Failures)
)]
async fn list_keys(
    State(door): State<Arc<Door>>,
    caller: Caller<Everything>,
    mut asked: Parameters,
) -> Result<Response, Problem> {
    let place = Place::read(&mut asked, cursor::read);
    asked.end()?;
    let keys = door.store.keys_page(caller.team(), place.after, place.offset(), place.per_page + 1);
    let (rows, total) = tokio::try_join!(keys, door.store.count_keys(caller.team()))?;
    let now = door.clock.now();
    let rows = rows.into_iter().map(|key| (key, now)).collect();
    let page: Page<Key> = place.of(rows, total, |(key, _)| cursor::after(key.id));
    Ok(json(&page))
}

/// Revokes a key: within 5 seconds it opens nothing
#[utoipa::path(
    delete,
    path = "/keys/{id}",
    tag = "keys",
    params(("id" = String, Path, description = "In any form an id is written in")),
    responses((status = 204, description = "It is revoked"), FailuresOfOne)
)]
async fn revoke_key(
    State(door): State<Arc<Door>>,
    caller: Caller<Everything>,
    Reference(id): Reference,
) -> Result<StatusCode, Problem> {
    let is_revoked = door.store.revoke_key(caller.team(), id).await?;
    if is_revoked { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::NotFound) }
}
