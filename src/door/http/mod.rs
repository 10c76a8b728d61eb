//! The HTTP listener: health, the log page, the API of [`rest`], and the pages of [`public`].

mod access;
mod armour;
mod connections;
mod console;
mod context;
mod health;
mod host;
mod reference;
mod serve;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

pub use context::{Context, Readiness};
pub use serve::run;

use super::{public, rest};

/// All pages and resources of this door. Requests carry `ConnectInfo<SocketAddr>`; without it the peer counts as a stranger.
///
/// Only `rest` reads a request's body, within its bounds: no other is held in memory, however long it is.
pub fn router(context: Context) -> Router {
    let api = rest::router(context.api.clone());
    let links = public::router(context.public.clone());
    Router::new()
        .merge(console::routes())
        .route("/openapi.json", get(reference::document))
        .route("/docs", get(reference::page))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .fallback(unknown)
        .with_state(Arc::new(context))
        .merge(api)
        .merge(links)
        .layer(axum::middleware::map_response(armour::put_on))
}

async fn unknown(request: Request) -> Response {
    if request.uri().path().starts_with("/api/") {
        return rest::not_found();
    }
    console::Problem::NotFound.into_response()
}
