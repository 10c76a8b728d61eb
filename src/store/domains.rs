//! Sender domains.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::dkim::{KeyState, SecretKey};
use crate::model::domain::{Domain, DomainStanding, DomainStatus, Look, ReturnLabel, TRACKING_LABEL};
use crate::store::sql::{Kind, Sql, record, values};
use crate::store::{Store, StoreError, dkim, rows};

/// A domain that was to be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Added {
    pub domain: Domain,
    /// False: the team had it already, and it stands as it was.
    pub is_new: bool,
}

/// The columns of [`DomainRow`], spliced into each text that reads one.
macro_rules! select {
    ($rest:literal) => {
        Sql::new(concat!(
            "SELECT id, team_id, name, status, trusted, created_at, verified_at, misses, missing_since, return_label, return_path,
                 tracking
             FROM domains ",
            $rest
        ))
    };
}

static ADD: Sql = Sql::new(
    "INSERT INTO domains (id, team_id, name, return_label, status, created_at) VALUES ($1, $2, $3, $4, 'pending', $5)
     ON CONFLICT (team_id, name) DO NOTHING",
);
static TRUST: Sql = Sql::new(
    "INSERT INTO domains (id, team_id, name, status, trusted, created_at, verified_at) VALUES ($1, $2, $3, 'verified', 1, $4, $4)
     ON CONFLICT (team_id, name) DO UPDATE SET status = 'verified', trusted = 1,
         verified_at = COALESCE(domains.verified_at, excluded.verified_at)",
);
/// Only as it was when it was looked at: what somebody changed meanwhile stays.
static LOOKED: Sql = Sql::new(
    "UPDATE domains SET status = $4, misses = $5, missing_since = $6, return_path = $7, tracking = $11, next_look_at = $8,
         verified_at = CASE WHEN $4 = 'verified' THEN COALESCE(verified_at, $9) ELSE verified_at END
     WHERE id = $1 AND status = $2 AND trusted = $3 AND return_label = $10",
);
/// Under another label its records are to be seen anew.
static RELABEL: Sql = Sql::new(
    "UPDATE domains SET return_label = $3, return_path = 0, tracking = 0, next_look_at = $4
     WHERE team_id = $1 AND id = $2 AND return_label <> $3",
);
static DISABLE: Sql = Sql::new("UPDATE domains SET status = 'disabled' WHERE team_id = $1 AND name = $2");
/// One that an operator vouched for is verified at once; another has to be looked at again.
static ENABLE: Sql = Sql::new(
    "UPDATE domains SET status = CASE WHEN trusted = 1 THEN 'verified' ELSE 'pending' END, misses = 0, missing_since = NULL,
         next_look_at = $3
     WHERE team_id = $1 AND name = $2 AND status = 'disabled'",
);
/// One that an operator vouched for stays verified whatever is found; its return path and its name for links are watched all the same.
static DUE: Sql = select!("WHERE next_look_at <= $1 AND status <> 'disabled' ORDER BY next_look_at LIMIT $2");
static TAKE: Sql = Sql::new("UPDATE domains SET next_look_at = $3 WHERE id = $1 AND next_look_at <= $2");
static REMOVE: Sql = Sql::new("DELETE FROM domains WHERE team_id = $1 AND name = $2");
static BY_ID: Sql = select!("WHERE team_id = $1 AND id = $2");
static BY_NAME: Sql = select!("WHERE team_id = $1 AND name = $2");
static VERIFIED: Sql = select!("WHERE name = $1 AND status = 'verified'");
static OF_TEAM: Sql = select!("WHERE team_id = $1 ORDER BY name");
static COUNT: Sql = Sql::new("SELECT COUNT(*) AS domains FROM domains WHERE team_id = $1");
/// Of the name and its parents, those that say anything: this team's own, and what another team has proven to be its own.
static NEAREST: Sql = Sql::rows(
    "SELECT d.team_id AS team_id, d.name AS name, d.status AS status, d.return_label AS return_label, d.return_path AS return_path,
         d.tracking AS tracking
     FROM {rows} JOIN domains d ON d.name = v.candidate
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
    misses: i64,
    missing_since: Option<i64>,
    return_label: String,
    return_path: i64,
    tracking: i64,
});
record!(Count { domains: i64 });
record!(Near { team_id: Vec<u8>, name: String, status: String, return_label: String, return_path: i64, tracking: i64 });

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
            misses: self.misses,
            missing_since: self.missing_since.map(Timestamp),
            return_label: label(&self.return_label)?,
            return_path: self.return_path != 0,
            tracking: self.tracking != 0,
        })
    }
}

fn label(text: &str) -> Result<ReturnLabel, StoreError> {
    text.parse().map_err(|fault: &str| rows::broken("domains.return_label", &fault))
}

impl Store {
    /// Adds a domain (A-labels, lower case) as pending; one that the team has already stands as it was.
    pub async fn add_domain(&self, team: Id, name: &str, label: &ReturnLabel) -> Result<Added, StoreError> {
        let row = values![self.desk().next_id(), team, name, label.as_str(), self.desk().clock().now()];
        let is_new = self.db().write(&ADD, row).await? == 1;
        Ok(Added { domain: self.own_domain(team, name).await?, is_new })
    }

    /// Moves a domain's return path to another label; its records are looked for anew. False: nothing was to be changed.
    pub async fn move_return_path(&self, team: Id, domain: Id, label: &ReturnLabel) -> Result<bool, StoreError> {
        Ok(self.db().write(&RELABEL, values![team, domain, label.as_str(), self.desk().clock().now()]).await? == 1)
    }

    /// Marks a domain verified without DNS, adding it when needed; its pending keys begin to sign. Refused when another team has it
    /// verified.
    pub async fn trust_domain(&self, team: Id, name: &str) -> Result<Domain, StoreError> {
        let now = self.desk().clock().now();
        let trusted = self.db().write(&TRUST, values![self.desk().next_id(), team, name, now]).await;
        trusted.map_err(|error| taken(error, name))?;
        let domain = self.own_domain(team, name).await?;
        self.vouch_for_keys(domain.id).await?;
        Ok(domain)
    }

    /// A domain's pending keys begin to sign, though nobody saw their records.
    pub async fn vouch_for_keys(&self, domain: Id) -> Result<(), StoreError> {
        let keys = self.dkim_keys(domain).await?;
        let pending: Vec<_> = keys.iter().filter(|k| k.state == KeyState::Pending).map(|k| (k.id, k.algorithm)).collect();
        let mut tx = self.db().begin().await?;
        dkim::activate(&mut tx, domain, &pending, self.desk().clock().now()).await?;
        tx.commit().await
    }

    /// Writes down what a look at the domain's records found; the keys that were seen begin to sign. False: the domain was changed
    /// meanwhile, and nothing is written. Refused when it became verified and another team has it verified.
    pub async fn write_look(&self, domain: &Domain, look: &Look) -> Result<bool, StoreError> {
        let now = self.desk().clock().now();
        let mut tx = self.db().begin().await?;
        let row = values![
            domain.id,
            domain.status.as_str(),
            i64::from(domain.trusted),
            look.status.as_str(),
            look.misses,
            look.missing_since,
            i64::from(look.return_path),
            look.next_look_at,
            now,
            domain.return_label.as_str(),
            i64::from(look.tracking)
        ];
        let changed = tx.run(&LOOKED, &row, &[]).await.map_err(|error| taken(error, &domain.name))?;
        if changed == 1 {
            dkim::activate(&mut tx, domain.id, &look.seen, now).await?;
        }
        tx.commit().await?;
        Ok(changed == 1)
    }

    /// Domains whose records are to be looked up, longest overdue first. Each is this process's own for `span`: another one does not
    /// find it due meanwhile.
    pub async fn take_due_domains(&self, most: i64, span: Duration) -> Result<Vec<Domain>, StoreError> {
        let now = self.desk().clock().now();
        let mut taken = Vec::new();
        for row in self.db().fetch::<DomainRow>(&DUE, values![now, most]).await? {
            let domain = row.domain()?;
            if self.db().write(&TAKE, values![domain.id, now, now.plus(span)]).await? == 1 {
                taken.push(domain);
            }
        }
        Ok(taken)
    }

    /// The team's domain of this name.
    pub async fn domain(&self, team: Id, name: &str) -> Result<Option<Domain>, StoreError> {
        self.db().fetch_one::<DomainRow>(&BY_NAME, values![team, name]).await?.map(DomainRow::domain).transpose()
    }

    /// The team's domain of this id.
    pub async fn domain_by_id(&self, team: Id, domain: Id) -> Result<Option<Domain>, StoreError> {
        self.db().fetch_one::<DomainRow>(&BY_ID, values![team, domain]).await?.map(DomainRow::domain).transpose()
    }

    async fn own_domain(&self, team: Id, name: &str) -> Result<Domain, StoreError> {
        let found = self.db().fetch_one::<DomainRow>(&BY_NAME, values![team, name]).await?;
        found.ok_or_else(|| StoreError::Conflict(format!("the domain {name} was just removed")))?.domain()
    }

    /// The domain of this name as the one team has it that stands verified to it.
    pub async fn verified_domain(&self, name: &str) -> Result<Option<Domain>, StoreError> {
        self.db().fetch_one::<DomainRow>(&VERIFIED, values![name]).await?.map(DomainRow::domain).transpose()
    }

    /// Switches a domain off: mail from it, and from what it covers, is refused from within 5 seconds on. Meanwhile no other team can verify
    /// it. False: the team has none of that name. Refused when another team has it verified.
    pub async fn disable_domain(&self, team: Id, name: &str) -> Result<bool, StoreError> {
        Ok(self.db().write(&DISABLE, values![team, name]).await.map_err(|error| taken(error, name))? == 1)
    }

    /// Switches a domain on again: a trusted one stands verified at once, another when its records are seen anew. False: it was not
    /// switched off.
    pub async fn enable_domain(&self, team: Id, name: &str) -> Result<bool, StoreError> {
        let now = self.desk().clock().now();
        Ok(self.db().write(&ENABLE, values![team, name, now]).await? == 1)
    }

    /// Removes a domain. False: the team has none of that name.
    pub async fn remove_domain(&self, team: Id, name: &str) -> Result<bool, StoreError> {
        Ok(self.db().write(&REMOVE, values![team, name]).await? == 1)
    }

    /// A team's domains, by name.
    pub async fn domains(&self, team: Id) -> Result<Vec<Domain>, StoreError> {
        self.db().fetch::<DomainRow>(&OF_TEAM, values![team]).await?.into_iter().map(DomainRow::domain).collect()
    }

    /// How many domains a team has.
    pub async fn count_domains(&self, team: Id) -> Result<u64, StoreError> {
        let count = self.db().fetch_one::<Count>(&COUNT, values![team]).await?;
        Ok(count.map_or(0, |count| u64::try_from(count.domains).unwrap_or(0)))
    }

    /// What signs the team's mail from `name`: the domain on record, which may be a parent of it, and its keys. `None` where the team
    /// does not stand verified to it, or the domain has no key that is in use.
    pub async fn signing_domain(&self, team: Id, name: &str) -> Result<Option<(String, Vec<SecretKey>)>, StoreError> {
        let near = self.nearest(team, name).await?;
        if judge(team, &near) != DomainStanding::Verified {
            return Ok(None);
        }
        let Some(domain) = near.into_iter().map(|n| n.name).max_by_key(String::len) else { return Ok(None) };
        let keys = self.signing_keys(team, &domain).await?;
        Ok((!keys.is_empty()).then_some((domain, keys)))
    }

    /// The domain that what comes back about the team's mail from `name` is addressed to. `None` where the team does not stand verified to
    /// it, or the records of the return path were not there at the last look.
    pub async fn return_path(&self, team: Id, name: &str) -> Result<Option<String>, StoreError> {
        let own = self.nearest_own(team, name).await?;
        own.filter(|n| n.return_path != 0).map(|n| Ok(label(&n.return_label)?.below(&n.name))).transpose()
    }

    /// The name that the links of the team's mail from `name` lie below. `None` where the team does not stand verified to it, or the name did
    /// not lead here at the last look.
    pub async fn tracking_host(&self, team: Id, name: &str) -> Result<Option<String>, StoreError> {
        let own = self.nearest_own(team, name).await?;
        Ok(own.filter(|n| n.tracking != 0).map(|n| format!("{TRACKING_LABEL}.{}", n.name)))
    }

    /// The team's nearest domain, where it stands verified to `name`.
    async fn nearest_own(&self, team: Id, name: &str) -> Result<Option<Near>, StoreError> {
        let near = self.nearest(team, name).await?;
        if judge(team, &near) != DomainStanding::Verified {
            return Ok(None);
        }
        Ok(near.into_iter().filter(|n| n.team_id == team.0).max_by_key(|n| n.name.len()))
    }

    async fn nearest(&self, team: Id, name: &str) -> Result<Vec<Near>, StoreError> {
        let candidates: Vec<_> = with_parents(name).map(|candidate| values![candidate]).collect();
        self.db().fetch_rows::<Near>(&NEAREST, values![team], &candidates).await
    }

    /// How the team stands to a From domain: judged by the nearest of the name and its parents that is on record as verified by
    /// anyone, or as this team's. A verified one is remembered for up to 5 seconds; a miss always asks the book.
    pub async fn domain_standing(&self, team: Id, name: &str) -> Result<DomainStanding, StoreError> {
        if self.standings().is_verified(team, name) {
            return Ok(DomainStanding::Verified);
        }
        let standing = judge(team, &self.nearest(team, name).await?);
        if standing == DomainStanding::Verified {
            self.standings().remember(team, name);
        }
        Ok(standing)
    }
}

/// Of two teams only one can have a domain verified.
fn taken(error: StoreError, name: &str) -> StoreError {
    match error {
        StoreError::Conflict(_) => StoreError::Conflict(format!("another team has {name} verified")),
        error => error,
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
        let near = |team: Id, name: &str, status: &str| Near {
            team_id: team.0.to_vec(),
            name: name.into(),
            status: status.into(),
            return_label: "send".into(),
            return_path: 0,
            tracking: 0,
        };
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
