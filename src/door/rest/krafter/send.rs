//! `POST /emails`: one message, accepted and durable when the answer says so.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use utoipa_axum::routes;

use super::Resources;
use super::data::Data;
use super::email::Email;
use super::new_email::NewEmail;
use super::openapi::FailuresOfBody;
use super::submission::{self, Sent};
use crate::door::rest::access::{Caller, MailSend};
use crate::door::rest::body::Payload;
use crate::door::rest::door::Door;
use crate::door::rest::idempotency;
use crate::door::rest::problem::{Details, Problem};
use crate::heavy;

pub fn routes() -> Resources {
    Resources::new().routes(routes!(send))
}

/// Sends a message
#[utoipa::path(
    post,
    path = "/emails",
    tag = "emails",
    request_body = NewEmail,
    params(("idempotency-key" = Option<String>, Header, min_length = 1, max_length = 255, description = "Accepted once within 24 hours")),
    responses((status = 201, description = "Accepted", body = Data<Email>), FailuresOfBody)
)]
async fn send(
    State(door): State<Arc<Door>>,
    caller: Caller<MailSend>,
    headers: HeaderMap,
    payload: Payload,
) -> Result<Response, Problem> {
    let once = idempotency::key(&headers)?;
    let submission = heavy::run(payload.len(), || {
        let (email, room) = payload.json::<NewEmail>()?;
        if email.idempotency_key.is_some() {
            return Err(Details::one("idempotency_key", "is a header here: Idempotency-Key").into());
        }
        submission::make(&door.intake, email, caller.key.clone(), once, &room)
    })?;
    let Sent { email, replayed } = submission::hand_in(&door, submission).await?;
    let location = format!("/api/v1/emails/{}", email.id);
    let mut answer = (StatusCode::CREATED, [(LOCATION, location)], Data { data: email }).into_response();
    if replayed {
        idempotency::mark_replayed(answer.headers_mut());
    }
    Ok(answer)
}
