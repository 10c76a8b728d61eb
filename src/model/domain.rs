//! A sender domain of a team, and how far it is trusted.

use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::dkim::Algorithm;

/// How far a domain is proven to be its team's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DomainStatus {
    /// Added; its DNS records have not been seen yet.
    Pending,
    /// Its records were seen, or an operator vouched for it (`domains trust`).
    Verified,
    /// Its records were looked for and are missing or wrong.
    Failed,
    /// Switched off by an operator: nothing is sent from it.
    Disabled,
}

impl DomainStatus {
    /// The word used on every interface and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Verified => "verified",
            Self::Failed => "failed",
            Self::Disabled => "disabled",
        }
    }

    /// From the store's word; an unknown one counts as pending, which permits nothing.
    pub fn from_word(word: &str) -> Self {
        match word {
            "verified" => Self::Verified,
            "failed" => Self::Failed,
            "disabled" => Self::Disabled,
            _ => Self::Pending,
        }
    }
}

/// A domain that a team sends from. It covers its subdomains, unless another team verified one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    pub id: Id,
    pub team: Id,
    /// A-labels, lower case, no trailing dot.
    pub name: String,
    pub status: DomainStatus,
    /// Vouched for by an operator, without DNS.
    pub trusted: bool,
    pub created_at: Timestamp,
    pub verified_at: Option<Timestamp>,
    /// Looks in a row at its records that missed one it needs, and since when.
    pub misses: i64,
    pub missing_since: Option<Timestamp>,
    /// Whether the records of its return path were there at the last look.
    pub return_path: bool,
}

/// The name below a domain whose MX leads here: the domain of our own reverse-paths for its mail.
pub fn return_path_of(domain: &str) -> String {
    format!("send.{domain}")
}

/// What a look at a domain's records changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    pub status: DomainStatus,
    pub misses: i64,
    pub missing_since: Option<Timestamp>,
    pub return_path: bool,
    pub next_look_at: Timestamp,
    /// Pending keys whose records were seen: they begin to sign.
    pub seen: Vec<(Id, Algorithm)>,
}

/// What the store knows of a From domain, as the policy needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DomainStanding {
    /// The nearest domain on record is this team's and verified.
    Verified,
    /// The nearest one is this team's and switched off.
    Disabled,
    /// None is on record, it is not verified yet, or it is another team's.
    Unverified,
}
