//! Recipients that mail is kept from, judged at the dot: left out when others remain, refused when nobody does.

use std::fmt;

use crate::model::address::Address;
use crate::model::refusal::{Code, Refusal};
use crate::model::unsubscribe::SCOPE;
use crate::policy::{Draft, Facts, Verdict, quoted, stream};

/// What keeps mail from a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Barrier {
    /// For this reason; never overridden.
    Suppressed(String),
    /// The reader wishes no broadcast mail.
    Unsubscribed,
}

impl fmt::Display for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Suppressed(reason) => write!(f, "suppressed: {reason}"),
            Self::Unsubscribed => f.write_str("unsubscribed"),
        }
    }
}

/// Leaves out whom mail is kept from, and refuses the message when nobody is left.
pub fn judge(draft: &Draft<'_>, facts: &Facts<'_>) -> Verdict {
    if facts.suppressed.is_empty() && facts.unsubscribed.is_empty() {
        return Verdict::Pass;
    }
    let is_wish_heeded = stream::chosen(draft) == Some(SCOPE) && !draft.controls.ignore_unsubscribe;
    let recipients = &draft.envelope.recipients;
    let without: Vec<(usize, Barrier)> = recipients
        .iter()
        .enumerate()
        .filter_map(|(place, path)| before(&path.address, facts, is_wish_heeded).map(|barrier| (place, barrier)))
        .collect();
    match without.first() {
        None => Verdict::Pass,
        Some((first, barrier)) if without.len() == recipients.len() => {
            refusal(&recipients[*first].address, barrier, recipients.len()).into()
        }
        Some(_) => Verdict::Without(without),
    }
}

/// The refusal that names an address behind a barrier, the first of `count`.
pub fn refusal(address: &Address, barrier: &Barrier, count: usize) -> Refusal {
    let others = if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() };
    let said = match barrier {
        Barrier::Suppressed(reason) => format!("is suppressed ({}); lift that or leave it out", quoted(reason)),
        Barrier::Unsubscribed => format!("has unsubscribed from {SCOPE} mail; leave it out"),
    };
    Refusal::new(Code::RecipientSuppressed, format!("{}{others} {said}", quoted(address.as_str())))
}

fn before(address: &Address, facts: &Facts<'_>, is_wish_heeded: bool) -> Option<Barrier> {
    let key = address.key();
    let suppressed = facts.suppressed.iter().find(|(other, _)| *other == key);
    let wish = || (is_wish_heeded && facts.unsubscribed.contains(&key)).then_some(Barrier::Unsubscribed);
    suppressed.map(|(_, reason)| Barrier::Suppressed(reason.clone())).or_else(wish)
}
