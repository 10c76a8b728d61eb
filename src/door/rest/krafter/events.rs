//! `GET /emails/{id}/events`: what happened to a message, oldest first, from `queued` on; page by page where it is much.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::Resources;
use super::data::json;
use super::openapi::FailuresOfOne;
use crate::door::rest::access::{Caller, MailRead};
use crate::door::rest::cursor;
use crate::door::rest::door::Door;
use crate::door::rest::problem::Problem;
use crate::door::rest::query::Parameters;
use crate::door::rest::reference::Reference;
use crate::model::event::{Event, EventKind};
use crate::model::message::Recipient;

/// Some of what happened to a message.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmailEvents {
    pub data: Vec<EmailEvent>,
    pub meta: EventsMeta,
}

/// Where it lies in all that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EventsMeta {
    /// Where the next page begins; `null` on the last.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmailEvent {
    #[serde(rename = "type")]
    pub kind: EventType,
    #[schema(format = DateTime)]
    pub occurred_at: String,
    /// To whose copy; `null`: to the message as a whole.
    #[schema(required)]
    pub recipient: Option<String>,
    /// What is known of it, by type: the next hop's `reply` and its `enhanced_code`, the number of the `attempt`, its `route`, `host`,
    /// `address`, `tls` and `took_ms`, the ways that were `passed` before; the `class` of a bounce and its `bounce_type`, `hard` or `soft`, the `complaint`, who it was
    /// `reported_by`; the `reason` of a rejection; the `url`, `user_agent` and `ip` of who opened or clicked.
    #[schema(value_type = std::collections::BTreeMap<String, Value>)]
    pub data: Map<String, Value>,
}

/// The kinds of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EventType {
    Queued,
    Deferred,
    Sent,
    Delivered,
    Opened,
    Clicked,
    Bounced,
    Complained,
    Unsubscribed,
    Resubscribed,
    Failed,
    Rejected,
    Cancelled,
    Held,
    Released,
}

pub fn routes() -> Resources {
    Resources::new().routes(routes!(events))
}

/// Tells what happened to a message, oldest first
///
/// About 1,000 at a time.
#[utoipa::path(
    get,
    path = "/emails/{id}/events",
    tag = "emails",
    params(
        ("id" = String, Path, description = "In any form an id is written in"),
        ("cursor" = Option<String>, Query, description = "meta.next_cursor of the page before"),
    ),
    responses((status = 200, description = "A page of its events", body = EmailEvents), FailuresOfOne)
)]
async fn events(
    State(door): State<Arc<Door>>,
    caller: Caller<MailRead>,
    Reference(id): Reference,
    mut asked: Parameters,
) -> Result<Response, Problem> {
    let behind = asked.read("cursor", cursor::read);
    asked.end()?;
    let (page, recipients) = door.store.email_events(caller.team(), id, behind).await?.ok_or(Problem::NotFound)?;
    let meta = EventsMeta { next_cursor: page.next.map(cursor::after) };
    Ok(json(&EmailEvents { data: page.events.into_iter().map(|event| EmailEvent::of(event, &recipients)).collect(), meta }))
}

impl EmailEvent {
    fn of(event: Event, recipients: &[Recipient]) -> Self {
        let recipient = event.recipient.and_then(|place| recipients.iter().find(|one| one.index == place));
        Self {
            kind: event.kind.into(),
            occurred_at: event.at.rfc3339(),
            recipient: recipient.map(|one| one.path.address.to_string()),
            data: match event.detail {
                Value::Object(data) => data,
                _ => Map::new(),
            },
        }
    }
}

impl From<EventKind> for EventType {
    fn from(kind: EventKind) -> Self {
        match kind {
            EventKind::Queued => Self::Queued,
            EventKind::Deferred => Self::Deferred,
            EventKind::Sent => Self::Sent,
            EventKind::Delivered => Self::Delivered,
            EventKind::Opened => Self::Opened,
            EventKind::Clicked => Self::Clicked,
            EventKind::Bounced => Self::Bounced,
            EventKind::Complained => Self::Complained,
            EventKind::Unsubscribed => Self::Unsubscribed,
            EventKind::Resubscribed => Self::Resubscribed,
            EventKind::Failed => Self::Failed,
            EventKind::Rejected => Self::Rejected,
            EventKind::Cancelled => Self::Cancelled,
            EventKind::Held => Self::Held,
            EventKind::Released => Self::Released,
        }
    }
}
