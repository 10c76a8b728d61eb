//! `/healthz`: the process lives. `/readyz`: it can take mail. Open to all, so they say little.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;

use super::context::Context;

/// How long the store may take to answer before the process counts as not ready.
const PATIENCE: Duration = Duration::from_secs(2);

/// 200 as long as requests are answered at all.
pub async fn alive() -> &'static str {
    "ok\n"
}

/// 200 when every listener is bound and the store answers; else 503 with the reason.
pub async fn ready(State(context): State<Arc<Context>>) -> (StatusCode, &'static str) {
    if !context.readiness.is_announced() {
        return (StatusCode::SERVICE_UNAVAILABLE, "not ready: starting or stopping\n");
    }
    match tokio::time::timeout(PATIENCE, context.store.ping()).await {
        Ok(Ok(())) => (StatusCode::OK, "ready\n"),
        Ok(Err(error)) => {
            // The error may name hosts and files: for the log, not for strangers.
            tracing::warn!(%error, "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, "not ready: the store fails\n")
        }
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "not ready: the store does not answer\n"),
    }
}
