//! How the nouns lie in their tables.

use serde::{Deserialize, Serialize};
use sqlx::Row as _;

use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::address::Address;
use crate::model::envelope::{DsnNotify, DsnRet, ForwardPath};
use crate::model::message::{Message, Recipient, Source, Tag, Tracking};
use crate::model::outcome::RecipientState;
use crate::model::status::MessageStatus;
use crate::model::stream::Stream;
use crate::store::StoreError;
use crate::store::sql::record;

record!(pub(super) MessageRow {
    id: Vec<u8>,
    team_id: Vec<u8>,
    key_id: Option<Vec<u8>>,
    stream: String,
    source: String,
    sandbox: i64,
    reverse_path: Option<String>,
    from_address: String,
    subject: String,
    size: i64,
    send_at: Option<i64>,
    details: String,
    recipients: i64,
    created_at: i64,
});

record!(pub(super) RecipientRow {
    idx: i64,
    address: String,
    notify: Option<String>,
    orcpt: Option<String>,
    state: String,
    attempts: i64,
    next_attempt_at: i64,
    last_reply: String,
    updated_at: i64,
});

/// The columns of [`FoundMessage`], spliced into each text that reads one, before what it is read from.
macro_rules! select_messages {
    ($rest:literal) => {
        concat!(
            "SELECT m.id, m.team_id, m.key_id, m.stream, m.source, m.sandbox, m.reverse_path, m.from_address, m.subject, m.size, m.send_at,
                 m.details, m.status, m.recipients, m.created_at FROM ",
            $rest
        )
    };
}
pub(super) use select_messages;

/// A recipient: its key in any case, so that it can be named and let go, and itself as far as its row can be read.
#[derive(Debug)]
pub(super) struct ClaimedRow {
    pub message: Vec<u8>,
    pub index: i64,
    /// -1 when it can't be read, which is no recipient's.
    pub attempts: i64,
    pub recipient: Result<Recipient, StoreError>,
}

/// A message, if its row can be read; its id and team in any case, as they stand.
#[derive(Debug)]
pub(super) struct FoundMessage {
    pub id: Vec<u8>,
    pub team: Vec<u8>,
    /// Nothing, if it is no word of ours.
    pub status: Option<MessageStatus>,
    pub message: Result<Message, StoreError>,
}

/// Reads for either engine what `record!` would refuse as a whole for a single bad column.
macro_rules! as_far_as_it_can_be_read {
    ($row:ty) => {
        impl sqlx::FromRow<'_, $row> for ClaimedRow {
            fn from_row(row: &$row) -> Result<Self, sqlx::Error> {
                Ok(Self {
                    message: row.try_get("message_id")?,
                    index: row.try_get("idx")?,
                    attempts: row.try_get("attempts").unwrap_or(-1),
                    recipient: RecipientRow::from_row(row).map_err(StoreError::from).and_then(RecipientRow::recipient),
                })
            }
        }

        impl sqlx::FromRow<'_, $row> for FoundMessage {
            fn from_row(row: &$row) -> Result<Self, sqlx::Error> {
                Ok(Self {
                    id: row.try_get("id")?,
                    team: row.try_get("team_id").unwrap_or_default(),
                    status: row.try_get::<&str, _>("status").ok().and_then(MessageStatus::from_word),
                    message: MessageRow::from_row(row).map_err(StoreError::from).and_then(MessageRow::message),
                })
            }
        }
    };
}
as_far_as_it_can_be_read!(sqlx::sqlite::SqliteRow);
as_far_as_it_can_be_read!(sqlx::postgres::PgRow);

/// The column `details`: short names, since there is one such text for every message.
#[derive(Serialize, Deserialize)]
struct Details<'a> {
    from: std::borrow::Cow<'a, str>,
    to: std::borrow::Cow<'a, str>,
    cc: std::borrow::Cow<'a, str>,
    reply_to: std::borrow::Cow<'a, str>,
    message_id: std::borrow::Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Tag>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    opens: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    clicks: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    template: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    variables: Option<std::borrow::Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    ignore_unsubscribe: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    smtputf8: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    eight_bit: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ret: Option<std::borrow::Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    envid: Option<std::borrow::Cow<'a, str>>,
}

/// A message's `details`.
pub(super) fn details(message: &Message) -> String {
    let details = Details {
        from: message.from_header.as_str().into(),
        to: message.to_header.as_str().into(),
        cc: message.cc_header.as_str().into(),
        reply_to: message.reply_to.as_str().into(),
        message_id: message.message_id.as_str().into(),
        tags: message.tags.clone(),
        opens: message.tracking.opens,
        clicks: message.tracking.clicks,
        template: message.template.map(|id| id.to_string()),
        variables: message.variables.as_deref().map(Into::into),
        ignore_unsubscribe: message.ignore_unsubscribe,
        smtputf8: message.smtputf8,
        eight_bit: message.eight_bit,
        ret: message.ret.map(|r| r.as_str().into()),
        envid: message.envid.as_deref().map(Into::into),
    };
    // Strings, booleans and lists of strings: there is nothing that could fail to be JSON.
    serde_json::to_string(&details).unwrap_or_else(|_| "{}".to_owned())
}

impl MessageRow {
    /// The noun.
    pub fn message(self) -> Result<Message, StoreError> {
        let details: Details<'_> = serde_json::from_str(&self.details).map_err(|e| broken("outbound_messages.details", &e))?;
        Ok(Message {
            id: id(&self.id)?,
            team: id(&self.team_id)?,
            key: self.key_id.as_deref().map(id).transpose()?,
            stream: self.stream.parse::<Stream>().map_err(|e| broken("outbound_messages.stream", &e))?,
            source: Source::from_word(&self.source),
            sandbox: self.sandbox != 0,
            reverse_path: self.reverse_path,
            smtputf8: details.smtputf8,
            eight_bit: details.eight_bit,
            ret: details.ret.as_deref().map(|r| if r == DsnRet::Full.as_str() { DsnRet::Full } else { DsnRet::Headers }),
            envid: details.envid.map(|e| e.into_owned()),
            from: self.from_address,
            from_header: details.from.into_owned(),
            to_header: details.to.into_owned(),
            cc_header: details.cc.into_owned(),
            reply_to: details.reply_to.into_owned(),
            subject: self.subject,
            message_id: details.message_id.into_owned(),
            tags: details.tags,
            tracking: Tracking { opens: details.opens, clicks: details.clicks },
            template: details.template.and_then(|id| id.parse().ok()),
            variables: details.variables.map(|v| v.into_owned()),
            ignore_unsubscribe: details.ignore_unsubscribe,
            send_at: self.send_at.map(Timestamp),
            recipients: usize::try_from(self.recipients).unwrap_or(0),
            size: u64::try_from(self.size).unwrap_or(0),
            created_at: Timestamp(self.created_at),
        })
    }
}

impl RecipientRow {
    /// The noun.
    pub fn recipient(self) -> Result<Recipient, StoreError> {
        Ok(Recipient {
            index: self.idx,
            path: ForwardPath {
                address: Address::parse(&self.address).map_err(|e| broken("outbound_recipients.address", &e))?,
                notify: self.notify.as_deref().and_then(DsnNotify::parse),
                orcpt: self.orcpt,
            },
            state: RecipientState::from_word(&self.state).ok_or_else(|| broken("outbound_recipients.state", &self.state))?,
            attempts: self.attempts,
            next_attempt_at: Timestamp(self.next_attempt_at),
            last_reply: self.last_reply,
            updated_at: Timestamp(self.updated_at),
        })
    }
}

/// An id column.
pub(super) fn id(bytes: &[u8]) -> Result<Id, StoreError> {
    Id::from_slice(bytes).map_err(|e| broken("an id column", &e))
}

/// A value that this program can't have written.
pub(super) fn broken(place: &str, what: &dyn std::fmt::Display) -> StoreError {
    StoreError::Broken(format!("{place}: {what}"))
}
