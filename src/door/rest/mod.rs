//! The HTTP API. Each dialect is a folder: its routes, its wire types, and the one place where a [`problem::Problem`] gets its shape.
//! What dialects share stands beside them: who asks, the requests of a minute, reading a body, strict JSON, request ids.

mod access;
mod body;
mod checks;
mod cursor;
mod door;
mod download;
mod idempotency;
mod json;
mod krafter;
mod problem;
mod query;
mod reference;
mod request_id;
mod window;

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse as _, Response};

pub use door::Door;
pub use krafter::webhook_body;
use utoipa::openapi::OpenApi;

/// Every dialect's resources.
pub fn router(door: Door) -> Router {
    krafter::router(&Arc::new(door))
}

/// The description of every dialect (OpenAPI 3.1).
pub fn document() -> OpenApi {
    krafter::document()
}

/// The answer below `/api` where no dialect lives.
pub fn not_found() -> Response {
    krafter::shaped(problem::Problem::NotFound.into_response())
}
