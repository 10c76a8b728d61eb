//! The tenant: keys, domains, messages and suppressions belong to one, and every query is by team.

use crate::clock::Timestamp;
use crate::id::Id;

/// One tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Team {
    pub id: Id,
    /// Unique; what `--team` takes.
    pub name: String,
    pub created_at: Timestamp,
    /// HTTP requests that its keys may make together in a minute: 0 is any number; `None`: as many as by default.
    pub requests_per_minute: Option<u32>,
}
