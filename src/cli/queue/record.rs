//! A message of the queue as it is printed.

use serde::Serialize;

use crate::cli::output;
use crate::model::event::Event;
use crate::model::message::Recipient;
use crate::model::wait::Wait;
use crate::store::read::{DAMAGED, Damage, Listed};

/// One message and its recipients.
#[derive(Serialize)]
pub struct Record {
    id: String,
    status: &'static str,
    recipients: Vec<ShownRecipient>,
    /// What of its rows can't be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    damage: Vec<String>,
}

#[derive(Serialize)]
struct ShownRecipient {
    address: String,
    status: &'static str,
    attempts: i64,
    /// RFC 3339; null once nothing will be attempted any more.
    next_attempt_at: Option<String>,
    last_reply: String,
    /// Null once it is no longer open.
    waits_for: Option<ShownWait>,
}

#[derive(Serialize)]
struct ShownWait {
    kind: &'static str,
    until: Option<String>,
    text: String,
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
        Self {
            id: listed.message.id.to_string(),
            status: listed.status(),
            recipients: listed.recipients.iter().map(|r| ShownRecipient::of(r, listed.waits.get(&r.index))).collect(),
            damage: listed.damage.iter().map(Damage::to_string).collect(),
        }
    }

    /// A line for each recipient that waits: why.
    pub fn waits(&self) -> impl Iterator<Item = String> {
        self.recipients.iter().filter_map(|r| Some(format!("{}: {}", r.address, r.waits_for.as_ref()?.text)))
    }

    /// A row for each recipient, and for what is damaged.
    pub fn rows(&self) -> Vec<[String; 6]> {
        let row = |r: &ShownRecipient| {
            let next = r.next_attempt_at.clone().unwrap_or_else(|| "-".to_owned());
            [self.id.clone(), r.address.clone(), r.status.to_owned(), r.attempts.to_string(), next, r.last_reply.clone()]
        };
        let none = || "-".to_owned();
        let damaged = |cause: &String| [self.id.clone(), none(), DAMAGED.to_owned(), none(), none(), cause.clone()];
        self.recipients.iter().map(row).chain(self.damage.iter().map(damaged)).collect()
    }
}

impl ShownRecipient {
    fn of(recipient: &Recipient, wait: Option<&Wait>) -> Self {
        Self {
            address: recipient.path.address.to_string(),
            status: recipient.state.as_str(),
            attempts: recipient.attempts,
            next_attempt_at: recipient.state.is_open().then(|| recipient.next_attempt_at.rfc3339()),
            last_reply: recipient.last_reply.clone(),
            waits_for: wait.map(|wait| ShownWait {
                kind: wait.as_str(),
                until: wait.until().map(|until| until.rfc3339()),
                text: wait.to_string(),
            }),
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
