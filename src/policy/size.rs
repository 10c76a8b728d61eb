//! The size of the message and the count of its recipients.

use crate::model::refusal::{Code, Refusal};
use crate::policy::{Draft, Facts, Limits, Verdict};

/// Refuses what is over the bounds.
pub fn judge(draft: &Draft<'_>, facts: &Facts<'_>) -> Verdict {
    if let Err(refusal) = check(draft.octets, facts.limits) {
        return refusal.into();
    }
    match draft.envelope.recipients.len() {
        0 => Refusal::new(Code::InvalidMessage, "there is no recipient; name at least one").into(),
        count if count > facts.limits.recipients => {
            let text = format!("{count} recipients; at most {} a message, send the rest in another", facts.limits.recipients);
            Refusal::new(Code::TooManyRecipients, text).into()
        }
        _ => Verdict::Pass,
    }
}

/// Whether a message of so many octets, counted or announced by `SIZE=` (RFC 1870), is too large.
pub fn check(octets: u64, limits: &Limits) -> Result<(), Refusal> {
    if octets > limits.message {
        let text = format!("{octets} octets; at most {} are taken", limits.message);
        return Err(Refusal::new(Code::MessageTooLarge, text));
    }
    Ok(())
}
