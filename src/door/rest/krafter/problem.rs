//! The one place where a problem gets this dialect's shape: one of four bodies, its status and its headers.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::door::rest::problem::{Details, Problem};
use crate::model::refusal::{Code, Refusal};

/// Seconds after which a request that could not be served now may be made again.
const LATER: u64 = 5;

/// The body of an answer that is not the one hoped for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Failure {
    Plain(Plain),
    Policy(Policy),
    Validation(Validation),
    RateLimit(RateLimit),
}

/// It has to do with who asks, with what is asked for, or with the house itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Plain {
    pub error: String,
}

/// A policy speaks against it. Programs branch on `code`; the text may change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    pub error: String,
    pub code: &'static str,
}

/// Fields do not hold what they should.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Validation {
    pub error: &'static str,
    /// What is wrong with each, by its path: `attachments[0].content`.
    #[schema(value_type = BTreeMap<String, Vec<String>>)]
    pub details: Details,
}

/// Too much for now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    pub error: String,
    /// Where it is a message's allowance that is used up, not that of requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub code: Option<&'static str>,
    /// Seconds; the header `Retry-After` says the same.
    pub retry_after: u64,
}

/// A failure with its status, and the seconds to wait where waiting helps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    pub status: StatusCode,
    pub failure: Failure,
    retry_after: Option<u64>,
}

/// Gives an answer that carries a [`Problem`] its shape; any other is left as it is.
pub fn shaped(mut answer: Response) -> Response {
    let Some(problem) = answer.extensions_mut().remove::<Problem>() else { return answer };
    let mut headers = std::mem::take(answer.headers_mut());
    put_on(&mut headers, &problem);
    let shape = Shape::of(problem);
    if let Some(seconds) = shape.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let body = serde_json::to_vec(&shape.failure).unwrap_or_default();
    (shape.status, headers, body).into_response()
}

/// The headers that go with some problems.
fn put_on(headers: &mut HeaderMap, problem: &Problem) {
    if matches!(problem, Problem::KeyInvalid) {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"posthouse\""));
    }
}

impl Shape {
    /// The shape of a problem.
    pub fn of(problem: Problem) -> Self {
        match problem {
            Problem::KeyInvalid => Self::plain(StatusCode::UNAUTHORIZED, "Invalid or missing API key"),
            Problem::ScopeMissing => Self::plain(StatusCode::FORBIDDEN, "Insufficient scope"),
            Problem::TooManyRequests(wait) => Self::rate_limit("Rate limit exceeded".to_owned(), None, wait),
            Problem::NotFound => Self::plain(StatusCode::NOT_FOUND, "Not found"),
            Problem::NotKept => Self::plain(StatusCode::GONE, "The content is no longer kept"),
            Problem::MethodNotAllowed => Self::plain(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed"),
            Problem::Malformed(text) => Self::plain(StatusCode::BAD_REQUEST, text),
            Problem::MediaType(text) => Self::plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, text),
            Problem::TooLarge => Self::plain(StatusCode::PAYLOAD_TOO_LARGE, "The body is over 40 MiB"),
            Problem::TooSlow => Self::plain(StatusCode::REQUEST_TIMEOUT, "The body did not come in time"),
            Problem::Invalid(details) => {
                let failure = Failure::Validation(Validation { error: "Validation failed", details });
                Self { status: StatusCode::UNPROCESSABLE_ENTITY, failure, retry_after: None }
            }
            Problem::Unprocessable(text) => Self::plain(StatusCode::UNPROCESSABLE_ENTITY, text),
            Problem::Conflict { code, text } => {
                let failure = Failure::Policy(Policy { error: text.to_owned(), code });
                Self { status: StatusCode::UNPROCESSABLE_ENTITY, failure, retry_after: None }
            }
            Problem::Refused(refusal) => Self::refused(refusal),
            Problem::Broken => Self::plain(StatusCode::INTERNAL_SERVER_ERROR, "Something failed here, and was written down"),
            Problem::Away => {
                let shape = Self::plain(StatusCode::SERVICE_UNAVAILABLE, "This can't be done now; try again");
                Self { retry_after: Some(LATER), ..shape }
            }
        }
    }

    fn plain(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, failure: Failure::Plain(Plain { error: error.into() }), retry_after: None }
    }

    fn rate_limit(error: String, code: Option<&'static str>, wait: u64) -> Self {
        let failure = Failure::RateLimit(RateLimit { error, code, retry_after: wait });
        Self { status: StatusCode::TOO_MANY_REQUESTS, failure, retry_after: Some(wait) }
    }

    fn refused(refusal: Refusal) -> Self {
        let code = refusal.code.word();
        let wait = refusal.retry_after.map_or(LATER, |wait| wait.as_secs().max(1));
        match StatusCode::from_u16(refusal.code.row().http).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY) {
            _ if refusal.code == Code::InsufficientScope => Self::of(Problem::ScopeMissing),
            _ if refusal.code == Code::ScheduledInPast => Self::of(Details::one("scheduled_at", refusal.text).into()),
            StatusCode::TOO_MANY_REQUESTS => Self::rate_limit(refusal.text, Some(code), wait),
            status => {
                let retry_after = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(wait);
                Self { status, failure: Failure::Policy(Policy { error: refusal.text, code }), retry_after }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::model::refusal::TABLE;

    fn shown(problem: Problem) -> (u16, serde_json::Value, Option<u64>) {
        let shape = Shape::of(problem);
        (shape.status.as_u16(), serde_json::to_value(shape.failure).expect("a body"), shape.retry_after)
    }

    #[test]
    fn each_shape_has_its_keys() {
        let refused = |code| Problem::Refused(Refusal::new(code, "why").retry_after(Duration::from_millis(2500)));
        for (problem, status, body, wait) in [
            (Problem::KeyInvalid, 401, json!({"error": "Invalid or missing API key"}), None),
            (Problem::TooManyRequests(12), 429, json!({"error": "Rate limit exceeded", "retry_after": 12}), Some(12)),
            (
                Problem::Invalid(Details::one("from", "can't be blank")),
                422,
                json!({"error": "Validation failed", "details": {"from": ["can't be blank"]}}),
                None,
            ),
            (refused(Code::StreamNotAllowed), 403, json!({"error": "why", "code": "stream_not_allowed"}), None),
            (refused(Code::InsufficientScope), 403, json!({"error": "Insufficient scope"}), None),
            (refused(Code::QuotaExceeded), 429, json!({"error": "why", "code": "quota_exceeded", "retry_after": 2}), Some(2)),
            (refused(Code::QueueFull), 503, json!({"error": "why", "code": "queue_full"}), Some(2)),
        ] {
            assert_eq!(shown(problem.clone()), (status, body, wait), "{problem:?}");
        }
    }

    #[test]
    fn every_refusal_has_the_status_of_the_table() {
        for row in &TABLE {
            let (status, body, wait) = shown(Problem::Refused(Refusal::new(row.code, "why")));
            assert_eq!(status, row.http, "{}", row.word);
            let is_told_apart = matches!(row.code, Code::InsufficientScope | Code::ScheduledInPast);
            assert!(body.get("code").is_some_and(|code| code == row.word) || is_told_apart, "{body}");
            assert_eq!(wait.is_some(), matches!(status, 429 | 503), "{}", row.word);
        }
    }

    #[test]
    fn what_is_no_problem_keeps_its_shape() {
        let answer = shaped((StatusCode::CREATED, "fine").into_response());
        assert_eq!(answer.status(), StatusCode::CREATED);
    }
}
