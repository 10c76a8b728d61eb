//! `/api/v1`: the dialect of Krafter Mail. A resource is a file with its `routes`, and a line in [`resources`].

mod batch;
mod cancel;
mod data;
mod domain;
mod domains;
mod email;
mod events;
mod export;
mod key;
mod keys;
mod letter;
mod list;
mod new_email;
mod new_key;
mod openapi;
mod paging;
mod people;
mod problem;
mod raw;
mod send;
mod show;
mod stats;
mod streams;
mod submission;
mod suppressions;
mod template;
mod templates;
mod unsubscribes;
mod webhooks;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use utoipa_axum::router::OpenApiRouter;

use super::door::Door;
use super::problem::Problem;
use super::{access, request_id};
use crate::door::unread;

pub use openapi::document;
pub use problem::shaped;
pub use webhooks::body as webhook_body;

/// What paths below `/api/v1` lead to, and how they are described.
type Resources = OpenApiRouter<Arc<Door>>;

/// Every resource under its paths. `/api/v1/api/v1` is the same: a documented snippet asks for that.
pub fn router(door: &Arc<Door>) -> Router {
    let resources = Router::from(resources())
        .fallback(async || Problem::NotFound)
        .method_not_allowed_fallback(async || Problem::MethodNotAllowed)
        .layer(from_fn_with_state(door.clone(), access::admit))
        .layer(map_response(async |answer| shaped(answer)))
        .with_state(door.clone());
    let paths = Router::new().nest("/api/v1", resources.clone()).nest("/api/v1/api/v1", resources);
    paths.layer(from_fn(unread::pass_over)).layer(from_fn_with_state(door.clone(), request_id::follow))
}

fn resources() -> Resources {
    // These are served both with `/mail` before them and without; one of the two is described.
    let either = Resources::new()
        .merge(domains::routes())
        .merge(templates::routes())
        .merge(suppressions::routes())
        .merge(unsubscribes::routes())
        .merge(stats::routes())
        .merge(webhooks::routes());
    Resources::new()
        .merge(send::routes())
        .merge(batch::routes())
        .merge(list::routes())
        .merge(export::routes())
        .merge(show::routes())
        .merge(events::routes())
        .merge(cancel::routes())
        .merge(raw::routes())
        .merge(streams::routes())
        .merge(keys::routes())
        .merge(either.clone())
        .nest("/mail", Router::from(either).into())
}
