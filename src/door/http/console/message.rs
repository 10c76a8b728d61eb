//! `/messages/{id}`: one message, its recipients and what happened to it.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};

use super::text::{Moment, octets, visible};
use super::{Page, Problem};
use crate::door::http::access::Viewer;
use crate::door::http::context::Context;
use crate::mime::view::View;
use crate::model::email::Times;
use crate::model::event::Event;
use crate::model::message::{Message, Recipient};
use crate::model::wait::Wait;
use crate::store::events::EventPage;
use crate::store::read::Listed;

/// Characters of a header's value, and of the text, that are shown; the raw source holds the rest.
const VALUE_SHOWN: usize = 4_000;
const TEXT_SHOWN: usize = 200_000;
/// Events that are shown.
const EVENTS_SHOWN: usize = 500;

#[derive(Template)]
#[template(path = "console/message.html")]
struct MessagePage {
    id: String,
    uuid: String,
    subject: String,
    status: &'static str,
    facts: Vec<(&'static str, String)>,
    recipients: Vec<RecipientRow>,
    /// What of its rows can't be read.
    damage: Vec<String>,
    events: Vec<EventRow>,
    has_more_events: bool,
    /// Nothing more happens to it by itself.
    has_ended: bool,
    /// `None`: its bytes are no longer kept.
    content: Option<Content>,
}

struct RecipientRow {
    address: String,
    state: &'static str,
    attempts: i64,
    /// When it is tried next; `None` when it won't be.
    next: Option<Moment>,
    /// Why it waits; empty when it doesn't.
    wait: String,
    last_reply: String,
}

struct EventRow {
    at: Moment,
    kind: &'static str,
    recipient: String,
    detail: Vec<(String, String)>,
}

struct Content {
    headers: Vec<(String, String)>,
    text: Option<String>,
    has_html: bool,
    attachments: Vec<AttachmentRow>,
}

struct AttachmentRow {
    place: usize,
    name: String,
    content_type: String,
    size: String,
}

/// The page.
pub async fn message(
    State(context): State<Arc<Context>>,
    viewer: Viewer,
    Path(id): Path<String>,
) -> Result<Page<impl Template>, Problem> {
    let id = id.parse().map_err(|_| Problem::NotFound)?;
    let listed = context.store.message(viewer.team, id).await?.ok_or(Problem::NotFound)?;
    let EventPage { events, next } = context.store.events_behind(id, None, EVENTS_SHOWN).await?;
    let status = listed.status();
    let Listed { message, recipients, waits, damage, .. } = listed;
    let reach = context.reach;
    let view = match context.store.body(viewer.team, id).await? {
        Some(bytes) => super::parts::blocking(move || Some(View::of(&bytes, reach))).await,
        None => None,
    };
    Ok(Page(MessagePage {
        id: id.to_string(),
        uuid: id.uuid(),
        subject: visible(&message.subject, VALUE_SHOWN),
        status,
        facts: facts(&message).into_iter().chain(times(context.store.times(id).await?)).collect(),
        events: events.iter().map(|event| EventRow::of(event, &recipients)).collect(),
        has_ended: recipients.iter().all(|recipient| !recipient.state.is_open()),
        has_more_events: next.is_some(),
        recipients: recipients.iter().map(|r| RecipientRow::of(r, waits.get(&r.index))).collect(),
        damage: damage.iter().map(|damage| visible(&damage.to_string(), VALUE_SHOWN)).collect(),
        content: view.map(Content::of),
    }))
}

/// What is worth a line, in reading order; empty ones are left out.
fn facts(message: &Message) -> Vec<(&'static str, String)> {
    let tags: Vec<String> = message.tags.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut stream = message.stream.to_string();
    if message.sandbox {
        stream.push_str(", sandbox");
    }
    let all = [
        ("From", message.from_header.clone()),
        ("To", message.to_header.clone()),
        ("Cc", message.cc_header.clone()),
        ("Reply-To", message.reply_to.clone()),
        ("Accepted", format!("{} UTC, by {}", Moment::from(message.created_at).shown, message.source.as_str())),
        ("Not before", message.send_at.map(|at| format!("{} UTC", Moment::from(at).shown)).unwrap_or_default()),
        ("Envelope from", message.reverse_path.clone().unwrap_or_else(|| "<> (null)".to_owned())),
        ("Stream", stream),
        ("Tags", tags.join(", ")),
        ("Message-ID", message.message_id.clone()),
        ("Size", octets(message.size)),
    ];
    all.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name, visible(&value, VALUE_SHOWN))).collect()
}

/// When it was first sent, and the like.
fn times(times: Times) -> impl Iterator<Item = (&'static str, String)> {
    let Times { sent, delivered, opened, clicked, bounced, complained } = times;
    let all = [
        ("Sent", sent),
        ("Delivered", delivered),
        ("Opened", opened),
        ("Clicked", clicked),
        ("Bounced", bounced),
        ("Complained", complained),
    ];
    all.into_iter().filter_map(|(name, at)| Some((name, format!("{} UTC", Moment::from(at?).shown))))
}

impl RecipientRow {
    fn of(recipient: &Recipient, wait: Option<&Wait>) -> Self {
        Self {
            address: visible(recipient.path.address.as_str(), VALUE_SHOWN),
            state: recipient.state.as_str(),
            attempts: recipient.attempts,
            next: recipient.state.is_open().then(|| recipient.next_attempt_at.into()),
            wait: wait.map(|wait| visible(&wait.to_string(), VALUE_SHOWN)).unwrap_or_default(),
            last_reply: visible(&recipient.last_reply, VALUE_SHOWN),
        }
    }
}

impl EventRow {
    fn of(event: &Event, recipients: &[Recipient]) -> Self {
        let named = event.recipient.and_then(|index| recipients.iter().find(|r| r.index == index));
        let detail = event.detail.as_object().into_iter().flatten().map(|(name, value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            (visible(name, 100), visible(&value, VALUE_SHOWN))
        });
        Self {
            at: event.at.into(),
            kind: event.kind.as_str(),
            recipient: named.map(|r| visible(r.path.address.as_str(), VALUE_SHOWN)).unwrap_or_default(),
            detail: detail.collect(),
        }
    }
}

impl Content {
    fn of(view: View) -> Self {
        let attachments = view.attachments.iter().enumerate().map(|(place, attachment)| AttachmentRow {
            place,
            name: if attachment.name.is_empty() { "(no name)".to_owned() } else { visible(&attachment.name, 300) },
            content_type: visible(&attachment.content_type, 200),
            size: octets(attachment.size as u64),
        });
        Self {
            headers: view.headers.iter().map(|(name, value)| (visible(name, 200), visible(value, VALUE_SHOWN))).collect(),
            text: view.text.map(|text| visible(&text, TEXT_SHOWN)),
            has_html: view.html.is_some(),
            attachments: attachments.collect(),
        }
    }
}
