//! Reading the queue: lists, one message, its bytes.

use std::collections::HashMap;

use bytes::Bytes;

use crate::id::Id;
use crate::model::message::{Message, Recipient};
use crate::model::outcome::RecipientState;
use crate::store::rows::{MessageRow, RecipientRow};
use crate::store::sql::{Kind, Sql, record, values};
use crate::store::{Store, StoreError, counters, rows};

/// Which messages to list. Newest first.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// `None`: of every team (the operator's view).
    pub team: Option<Id>,
    /// Only those older than this one.
    pub before: Option<Id>,
    /// Only those with an open recipient.
    pub open_only: bool,
    pub limit: usize,
}

/// A message with the state of its recipients.
#[derive(Clone, Debug)]
pub struct Listed {
    pub message: Message,
    pub recipients: Vec<Recipient>,
}

/// Open and ended recipients, by state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueStats {
    pub by_state: Vec<(RecipientState, u64)>,
    /// Open recipients that are due.
    pub due: u64,
    pub messages: u64,
}

/// The columns of [`MessageRow`], spliced into each text that reads one.
macro_rules! select {
    ($rest:literal) => {
        Sql::new(concat!(
            "SELECT id, team_id, key_id, stream, source, sandbox, reverse_path, from_address, subject, size, send_at, details, created_at
             FROM outbound_messages m ",
            $rest
        ))
    };
}

static NEWEST: Sql = select!("WHERE id < $1 ORDER BY id DESC LIMIT $2");
static NEWEST_OF_TEAM: Sql = select!("WHERE id < $1 AND team_id = $3 ORDER BY id DESC LIMIT $2");
static OPEN: Sql = select!(
    "WHERE id < $1 AND EXISTS (SELECT 1 FROM outbound_recipients r WHERE r.message_id = m.id AND r.state IN ('queued', 'held'))
     ORDER BY id DESC LIMIT $2"
);
static OPEN_OF_TEAM: Sql = select!(
    "WHERE id < $1 AND team_id = $3
       AND EXISTS (SELECT 1 FROM outbound_recipients r WHERE r.message_id = m.id AND r.state IN ('queued', 'held'))
     ORDER BY id DESC LIMIT $2"
);
static ONE: Sql = select!("WHERE id = $1");
static RECIPIENTS: Sql = Sql::rows(
    "SELECT message_id, idx, address, notify, orcpt, state, attempts, next_attempt_at, last_reply, updated_at
     FROM {rows} JOIN outbound_recipients ON message_id = v.message ORDER BY message_id, idx",
    &[("message", Kind::Bytes)],
);
static BODY: Sql = Sql::new("SELECT mime FROM message_bodies WHERE message_id = $1");
static BY_STATE: Sql = Sql::new("SELECT state, COUNT(*) AS recipients FROM outbound_recipients GROUP BY state");
static DUE: Sql =
    Sql::new("SELECT COUNT(*) AS number FROM outbound_recipients WHERE state = 'queued' AND epoch = 0 AND next_attempt_at <= $1");
static MESSAGES: Sql = Sql::new("SELECT COUNT(*) AS number FROM outbound_messages");

record!(BodyRow { mime: Vec<u8> });
record!(StateRow { state: String, recipients: i64 });
record!(NumberRow { number: i64 });

/// Above every id.
const LAST: Id = Id([0xff; 16]);

impl Store {
    /// A page of messages with their recipients.
    pub async fn messages(&self, filter: &Filter) -> Result<Vec<Listed>, StoreError> {
        let mut scalars = values![filter.before.unwrap_or(LAST), i64::try_from(filter.limit).unwrap_or(i64::MAX)];
        let sql = match (filter.team, filter.open_only) {
            (None, false) => &NEWEST,
            (None, true) => &OPEN,
            (Some(_), false) => &NEWEST_OF_TEAM,
            (Some(_), true) => &OPEN_OF_TEAM,
        };
        scalars.extend(filter.team.map(Into::into));
        let found = self.db().fetch::<MessageRow>(sql, scalars).await?;
        self.with_recipients(found).await
    }

    /// One message. `team`: only if it is that team's.
    pub async fn message(&self, team: Option<Id>, id: Id) -> Result<Option<Listed>, StoreError> {
        let found = self.db().fetch::<MessageRow>(&ONE, values![id]).await?;
        let listed = self.with_recipients(found).await?.pop();
        Ok(listed.filter(|l| team.is_none_or(|team| l.message.team == team)))
    }

    async fn with_recipients(&self, found: Vec<MessageRow>) -> Result<Vec<Listed>, StoreError> {
        let messages = found.into_iter().map(MessageRow::message).collect::<Result<Vec<_>, _>>()?;
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<_> = messages.iter().map(|m| values![m.id]).collect();
        let mut recipients: HashMap<Id, Vec<Recipient>> = HashMap::new();
        for row in self.db().fetch_rows::<RecipientRow>(&RECIPIENTS, Vec::new(), &ids).await? {
            recipients.entry(row.message()?).or_default().push(row.recipient()?);
        }
        let listed = |message: Message| Listed { recipients: recipients.remove(&message.id).unwrap_or_default(), message };
        Ok(messages.into_iter().map(listed).collect())
    }

    /// A message's bytes as accepted, with our Received.
    pub async fn body(&self, team: Option<Id>, id: Id) -> Result<Option<Bytes>, StoreError> {
        if team.is_some() && self.message(team, id).await?.is_none() {
            return Ok(None);
        }
        Ok(self.db().fetch_one::<BodyRow>(&BODY, values![id]).await?.map(|row| row.mime.into()))
    }

    /// Open recipients of a team's messages, for the queue limit.
    pub async fn queued(&self, team: Id) -> Result<u64, StoreError> {
        self.counter(team, counters::OPEN).await
    }

    /// Totals for the operator.
    pub async fn queue_stats(&self) -> Result<QueueStats, StoreError> {
        let mut stats = QueueStats::default();
        for row in self.db().fetch::<StateRow>(&BY_STATE, Vec::new()).await? {
            let state =
                RecipientState::from_word(&row.state).ok_or_else(|| rows::broken("outbound_recipients.state", &row.state))?;
            stats.by_state.push((state, u64::try_from(row.recipients).unwrap_or(0)));
        }
        stats.by_state.sort_unstable_by_key(|(state, _)| RecipientState::ALL.iter().position(|s| s == state));
        stats.due = self.number(&DUE, values![self.desk().clock().now()]).await?;
        stats.messages = self.number(&MESSAGES, Vec::new()).await?;
        Ok(stats)
    }

    async fn number(&self, sql: &Sql, scalars: Vec<crate::store::sql::Value>) -> Result<u64, StoreError> {
        let found = self.db().fetch_one::<NumberRow>(sql, scalars).await?;
        Ok(found.map_or(0, |row| u64::try_from(row.number).unwrap_or(0)))
    }
}
