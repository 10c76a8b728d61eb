//! The log page: the newest messages, and each of them as it was taken and as a reader sees it. No script, no load from elsewhere.

mod list;
mod message;
mod parts;
mod problem;
mod text;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;

pub use problem::Problem;

use super::context::Context;

/// The pages.
pub fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/", get(list::list))
        .route("/messages/{id}", get(message::message))
        .route("/messages/{id}/html", get(parts::html))
        .route("/messages/{id}/raw", get(parts::raw))
        .route("/messages/{id}/attachments/{place}", get(parts::attachment))
        .route("/style.css", get(style))
}

async fn style() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("style.css"))
}

/// A template as an answer.
struct Page<T>(T);

impl<T: Template> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        match self.0.render() {
            Ok(page) => Html(page).into_response(),
            Err(error) => {
                tracing::error!(%error, "a page could not be rendered");
                axum::http::StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}
