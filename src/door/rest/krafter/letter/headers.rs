//! The header fields that a sender adds.

use crate::door::rest::checks;
use crate::door::rest::json::Texts;
use crate::door::rest::problem::Details;
use crate::model::refusal::{Code, Refusal};

/// Octets of a name.
const NAME_MAX: usize = 100;

/// Fields that only we write.
const RESERVED: [&str; 14] = [
    "From",
    "To",
    "Cc",
    "Bcc",
    "Subject",
    "Date",
    "Message-ID",
    "Content-Type",
    "Content-Transfer-Encoding",
    "MIME-Version",
    "DKIM-Signature",
    "Authorization",
    "Return-Path",
    "Received",
];
/// So are all that begin with one of these.
const PREFIXES: [&str; 2] = ["X-Krafter-", "Resent-"];

/// Reads them in order.
pub fn read(faults: &mut Details, headers: Option<Texts>) -> Vec<(String, String)> {
    let headers = headers.unwrap_or_default().0;
    for (name, value) in &headers {
        let path = format!("headers.{name}");
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
        if !is_name || name.len() > NAME_MAX {
            faults.add(&path, format!("must have a name of 1 to {NAME_MAX} printable ASCII characters without a colon"));
        }
        if value.trim().is_empty() {
            faults.add(&path, checks::BLANK);
        }
        checks::is_line(faults, &path, value);
    }
    headers
}

/// Refuses those that only we may write, in any case.
pub fn reserved(headers: &[(String, String)]) -> Result<(), Refusal> {
    match headers.iter().find(|(name, _)| is_reserved(name)) {
        Some((name, _)) => Err(Refusal::new(Code::ForbiddenHeader, format!("{name} is reserved; remove it"))),
        None => Ok(()),
    }
}

fn is_reserved(name: &str) -> bool {
    let begins = |prefix: &&str| name.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix));
    RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved)) || PREFIXES.iter().any(begins)
}
