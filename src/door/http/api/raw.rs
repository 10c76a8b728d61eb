//! `GET /api/v1/emails/{id}/raw`: the message as accepted, with our Received; before tracking and DKIM.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::IntoResponse;

use super::Problem;
use crate::door::http::access::Reader;
use crate::door::http::armour;
use crate::door::http::context::Context;
use crate::id::Id;

/// The bytes, to a key of the message's team. The id may be in any form.
pub async fn raw(
    State(context): State<Arc<Context>>,
    reader: Reader,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    let id: Id = id.parse().map_err(|_| Problem::NotFound)?;
    let body = context.store.body(Some(reader.team), id).await?.ok_or(Problem::NotFound)?;
    Ok(([(CONTENT_TYPE, "message/rfc822"), (CONTENT_SECURITY_POLICY, armour::BYTES)], body))
}
