//! A message of the queue as it is printed.

use serde::Serialize;

use crate::cli::output;
use crate::model::event::Event;
use crate::model::message::Recipient;
use crate::model::status::MessageStatus;
use crate::store::read::Listed;

/// One message and its recipients.
#[derive(Serialize)]
pub struct Record {
    id: String,
    status: &'static str,
    recipients: Vec<ShownRecipient>,
}

#[derive(Serialize)]
struct ShownRecipient {
    address: String,
    status: &'static str,
    attempts: i64,
    /// RFC 3339; null once nothing will be attempted any more.
    next_attempt_at: Option<String>,
    last_reply: String,
}

/// One event.
#[derive(Serialize)]
pub struct ShownEvent {
    event: &'static str,
    at: String,
    recipient: Option<i64>,
    detail: serde_json::Value,
}

impl Record {
    /// The record of a message.
    pub fn of(listed: &Listed) -> Self {
        // A complaint is an event of its own; none can arise before feedback reports are read.
        let status = MessageStatus::of(listed.recipients.iter().map(|r| r.state), false);
        Self {
            id: listed.message.id.to_string(),
            status: status.as_str(),
            recipients: listed.recipients.iter().map(ShownRecipient::of).collect(),
        }
    }

    /// A row for each recipient.
    pub fn rows(&self) -> Vec<[String; 6]> {
        let row = |r: &ShownRecipient| {
            let next = r.next_attempt_at.clone().unwrap_or_else(|| "-".to_owned());
            [self.id.clone(), r.address.clone(), r.status.to_owned(), r.attempts.to_string(), next, r.last_reply.clone()]
        };
        self.recipients.iter().map(row).collect()
    }
}

impl ShownRecipient {
    fn of(recipient: &Recipient) -> Self {
        Self {
            address: recipient.path.address.to_string(),
            status: recipient.state.as_str(),
            attempts: recipient.attempts,
            next_attempt_at: recipient.state.is_open().then(|| recipient.next_attempt_at.rfc3339()),
            last_reply: recipient.last_reply.clone(),
        }
    }
}

impl ShownEvent {
    /// The record of an event.
    pub fn of(event: &Event) -> Self {
        Self { event: event.kind.as_str(), at: event.at.rfc3339(), recipient: event.recipient, detail: event.detail.clone() }
    }

    /// As one line.
    pub fn line(&self) -> String {
        let recipient = self.recipient.map_or_else(String::new, |index| format!(" #{index}"));
        output::clean(&format!("{} {}{recipient} {}", self.at, self.event, self.detail))
    }
}

/// Rows of recipients, in columns.
pub fn table(rows: &[[String; 6]]) -> anyhow::Result<()> {
    output::table(["ID", "RECIPIENT", "STATUS", "ATTEMPTS", "NEXT", "LAST REPLY"], rows)
}
