//! What the outbox holds, taken from it to be told of: the teams by turns, so that one with very much to tell keeps no other waiting.

use std::collections::HashMap;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::email::Email;
use crate::model::event::Event;
use crate::store::db::Tx;
use crate::store::events::{self, FoundEvent};
use crate::store::sql::{Kind, Sql, record, values};
use crate::store::{Store, StoreError, rows};

/// Teams whose events are taken together.
const TEAMS_MAX: usize = 16;
/// Before every team, and every event.
const FIRST: Id = Id([0; 16]);

/// Teams behind `$1` of which anything waits, found one behind the other in the key.
pub(in crate::store) static TEAMS: Sql = Sql::new(
    "WITH RECURSIVE teams (team_id) AS (
         SELECT (SELECT o.team_id FROM webhook_outbox o WHERE o.team_id > $1 ORDER BY o.team_id LIMIT 1)
         UNION ALL
         SELECT (SELECT o.team_id FROM webhook_outbox o WHERE o.team_id > teams.team_id ORDER BY o.team_id LIMIT 1)
         FROM teams WHERE team_id IS NOT NULL)
     SELECT team_id FROM teams WHERE team_id IS NOT NULL LIMIT $2",
);
/// Of a team the oldest behind `$2`; what another process has taken is left to it.
pub(in crate::store) static OLDEST: Sql = Sql::new(
    "SELECT event_id, message_id FROM webhook_outbox WHERE team_id = $1 AND event_id > $2 ORDER BY event_id LIMIT $3 {skip locked}",
);
/// The events themselves, as far as they are still there.
pub(in crate::store) static EVENTS: Sql = Sql::rows(
    "SELECT e.message_id, e.id, e.team_id, e.recipient, e.kind, e.at, e.detail
     FROM {rows} JOIN events e ON e.message_id = v.message AND e.id = v.event",
    &[("message", Kind::Bytes), ("event", Kind::Bytes)],
);

record!(TeamRow { team_id: Vec<u8> });
record!(OldestRow { event_id: Vec<u8>, message_id: Vec<u8> });

/// A row of the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotedKey {
    pub team: Id,
    pub event: Id,
    pub message: Id,
}

/// Events that wait to be told of. On PostgreSQL nobody else is given them for as long as this lives.
#[derive(Default)]
pub struct Noted {
    /// Those that are still there.
    pub events: Vec<NotedEvent>,
    /// All that was taken.
    pub keys: Vec<NotedKey>,
    /// The team whose turn was the last.
    pub last: Option<Id>,
    pub(super) tx: Option<Tx>,
}

/// An event, and its message.
#[derive(Clone, Debug, PartialEq)]
pub struct NotedEvent {
    pub event: Event,
    pub email: Arc<Email>,
    /// The message was read at this time or later.
    pub as_of: Timestamp,
}

impl Noted {
    /// One row of what was taken, for whoever has no more of it than its key.
    pub fn only(key: NotedKey) -> Self {
        Self { keys: vec![key], ..Self::default() }
    }
}

impl Store {
    /// Takes the oldest events that wait to be told of, at most so many, from several teams: each is given an even part, and those that have
    /// more share what others left. The teams are counted round from behind `after`.
    pub async fn take_noted(&self, after: Option<Id>, most: usize) -> Result<Noted, StoreError> {
        let (mut noted, teams) = (Noted::default(), self.teams_noted(after.unwrap_or(FIRST)).await?);
        if !teams.is_empty() && !self.db().is_sqlite() {
            noted.tx = Some(self.db().begin().await?);
        }
        let mut turns: Vec<(Id, Id)> = teams.into_iter().map(|team| (team, FIRST)).collect();
        while !turns.is_empty() && noted.keys.len() < most {
            let mut again = Vec::new();
            for (place, &(team, behind)) in turns.iter().enumerate() {
                let part = most.saturating_sub(noted.keys.len()).div_ceil(turns.len() - place);
                let found = self.oldest(&mut noted.tx, team, behind, part).await?;
                again.extend(found.last().filter(|_| found.len() == part).map(|last| (team, last.event)));
                noted.last = if behind == FIRST && part > 0 { Some(team) } else { noted.last };
                noted.keys.extend(found);
            }
            turns = again;
        }
        noted.events = self.events_noted_as(&noted.keys).await?;
        Ok(noted)
    }

    async fn oldest(&self, tx: &mut Option<Tx>, team: Id, behind: Id, most: usize) -> Result<Vec<NotedKey>, StoreError> {
        let found: Vec<OldestRow> = match tx {
            Some(tx) => tx.fetch(&OLDEST, &values![team, behind, most], &[]).await?,
            None => self.db().fetch(&OLDEST, values![team, behind, most]).await?,
        };
        let key = |row: OldestRow| Ok(NotedKey { team, event: rows::id(&row.event_id)?, message: rows::id(&row.message_id)? });
        found.into_iter().map(key).collect()
    }

    /// Teams of which anything waits, counted round from behind this one.
    async fn teams_noted(&self, after: Id) -> Result<Vec<Id>, StoreError> {
        let behind = async |after: Id| {
            let found = self.db().fetch::<TeamRow>(&TEAMS, values![after, TEAMS_MAX]).await?;
            found.iter().map(|row| rows::id(&row.team_id)).collect::<Result<Vec<Id>, _>>()
        };
        let mut teams = behind(after).await?;
        if teams.len() < TEAMS_MAX && after != FIRST {
            let round: Vec<Id> = behind(FIRST).await?.into_iter().take_while(|team| *team <= after).collect();
            teams.extend(round.into_iter().take(TEAMS_MAX - teams.len()));
        }
        Ok(teams)
    }

    /// The events of these rows, each with its message; those that can't be read are left out.
    async fn events_noted_as(&self, keys: &[NotedKey]) -> Result<Vec<NotedEvent>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let as_of = self.desk().clock().now();
        let asked: Vec<_> = keys.iter().map(|key| values![key.message, key.event]).collect();
        let found = self.db().fetch_rows::<FoundEvent>(&EVENTS, Vec::new(), &asked).await?;
        let mut events: Vec<Event> = found.into_iter().filter_map(events::readable).collect();
        events.sort_by_key(|event| event.id);
        let emails = self.emails_noted(&events).await?;
        let noted = |event: Event| emails.get(&event.message).cloned().map(|email| NotedEvent { event, email, as_of });
        Ok(events.into_iter().filter_map(noted).collect())
    }

    /// The messages of these events.
    async fn emails_noted(&self, events: &[Event]) -> Result<HashMap<Id, Arc<Email>>, StoreError> {
        let mut by_team: HashMap<Id, Vec<Id>> = HashMap::new();
        for event in events {
            by_team.entry(event.team).or_default().push(event.message);
        }
        let mut emails = HashMap::new();
        for (team, mut ids) in by_team {
            ids.sort_unstable();
            ids.dedup();
            emails.extend(self.emails_of(team, ids).await?.into_iter().map(|email| (email.message.id, Arc::new(email))));
        }
        Ok(emails)
    }
}
