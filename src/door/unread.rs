//! A request may be answered before its body was read. What is left of a short one is read all the same, so that the connection can carry
//! another; after a longer one it can't, and its client is told so.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::{CONNECTION, EXPECT};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

/// Octets that are read only to be passed over.
const SHORT: usize = 64 * 1024;
/// For that.
const TIME: Duration = Duration::from_secs(1);

/// Answers; with `Connection: close` where more of the body is left than is passed over (RFC 9112 section 9.3).
pub async fn pass_over(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    // Who waits to be asked for its body is not asked for it in vain.
    let waits = parts.headers.contains_key(EXPECT);
    let shared = Shared(Arc::new(Mutex::new(body)));
    let mut response = next.run(Request::from_parts(parts, Body::new(shared.clone()))).await;
    if !shared.is_end_stream() && (waits || !shared.ends_soon().await) {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// A body that is still there when its reader is gone.
#[derive(Clone)]
struct Shared(Arc<Mutex<Body>>);

impl Shared {
    /// The body; a panic of its reader leaves it as it was.
    fn body(&self) -> MutexGuard<'_, Body> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut *self.body()).poll_frame(cx)
    }

    /// Reads what is left; whether that was the end, within [`SHORT`] and [`TIME`].
    async fn ends_soon(&self) -> bool {
        let whole = async {
            let mut octets = 0;
            while let Some(frame) = poll_fn(|cx| self.poll(cx)).await {
                let Ok(frame) = frame else { return false };
                octets += frame.data_ref().map_or(0, Bytes::len);
                if octets > SHORT {
                    return false;
                }
            }
            true
        };
        tokio::time::timeout(TIME, whole).await.unwrap_or(false)
    }
}

impl HttpBody for Shared {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.poll(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body().size_hint()
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::StatusCode;
    use axum::middleware::from_fn;
    use axum::routing::post;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn a_long_body_that_is_left_unread_ends_the_connection() {
        let router = Router::new()
            .route("/read", post(async |body: Bytes| body.len().to_string()))
            .route("/refused", post(async || StatusCode::FORBIDDEN))
            .layer(from_fn(pass_over));
        let long = "x".repeat(SHORT + 1);
        for (path, body, closes) in [("/read", &*long, false), ("/refused", &long, true), ("/refused", "short", false)] {
            let request = Request::post(path).body(Body::from(body.to_owned())).expect("a request");
            let response = router.clone().oneshot(request).await.expect("an answer");
            assert_eq!(response.headers().get(CONNECTION).is_some(), closes, "{path}, {} octets", body.len());
        }
        let request = Request::post("/refused").header(EXPECT, "100-continue").body(Body::from("short")).expect("a request");
        let response = router.oneshot(request).await.expect("an answer");
        assert!(response.headers().contains_key(CONNECTION), "a body that was not asked for");
    }
}
