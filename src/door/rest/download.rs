//! An answer of any length, sent in pieces that are made as the client takes them.

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream::try_unfold;

use super::problem::Problem;
use super::query::Parameters;
use crate::store::StoreError;
use crate::tables::write::{Format, Row};

/// What is read a page at a time, until a page is empty.
pub trait Pages: Send + 'static {
    type Row: Row + Send;

    fn next(&mut self) -> impl Future<Output = Result<Vec<Self::Row>, StoreError>> + Send;
}

/// The format that is asked for; CSV where it is not said.
pub fn format(asked: &mut Parameters) -> Format {
    asked.read("format", |word| Format::from_word(word).ok_or("must be csv or jsonl")).unwrap_or(Format::Csv)
}

/// A file of this name, less its end. What fails before the first piece is told; later it breaks the answer off, so that nobody takes
/// the part for the whole.
pub async fn download<P: Pages>(name: &str, format: Format, mut pages: P) -> Result<Response, Problem> {
    let first = pages.next().await?;
    let mut piece = format.head::<P::Row>();
    piece.extend(format.lines(&first));
    let ahead = (!first.is_empty()).then_some(pages);
    let body = try_unfold((Some(Bytes::from(piece)), ahead), move |(ready, ahead)| async move {
        if let Some(piece) = ready {
            return Ok(Some((piece, (None, ahead))));
        }
        let Some(mut pages) = ahead else { return Ok(None) };
        let page = pages.next().await.inspect_err(|error| tracing::warn!(%error, "a download breaks off"))?;
        let more = (!page.is_empty()).then(|| (Bytes::from(format.lines(&page)), (None, Some(pages))));
        Ok::<_, StoreError>(more)
    });
    let mut answer = ([(CONTENT_TYPE, format.media_type())], Body::from_stream(body)).into_response();
    let disposition = format!("attachment; filename=\"{name}.{}\"", format.word());
    if let Ok(value) = HeaderValue::from_str(&disposition) {
        answer.headers_mut().insert(CONTENT_DISPOSITION, value);
    }
    Ok(answer)
}
