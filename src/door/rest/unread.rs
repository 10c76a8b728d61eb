//! A connection whose request was answered before its body was read can't carry another: its client is told so.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::CONNECTION;
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

/// Answers; with `Connection: close` when some of the body was left unread (RFC 9112 section 9.3).
pub async fn close(request: Request, next: Next) -> Response {
    let (watched, read) = Watched::of(request);
    let mut response = next.run(watched).await;
    if !read.load(Ordering::Acquire) {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// A body that tells whether it was read to its end.
struct Watched {
    body: Body,
    read: Arc<AtomicBool>,
}

impl Watched {
    fn of(request: Request) -> (Request, Arc<AtomicBool>) {
        let (parts, body) = request.into_parts();
        let read = Arc::new(AtomicBool::new(body.is_end_stream()));
        (Request::from_parts(parts, Body::new(Self { body, read: read.clone() })), read)
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if frame.is_none() || self.body.is_end_stream() {
            self.read.store(true, Ordering::Release);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
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
    async fn what_is_left_unread_ends_the_connection() {
        let router = Router::new()
            .route("/read", post(async |body: Bytes| body.len().to_string()))
            .route("/refused", post(async || StatusCode::FORBIDDEN))
            .layer(from_fn(close));
        for (path, body, closes) in [("/read", "text", false), ("/refused", "text", true), ("/refused", "", false)] {
            let request = Request::post(path).body(Body::from(body)).expect("a request");
            let response = router.clone().oneshot(request).await.expect("an answer");
            assert_eq!(response.headers().get(CONNECTION).is_some(), closes, "{path} {body}");
        }
    }
}
