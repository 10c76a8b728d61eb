//! A request to an endpoint as the API shows it.

use serde::Serialize;
use utoipa::ToSchema;

use crate::store::webhooks::attempts::Attempt;

/// One request, and what was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookAttempt {
    /// Of this request alone: its `x-krafter-webhook-id`.
    #[schema(format = "uuid")]
    pub id: String,
    /// What it told of; the same at every attempt.
    #[schema(format = "uuid")]
    pub event_id: String,
    pub event: &'static str,
    /// From 1 for each event; 0: a test.
    pub attempt: i64,
    pub success: bool,
    /// Of the answer; `null`: there was none.
    #[schema(required)]
    pub status: Option<u16>,
    pub latency_ms: u64,
    /// The first 4 KiB of the answer.
    pub response: String,
    /// Why it failed, where it did.
    #[schema(required)]
    pub error: Option<String>,
    #[schema(format = DateTime)]
    pub created_at: String,
}

impl From<Attempt> for WebhookAttempt {
    fn from(attempt: Attempt) -> Self {
        Self {
            success: attempt.error.is_none(),
            id: attempt.request,
            event_id: attempt.event.uuid(),
            event: attempt.kind.as_str(),
            attempt: attempt.number,
            status: attempt.status,
            latency_ms: u64::try_from(attempt.latency.as_millis()).unwrap_or(u64::MAX),
            response: attempt.answer,
            error: attempt.error,
            created_at: attempt.at.rfc3339(),
        }
    }
}
