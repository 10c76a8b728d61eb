//! What a question was answered with.

use std::time::Duration;

/// The records found under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<T> {
    /// At least one, each once.
    pub records: Vec<T>,
    /// Whether every record, those of aliases included, was validated by DNSSEC.
    pub secure: bool,
    /// The name that holds the records: the last of the aliases, or the one that was asked for.
    pub owner: String,
    /// How long the answer may be kept.
    pub ttl: Duration,
}

/// One MX record (RFC 5321 section 5.1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mx {
    pub preference: u16,
    /// Lower case, A-labels, no trailing dot; empty: the root, by which RFC 7505 says that there is no mail here.
    pub exchange: String,
}

/// Why there are no records.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DnsError {
    #[error("no such domain")]
    NoSuchDomain,
    /// The name is there, but has no records of the type.
    #[error("no such records")]
    NoRecords,
    /// DNSSEC says that the answer was tampered with, or the zone is broken.
    #[error("the answer fails DNSSEC validation: {0}")]
    Bogus(String),
    /// SERVFAIL, no answer in time, no resolver within reach.
    #[error("no answer: {0}")]
    Temporary(String),
    /// Nobody was asked, since too much else was: it says nothing of the name.
    #[error("too much is asked at once")]
    Unasked,
}
