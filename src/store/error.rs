//! What can go wrong with the store, sorted by what its callers do about it.

/// A failure of the store.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// It can't be reached, or is locked: nothing is known to be written; trying again may help.
    #[error("the store can't be reached: {0}")]
    Unavailable(String),
    /// The disk is full: nothing was written.
    #[error("the disk is full: {0}")]
    Full(String),
    /// A name that must be unique is taken, or what should exist does not: in words for the operator.
    #[error("{0}")]
    Conflict(String),
    /// Anything else: a fault of the data or of this program.
    #[error("the store failed: {0}")]
    Broken(String),
}
