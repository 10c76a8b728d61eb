//! Complaints of readers, in the Abuse Reporting Format (RFC 5965).

use crate::mime::report::groups;

/// A reader's complaint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// `abuse`, `fraud`, `virus`, `opt-out`, `other`, in lower case.
    pub kind: String,
    /// Whose mail it was, where that is told.
    pub recipients: Vec<String>,
    /// The program that reports.
    pub user_agent: Option<String>,
}

/// Types that complain of nothing: a message taken out of the spam folder, a failed check of DKIM or SPF (RFC 6591).
const NO_COMPLAINTS: [&str; 2] = ["not-spam", "auth-failure"];
/// Recipients that are kept.
const RECIPIENTS: usize = 100;

impl Complaint {
    /// Reads a message/feedback-report. `None` when it is of a type that complains of nothing, or of none.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let groups = groups::of(bytes);
        let first = |name: &str| groups.iter().find_map(|group| group.value(name));
        let kind = first("Feedback-Type")?.split_whitespace().next()?.to_ascii_lowercase();
        if NO_COMPLAINTS.contains(&kind.as_str()) {
            return None;
        }
        let named = groups.iter().flat_map(|group| group.values("Original-Rcpt-To"));
        let recipients = named.map(|address| address.trim_matches(['<', '>', ' ']).to_owned()).take(RECIPIENTS).collect();
        Some(Self { kind, recipients, user_agent: first("User-Agent") })
    }
}
