//! `GET /emails/{id}`: one message, and what became of it.

use std::sync::Arc;

use axum::extract::State;
use utoipa_axum::routes;

use super::Resources;
use super::data::Data;
use super::email::Email;
use super::openapi::FailuresOfOne;
use crate::door::rest::access::{Caller, MailRead};
use crate::door::rest::door::Door;
use crate::door::rest::problem::Problem;
use crate::door::rest::reference::Reference;

pub fn routes() -> Resources {
    Resources::new().routes(routes!(show))
}

/// Shows a message, and what became of it
#[utoipa::path(
    get,
    path = "/emails/{id}",
    tag = "emails",
    params(("id" = String, Path, description = "In any form an id is written in")),
    responses((status = 200, description = "The message", body = Data<Email>), FailuresOfOne)
)]
async fn show(State(door): State<Arc<Door>>, caller: Caller<MailRead>, Reference(id): Reference) -> Result<Data<Email>, Problem> {
    let email = door.store.email(caller.team(), id).await?.ok_or(Problem::NotFound)?;
    Ok(Data { data: email.into() })
}
