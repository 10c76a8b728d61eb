//! The programs' side: what a key may read as it is stored.

mod raw;

use std::sync::Arc;

use axum::Router;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::context::Context;
use crate::store::StoreError;

/// The resources under `/api`.
pub fn routes() -> Router<Arc<Context>> {
    Router::new().route("/api/v1/emails/{id}/raw", get(raw::raw))
}

/// Why there is no answer; the body is `{"error": text}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    KeyInvalid,
    ScopeMissing,
    /// There is none of that id, or it is another team's: one answer for both.
    NotFound,
    /// The store can't be asked now.
    Away,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, body, extra): (_, _, Option<(HeaderName, &str)>) = match self {
            Self::KeyInvalid => {
                let challenge = (WWW_AUTHENTICATE, "Bearer realm=\"posthouse\"");
                (StatusCode::UNAUTHORIZED, r#"{"error":"Invalid or missing API key"}"#, Some(challenge))
            }
            Self::ScopeMissing => (StatusCode::FORBIDDEN, r#"{"error":"Insufficient scope"}"#, None),
            Self::NotFound => (StatusCode::NOT_FOUND, r#"{"error":"Not found"}"#, None),
            Self::Away => (
                StatusCode::SERVICE_UNAVAILABLE,
                r#"{"error":"The store can't be reached; try again"}"#,
                Some((RETRY_AFTER, "5")),
            ),
        };
        (status, [(CONTENT_TYPE, "application/json")], extra.map(|header| [header]), body).into_response()
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "a request over HTTP could not be answered");
        Self::Away
    }
}
