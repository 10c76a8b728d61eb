//! A sender domain of a team, and how far it is trusted.

use std::fmt;
use std::str::FromStr;

use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::dkim::Algorithm;

/// How far a domain is proven to be its team's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DomainStatus {
    /// Added; its DNS records have not been seen yet.
    Pending,
    /// Its records were seen, or an operator vouched for it (`domains trust`).
    Verified,
    /// Its records were looked for and are missing or wrong.
    Failed,
    /// Switched off by an operator: nothing is sent from it.
    Disabled,
}

impl DomainStatus {
    /// The word used on every interface and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Verified => "verified",
            Self::Failed => "failed",
            Self::Disabled => "disabled",
        }
    }

    /// From the store's word; an unknown one counts as pending, which permits nothing.
    pub fn from_word(word: &str) -> Self {
        match word {
            "verified" => Self::Verified,
            "failed" => Self::Failed,
            "disabled" => Self::Disabled,
            _ => Self::Pending,
        }
    }
}

/// A domain that a team sends from. It covers its subdomains, unless another team verified one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    pub id: Id,
    pub team: Id,
    /// A-labels, lower case, no trailing dot.
    pub name: String,
    pub status: DomainStatus,
    /// Vouched for by an operator, without DNS.
    pub trusted: bool,
    pub created_at: Timestamp,
    pub verified_at: Option<Timestamp>,
    /// Looks in a row at its records that missed one it needs, and since when.
    pub misses: i64,
    pub missing_since: Option<Timestamp>,
    /// Where below it the domain of our own reverse-paths lies.
    pub return_label: ReturnLabel,
    /// Whether the records of its return path were there at the last look.
    pub return_path: bool,
    /// Whether the name for links below it led here at the last look.
    pub tracking: bool,
}

/// Where below a domain the links of its mail lie.
pub const TRACKING_LABEL: &str = "track";

/// The label below a domain that makes the domain of our own reverse-paths for its mail: its MX leads here. Lower case; a host name's
/// (RFC 1123 section 2.1), but for digits at its begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnLabel(String);

/// RFC 1035 section 2.3.4.
const LABEL_MAX: usize = 63;

impl ReturnLabel {
    /// The label itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name that it makes below `domain`.
    pub fn below(&self, domain: &str) -> String {
        format!("{}.{domain}", self.0)
    }
}

impl Default for ReturnLabel {
    fn default() -> Self {
        Self("send".to_owned())
    }
}

impl FromStr for ReturnLabel {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_label = (1..=LABEL_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && text.starts_with(|c: char| c.is_ascii_alphabetic())
            && !text.ends_with('-');
        if !is_label {
            return Err("must be one label such as send: 1 to 63 letters, digits and hyphens, a letter first, no hyphen last");
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

impl fmt::Display for ReturnLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a look at a domain's records changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    pub status: DomainStatus,
    pub misses: i64,
    pub missing_since: Option<Timestamp>,
    pub return_path: bool,
    pub tracking: bool,
    pub next_look_at: Timestamp,
    /// Pending keys whose records were seen: they begin to sign.
    pub seen: Vec<(Id, Algorithm)>,
}

/// What the store knows of a From domain, as the policy needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DomainStanding {
    /// The nearest domain on record is this team's and verified.
    Verified,
    /// The nearest one is this team's and switched off.
    Disabled,
    /// None is on record, it is not verified yet, or it is another team's.
    Unverified,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_return_label_is_one_host_label() {
        let longest = format!("a{}", "b".repeat(LABEL_MAX - 1));
        for (text, label) in [("send", "send"), ("Mail-2", "mail-2"), ("x", "x"), (&longest, &longest)] {
            assert_eq!(text.parse::<ReturnLabel>().map(|label| label.to_string()).as_deref(), Ok(label));
        }
        let too_long = format!("{longest}c");
        for bad in ["", "2send", "-send", "send-", "a.b", "a_b", "a b", "s\u{e9}nd", "send\n", "*", &too_long] {
            assert!(bad.parse::<ReturnLabel>().is_err(), "{bad:?}");
        }
        assert_eq!(ReturnLabel::default().below("example.com"), "send.example.com");
    }
}
