//! `GET /t/o/{token}`: a picture of one transparent point, and with it the news that the message was shown.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};

use super::visit::Visit;
use super::{Problem, Public};
use crate::model::engagement::Deed;
use crate::tracking::token::Purpose;

/// One transparent point (GIF89a).
const POINT: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\
    \x01\x00\x01\x00\x00\x02\x02D\x01\x00;";

/// A page of any origin shows mail, and the picture with it.
const ANY_ORIGIN: (HeaderName, HeaderValue) =
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("cross-origin"));

pub async fn open(State(public): State<Public>, visit: Visit) -> Result<Response, Problem> {
    if visit.token.purpose != Purpose::Open {
        return Err(Problem::NotFound);
    }
    public.engage(&visit.token, Deed::Opened, visit.by).await;
    Ok(([(CONTENT_TYPE, HeaderValue::from_static("image/gif")), ANY_ORIGIN], POINT).into_response())
}
