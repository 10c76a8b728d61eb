//! `/suppressions`: addresses that a team's mail is kept from.

mod export;
mod import;

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::Resources;
use super::data::{Data, json};
use super::openapi::{AskedNumber, Failures, FailuresOfBody, FailuresOfOne};
use super::paging::{Page, Place};
use crate::door::rest::access::{Caller, MailSend, SuppressionsRead};
use crate::door::rest::body::Payload;
use crate::door::rest::cursor;
use crate::door::rest::door::Door;
use crate::door::rest::problem::{Details, Problem};
use crate::door::rest::query::Parameters;
use crate::door::rest::reference::Name;
use crate::id::Id;
use crate::model::address::Address;
use crate::store::suppressions::Filter;
use crate::suppressions::entry::{Entry, Fault};
use crate::suppressions::pages::Shown;

/// An address that no mail is to go to. A field that is `null` counts as left out.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSuppression {
    /// `local@domain`.
    #[schema(value_type = String, required)]
    pub address: Option<String>,
    /// A word such as `bounce`, `complaint` or `manual`, which it is where nothing is said.
    #[schema(pattern = "^[A-Za-z0-9_-]{0,64}$")]
    pub reason: Option<String>,
    /// The reply or the report that it is for.
    #[schema(max_length = 1000)]
    pub evidence: Option<String>,
}

impl From<NewSuppression> for Entry {
    fn from(new: NewSuppression) -> Self {
        Self { address: new.address.unwrap_or_default(), reason: new.reason, evidence: new.evidence }
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Details::one(fault.field, fault.text).into()
    }
}

pub fn routes() -> Resources {
    Resources::new()
        .routes(routes!(add_suppression, list_suppressions))
        .routes(routes!(show_suppression, remove_suppression))
        .merge(import::routes())
        .merge(export::routes())
}

/// The team whose list a key may change: what a sandbox key tries out changes nothing for real mail.
pub(super) fn changeable(caller: &Caller<MailSend>) -> Result<Id, Problem> {
    if caller.key.is_sandbox() { Err(Problem::ScopeMissing) } else { Ok(caller.team()) }
}

/// Suppresses an address
///
/// One that is suppressed already keeps its first reason and evidence.
#[utoipa::path(
    post,
    path = "/suppressions",
    tag = "suppressions",
    request_body = NewSuppression,
    responses(
        (status = 201, description = "Suppressed from now on", body = Data<Shown>),
        (status = 200, description = "It was suppressed already", body = Data<Shown>),
        FailuresOfBody
    )
)]
async fn add_suppression(State(door): State<Arc<Door>>, caller: Caller<MailSend>, payload: Payload) -> Result<Response, Problem> {
    let team = changeable(&caller)?;
    let (new, _room) = payload.json::<NewSuppression>()?;
    let suppression = Entry::from(new).suppression(team, door.clock.now())?;
    let added = door.store.suppress(std::slice::from_ref(&suppression)).await?;
    if added == 1 {
        return Ok((StatusCode::CREATED, Data { data: Shown::from(suppression) }).into_response());
    }
    // Lifted between the two: as it was asked for, for a moment.
    let known = door.store.suppression(team, &suppression.address).await?.unwrap_or(suppression);
    Ok(Data { data: Shown::from(known) }.into_response())
}

/// Lists suppressions, by address
#[utoipa::path(
    get,
    path = "/suppressions",
    tag = "suppressions",
    params(
        ("page" = inline(Option<AskedNumber>), Query, description = "From 1, which 0 stands for, too"),
        ("per_page" = inline(Option<AskedNumber>), Query, description = "25 where it is not said; taken into 1 to 100"),
        ("cursor" = Option<String>, Query, description = "meta.next_cursor of the page before; goes before `page`"),
        ("reason" = Option<String>, Query, description = "The whole word"),
        ("address" = Option<String>, Query, description = "The whole address, in any spelling"),
    ),
    responses((status = 200, description = "A page of them", body = Page<Shown>), Failures)
)]
async fn list_suppressions(
    State(door): State<Arc<Door>>,
    caller: Caller<SuppressionsRead>,
    mut asked: Parameters,
) -> Result<Response, Problem> {
    let filter = filter(&mut asked);
    let place = Place::read(&mut asked, cursor::read_name);
    asked.end()?;
    let after = place.after.as_deref().unwrap_or_default();
    let page = door.store.suppressions(caller.team(), &filter, after, place.offset(), place.per_page + 1);
    let (rows, total) = tokio::try_join!(page, door.store.count_suppressions(caller.team(), &filter))?;
    let page: Page<Shown> = place.of(rows, total, |last| cursor::after_name(&last.address));
    Ok(json(&page))
}

/// Shows an address's suppression
#[utoipa::path(
    get,
    path = "/suppressions/{address}",
    tag = "suppressions",
    params(("address" = String, Path, description = "In any spelling")),
    responses((status = 200, description = "Since when, and why", body = Data<Shown>), FailuresOfOne)
)]
async fn show_suppression(
    State(door): State<Arc<Door>>,
    caller: Caller<SuppressionsRead>,
    Name(address): Name,
) -> Result<Data<Shown>, Problem> {
    let found = door.store.suppression(caller.team(), &named(&address)?).await?.ok_or(Problem::NotFound)?;
    Ok(Data { data: found.into() })
}

/// Lifts an address's suppression
#[utoipa::path(
    delete,
    path = "/suppressions/{address}",
    tag = "suppressions",
    params(("address" = String, Path, description = "In any spelling")),
    responses((status = 204, description = "Mail may go there again"), FailuresOfOne)
)]
async fn remove_suppression(
    State(door): State<Arc<Door>>,
    caller: Caller<MailSend>,
    Name(address): Name,
) -> Result<StatusCode, Problem> {
    let is_lifted = door.store.unsuppress(changeable(&caller)?, &named(&address)?).await?;
    if is_lifted { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::NotFound) }
}

/// The comparable form of a path's address. What is no address is on no list.
pub(super) fn named(text: &str) -> Result<String, Problem> {
    Address::parse(text).map(|address| address.key()).map_err(|_| Problem::NotFound)
}

fn filter(asked: &mut Parameters) -> Filter {
    Filter {
        reason: asked.read("reason", |word| {
            let is_word = word.bytes().all(|octet| octet.is_ascii_graphic());
            if is_word { Ok(word.to_ascii_lowercase()) } else { Err("must be a word") }
        }),
        address: asked.read("address", |text| Address::parse(text).map(|address| address.key())),
    }
}
