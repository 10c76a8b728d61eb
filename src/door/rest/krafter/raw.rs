//! `GET /emails/{id}/raw`: the message as accepted, with our Received; before tracking and DKIM.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::IntoResponse;
use utoipa_axum::routes;

use super::Resources;
use super::openapi::FailuresOfOne;
use super::problem::Plain;
use crate::door::rest::access::{Caller, MailRead};
use crate::door::rest::door::Door;
use crate::door::rest::problem::Problem;
use crate::door::rest::reference::Reference;

/// Bytes that are to be kept or read, never run.
const INERT: &str = "default-src 'none'; frame-ancestors 'none'; sandbox";

pub fn routes() -> Resources {
    Resources::new().routes(routes!(raw))
}

/// Gives a message's bytes as accepted
#[utoipa::path(
    get,
    path = "/emails/{id}/raw",
    tag = "emails",
    params(("id" = String, Path, description = "In any form an id is written in")),
    responses(
        (status = 200, description = "The message", body = Vec<u8>, content_type = "message/rfc822"),
        (status = 410, description = "Its content is no longer kept", body = Plain),
        FailuresOfOne
    )
)]
async fn raw(
    State(door): State<Arc<Door>>,
    caller: Caller<MailRead>,
    Reference(id): Reference,
) -> Result<impl IntoResponse, Problem> {
    let Some(body) = door.store.body(Some(caller.team()), id).await? else {
        let is_known = door.store.message(Some(caller.team()), id).await?.is_some();
        return Err(if is_known { Problem::NotKept } else { Problem::NotFound });
    };
    Ok(([(CONTENT_TYPE, "message/rfc822"), (CONTENT_SECURITY_POLICY, INERT)], body))
}
