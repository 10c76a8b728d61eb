//! What mail systems tell one another about mail, as machines read it: delivery reports (RFC 3464) and complaints (RFC 5965), both
//! inside a multipart/report (RFC 6522).

pub mod complaint;
pub mod delivery;
mod groups;
pub mod notice;

use super::leaf;
use super::parts::{self, Part, Reach};
use complaint::Complaint;
use delivery::DeliveryReport;

/// A report is looked for near the top; what a forwarded message holds is not its sender's report.
const REACH: Reach = Reach { depth: 3, parts: 30 };
/// Octets of the part for machines that are read.
const READ: usize = 256 * 1024;

/// What a message reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    Delivery(DeliveryReport),
    Complaint(Complaint),
}

impl Report {
    /// Reads a message; `None`: it is no report, but some automatic reply, or anything else.
    pub fn read(message: &[u8]) -> Option<Self> {
        parts::of(message, REACH).iter().find_map(|part| match part.kind.as_str() {
            // RFC 6533 section 4: the second has addresses in UTF-8.
            "message/delivery-status" | "message/global-delivery-status" => {
                DeliveryReport::read(&text(message, part)).map(Self::Delivery)
            }
            "message/feedback-report" => Complaint::read(&text(message, part)).map(Self::Complaint),
            _ => None,
        })
    }
}

fn text(message: &[u8], part: &Part) -> Vec<u8> {
    let octets = leaf::octets(message, part);
    octets[..octets.len().min(READ)].to_vec()
}

#[cfg(test)]
mod tests;
