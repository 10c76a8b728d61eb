//! What a message holds, each under an address of its own: its HTML for the frame, its source, its attachments.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_FRAME_OPTIONS};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::IntoResponse;
use bytes::Bytes;
use serde::Deserialize;

use super::Problem;
use crate::door::http::access::Viewer;
use crate::door::http::armour;
use crate::door::http::context::Context;
use crate::id::Id;
use crate::mime::view::{self, View};

/// The HTML as its sender wrote it, in armour.
pub async fn html(
    State(context): State<Arc<Context>>,
    viewer: Viewer,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    let bytes = body(&context, viewer, &id).await?;
    let reach = context.reach;
    let html = blocking(move || View::of(&bytes, reach).html).await.ok_or(Problem::NotFound)?;
    let headers =
        [(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, armour::MAIL), (X_FRAME_OPTIONS, "SAMEORIGIN")];
    Ok((headers, html))
}

/// How the source is wanted.
#[derive(Debug, Default, Deserialize)]
pub struct Form {
    /// Present: as a file.
    download: Option<String>,
}

/// The bytes as accepted: as text, or as a file named by the id.
pub async fn raw(
    State(context): State<Arc<Context>>,
    viewer: Viewer,
    Path(id): Path<String>,
    Query(form): Query<Form>,
) -> Result<impl IntoResponse, Problem> {
    let bytes = body(&context, viewer, &id).await?;
    let headers = match form.download {
        Some(_) => file("message/rfc822", &format!("{}.eml", parsed(&id)?)),
        None => HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"))]),
    };
    Ok(([(CONTENT_SECURITY_POLICY, armour::BYTES)], headers, bytes))
}

/// One attachment's content, always to be saved and never of the type its sender claims.
pub async fn attachment(
    State(context): State<Arc<Context>>,
    viewer: Viewer,
    Path((id, place)): Path<(String, String)>,
) -> Result<impl IntoResponse, Problem> {
    let place = place.parse().map_err(|_| Problem::NotFound)?;
    let bytes = body(&context, viewer, &id).await?;
    let reach = context.reach;
    let (attachment, content) = blocking(move || view::attachment(&bytes, place, reach)).await.ok_or(Problem::NotFound)?;
    Ok(([(CONTENT_SECURITY_POLICY, armour::BYTES)], file("application/octet-stream", named(&attachment.name)), content))
}

/// Parses off the threads that carry connections: a message may be large. `None` also when the parser failed.
pub async fn blocking<T: Send + 'static>(parse: impl FnOnce() -> Option<T> + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(parse).await.ok().flatten()
}

async fn body(context: &Context, viewer: Viewer, id: &str) -> Result<Bytes, Problem> {
    let id = parsed(id)?;
    match context.store.body(viewer.team, id).await? {
        Some(bytes) => Ok(bytes),
        None if context.store.message(viewer.team, id).await?.is_some() => Err(Problem::NoBytes),
        None => Err(Problem::NotFound),
    }
}

fn parsed(id: &str) -> Result<Id, Problem> {
    id.parse().map_err(|_| Problem::NotFound)
}

fn named(name: &str) -> &str {
    if name.is_empty() { "attachment" } else { name }
}

fn file(content_type: &'static str, name: &str) -> HeaderMap {
    let disposition = HeaderValue::try_from(disposition(name)).unwrap_or(HeaderValue::from_static("attachment"));
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type)), (CONTENT_DISPOSITION, disposition)])
}

/// `attachment` with the name in both forms of RFC 6266: tame ASCII, and all of it percent-encoded (RFC 8187).
fn disposition(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_. ()".contains(c) { c } else { '_' };
    let ascii: String = name.chars().take(150).map(plain).collect();
    let mut encoded = String::new();
    for byte in name.chars().take(150).collect::<String>().bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_stays_a_name() {
        assert_eq!(disposition("a b.pdf"), "attachment; filename=\"a b.pdf\"; filename*=UTF-8''a%20b.pdf");
        let hostile = disposition("\"\r\nX: y; ../ü<script>");
        assert!(hostile.starts_with("attachment; filename=\"___X_ y_ ..___script_\"; "), "{hostile}");
        assert!(hostile.is_ascii() && !hostile.contains(['\r', '\n', '<']), "{hostile}");
        assert!(HeaderValue::try_from(hostile).is_ok());
    }
}
