//! The HTTP door: health, the log page, raw messages. It reads the book and changes nothing.

mod access;
mod api;
mod armour;
mod connections;
mod console;
mod context;
mod health;
mod host;
mod serve;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

pub use context::{Context, Readiness};
pub use serve::run;

/// All pages and resources of this door. Requests carry `ConnectInfo<SocketAddr>`; without it the peer counts as a stranger.
///
/// No handler reads a request's body, so none is held in memory however long it is.
pub fn router(context: Context) -> Router {
    Router::new()
        .merge(console::routes())
        .merge(api::routes())
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .fallback(unknown)
        .layer(axum::middleware::map_response(armour::put_on))
        .with_state(Arc::new(context))
}

async fn unknown(request: Request) -> Response {
    if request.uri().path().starts_with("/api/") {
        return api::Problem::NotFound.into_response();
    }
    console::Problem::NotFound.into_response()
}
