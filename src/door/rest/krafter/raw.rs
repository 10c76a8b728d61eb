//! `GET /emails/{id}/raw`: the message as accepted, with our Received; before tracking and DKIM.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::IntoResponse;
use utoipa_axum::routes;

use super::Resources;
use super::openapi::FailuresOfOne;
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
    responses((status = 200, description = "The message", body = Vec<u8>, content_type = "message/rfc822"), FailuresOfOne)
)]
async fn raw(
    State(door): State<Arc<Door>>,
    caller: Caller<MailRead>,
    Reference(id): Reference,
) -> Result<impl IntoResponse, Problem> {
    let body = door.store.body(Some(caller.team()), id).await?.ok_or(Problem::NotFound)?;
    Ok(([(CONTENT_TYPE, "message/rfc822"), (CONTENT_SECURITY_POLICY, INERT)], body))
}
