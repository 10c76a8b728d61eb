//! Suppressed recipients, judged at the dot: left out when others remain, refused when nobody does.

use crate::model::address::Address;
use crate::model::refusal::{Code, Refusal};
use crate::policy::{Draft, Facts, Verdict, quoted};

/// Leaves suppressed recipients out, and refuses the message when nobody is left.
pub fn judge(draft: &Draft<'_>, facts: &Facts<'_>) -> Verdict {
    if facts.suppressed.is_empty() {
        return Verdict::Pass;
    }
    let recipients = &draft.envelope.recipients;
    let without: Vec<(usize, String)> = recipients
        .iter()
        .enumerate()
        .filter_map(|(place, path)| reason(&path.address, &facts.suppressed).map(|reason| (place, reason.to_owned())))
        .collect();
    match without.first() {
        None => Verdict::Pass,
        Some((first, reason)) if without.len() == recipients.len() => {
            refusal(&recipients[*first].address, reason, recipients.len()).into()
        }
        Some(_) => Verdict::Without(without),
    }
}

/// The refusal that names a suppressed address, the first of `count`.
pub fn refusal(address: &Address, reason: &str, count: usize) -> Refusal {
    let others = if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() };
    let text = format!("{}{others} is suppressed ({}); lift that or leave it out", quoted(address.as_str()), quoted(reason));
    Refusal::new(Code::RecipientSuppressed, text)
}

fn reason<'a>(address: &Address, suppressed: &'a [(String, String)]) -> Option<&'a str> {
    let key = address.key();
    suppressed.iter().find(|(other, _)| *other == key).map(|(_, reason)| reason.as_str())
}
