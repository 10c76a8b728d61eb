//! `GET /emails/{id}/events`: what happened to a message, oldest first, from `queued` on.

use std::sync::Arc;

use axum::extract::State;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::Resources;
use super::data::Data;
use super::openapi::FailuresOfOne;
use crate::door::rest::access::{Caller, MailRead};
use crate::door::rest::door::Door;
use crate::door::rest::problem::Problem;
use crate::door::rest::reference::Reference;
use crate::model::event::{Event, EventKind};
use crate::model::message::Recipient;

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
    /// `address`, `tls` and `took_ms`, the ways that were `passed` before; the `class` of a bounce, the `complaint`, who it was
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
}

pub fn routes() -> Resources {
    Resources::new().routes(routes!(events))
}

/// Tells what happened to a message, oldest first
#[utoipa::path(
    get,
    path = "/emails/{id}/events",
    tag = "emails",
    params(("id" = String, Path, description = "In any form an id is written in")),
    responses((status = 200, description = "Its events", body = Data<Vec<EmailEvent>>), FailuresOfOne)
)]
async fn events(
    State(door): State<Arc<Door>>,
    caller: Caller<MailRead>,
    Reference(id): Reference,
) -> Result<Data<Vec<EmailEvent>>, Problem> {
    let listed = door.store.message(Some(caller.team()), id).await?.ok_or(Problem::NotFound)?;
    let events = door.store.email_events(caller.team(), id).await?.ok_or(Problem::NotFound)?;
    Ok(Data { data: events.into_iter().map(|event| EmailEvent::of(event, &listed.recipients)).collect() })
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
        }
    }
}
