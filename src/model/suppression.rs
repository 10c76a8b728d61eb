//! Addresses a team's mail is kept from, with the evidence.

use crate::clock::Timestamp;
use crate::id::Id;

/// A technical block after a bounce or complaint, or one an operator set. Never overridden.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppression {
    pub team: Id,
    /// The address in its comparable form ([`crate::model::address::Address::key`]).
    pub address: String,
    /// `bounce`, `complaint`, `manual`, ...
    pub reason: String,
    /// The message whose fate caused it.
    pub message: Option<Id>,
    /// The reply or report that caused it.
    pub evidence: Option<String>,
    pub created_at: Timestamp,
}
