//! `/api/v1`: the dialect of Krafter Mail. A resource is a file with its `routes`, and a line in [`resources`].

mod data;
mod email;
mod letter;
mod new_email;
mod people;
mod problem;
mod raw;
mod send;
mod submission;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn_with_state, map_response};

use super::door::Door;
use super::problem::Problem;
use super::{access, request_id};

pub use problem::shaped;

/// What a path below `/api/v1` leads to.
type Resources = Router<Arc<Door>>;

/// Every resource under its paths. `/api/v1/api/v1` is the same: a documented snippet asks for that.
pub fn router(door: &Arc<Door>) -> Router {
    let resources = resources()
        .fallback(async || Problem::NotFound)
        .method_not_allowed_fallback(async || Problem::MethodNotAllowed)
        .layer(from_fn_with_state(door.clone(), access::admit))
        .layer(map_response(async |answer| shaped(answer)))
        .layer(from_fn_with_state(door.clone(), request_id::follow))
        .with_state(door.clone());
    Router::new().nest("/api/v1", resources.clone()).nest("/api/v1/api/v1", resources)
}

fn resources() -> Resources {
    // These are documented both with `/mail` before them and without.
    let either = Router::new();
    Router::new().merge(send::routes()).merge(raw::routes()).merge(either.clone()).nest("/mail", either)
}
