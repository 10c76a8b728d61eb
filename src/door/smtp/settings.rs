//! What a session must know of the configuration.

use crate::config::{BareNewlines, Config};

/// The configuration as sessions read it; shared by all of them.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name in the greeting and in EHLO's answer.
    pub hostname: String,
    /// Octets of one message.
    pub max_message_size: u64,
    /// Recipients of one message.
    pub recipients: usize,
    /// Octets of a command line, CRLF included. AUTH has its own limit (RFC 4954 section 4).
    pub command_line: usize,
    /// Errors since the last accepted message, then 421.
    pub errors: u32,
    /// Failed logins of one connection, then 421.
    pub failed_logins: u32,
    /// What becomes of a CR or LF that stands alone in message data.
    pub bare_newlines: BareNewlines,
}

impl Settings {
    /// The part of `config` that concerns sessions.
    pub fn from_config(config: &Config) -> Self {
        let limits = &config.smtp.limits;
        Self {
            hostname: config.smtp.hostname.clone(),
            max_message_size: config.smtp.max_message_size.0,
            recipients: limits.recipients,
            command_line: limits.command_line,
            errors: limits.errors,
            failed_logins: limits.failed_logins,
            bare_newlines: config.smtp.bare_newlines,
        }
    }
}
