//! Complaints of readers, in the Abuse Reporting Format (RFC 5965).

use crate::mime::fields::{Bounds, Fields};
use crate::mime::report::groups;

/// A reader's complaint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// `abuse`, `fraud`, `virus`, `opt-out`, `other`, in lower case.
    pub kind: String,
    /// Whose mail it was, where that is told.
    pub recipients: Vec<String>,
    /// The reverse-paths that the message is said to have had, as they stand there: by the report, then by what is enclosed.
    pub reverse_paths: Vec<String>,
    /// The program that reports.
    pub user_agent: Option<String>,
}

/// Types that complain of nothing: a message taken out of the spam folder, a failed check of DKIM or SPF (RFC 6591).
const NO_COMPLAINTS: [&str; 2] = ["not-spam", "auth-failure"];
/// Recipients that are kept, and reverse-paths.
const RECIPIENTS: usize = 100;
const REVERSE_PATHS: usize = 10;

impl Complaint {
    /// Reads a message/feedback-report that comes with `enclosed`, the message or its header section. `None` when it is of a type that
    /// complains of nothing, or of none.
    pub fn read(bytes: &[u8], enclosed: &[u8]) -> Option<Self> {
        let groups = groups::of(bytes);
        let first = |name: &str| groups.iter().find_map(|group| group.value(name));
        let kind = first("Feedback-Type")?.split_whitespace().next()?.to_ascii_lowercase();
        if NO_COMPLAINTS.contains(&kind.as_str()) {
            return None;
        }
        let named = |name: &'static str| groups.iter().flat_map(move |group| group.values(name)).map(|path| bare(&path));
        let recipients = named("Original-Rcpt-To").take(RECIPIENTS).collect();
        // Written by the system that delivered it (RFC 5321 section 4.4).
        let header = Fields::split(enclosed, Bounds::STORED);
        let returned = header.all("Return-Path").map(|field| bare(&field.text()));
        let reverse_paths = named("Original-Mail-From").chain(returned).take(REVERSE_PATHS).collect();
        Some(Self { kind, recipients, reverse_paths, user_agent: first("User-Agent") })
    }
}

/// A path without its angle brackets.
fn bare(path: &str) -> String {
    path.trim_matches(['<', '>', ' ']).to_owned()
}
