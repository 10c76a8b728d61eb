//! Teams.

use crate::model::team::Team;
use crate::store::{Store, StoreError};

impl Store {
    /// Makes a team; its name must be free.
    pub async fn create_team(&self, _name: &str) -> Result<Team, StoreError> {
        todo!()
    }

    /// The team with this name, or this id.
    pub async fn team(&self, _name_or_id: &str) -> Result<Option<Team>, StoreError> {
        todo!()
    }

    /// All teams, by name.
    pub async fn teams(&self) -> Result<Vec<Team>, StoreError> {
        todo!()
    }
}
