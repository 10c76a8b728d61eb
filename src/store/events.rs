//! Events: written in the transaction of the change they tell of.

use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::event::{Event, EventKind};
use crate::store::sql::{Kind, Sql, Value, record, values};
use crate::store::{Store, StoreError, rows};

pub(super) static INSERT: Sql = Sql::rows(
    "INSERT {or fail} INTO events (message_id, id, team_id, recipient, kind, at, detail)
     SELECT message_id, id, team_id, recipient, kind, at, detail FROM {rows}",
    &[
        ("message_id", Kind::Bytes),
        ("id", Kind::Bytes),
        ("team_id", Kind::Bytes),
        ("recipient", Kind::Int),
        ("kind", Kind::Text),
        ("at", Kind::Int),
        ("detail", Kind::Text),
    ],
);

/// In the order of their ids, which tell when they were written: a page is found by the key alone, however many there are.
pub(super) static OF_MESSAGE: Sql = Sql::new(
    "SELECT message_id, id, team_id, recipient, kind, at, detail FROM events WHERE message_id = $1 AND id > $2 ORDER BY id LIMIT $3",
);

/// Events that are read at once.
pub const AT_ONCE: usize = 1000;
/// Before every event.
const FIRST: Id = Id([0; 16]);

/// Events of a message, oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventPage {
    /// Those that can be read.
    pub events: Vec<Event>,
    /// Behind which event the next page begins, where there is one.
    pub next: Option<Id>,
}

/// An event's row, if it can be read.
pub(super) struct FoundEvent(Result<EventRow, StoreError>);

macro_rules! found_event {
    ($row:ty) => {
        impl sqlx::FromRow<'_, $row> for FoundEvent {
            fn from_row(row: &$row) -> Result<Self, sqlx::Error> {
                Ok(Self(EventRow::from_row(row).map_err(StoreError::from)))
            }
        }
    };
}
found_event!(sqlx::sqlite::SqliteRow);
found_event!(sqlx::postgres::PgRow);

record!(EventRow { message_id: Vec<u8>, id: Vec<u8>, team_id: Vec<u8>, recipient: Option<i64>, kind: String, at: i64, detail: String });

/// The row to be inserted.
pub(super) fn row(event: &Event) -> Vec<Value> {
    let Event { id, team, message, recipient, kind, at, detail } = event;
    values![*message, *id, *team, *recipient, kind.as_str(), *at, detail.to_string()]
}

impl Store {
    /// The first [`AT_ONCE`] of a message's events, oldest first, without the `queued` that the message itself is. One that can't be read
    /// is left out.
    pub async fn events(&self, message: Id) -> Result<Vec<Event>, StoreError> {
        Ok(self.events_behind(message, None, AT_ONCE).await?.events)
    }

    /// A page of a message's events: `most` of those behind this one.
    pub async fn events_behind(&self, message: Id, behind: Option<Id>, most: usize) -> Result<EventPage, StoreError> {
        let mut found = self.db().fetch::<FoundEvent>(&OF_MESSAGE, values![message, behind.unwrap_or(FIRST), most + 1]).await?;
        let more = found.len() > most;
        found.truncate(most);
        let events: Vec<Event> = found.into_iter().filter_map(readable).collect();
        let next = events.last().filter(|_| more).map(|last| last.id);
        Ok(EventPage { events, next })
    }
}

/// The event, unless its row can't be read: then that is said, and it is left out.
pub(super) fn readable(found: FoundEvent) -> Option<Event> {
    found.0.and_then(event).inspect_err(|failure| tracing::error!(%failure, "an event can't be read")).ok()
}

fn event(row: EventRow) -> Result<Event, StoreError> {
    Ok(Event {
        id: rows::id(&row.id)?,
        team: rows::id(&row.team_id)?,
        message: rows::id(&row.message_id)?,
        recipient: row.recipient,
        kind: EventKind::from_word(&row.kind).ok_or_else(|| rows::broken("events.kind", &row.kind))?,
        at: Timestamp(row.at),
        detail: serde_json::from_str(&row.detail).unwrap_or_else(|e| serde_json::json!({ "damaged": e.to_string() })),
    })
}
