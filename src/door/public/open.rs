//! `GET /t/o/{token}`: a picture of one transparent point, and with it the news that the message was shown.

use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};

use super::{Problem, Public};
use crate::tracking::token::Purpose;

/// One transparent point (GIF89a).
const POINT: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";

/// A page of any origin shows mail, and the picture with it.
const ANY_ORIGIN: (HeaderName, HeaderValue) =
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("cross-origin"));

pub async fn open(State(public): State<Public>, Path(token): Path<String>) -> Result<Response, Problem> {
    let token = public.read(&token).await?;
    if token.purpose != Purpose::Open {
        return Err(Problem::NotFound);
    }
    Ok(([(CONTENT_TYPE, HeaderValue::from_static("image/gif")), ANY_ORIGIN], POINT).into_response())
}
