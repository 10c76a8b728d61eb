//! Teams.

use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::team::Team;
use crate::store::sql::{Sql, record, values};
use crate::store::{Store, StoreError, rows};

static INSERT: Sql = Sql::new("INSERT INTO teams (id, name, created_at) VALUES ($1, $2, $3)");
static LIMIT: Sql = Sql::new("UPDATE teams SET requests_per_minute = $2 WHERE id = $1");
static BY_NAME: Sql = Sql::new("SELECT id, name, created_at, requests_per_minute FROM teams WHERE name = $1");
static BY_ID: Sql = Sql::new("SELECT id, name, created_at, requests_per_minute FROM teams WHERE id = $1");
static ALL: Sql = Sql::new("SELECT id, name, created_at, requests_per_minute FROM teams ORDER BY name");

record!(TeamRow { id: Vec<u8>, name: String, created_at: i64, requests_per_minute: Option<i64> });

impl TeamRow {
    fn team(self) -> Result<Team, StoreError> {
        Ok(Team {
            id: rows::id(&self.id)?,
            name: self.name,
            created_at: Timestamp(self.created_at),
            requests_per_minute: self.requests_per_minute.and_then(|n| u32::try_from(n).ok()),
        })
    }
}

impl Store {
    /// Makes a team; its name must be free.
    pub async fn create_team(&self, name: &str) -> Result<Team, StoreError> {
        let (id, created_at) = (self.desk().next_id(), self.desk().clock().now());
        let team = Team { id, name: name.to_owned(), created_at, requests_per_minute: None };
        match self.db().write(&INSERT, values![team.id, name, team.created_at]).await {
            Err(StoreError::Conflict(_)) => Err(StoreError::Conflict(format!("there is a team {name:?} already"))),
            other => other.map(|_| team),
        }
    }

    /// Sets how many HTTP requests a team may make in a minute: 0 is any number; `None`: as many as by default. False: there is no such
    /// team.
    pub async fn limit_requests(&self, team: Id, per_minute: Option<u32>) -> Result<bool, StoreError> {
        Ok(self.db().write(&LIMIT, values![team, per_minute.map(i64::from)]).await? == 1)
    }

    /// The team with this name, or this id.
    pub async fn team(&self, name_or_id: &str) -> Result<Option<Team>, StoreError> {
        if let Some(row) = self.db().fetch_one::<TeamRow>(&BY_NAME, values![name_or_id]).await? {
            return row.team().map(Some);
        }
        let Ok(id) = name_or_id.parse::<Id>() else { return Ok(None) };
        self.db().fetch_one::<TeamRow>(&BY_ID, values![id]).await?.map(TeamRow::team).transpose()
    }

    /// All teams, by name.
    pub async fn teams(&self) -> Result<Vec<Team>, StoreError> {
        self.db().fetch::<TeamRow>(&ALL, Vec::new()).await?.into_iter().map(TeamRow::team).collect()
    }
}
