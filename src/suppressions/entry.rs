//! One address that is to be suppressed, as somebody asks for it.

use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::address::Address;
use crate::model::suppression::Suppression;

/// Said where nobody says why.
pub const REASON: &str = "manual";
/// Octets of a reason, which is a word.
const REASON_MAX: usize = 64;
/// Characters of what proves it.
const EVIDENCE_MAX: usize = 1000;

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    pub address: String,
    /// A word such as `bounce`, `complaint` or `manual`; empty or none: the last of these.
    pub reason: Option<String>,
    /// The reply or the report that it is for.
    pub evidence: Option<String>,
}

/// What is wrong with a field of an entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {text}")]
pub struct Fault {
    pub field: &'static str,
    pub text: String,
}

impl Entry {
    /// What is to be written, when nothing is wrong with it.
    pub fn suppression(self, team: Id, now: Timestamp) -> Result<Suppression, Fault> {
        let address = Address::parse(self.address.trim()).map_err(|error| fault("address", error.to_string()))?;
        Ok(Suppression {
            team,
            address: address.key(),
            reason: reason(self.reason)?,
            message: None,
            evidence: evidence(self.evidence)?,
            created_at: now,
        })
    }
}

fn reason(text: Option<String>) -> Result<String, Fault> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(REASON.to_owned()) };
    let is_word = text.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'));
    if !is_word || text.len() > REASON_MAX {
        let text = "must be a word of at most 64 letters, digits, - and _, such as bounce; a longer text is evidence";
        return Err(fault("reason", text));
    }
    Ok(text.to_ascii_lowercase())
}

fn evidence(text: Option<String>) -> Result<Option<String>, Fault> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    if text.chars().nth(EVIDENCE_MAX).is_some() {
        return Err(fault("evidence", format!("must not be longer than {EVIDENCE_MAX} characters")));
    }
    if text.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\r' | '\n')) {
        return Err(fault("evidence", "must not hold control characters but tabs and line ends"));
    }
    Ok(Some(text))
}

fn fault(field: &'static str, text: impl Into<String>) -> Fault {
    Fault { field, text: text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(address: &str, reason: &str, evidence: &str) -> Result<(String, String, Option<String>), &'static str> {
        let entry = Entry { address: address.to_owned(), reason: Some(reason.to_owned()), evidence: Some(evidence.to_owned()) };
        let suppression = entry.suppression(Id([1; 16]), Timestamp(0)).map_err(|fault| fault.field)?;
        Ok((suppression.address, suppression.reason, suppression.evidence))
    }

    #[test]
    fn fields_are_brought_into_their_form_or_told() {
        let kept = |address: &str, reason: &str, evidence: Option<&str>| {
            Ok((address.to_owned(), reason.to_owned(), evidence.map(str::to_owned)))
        };
        assert_eq!(read(" Some.One@B\u{fc}cher.Example ", "", ""), kept("some.one@xn--bcher-kva.example", "manual", None));
        assert_eq!(read("a@b.test", "Bounce", "550\r\n5.1.1"), kept("a@b.test", "bounce", Some("550\r\n5.1.1")));
        for (address, reason, evidence, field) in [
            ("", "", "", "address"),
            ("Ann <a@b.test>", "", "", "address"),
            ("a@b.test\0", "", "", "address"),
            ("a@b.test", "two words", "", "reason"),
            ("a@b.test", "gr\u{fc}n", "", "reason"),
            ("a@b.test", &"x".repeat(REASON_MAX + 1), "", "reason"),
            ("a@b.test", "", "a\0b", "evidence"),
            ("a@b.test", "", &"x".repeat(EVIDENCE_MAX + 1), "evidence"),
        ] {
            assert_eq!(read(address, reason, evidence), Err(field), "{address:?} {reason:?}");
        }
    }
}
