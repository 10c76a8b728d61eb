//! Teams.

use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::team::Team;
use crate::store::sql::{Sql, record, values};
use crate::store::{Store, StoreError, rows};

static INSERT: Sql = Sql::new("INSERT INTO teams (id, name, created_at) VALUES ($1, $2, $3)");
static BY_NAME: Sql = Sql::new("SELECT id, name, created_at FROM teams WHERE name = $1");
static BY_ID: Sql = Sql::new("SELECT id, name, created_at FROM teams WHERE id = $1");
static ALL: Sql = Sql::new("SELECT id, name, created_at FROM teams ORDER BY name");

record!(TeamRow { id: Vec<u8>, name: String, created_at: i64 });

impl TeamRow {
    fn team(self) -> Result<Team, StoreError> {
        Ok(Team { id: rows::id(&self.id)?, name: self.name, created_at: Timestamp(self.created_at) })
    }
}

impl Store {
    /// Makes a team; its name must be free.
    pub async fn create_team(&self, name: &str) -> Result<Team, StoreError> {
        let team = Team { id: self.desk().next_id(), name: name.to_owned(), created_at: self.desk().clock().now() };
        match self.db().write(&INSERT, values![team.id, name, team.created_at]).await {
            Err(StoreError::Conflict(_)) => Err(StoreError::Conflict(format!("there is a team {name:?} already"))),
            other => other.map(|_| team),
        }
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
