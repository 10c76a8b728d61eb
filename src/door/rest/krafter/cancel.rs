//! `POST /emails/{id}/cancel`: takes back what waits for a time to come.

use std::sync::Arc;

use axum::extract::State;
use utoipa_axum::routes;

use super::Resources;
use super::data::Data;
use super::email::Email;
use super::openapi::FailuresOfOne;
use crate::door::rest::access::{Caller, MailSend};
use crate::door::rest::door::Door;
use crate::door::rest::problem::Problem;
use crate::door::rest::reference::Reference;
use crate::store::cancel::Cancel;

pub fn routes() -> Resources {
    Resources::new().routes(routes!(cancel))
}

/// Takes back a message that waits for its time
#[utoipa::path(
    post,
    path = "/emails/{id}/cancel",
    tag = "emails",
    params(("id" = String, Path, description = "In any form an id is written in")),
    responses((status = 200, description = "It was taken back", body = Data<Email>), FailuresOfOne)
)]
async fn cancel(
    State(door): State<Arc<Door>>,
    caller: Caller<MailSend>,
    Reference(id): Reference,
) -> Result<Data<Email>, Problem> {
    match door.store.cancel_email(caller.team(), caller.key.is_sandbox(), id).await? {
        Cancel::Done(email) => Ok(Data { data: (*email).into() }),
        Cancel::TooLate => Err(Problem::Conflict {
            code: "not_cancellable",
            text: "Only a queued message whose scheduled_at lies ahead can be cancelled",
        }),
        Cancel::Unknown => Err(Problem::NotFound),
    }
}
