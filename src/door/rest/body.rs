//! A request's body, read within bounds: of octets, of time, and of the message bytes that the whole house holds.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::{FromRequest, Request};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName};
use bytes::{Bytes, BytesMut};
use serde::de::DeserializeOwned;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout, timeout_at};

use super::door::Door;
use super::json;
use super::problem::Problem;

/// Octets of a body: 25 MiB of message in base64, and room for the rest.
pub const LARGEST: usize = 40 << 20;
/// For the whole of a short body.
const TIME: Duration = Duration::from_secs(30);
/// A longer body has a second more for each so many octets that came.
const PACE: usize = 16 * 1024;
/// For the silence between two pieces.
const SILENCE: Duration = Duration::from_secs(15);
/// How long a body in transit is kept waiting for memory. Those that each hold a part and wait for more end here.
const ROOM: Duration = Duration::from_secs(30);
/// Permits are taken for so many octets at least, so that a body in small pieces does not ask for each.
const STEP: usize = 64 * 1024;

/// A body within bounds. By itself as a handler's argument: labelled as JSON, or as the form that `curl --data` takes everything for.
#[derive(Debug)]
pub struct Payload {
    bytes: Bytes,
    /// Its place in the budget of message bytes; what is made out of the body may keep it.
    pub room: Arc<OwnedSemaphorePermit>,
}

impl Payload {
    /// Octets.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Reads it as JSON of this form. The bytes are given up; the room is returned for what comes of them.
    pub fn json<T: DeserializeOwned>(self) -> Result<(T, Arc<OwnedSemaphorePermit>), Problem> {
        Ok((json::read(&self.bytes)?, self.room))
    }

    /// The same of a body that may be left out: nothing, and `null`, stand for what is usual.
    pub fn json_if_any<T: DeserializeOwned + Default>(self) -> Result<T, Problem> {
        match &self.bytes[..] {
            b"" | b"null" => Ok(T::default()),
            _ => Ok(self.json()?.0),
        }
    }

    /// Its bytes, to be read while the room is kept.
    pub fn into_bytes(self) -> (Bytes, Arc<OwnedSemaphorePermit>) {
        (self.bytes, self.room)
    }

    async fn read(request: Request, door: &Door) -> Result<Self, Problem> {
        let announced = length(request.headers());
        if announced.is_some_and(|octets| octets > LARGEST) {
            return Err(Problem::TooLarge);
        }
        Reading::begin(door, announced.unwrap_or(0)).await?.whole(request.into_body()).await
    }
}

impl FromRequest<Arc<Door>> for Payload {
    type Rejection = Problem;

    async fn from_request(request: Request, door: &Arc<Door>) -> Result<Self, Problem> {
        match label(request.headers())?.as_str() {
            JSON | FORM => Self::read(request, door).await,
            _ => Err(Problem::MediaType("The body must be JSON in UTF-8; say Content-Type: application/json")),
        }
    }
}

/// A list: in JSON, in JSON lines, or as CSV.
#[derive(Debug)]
pub enum Sheet {
    Json(Payload),
    Lines(Payload),
    Csv(Payload),
}

impl FromRequest<Arc<Door>> for Sheet {
    type Rejection = Problem;

    async fn from_request(request: Request, door: &Arc<Door>) -> Result<Self, Problem> {
        match label(request.headers())?.as_str() {
            JSON => Ok(Self::Json(Payload::read(request, door).await?)),
            LINES => Ok(Self::Lines(Payload::read(request, door).await?)),
            "text/csv" => Ok(Self::Csv(Payload::read(request, door).await?)),
            _ => Err(Problem::MediaType(
                "The body must be CSV, JSON lines or JSON in UTF-8; say Content-Type: text/csv, application/x-ndjson or application/json",
            )),
        }
    }
}

const JSON: &str = "application/json";
/// JSON lines: an object a line.
pub const LINES: &str = "application/x-ndjson";
const FORM: &str = "application/x-www-form-urlencoded";

/// What the body says that it is, in lower case and without parameters. A body without a label is taken for JSON.
fn label(headers: &HeaderMap) -> Result<String, Problem> {
    let value = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default().to_ascii_lowercase());
    let coded = value(CONTENT_ENCODING).is_some_and(|coding| coding.trim() != "identity");
    if coded {
        return Err(Problem::MediaType("The body must not be compressed"));
    }
    let label = value(CONTENT_TYPE).unwrap_or_else(|| JSON.to_owned());
    let (kind, parameters) = label.split_once(';').unwrap_or((&label, ""));
    let other_charset = parameters.split(';').any(|parameter| {
        let charset = parameter.trim().strip_prefix("charset=");
        charset.is_some_and(|charset| !matches!(charset.trim_matches('"'), "utf-8" | "utf8" | "us-ascii"))
    });
    if other_charset { Err(Problem::MediaType("The body must be in UTF-8")) } else { Ok(kind.trim().to_owned()) }
}

fn length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// A body on its way in.
struct Reading<'a> {
    door: &'a Door,
    began: Instant,
    bytes: BytesMut,
    room: OwnedSemaphorePermit,
}

impl<'a> Reading<'a> {
    async fn begin(door: &'a Door, announced: usize) -> Result<Self, Problem> {
        let room = room(door, announced.clamp(1, STEP)).await?;
        // Memory that is not written to costs nothing yet; growing by doubling would cost twice the body.
        Ok(Self { door, began: Instant::now(), bytes: BytesMut::with_capacity(announced), room })
    }

    async fn whole(mut self, mut body: Body) -> Result<Payload, Problem> {
        while let Some(piece) = self.next(&mut body).await? {
            let octets = self.bytes.len() + piece.len();
            if octets > LARGEST {
                return Err(Problem::TooLarge);
            }
            if octets > self.room.num_permits() {
                let more = (octets - self.room.num_permits()).max(STEP);
                self.room.merge(room(self.door, more).await?);
            }
            self.bytes.extend_from_slice(&piece);
        }
        Ok(Payload { bytes: self.bytes.freeze(), room: Arc::new(self.room) })
    }

    /// The next piece of data; none at the end. Trailers are passed over.
    async fn next(&self, body: &mut Body) -> Result<Option<Bytes>, Problem> {
        let allowed = TIME + Duration::from_secs((self.bytes.len() / PACE) as u64);
        let end = (self.began + allowed).min(Instant::now() + SILENCE);
        loop {
            let frame = timeout_at(end, poll_fn(|context| Pin::new(&mut *body).poll_frame(context)));
            match frame.await.map_err(|_| Problem::TooSlow)? {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Ok(piece) = frame.into_data() {
                        return Ok(Some(piece));
                    }
                }
                Some(Err(error)) => {
                    tracing::debug!(%error, "a body broke off");
                    return Err(Problem::Malformed("The body broke off".to_owned()));
                }
            }
        }
    }
}

/// A share of the budget of message bytes.
async fn room(door: &Door, octets: usize) -> Result<OwnedSemaphorePermit, Problem> {
    let octets = u32::try_from(octets).map_err(|_| Problem::TooLarge)?;
    let share = timeout(ROOM, door.budget.clone().acquire_many_owned(octets)).await;
    share.ok().and_then(Result::ok).ok_or(Problem::Away)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_json(pairs: &[(HeaderName, &'static str)]) -> bool {
        let headers = pairs.iter().map(|(name, value)| (name.clone(), value.parse().expect("a header value"))).collect();
        label(&headers).is_ok_and(|label| matches!(label.as_str(), JSON | FORM))
    }

    #[test]
    fn json_is_taken_under_its_own_label_and_that_of_curl() {
        for good in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/json;charset=\"utf-8\"",
            "application/x-www-form-urlencoded",
        ] {
            assert!(is_json(&[(CONTENT_TYPE, good)]), "{good}");
        }
        assert!(is_json(&[]));
        assert!(is_json(&[(CONTENT_ENCODING, "identity")]));
        for bad in ["text/plain", "application/json; charset=utf-16", "multipart/form-data; boundary=x", "application/jsonx", ""]
        {
            assert!(!is_json(&[(CONTENT_TYPE, bad)]), "{bad}");
        }
        assert!(!is_json(&[(CONTENT_TYPE, "application/json"), (CONTENT_ENCODING, "gzip")]));
    }
}
