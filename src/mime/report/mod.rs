//! What mail systems tell one another about mail, as machines read it: delivery reports (RFC 3464), complaints (RFC 5965) and reports of
//! TLS (RFC 8460), all inside a multipart/report (RFC 6522).

pub mod complaint;
pub mod delivery;
mod groups;
pub mod notice;
pub mod tls;

use super::leaf;
use super::parts::{self, Part, Reach};
use complaint::Complaint;
use delivery::DeliveryReport;

/// A report is looked for near the top; what a forwarded message holds is not its sender's report.
const REACH: Reach = Reach { depth: 3, parts: 30 };
/// Octets of a part that are read.
const READ: usize = 256 * 1024;
/// How the message that is complained of comes with the report (RFC 5965 section 2), or its header section.
const ENCLOSED: [&str; 4] = ["message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers"];

/// What a message reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    Delivery(DeliveryReport),
    Complaint(Complaint),
}

impl Report {
    /// Reads a message; `None`: it is no report, but some automatic reply, or anything else.
    pub fn read(message: &[u8]) -> Option<Self> {
        let parts = parts::of(message, REACH);
        parts.iter().find_map(|part| match part.kind.as_str() {
            // RFC 6533 section 4: the second has addresses in UTF-8.
            "message/delivery-status" | "message/global-delivery-status" => {
                DeliveryReport::read(&text(message, part)).map(Self::Delivery)
            }
            "message/feedback-report" => Complaint::read(&text(message, part), &enclosed(message, &parts)).map(Self::Complaint),
            _ => None,
        })
    }
}

/// The message that is complained of, or what of it is there; empty: nothing is.
fn enclosed(message: &[u8], parts: &[Part]) -> Vec<u8> {
    let is_message = |part: &&Part| ENCLOSED.contains(&part.kind.as_str());
    parts.iter().find(is_message).map(|part| text(message, part)).unwrap_or_default()
}

fn text(message: &[u8], part: &Part) -> Vec<u8> {
    let octets = leaf::octets(message, part);
    octets[..octets.len().min(READ)].to_vec()
}

#[cfg(test)]
mod tests;
