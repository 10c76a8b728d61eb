//! `POST /emails/batch`: up to 100 messages in one commit. What is wrong with the sender's rights, or with what every message must have,
//! refuses them all; what is wrong with one message refuses that one.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::Resources;
use super::data::Data;
use super::email::Email;
use super::new_email::NewEmail;
use super::openapi::FailuresOfBody;
use super::problem::{Failure, Shape};
use super::submission::{self, Sent};
use crate::door::rest::access::{Caller, MailSend};
use crate::door::rest::body::Payload;
use crate::door::rest::checks::BLANK;
use crate::door::rest::door::Door;
use crate::door::rest::idempotency;
use crate::door::rest::json::List;
use crate::door::rest::problem::{Details, Problem};
use crate::heavy;
use crate::id::Id;
use crate::intake::{BatchRefusal, Intake};
use crate::model::key::ApiKey;
use crate::model::refusal::Refusal;
use crate::model::submission::{Receipt, Submission};

/// Messages of one batch.
const BATCH_MAX: usize = 100;

/// The body.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBatch {
    #[schema(value_type = Vec<NewEmail>, required, min_items = 1, max_items = 100)]
    emails: Option<List<NewEmail, BATCH_MAX>>,
}

/// What became of one message, in the order they came.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Item {
    Accepted(AcceptedItem),
    Refused(RefusedItem),
}

/// A message that was accepted.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptedItem {
    #[schema(minimum = 201, maximum = 201)]
    status: u16,
    data: Box<Email>,
}

/// A message that was not, with the status and the body that it would have had alone.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefusedItem {
    status: u16,
    errors: Failure,
}

pub fn routes() -> Resources {
    Resources::new().routes(routes!(send_batch))
}

/// Sends up to 100 messages
#[utoipa::path(
    post,
    path = "/emails/batch",
    tag = "emails",
    request_body = NewBatch,
    params(("idempotency-key" = Option<String>, Header, min_length = 1, max_length = 255, description = "For the whole batch")),
    responses(
        (status = 201, description = "All were accepted", body = Data<Vec<Item>>),
        (status = 207, description = "Some were not accepted", body = Data<Vec<Item>>),
        FailuresOfBody
    )
)]
async fn send_batch(
    State(door): State<Arc<Door>>,
    caller: Caller<MailSend>,
    headers: HeaderMap,
    payload: Payload,
) -> Result<Response, Problem> {
    let once = idempotency::key(&headers)?;
    let made = heavy::run(payload.len(), || submissions(&door.intake, payload, &caller.key, once.as_deref()))?;
    let sent = hand_in(&door, caller.team(), made).await?;
    let replayed = sent.iter().all(|sent| sent.as_ref().is_ok_and(|sent| sent.replayed));
    let items: Vec<Item> = sent.into_iter().map(Item::from).collect();
    let all = items.iter().all(|item| matches!(item, Item::Accepted(_)));
    let status = if all { StatusCode::CREATED } else { StatusCode::MULTI_STATUS };
    let mut answer = (status, Data { data: items }).into_response();
    if replayed {
        idempotency::mark_replayed(answer.headers_mut());
    }
    Ok(answer)
}

/// Each message's submission, or what is wrong with that message.
fn submissions(
    intake: &Intake,
    payload: Payload,
    key: &Arc<ApiKey>,
    once: Option<&str>,
) -> Result<Vec<Result<Submission, Problem>>, Problem> {
    let (batch, room) = payload.json::<NewBatch>()?;
    let Some(List(emails)) = batch.emails else { return Err(Problem::Malformed("The field emails is missing".to_owned())) };
    if emails.is_empty() {
        return Err(Details::one("emails", BLANK).into());
    }
    if let Some(place) = emails.iter().position(NewEmail::lacks_required) {
        let text = format!("Email at index {place} is missing required fields (from, to, subject)");
        return Err(Problem::Unprocessable(text));
    }
    let make = |(place, mut email): (usize, NewEmail)| {
        let once = match email.idempotency_key.take() {
            Some(own) => idempotency::checked(&own).map(Some),
            // No key that a client can give holds NUL: these are nobody else's.
            None => Ok(once.map(|once| format!("{once}\0{place}"))),
        };
        let made = once.map_err(Problem::from).and_then(|once| submission::make(intake, email, key.clone(), once, &room));
        match made {
            Err(Problem::Refused(refusal)) if refusal.code.refuses_batch() => Err(of_all(place, refusal)),
            made => Ok(made),
        }
    };
    emails.into_iter().enumerate().map(make).collect()
}

/// Hands in those that are sound, together, and tells of each; where the store failed them all, nothing was done.
async fn hand_in(door: &Door, team: Id, made: Vec<Result<Submission, Problem>>) -> Result<Vec<Result<Sent, Problem>>, Problem> {
    let (mut sound, mut places) = (Vec::with_capacity(made.len()), Vec::with_capacity(made.len()));
    let mut told = Vec::with_capacity(made.len());
    for (place, one) in made.into_iter().enumerate() {
        told.push(one.map(|submission| {
            let paths = submission.envelope.recipients.clone();
            sound.push(submission);
            places.push(place);
            paths
        }));
    }
    let verdicts = door.intake.accept_all(sound).await;
    let verdicts =
        verdicts.map_err(|BatchRefusal { place, refusal }| of_all(places.get(place).copied().unwrap_or(place), refusal))?;
    if let Some(refusal) = failed_all(&verdicts) {
        return Err(refusal.clone().into());
    }
    let mut verdicts = verdicts.into_iter();
    let mut sent = Vec::with_capacity(told.len());
    for one in told {
        sent.push(match one.map(|paths| (paths, verdicts.next())) {
            Ok((paths, Some(Ok(receipt)))) => submission::tell(door, team, receipt, &paths).await,
            Ok((_, Some(Err(refusal)))) => Err(refusal.into()),
            Ok((_, None)) => Err(Problem::Away),
            Err(problem) => Err(problem),
        });
    }
    Ok(sent)
}

/// The first refusal, where all of them were for want of a store or of room.
fn failed_all(verdicts: &[Result<Receipt, Refusal>]) -> Option<&Refusal> {
    let away = |verdict: &Result<Receipt, Refusal>| verdict.as_ref().is_err_and(|refusal| refusal.code.row().http == 503);
    let first = verdicts.first()?.as_ref().err()?;
    verdicts.iter().all(away).then_some(first)
}

/// The refusal of the batch, which names the message, counted from 1.
fn of_all(place: usize, refusal: Refusal) -> Problem {
    Refusal { text: format!("Email #{}: {}", place + 1, refusal.text), ..refusal }.into()
}

impl From<Result<Sent, Problem>> for Item {
    fn from(sent: Result<Sent, Problem>) -> Self {
        match sent.map_err(Shape::of) {
            Ok(Sent { email, .. }) => {
                Self::Accepted(AcceptedItem { status: StatusCode::CREATED.as_u16(), data: Box::new(email) })
            }
            Err(Shape { status, failure, .. }) => Self::Refused(RefusedItem { status: status.as_u16(), errors: failure }),
        }
    }
}
