//! Messages as they are listed: their recipients, what these wait for, and what is damaged of them.

use std::collections::{BTreeMap, HashMap};

use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::message::{Message, Recipient};
use crate::model::outcome::RecipientState;
use crate::model::status::MessageStatus;
use crate::model::wait::Wait;
use crate::store::rows::{ClaimedRow, FoundMessage};
use crate::store::sql::{Kind, Sql, record, values};
use crate::store::{Store, StoreError, rows};

/// A message with the state of its recipients.
#[derive(Clone, Debug)]
pub struct Listed {
    /// When its row can't be read, its id and hardly more; `damage` says so.
    pub message: Message,
    /// `None`: it is no word of ours.
    pub status: Option<MessageStatus>,
    /// Those that can be read.
    pub recipients: Vec<Recipient>,
    /// What each open recipient waits for, by its place.
    pub waits: BTreeMap<i64, Wait>,
    pub damage: Vec<Damage>,
}

/// In place of the state of what can't be read.
pub const DAMAGED: &str = "damaged";

/// A row that can't be read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The recipient's place; `None`: it is the message's own row.
    pub recipient: Option<i64>,
    pub cause: String,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.recipient {
            Some(place) => write!(f, "recipient {place} is damaged: {}", self.cause),
            None => write!(f, "the message's row is damaged: {}", self.cause),
        }
    }
}

pub(super) static RECIPIENTS: Sql = Sql::rows(
    "SELECT r.message_id, r.idx, r.address, r.notify, r.orcpt, r.state, r.attempts, r.next_attempt_at, r.last_reply, r.updated_at,
         r.epoch, r.waits_for, e.name AS engine, e.state AS engine_state
     FROM {rows} JOIN outbound_recipients r ON r.message_id = v.message LEFT JOIN engines e ON e.epoch = r.epoch
     ORDER BY r.message_id, r.idx",
    &[("message", Kind::Bytes)],
);

record!(WaitRow { epoch: i64, waits_for: Option<String>, engine: Option<String>, engine_state: Option<String> });

/// A recipient, and what is known of why it waits.
struct ListedRow {
    row: ClaimedRow,
    wait: Result<WaitRow, StoreError>,
}

macro_rules! listed_row {
    ($row:ty) => {
        impl sqlx::FromRow<'_, $row> for ListedRow {
            fn from_row(row: &$row) -> Result<Self, sqlx::Error> {
                Ok(Self { row: ClaimedRow::from_row(row)?, wait: WaitRow::from_row(row).map_err(StoreError::from) })
            }
        }
    };
}
listed_row!(sqlx::sqlite::SqliteRow);
listed_row!(sqlx::postgres::PgRow);

impl Store {
    /// The messages with their recipients, in the same order. A message without a readable id can't be named, and is left out.
    pub(super) async fn with_recipients(&self, found: Vec<FoundMessage>) -> Result<Vec<Listed>, StoreError> {
        let mut listed: Vec<Listed> = found.into_iter().filter_map(of_message).collect();
        if listed.is_empty() {
            return Ok(listed);
        }
        let ids: Vec<_> = listed.iter().map(|l| values![l.message.id]).collect();
        let places: HashMap<Vec<u8>, usize> = listed.iter().enumerate().map(|(n, l)| (l.message.id.0.to_vec(), n)).collect();
        let now = self.desk().clock().now();
        for found in self.db().fetch_rows::<ListedRow>(&RECIPIENTS, Vec::new(), &ids).await? {
            if let Some(one) = places.get(&found.row.message).and_then(|place| listed.get_mut(*place)) {
                one.push(found, now);
            }
        }
        Ok(listed)
    }
}

impl Listed {
    /// One word for the message as a whole: its status, as far as recipients of it can be read.
    pub fn status(&self) -> &'static str {
        let seen = !self.recipients.is_empty() || self.damage.is_empty();
        self.status.filter(|_| seen).map_or(DAMAGED, MessageStatus::as_str)
    }

    fn push(&mut self, ListedRow { row, wait }: ListedRow, now: Timestamp) {
        let read = row.recipient.and_then(|recipient| Ok((wait?.wait(&recipient, now), recipient)));
        match read {
            Ok((wait, recipient)) => {
                self.waits.extend(wait.map(|wait| (recipient.index, wait)));
                self.recipients.push(recipient);
            }
            Err(failure) => self.damage.push(Damage { recipient: Some(row.index), cause: failure.to_string() }),
        }
    }
}

impl WaitRow {
    fn wait(self, recipient: &Recipient, now: Timestamp) -> Option<Wait> {
        let until = recipient.next_attempt_at;
        Some(match (recipient.state, self.waits_for) {
            (RecipientState::Held, why) => Wait::Release { why: why.unwrap_or_else(|| held_for(recipient)) },
            (RecipientState::Queued, _) if self.epoch != 0 => Wait::Engine {
                name: self.engine.unwrap_or_else(|| format!("of epoch {}", self.epoch)),
                alive: self.engine_state.as_deref() == Some("alive"),
            },
            (RecipientState::Queued, _) if until <= now => Wait::Turn,
            (RecipientState::Queued, Some(why)) => Wait::Room { why, until },
            (RecipientState::Queued, None) if recipient.attempts == 0 => Wait::SendAt { until },
            (RecipientState::Queued, None) => {
                Wait::Retry { attempts: recipient.attempts, last_reply: recipient.last_reply.clone(), until }
            }
            _ => return None,
        })
    }
}

/// What the engine held it for: its last reply says so.
fn held_for(recipient: &Recipient) -> String {
    let reply = recipient.last_reply.as_str();
    reply.strip_prefix("held: ").unwrap_or(reply).to_owned()
}

fn of_message(found: FoundMessage) -> Option<Listed> {
    let id = rows::id(&found.id).inspect_err(|failure| tracing::error!(%failure, "a message can't be listed")).ok()?;
    let (message, damage) = match found.message {
        Ok(message) => (message, None),
        Err(failure) => (stand_in(id, &found.team), Some(Damage { recipient: None, cause: failure.to_string() })),
    };
    Some(Listed {
        message,
        status: found.status,
        recipients: Vec::new(),
        waits: BTreeMap::new(),
        damage: damage.into_iter().collect(),
    })
}

/// In place of a message whose row can't be read. A team that can't be read is nobody's.
fn stand_in(id: Id, team: &[u8]) -> Message {
    let team = rows::id(team).unwrap_or(Id([0; 16]));
    Message { recipients: 0, ..Message::bare(id, team, id.made_at()) }
}
