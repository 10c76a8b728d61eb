//! The id under which a request is found again: the client's own, or one made here. It stands in the answer and in every log line.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;

use super::door::Door;
use crate::id::Ids;

const NAME: HeaderName = HeaderName::from_static("x-request-id");
/// Octets of an id that is taken.
const LENGTH: usize = 128;

/// Gives the request its id, and writes down what was asked and what came of it.
pub async fn follow(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    let id = taken(request.headers()).unwrap_or_else(|| Ids::random(door.clock.clone()).next().uuid());
    let span = tracing::info_span!("request", id, team = tracing::field::Empty, key = tracing::field::Empty);
    let (method, path, began) = (request.method().clone(), request.uri().path().to_owned(), Instant::now());
    async move {
        let mut response = next.run(request).await;
        // The path is the client's own text: as Debug it has no control characters.
        tracing::info!(%method, ?path, status = response.status().as_u16(), took = ?began.elapsed(), "answered");
        if let Ok(value) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(NAME, value);
        }
        response
    }
    .instrument(span)
    .await
}

/// The client's id, when it gave one that can stand in a log line.
fn taken(headers: &HeaderMap) -> Option<String> {
    let mut fields = headers.get_all(NAME).iter();
    let (Some(field), None) = (fields.next(), fields.next()) else { return None };
    let text = field.to_str().ok()?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/+=@".contains(&byte);
    ((1..=LENGTH).contains(&text.len()) && text.bytes().all(is_plain)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_ids_are_taken() {
        let given = |values: &[&'static [u8]]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(NAME, HeaderValue::from_bytes(value).expect("a header value"));
            }
            taken(&headers)
        };
        assert_eq!(given(&[b"req-1:a/b+c=@.x_y"]).as_deref(), Some("req-1:a/b+c=@.x_y"));
        assert_eq!(given(&[&[b'a'; LENGTH]]).map(|id| id.len()), Some(LENGTH));
        let bad: [&[&[u8]]; 6] = [&[], &[b""], &[b"two words"], &[b"\xff"], &[b"a", b"b"], &[&[b'a'; LENGTH + 1]]];
        for values in bad {
            assert_eq!(given(values), None, "{values:?}");
        }
    }
}
