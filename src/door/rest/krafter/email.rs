//! A message as the API shows it.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::new_email::StreamName;
use super::people::People;
use crate::clock::Timestamp;
use crate::model::address::Address;
use crate::model::email;
use crate::model::message::{Message, Recipient, Source};
use crate::model::outcome::RecipientState;
use crate::model::status::MessageStatus;

/// One message. Times are RFC 3339 in UTC; `null` until they come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Email {
    #[schema(format = "uuid")]
    pub id: String,
    /// As in its header.
    pub from: String,
    pub to: Vec<String>,
    pub cc: Vec<String>,
    pub bcc: Vec<String>,
    #[schema(required)]
    pub reply_to: Option<String>,
    pub subject: String,
    pub status: Status,
    pub tags: BTreeMap<String, String>,
    #[schema(required, format = DateTime)]
    pub scheduled_at: Option<String>,
    #[schema(required, format = DateTime)]
    pub sent_at: Option<String>,
    #[schema(required, format = DateTime)]
    pub delivered_at: Option<String>,
    #[schema(required, format = DateTime)]
    pub opened_at: Option<String>,
    #[schema(required, format = DateTime)]
    pub clicked_at: Option<String>,
    #[schema(required, format = DateTime)]
    pub bounced_at: Option<String>,
    #[schema(required, format = DateTime)]
    pub complained_at: Option<String>,
    /// Why it did not arrive, where it did not.
    #[schema(required)]
    pub error_reason: Option<String>,
    #[schema(format = DateTime)]
    pub created_at: String,
    pub stream: StreamName,
    pub tracking_enabled: bool,
    /// The door it came by.
    pub source: SourceName,
    /// The Message-ID of its header, with angle brackets.
    pub message_id: String,
    #[schema(required, format = "uuid")]
    pub template_id: Option<String>,
    pub recipients: Vec<RecipientReport>,
}

/// One word for all recipients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Queued,
    Sent,
    Delivered,
    Bounced,
    Complained,
    Failed,
    Cancelled,
    Rejected,
}

/// The doors, by their words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SourceName {
    Smtp,
    Rest,
    Campaign,
    Sequence,
}

/// One recipient, and how far it got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecipientReport {
    pub address: String,
    pub status: RecipientStatus,
    /// The next hop's, as one line.
    #[schema(required)]
    pub last_reply: Option<String>,
    /// Attempts that have ended.
    pub attempts: i64,
}

/// What became of a recipient so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RecipientStatus {
    Queued,
    Held,
    Sent,
    Delivered,
    Bounced,
    Failed,
    Rejected,
    Cancelled,
}

impl Email {
    /// As it stood when it was accepted.
    pub fn accepted<'a>(message: &Message, recipients: impl Iterator<Item = (&'a Address, bool)>) -> Self {
        let recipients = recipients.map(|(address, rejected)| RecipientReport {
            address: address.to_string(),
            status: if rejected { RecipientStatus::Rejected } else { RecipientStatus::Queued },
            last_reply: None,
            attempts: 0,
        });
        Self::unsent(message, recipients.collect())
    }

    fn unsent(message: &Message, recipients: Vec<RecipientReport>) -> Self {
        let addresses: Vec<Address> = recipients.iter().filter_map(|report| report.address.parse().ok()).collect();
        let People { to, cc, bcc } = People::of(message, addresses.iter());
        Self {
            id: message.id.uuid(),
            from: message.from_header.clone(),
            to,
            cc,
            bcc,
            reply_to: Some(message.reply_to.clone()).filter(|text| !text.is_empty()),
            subject: message.subject.clone(),
            status: Status::Queued,
            tags: message.tags.iter().cloned().collect(),
            scheduled_at: message.send_at.map(Timestamp::rfc3339),
            sent_at: None,
            delivered_at: None,
            opened_at: None,
            clicked_at: None,
            bounced_at: None,
            complained_at: None,
            error_reason: None,
            created_at: message.created_at.rfc3339(),
            stream: message.stream.into(),
            tracking_enabled: message.tracks_opens() || message.tracks_clicks(),
            source: message.source.into(),
            message_id: message.message_id.clone(),
            template_id: message.template.map(|id| id.uuid()),
            recipients,
        }
    }
}

impl From<Source> for SourceName {
    fn from(source: Source) -> Self {
        match source {
            Source::Smtp => Self::Smtp,
            Source::Rest => Self::Rest,
            Source::Campaign => Self::Campaign,
            Source::Sequence => Self::Sequence,
        }
    }
}

impl From<RecipientState> for RecipientStatus {
    fn from(state: RecipientState) -> Self {
        match state {
            RecipientState::Queued => Self::Queued,
            RecipientState::Held => Self::Held,
            RecipientState::Sent => Self::Sent,
            RecipientState::Delivered => Self::Delivered,
            RecipientState::Bounced => Self::Bounced,
            RecipientState::Failed => Self::Failed,
            RecipientState::Rejected => Self::Rejected,
            RecipientState::Cancelled => Self::Cancelled,
        }
    }
}

impl From<email::Email> for Email {
    fn from(email: email::Email) -> Self {
        let email::Email { message, status, recipients, times, error_reason } = email;
        let time = |at: Option<Timestamp>| at.map(Timestamp::rfc3339);
        Self {
            status: status.into(),
            sent_at: time(times.sent),
            delivered_at: time(times.delivered),
            opened_at: time(times.opened),
            clicked_at: time(times.clicked),
            bounced_at: time(times.bounced),
            complained_at: time(times.complained),
            error_reason,
            ..Self::unsent(&message, recipients.into_iter().map(Into::into).collect())
        }
    }
}

impl From<Recipient> for RecipientReport {
    fn from(recipient: Recipient) -> Self {
        Self {
            address: recipient.path.address.to_string(),
            status: recipient.state.into(),
            last_reply: Some(recipient.last_reply).filter(|reply| !reply.is_empty()),
            attempts: recipient.attempts,
        }
    }
}

impl From<MessageStatus> for Status {
    fn from(status: MessageStatus) -> Self {
        match status {
            MessageStatus::Queued => Self::Queued,
            MessageStatus::Sent => Self::Sent,
            MessageStatus::Delivered => Self::Delivered,
            MessageStatus::Bounced => Self::Bounced,
            MessageStatus::Complained => Self::Complained,
            MessageStatus::Failed => Self::Failed,
            MessageStatus::Cancelled => Self::Cancelled,
            MessageStatus::Rejected => Self::Rejected,
        }
    }
}
