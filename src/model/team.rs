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
}
