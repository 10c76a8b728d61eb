//! `/unsubscribes`: readers who wish no more broadcast mail.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::Resources;
use super::data::{Data, json};
use super::new_email::StreamName;
use super::openapi::{AskedNumber, Failures, FailuresOfBody, FailuresOfOne};
use super::paging::{Page, Place};
use super::suppressions::{changeable, named};
use crate::door::rest::access::{Caller, MailSend, SuppressionsRead};
use crate::door::rest::body::Payload;
use crate::door::rest::cursor;
use crate::door::rest::door::Door;
use crate::door::rest::problem::{Details, Problem};
use crate::door::rest::query::Parameters;
use crate::door::rest::reference::Name;
use crate::model::address::Address;
use crate::model::unsubscribe::{Evidence, How, SCOPE, Unsubscribe};

/// A reader who wishes no more broadcast mail. A field that is `null` counts as left out.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUnsubscribe {
    /// `local@domain`.
    #[schema(value_type = String, required)]
    pub address: Option<String>,
    /// How it is known.
    #[schema(max_length = 1000)]
    pub reason: Option<String>,
}

/// An unsubscribe as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Unsubscribe)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    /// In the form by which spellings are compared: lower case, the domain in A-labels.
    pub address: String,
    /// What it is about.
    pub stream: StreamName,
    /// The way it was told.
    pub how: HowName,
    #[schema(required)]
    pub reason: Option<String>,
    /// From where the link was followed.
    #[schema(required)]
    pub ip: Option<String>,
    #[schema(required)]
    pub user_agent: Option<String>,
    /// The message whose link was followed.
    #[schema(required, format = "uuid")]
    pub email_id: Option<String>,
    #[schema(format = DateTime)]
    pub created_at: String,
}

/// The ways to tell it: by the reader's mail program, by the page that the link leads to, by the API, by an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HowName {
    OneClick,
    Page,
    Api,
    Cli,
}

impl From<Unsubscribe> for Shown {
    fn from(wish: Unsubscribe) -> Self {
        let Evidence { ip, user_agent, reason } = wish.evidence;
        Self {
            address: wish.address,
            stream: SCOPE.into(),
            how: match wish.how {
                How::OneClick => HowName::OneClick,
                How::Page => HowName::Page,
                How::Api => HowName::Api,
                How::Cli => HowName::Cli,
            },
            reason,
            ip,
            user_agent,
            email_id: wish.message.map(|id| id.uuid()),
            created_at: wish.created_at.rfc3339(),
        }
    }
}

pub fn routes() -> Resources {
    Resources::new().routes(routes!(add_unsubscribe, list_unsubscribes)).routes(routes!(show_unsubscribe, remove_unsubscribe))
}

/// Notes that a reader wishes no more broadcast mail
///
/// Of one who unsubscribed already the first evidence is kept.
#[utoipa::path(
    post,
    path = "/unsubscribes",
    tag = "unsubscribes",
    request_body = NewUnsubscribe,
    responses(
        (status = 201, description = "Heeded from now on", body = Data<Shown>),
        (status = 200, description = "It was known already", body = Data<Shown>),
        FailuresOfBody
    )
)]
async fn add_unsubscribe(State(door): State<Arc<Door>>, caller: Caller<MailSend>, payload: Payload) -> Result<Response, Problem> {
    let team = changeable(&caller)?;
    let (NewUnsubscribe { address, reason }, _room) = payload.json()?;
    let address =
        Address::parse(address.unwrap_or_default().trim()).map_err(|error| Details::one("address", error.to_string()))?;
    let evidence = Evidence::of_reason(reason).map_err(|fault| Details::one("reason", fault.to_string()))?;
    let wish = Unsubscribe { team, address: address.key(), how: How::Api, message: None, evidence, created_at: door.clock.now() };
    if door.store.unsubscribe(&wish).await? {
        return Ok((StatusCode::CREATED, Data { data: Shown::from(wish) }).into_response());
    }
    // Taken back between the two: as it was asked for, for a moment.
    let known = door.store.unsubscribed(team, &wish.address).await?.unwrap_or(wish);
    Ok(Data { data: Shown::from(known) }.into_response())
}

/// Lists unsubscribes, by address
#[utoipa::path(
    get,
    path = "/unsubscribes",
    tag = "unsubscribes",
    params(
        ("page" = inline(Option<AskedNumber>), Query, description = "From 1, which 0 stands for, too"),
        ("per_page" = inline(Option<AskedNumber>), Query, description = "25 where it is not said; taken into 1 to 100"),
        ("cursor" = Option<String>, Query, description = "meta.next_cursor of the page before; goes before `page`"),
    ),
    responses((status = 200, description = "A page of them", body = Page<Shown>), Failures)
)]
async fn list_unsubscribes(
    State(door): State<Arc<Door>>,
    caller: Caller<SuppressionsRead>,
    mut asked: Parameters,
) -> Result<Response, Problem> {
    let place = Place::read(&mut asked, cursor::read_name);
    asked.end()?;
    let after = place.after.as_deref().unwrap_or_default();
    let page = door.store.unsubscribes(caller.team(), after, place.offset(), place.per_page + 1);
    let (rows, total) = tokio::try_join!(page, door.store.count_unsubscribes(caller.team()))?;
    let page: Page<Shown> = place.of(rows, total, |last| cursor::after_name(&last.address));
    Ok(json(&page))
}

/// Shows an address's unsubscribe
#[utoipa::path(
    get,
    path = "/unsubscribes/{address}",
    tag = "unsubscribes",
    params(("address" = String, Path, description = "In any spelling")),
    responses((status = 200, description = "Since when, and how it was told", body = Data<Shown>), FailuresOfOne)
)]
async fn show_unsubscribe(
    State(door): State<Arc<Door>>,
    caller: Caller<SuppressionsRead>,
    Name(address): Name,
) -> Result<Data<Shown>, Problem> {
    let found = door.store.unsubscribed(caller.team(), &named(&address)?).await?.ok_or(Problem::NotFound)?;
    Ok(Data { data: found.into() })
}

/// Takes an address's unsubscribe back
#[utoipa::path(
    delete,
    path = "/unsubscribes/{address}",
    tag = "unsubscribes",
    params(("address" = String, Path, description = "In any spelling")),
    responses((status = 204, description = "Broadcast mail may go there again"), FailuresOfOne)
)]
async fn remove_unsubscribe(
    State(door): State<Arc<Door>>,
    caller: Caller<MailSend>,
    Name(address): Name,
) -> Result<StatusCode, Problem> {
    let is_back = door.store.resubscribe(changeable(&caller)?, &named(&address)?, How::Api).await?;
    if is_back { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::NotFound) }
}
