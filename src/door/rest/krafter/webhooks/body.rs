//! The body of the requests that tell of an event.

use serde::Serialize;
use serde_json::{Map, Value, json};
use url::Url;

use super::webhook::Webhook;
use crate::clock::Timestamp;
use crate::door::rest::krafter::email::{Email, RecipientReport};
use crate::door::rest::krafter::people;
use crate::event::announcement::{Announcement, News};
use crate::id::Id;
use crate::model;
use crate::model::address::Address;
use crate::model::event::Event;
use crate::model::message::{Message, Recipient};
use crate::model::webhook::WebhookKind;

/// Of a message for more, only the recipient that an event is about is named: each of them has events, and all named in each would be too much.
const NAMED_MAX: usize = 50;

/// What is sent.
#[derive(Serialize)]
struct Body {
    /// The event's, the same at every attempt.
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    created_at: String,
    /// When `data` was true.
    as_of: String,
    data: Value,
}

/// The body, as JSON.
pub fn body(announcement: &Announcement<'_>) -> String {
    let Announcement { id, kind, at, news } = *announcement;
    let (as_of, data) = match news {
        News::Email { event, email, as_of } => (as_of, of_email(event, email)),
        News::Webhook(webhook, reason) => (at, of_webhook(webhook, reason)),
        News::Test(webhook) if kind == WebhookKind::Disabled => (at, of_webhook(webhook, "this is a test")),
        News::Test(webhook) => (at, sample(webhook.team, id, at)),
    };
    json!(Body { id: id.uuid(), kind: kind.as_str(), created_at: at.rfc3339(), as_of: as_of.rfc3339(), data }).to_string()
}

/// Its path and query are left out: many a service takes whoever knows them for the sender.
fn of_webhook(webhook: &model::webhook::Webhook, reason: &str) -> Value {
    let origin = Url::parse(&webhook.settings.url).map(|url| url.origin().ascii_serialization()).unwrap_or_default();
    json!({ "webhook": Webhook { url: origin, ..webhook.clone().into() }, "reason": reason })
}

/// A message that never was, to try an endpoint with.
fn sample(team: Id, id: Id, at: Timestamp) -> Value {
    let message = Message {
        from_header: "Shop <shop@example.com>".to_owned(),
        to_header: "you@example.com".to_owned(),
        subject: "This is a test".to_owned(),
        message_id: format!("<{id}@example.com>"),
        ..Message::bare(id, team, at)
    };
    let reader = Address::parse("you@example.com").ok();
    let mut data = object(&Email::accepted(&message, reader.iter().map(|address| (address, false))));
    data.insert("recipient".to_owned(), json!("you@example.com"));
    Value::Object(data)
}

fn object(email: &Email) -> Map<String, Value> {
    match json!(email) {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// The message as `GET /emails/{id}` shows it, but of its recipients the one that the event is about; and what the event says.
fn of_email(event: &Event, email: &model::email::Email) -> Value {
    let concerned = event.recipient.and_then(|place| email.recipients.iter().find(|one| one.index == place));
    let shown = match concerned {
        Some(concerned) => of_one(email, concerned),
        None => Email::from(email.clone()),
    };
    let mut data = object(&shown);
    if let Value::Object(evidence) = &event.detail {
        evidence.iter().for_each(|(name, value)| _ = data.entry(name.clone()).or_insert_with(|| value.clone()));
    }
    data.insert("recipient".to_owned(), json!(concerned.map(|recipient| recipient.path.address.to_string())));
    Value::Object(data)
}

/// The message with this one of its recipients.
fn of_one(email: &model::email::Email, concerned: &Recipient) -> Email {
    if email.recipients.len() <= NAMED_MAX {
        let recipients = vec![RecipientReport::from(concerned.clone())];
        return Email { recipients, ..Email::from(email.clone()) };
    }
    let model::email::Email { message, status, times, error_reason, .. } = email;
    let (message, error_reason, recipients) = (message.clone(), error_reason.clone(), vec![concerned.clone()]);
    let mut shown = Email::from(model::email::Email { message, status: *status, recipients, times: *times, error_reason });
    shown.to.retain(|mailbox| people::is_at(mailbox, &concerned.path.address));
    shown.cc.retain(|mailbox| people::is_at(mailbox, &concerned.path.address));
    shown
}
