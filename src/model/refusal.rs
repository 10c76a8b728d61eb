//! Every reason for which a submission is turned away, in one table. Each door speaks it its own way.

use std::fmt;
use std::time::Duration;

/// The stable word for a reason. Texts may improve; codes do not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    StreamRequired,
    StreamNotAllowed,
    ForbiddenHeader,
    SandboxExtraRecipients,
    RecipientNotAllowed,
    RecipientSuppressed,
    DomainNotVerified,
    DomainDisabled,
    InsufficientScope,
    InvalidHeader,
    InvalidMessage,
    InvalidIdempotencyKey,
    IdempotencyKeyReused,
    TemplateNotFound,
    TemplateError,
    ScheduledInPast,
    MailLoop,
    MessageTooLarge,
    TooManyRecipients,
    RateLimited,
    QuotaExceeded,
    QueueFull,
    DiskFull,
    StoreUnavailable,
}

/// One row of the table: the code's word and how each door says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub code: Code,
    pub word: &'static str,
    /// HTTP status. `mail_loop` can't arise there; 422 stands in.
    pub http: u16,
    /// SMTP reply code. `scheduled_in_past` can't arise there: a moment already past means now.
    pub smtp: u16,
    /// Enhanced status code (RFC 3463).
    pub enhanced: &'static str,
}

const fn row(code: Code, word: &'static str, http: u16, smtp: u16, enhanced: &'static str) -> Row {
    Row { code, word, http, smtp, enhanced }
}

/// The table itself.
pub const TABLE: [Row; 24] = [
    row(Code::StreamRequired, "stream_required", 422, 550, "5.7.1"),
    row(Code::StreamNotAllowed, "stream_not_allowed", 403, 550, "5.7.1"),
    row(Code::ForbiddenHeader, "forbidden_header", 422, 550, "5.7.1"),
    row(Code::SandboxExtraRecipients, "sandbox_extra_recipients", 422, 550, "5.7.1"),
    row(Code::RecipientNotAllowed, "recipient_not_allowed", 403, 550, "5.7.1"),
    row(Code::RecipientSuppressed, "recipient_suppressed", 422, 550, "5.7.1"),
    row(Code::DomainNotVerified, "domain_not_verified", 403, 550, "5.7.1"),
    row(Code::DomainDisabled, "domain_disabled", 403, 550, "5.7.1"),
    row(Code::InsufficientScope, "insufficient_scope", 403, 550, "5.7.1"),
    row(Code::InvalidHeader, "invalid_header", 422, 550, "5.6.0"),
    row(Code::InvalidMessage, "invalid_message", 422, 550, "5.6.0"),
    row(Code::InvalidIdempotencyKey, "invalid_idempotency_key", 422, 550, "5.6.0"),
    row(Code::IdempotencyKeyReused, "idempotency_key_reused", 422, 554, "5.5.0"),
    row(Code::TemplateNotFound, "template_not_found", 422, 550, "5.6.0"),
    row(Code::TemplateError, "template_error", 422, 550, "5.6.0"),
    row(Code::ScheduledInPast, "scheduled_in_past", 422, 550, "5.6.0"),
    row(Code::MailLoop, "mail_loop", 422, 554, "5.4.6"),
    row(Code::MessageTooLarge, "message_too_large", 422, 552, "5.3.4"),
    row(Code::TooManyRecipients, "too_many_recipients", 422, 452, "4.5.3"),
    row(Code::RateLimited, "rate_limited", 429, 451, "4.4.5"),
    row(Code::QuotaExceeded, "quota_exceeded", 429, 451, "4.7.1"),
    row(Code::QueueFull, "queue_full", 503, 452, "4.3.1"),
    row(Code::DiskFull, "disk_full", 503, 452, "4.3.1"),
    row(Code::StoreUnavailable, "store_unavailable", 503, 451, "4.3.0"),
];

impl Code {
    /// Its row of the table.
    pub fn row(self) -> &'static Row {
        // The table holds every variant, as a test below proves; the first row can't be reached by fallback.
        TABLE.iter().find(|r| r.code == self).unwrap_or(&TABLE[0])
    }

    /// The word: `forbidden_header`.
    pub fn word(self) -> &'static str {
        self.row().word
    }

    /// Whether it turns away a whole batch: what its sender may not do, or has not said, with any of the messages in it. The other
    /// reasons are a message's own.
    pub fn refuses_batch(self) -> bool {
        matches!(
            self,
            Self::StreamRequired
                | Self::StreamNotAllowed
                | Self::ForbiddenHeader
                | Self::SandboxExtraRecipients
                | Self::RecipientNotAllowed
                | Self::DomainNotVerified
                | Self::DomainDisabled
                | Self::InsufficientScope
        )
    }

    /// Whether the same submission may pass later, unchanged.
    pub fn is_passing(self) -> bool {
        self.row().smtp < 500
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A submission turned away: why, in words for the person who sent it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {text}")]
pub struct Refusal {
    pub code: Code,
    /// One line: what was wrong, where, and what to do. Holds no control characters.
    pub text: String,
    /// When trying again may help, where that is known.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// A refusal; control characters in `text` become `?`, as it may quote what a client sent.
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        let text: String = text.into();
        let text = text.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        Self { code, text, retry_after: None }
    }

    /// The same, saying when to try again.
    pub fn retry_after(mut self, span: Duration) -> Self {
        self.retry_after = Some(span);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_each_code_once() {
        for (place, row) in TABLE.iter().enumerate() {
            assert_eq!(row.code as usize, place, "{}", row.word);
            assert_eq!(row.code.row().word, row.word);
            assert_eq!(row.enhanced.starts_with('4'), row.code.is_passing(), "{}", row.word);
        }
        assert_eq!(Code::StoreUnavailable as usize + 1, TABLE.len());
    }

    #[test]
    fn a_refusal_quotes_no_control_characters() {
        let refusal = Refusal::new(Code::InvalidHeader, "bad\r\n250 ok \x1b[31m");
        assert_eq!(refusal.text, "bad??250 ok ?[31m");
    }
}
