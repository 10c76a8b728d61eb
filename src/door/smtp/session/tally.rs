//! What a connection has used up of the patience shown to it.

use crate::door::smtp::settings::Settings;

/// Commands that send no mail (RSET, NOOP and the like) cost nothing below this many between two messages.
const FREE: u32 = 1000;

/// Counts of one connection.
#[derive(Debug, Default)]
pub struct Tally {
    errors: u32,
    idling: u32,
    failed_logins: u32,
}

impl Tally {
    /// Counts an error; true when it was the last one allowed.
    pub fn error(&mut self, settings: &Settings) -> bool {
        self.errors = self.errors.saturating_add(1);
        self.errors >= settings.errors
    }

    /// Counts a command that sent no mail; true when it was the last one allowed.
    pub fn idling(&mut self) -> bool {
        self.idling = self.idling.saturating_add(1);
        self.idling >= FREE
    }

    /// Counts a failed login; true when it was the last one allowed.
    pub fn failed_login(&mut self, settings: &Settings) -> bool {
        self.failed_logins = self.failed_logins.saturating_add(1);
        self.failed_logins >= settings.failed_logins
    }

    /// A message was accepted: a pool that has sent for days is not closed for an error a day.
    pub fn accepted(&mut self) {
        self.errors = 0;
        self.idling = 0;
    }
}
