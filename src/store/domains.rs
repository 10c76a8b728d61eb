//! Sender domains.

use crate::id::Id;
use crate::model::domain::{Domain, DomainStanding};
use crate::store::{Store, StoreError};

impl Store {
    /// Adds a domain (A-labels, lower case) as pending; a domain the team already has is returned as it stands.
    pub async fn add_domain(&self, _team: Id, _name: &str) -> Result<Domain, StoreError> {
        todo!()
    }

    /// Marks a domain verified without DNS, adding it when needed. Refused when another team has it verified.
    pub async fn trust_domain(&self, _team: Id, _name: &str) -> Result<Domain, StoreError> {
        todo!()
    }

    /// Removes a domain. False: the team has none of that name.
    pub async fn remove_domain(&self, _team: Id, _name: &str) -> Result<bool, StoreError> {
        todo!()
    }

    /// A team's domains, by name.
    pub async fn domains(&self, _team: Id) -> Result<Vec<Domain>, StoreError> {
        todo!()
    }

    /// How the team stands to a From domain: judged by the nearest of the name and its parents that is on record as verified by
    /// anyone, or as this team's. A verified one is remembered for up to 5 seconds; a miss always asks the book.
    pub async fn domain_standing(&self, _team: Id, _name: &str) -> Result<DomainStanding, StoreError> {
        todo!()
    }
}
