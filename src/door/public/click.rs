//! `GET /t/c/{token}`: on to exactly the target that the link was made with.

use axum::extract::{Path, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::{Problem, Public};
use crate::tracking::token::Purpose;

pub async fn click(State(public): State<Public>, Path(token): Path<String>) -> Result<Response, Problem> {
    let Purpose::Click(target) = public.read(&token).await?.purpose else { return Err(Problem::NotFound) };
    let location = HeaderValue::from_str(&target).map_err(|_| Problem::NotFound)?;
    Ok((StatusCode::FOUND, [(LOCATION, location)]).into_response())
}
