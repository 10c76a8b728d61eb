//! Delivery reports (RFC 3464), as they are made and not only as they should be.

use crate::mime::report::groups::{self, Group};
use crate::model::outcome::Reply;

/// What a mail system says became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryReport {
    /// The name of the system that reports, without its type.
    pub reporting_mta: Option<String>,
    /// At least one.
    pub recipients: Vec<RecipientReport>,
}

/// What became of one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientReport {
    /// The address in the end, after forwarding; empty when only the original one is told.
    pub final_recipient: String,
    pub original_recipient: Option<String>,
    pub action: Action,
    /// From Diagnostic-Code and Status. Code 0 when no SMTP server said anything.
    pub reply: Reply,
}

/// RFC 3464 section 2.3.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Failed,
    Delayed,
    Delivered,
    /// Handed to a system that does not report.
    Relayed,
    /// Handed on to several.
    Expanded,
}

impl Action {
    /// The word of the protocol.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Delayed => "delayed",
            Self::Delivered => "delivered",
            Self::Relayed => "relayed",
            Self::Expanded => "expanded",
        }
    }

    fn read(value: &str) -> Option<Self> {
        let word = value.split(|c: char| !c.is_ascii_alphabetic()).next()?;
        let all = [Self::Failed, Self::Delayed, Self::Delivered, Self::Relayed, Self::Expanded];
        all.into_iter().find(|action| word.eq_ignore_ascii_case(action.as_str()))
    }
}

impl DeliveryReport {
    /// Reads a message/delivery-status. `None` when it tells of no recipient.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let groups = groups::of(bytes);
        let recipients: Vec<_> = groups.iter().filter_map(recipient).collect();
        let reporter = groups.iter().find_map(|group| group.value("Reporting-MTA"));
        let reporting_mta = reporter.map(|mta| match mta.split_once(';') {
            Some((_, name)) => name.trim().to_owned(),
            None => mta,
        });
        (!recipients.is_empty()).then_some(Self { reporting_mta, recipients })
    }
}

/// The group of one recipient. Some makers run the fields of the message into it.
fn recipient(group: &Group<'_>) -> Option<RecipientReport> {
    let original_recipient = group.address("Original-Recipient");
    let final_recipient = group.address("Final-Recipient").or_else(|| original_recipient.clone())?;
    let action = Action::read(&group.value("Action")?)?;
    Some(RecipientReport { final_recipient, original_recipient, action, reply: reply(group) })
}

/// What was said: `smtp; 550 5.1.1 no such user`, or else the status alone.
fn reply(group: &Group<'_>) -> Reply {
    let status = group.value("Status").and_then(|value| value.split_whitespace().find(|word| is_status(word)).map(str::to_owned));
    let diagnostic = group.value("Diagnostic-Code").unwrap_or_default();
    let (kind, text) = diagnostic.split_once(';').unwrap_or(("", diagnostic.as_str()));
    let text = text.trim();
    let (code, text) = match code(text) {
        Some(code) if kind.is_empty() || kind.trim().eq_ignore_ascii_case("smtp") => {
            (code, text[3..].trim_start_matches([' ', '-']))
        }
        _ => (0, text),
    };
    let (enhanced, text) = match text.split_once(' ').unwrap_or((text, "")) {
        (word, rest) if is_status(word) => (Some(word.to_owned()), rest),
        _ => (status, text),
    };
    Reply::new(code, enhanced, text.trim())
}

/// The reply code in front.
fn code(text: &str) -> Option<u16> {
    let ends = text.as_bytes().get(3).is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'.');
    let code = text.get(..3)?.parse().ok().filter(|code| (200..600).contains(code))?;
    ends.then_some(code)
}

fn is_status(word: &str) -> bool {
    let number = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    word.split('.').count() == 3 && word.split('.').all(number) && word.starts_with(['2', '4', '5'])
}
