//! `GET /t/c/{token}`: on to exactly the target that the link was made with, unless its name is another team's by now.

use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::visit::Visit;
use super::{Problem, Public};
use crate::model::engagement::Deed;
use crate::tracking::token::Purpose;

pub async fn click(State(public): State<Public>, visit: Visit) -> Result<Response, Problem> {
    let Purpose::Click(target) = &visit.token.purpose else { return Err(Problem::NotFound) };
    let location = HeaderValue::from_str(target).map_err(|_| Problem::NotFound)?;
    if public.is_anothers(&visit).await {
        return Err(Problem::NotFound);
    }
    public.engage(&visit.token, Deed::Clicked(target.clone()), visit.by).await;
    Ok((StatusCode::FOUND, [(LOCATION, location)]).into_response())
}
