//! Sender domains.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::domain::{Domain, DomainStanding, DomainStatus};
use crate::store::sql::{Kind, Sql, record, values};
use crate::store::{Store, StoreError, rows};

/// The columns of [`DomainRow`], spliced into each text that reads one.
macro_rules! select {
    ($rest:literal) => {
        Sql::new(concat!("SELECT id, team_id, name, status, trusted, created_at, verified_at FROM domains ", $rest))
    };
}

static ADD: Sql = Sql::new(
    "INSERT INTO domains (id, team_id, name, status, created_at) VALUES ($1, $2, $3, 'pending', $4)
     ON CONFLICT (team_id, name) DO NOTHING",
);
static TRUST: Sql = Sql::new(
    "INSERT INTO domains (id, team_id, name, status, trusted, created_at, verified_at) VALUES ($1, $2, $3, 'verified', 1, $4, $4)
     ON CONFLICT (team_id, name) DO UPDATE SET status = 'verified', trusted = 1,
         verified_at = COALESCE(domains.verified_at, excluded.verified_at)",
);
static REMOVE: Sql = Sql::new("DELETE FROM domains WHERE team_id = $1 AND name = $2");
static BY_NAME: Sql = select!("WHERE team_id = $1 AND name = $2");
static OF_TEAM: Sql = select!("WHERE team_id = $1 ORDER BY name");
/// Of the name and its parents, those that say anything: this team's own, and what another team has proven to be its own.
static NEAREST: Sql = Sql::rows(
    "SELECT d.team_id AS team_id, d.name AS name, d.status AS status FROM {rows} JOIN domains d ON d.name = v.candidate
     WHERE d.team_id = $1 OR d.status = 'verified' OR d.status = 'disabled'",
    &[("candidate", Kind::Text)],
);

record!(DomainRow {
    id: Vec<u8>,
    team_id: Vec<u8>,
    name: String,
    status: String,
    trusted: i64,
    created_at: i64,
    verified_at: Option<i64>,
});
record!(Near { team_id: Vec<u8>, name: String, status: String });

impl DomainRow {
    fn domain(self) -> Result<Domain, StoreError> {
        Ok(Domain {
            id: rows::id(&self.id)?,
            team: rows::id(&self.team_id)?,
            name: self.name,
            status: DomainStatus::from_word(&self.status),
            trusted: self.trusted != 0,
            created_at: Timestamp(self.created_at),
            verified_at: self.verified_at.map(Timestamp),
        })
    }
}

impl Store {
    /// Adds a domain (A-labels, lower case) as pending; a domain the team already has is returned as it stands.
    pub async fn add_domain(&self, team: Id, name: &str) -> Result<Domain, StoreError> {
        self.db().write(&ADD, values![self.desk().next_id(), team, name, self.desk().clock().now()]).await?;
        self.own_domain(team, name).await
    }

    /// Marks a domain verified without DNS, adding it when needed. Refused when another team has it verified.
    pub async fn trust_domain(&self, team: Id, name: &str) -> Result<Domain, StoreError> {
        match self.db().write(&TRUST, values![self.desk().next_id(), team, name, self.desk().clock().now()]).await {
            Err(StoreError::Conflict(_)) => Err(StoreError::Conflict(format!("another team has {name} verified"))),
            Err(error) => Err(error),
            Ok(_) => self.own_domain(team, name).await,
        }
    }

    async fn own_domain(&self, team: Id, name: &str) -> Result<Domain, StoreError> {
        let found = self.db().fetch_one::<DomainRow>(&BY_NAME, values![team, name]).await?;
        found.ok_or_else(|| StoreError::Conflict(format!("the domain {name} was just removed")))?.domain()
    }

    /// Removes a domain. False: the team has none of that name.
    pub async fn remove_domain(&self, team: Id, name: &str) -> Result<bool, StoreError> {
        Ok(self.db().write(&REMOVE, values![team, name]).await? == 1)
    }

    /// A team's domains, by name.
    pub async fn domains(&self, team: Id) -> Result<Vec<Domain>, StoreError> {
        self.db().fetch::<DomainRow>(&OF_TEAM, values![team]).await?.into_iter().map(DomainRow::domain).collect()
    }

    /// How the team stands to a From domain: judged by the nearest of the name and its parents that is on record as verified by
    /// anyone, or as this team's. A verified one is remembered for up to 5 seconds; a miss always asks the book.
    pub async fn domain_standing(&self, team: Id, name: &str) -> Result<DomainStanding, StoreError> {
        if self.standings().is_verified(team, name) {
            return Ok(DomainStanding::Verified);
        }
        let candidates: Vec<_> = with_parents(name).map(|candidate| values![candidate]).collect();
        let near = self.db().fetch_rows::<Near>(&NEAREST, values![team], &candidates).await?;
        let standing = judge(team, &near);
        if standing == DomainStanding::Verified {
            self.standings().remember(team, name);
        }
        Ok(standing)
    }
}

/// `a.b.example`, `b.example`; a top-level name alone is nobody's to verify, unless it is all there is (`localhost`).
fn with_parents(name: &str) -> impl Iterator<Item = &str> {
    let parents = name.match_indices('.').map(|(dot, _)| &name[dot + 1..]).filter(|parent| parent.contains('.'));
    std::iter::once(name).chain(parents).take(10)
}

/// The longest name decides. Where this team and another both have it, what is proven goes before what is claimed.
fn judge(team: Id, near: &[Near]) -> DomainStanding {
    let own = |n: &Near| n.team_id == team.0;
    let Some(longest) = near.iter().map(|n| n.name.len()).max() else { return DomainStanding::Unverified };
    let nearest: Vec<&Near> = near.iter().filter(|n| n.name.len() == longest).collect();
    match nearest.iter().find(|n| own(n)).map(|n| DomainStatus::from_word(&n.status)) {
        Some(DomainStatus::Verified) => DomainStanding::Verified,
        Some(DomainStatus::Disabled) => DomainStanding::Disabled,
        _ => DomainStanding::Unverified,
    }
}

/// How long a verified domain is remembered.
const REMEMBERED: Duration = Duration::from_secs(5);
/// How many are remembered.
const REMEMBERED_AT_MOST: usize = 10_000;

/// Domains that were found verified a moment ago.
#[derive(Debug, Default)]
pub(super) struct Standings(Mutex<HashMap<(Id, String), Instant>>);

impl Standings {
    fn is_verified(&self, team: Id, name: &str) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&(team, name.to_owned())).is_some_and(|seen| seen.elapsed() < REMEMBERED)
    }

    fn remember(&self, team: Id, name: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED_AT_MOST {
            known.clear();
        }
        known.insert((team, name.to_owned()), Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_domain_decides() {
        let (us, them) = (Id([1; 16]), Id([2; 16]));
        let near =
            |team: Id, name: &str, status: &str| Near { team_id: team.0.to_vec(), name: name.into(), status: status.into() };
        let parent = || near(us, "example.com", "verified");
        assert_eq!(judge(us, &[]), DomainStanding::Unverified);
        assert_eq!(judge(us, &[parent()]), DomainStanding::Verified);
        assert_eq!(judge(us, &[parent(), near(them, "shop.example.com", "verified")]), DomainStanding::Unverified);
        assert_eq!(judge(us, &[parent(), near(us, "shop.example.com", "disabled")]), DomainStanding::Disabled);
        assert_eq!(judge(us, &[near(us, "example.com", "pending")]), DomainStanding::Unverified);
        assert_eq!(with_parents("a.b.example.com").collect::<Vec<_>>(), ["a.b.example.com", "b.example.com", "example.com"]);
        assert_eq!(with_parents("localhost").collect::<Vec<_>>(), ["localhost"]);
    }
}
