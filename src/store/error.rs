//! What can go wrong with the store, sorted by what its callers do about it.

/// A failure of the store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It can't be reached, or is locked: nothing is known to be written; trying again may help.
    #[error("the store can't be reached: {0}")]
    Unavailable(String),
    /// The disk is full: nothing was written.
    #[error("the disk is full: {0}")]
    Full(String),
    /// Another transaction was in the way; the same again will pass.
    #[error("the store asks to repeat: {0}")]
    Repeat(String),
    /// A name that must be unique is taken, or what should exist does not: in words for the operator.
    #[error("{0}")]
    Conflict(String),
    /// Anything else: a fault of the data or of this program.
    #[error("the store failed: {0}")]
    Broken(String),
}

impl StoreError {
    /// Whether the fault may lie in one of several rows written together, so that the others can be saved without it.
    pub fn may_be_one_rows_fault(&self) -> bool {
        matches!(self, Self::Broken(_) | Self::Conflict(_))
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let text = error.to_string();
        match &error {
            sqlx::Error::Database(e) if e.is_unique_violation() => Self::Conflict(text),
            sqlx::Error::Database(e) => match e.code() {
                Some(code) => of_code(&code, text),
                None => Self::Broken(text),
            },
            sqlx::Error::Io(e) if e.kind() == std::io::ErrorKind::StorageFull => Self::Full(text),
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed => Self::Unavailable(text),
            _ => Self::Broken(text),
        }
    }
}

/// By SQLite's result code (primary code in the low octet) or PostgreSQL's SQLSTATE, which has five characters.
fn of_code(code: &str, text: String) -> StoreError {
    if code.len() < 5 {
        return match code.parse::<u32>().unwrap_or(0) & 0xff {
            // SQLITE_FULL
            13 => StoreError::Full(text),
            // SQLITE_BUSY, LOCKED, READONLY (a file system gone read-only), IOERR, CANTOPEN
            5 | 6 | 8 | 10 | 14 => StoreError::Unavailable(text),
            _ => StoreError::Broken(text),
        };
    }
    match code {
        // disk_full
        "53100" => StoreError::Full(text),
        // serialization_failure, deadlock_detected, lock_not_available
        "40001" | "40P01" | "55P03" => StoreError::Repeat(text),
        // connection exceptions, insufficient resources, operator intervention, system errors
        c if ["08", "53", "57", "58"].iter().any(|class| c.starts_with(class)) => StoreError::Unavailable(text),
        // read_only_sql_transaction: a server in recovery; idle_in_transaction_session_timeout: this process was held up
        "25006" | "25P03" => StoreError::Unavailable(text),
        _ => StoreError::Broken(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_by_what_to_do() {
        let sort = |code: &str| of_code(code, String::new());
        assert_eq!(sort("13"), StoreError::Full(String::new()));
        // SQLITE_IOERR_WRITE is 778: the primary code counts.
        for code in ["5", "261", "778", "08006", "57P01", "53300", "25P03"] {
            assert_eq!(sort(code), StoreError::Unavailable(String::new()), "{code}");
        }
        assert_eq!(sort("53100"), StoreError::Full(String::new()));
        assert_eq!(sort("40P01"), StoreError::Repeat(String::new()));
        assert_eq!(sort("22P02"), StoreError::Broken(String::new()));
    }
}
