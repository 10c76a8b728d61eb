//! Sandbox keys: whose mail is captured, and to whom they may send it.
//!
//! One recipient a message, at either door: a test that passes here must not hide that its mail fans out to people it never
//! named (`sandbox_extra_recipients`). That one must be on the key's list or at the sandbox domain (`recipient_not_allowed`);
//! a key without a list takes any address, since nothing leaves.

use crate::model::address::Address;
use crate::model::key::ApiKey;
use crate::model::refusal::{Code, Refusal};
use crate::policy::{Draft, Facts, Limits, Verdict, quoted};

/// Refuses recipients that a sandbox key may not have.
pub fn judge(draft: &Draft<'_>, facts: &Facts<'_>) -> Verdict {
    let recipients = &draft.envelope.recipients;
    if draft.key.is_sandbox() && recipients.len() > 1 {
        let text = format!("{} recipients; a sandbox key sends to one, send a message for each", recipients.len());
        return Refusal::new(Code::SandboxExtraRecipients, text).into();
    }
    let refused = recipients.iter().find_map(|path| check(draft.key, &path.address, facts.limits).err());
    refused.map_or(Verdict::Pass, Verdict::Refuse)
}

/// Whether the key may send to this address.
pub fn check(key: &ApiKey, recipient: &Address, limits: &Limits) -> Result<(), Refusal> {
    if key.allows_recipient(recipient) || recipient.ascii_domain() == limits.sandbox_domain {
        return Ok(());
    }
    let text = format!("{} is not on this sandbox key's list; add it, or use a live key", quoted(recipient.as_str()));
    Err(Refusal::new(Code::RecipientNotAllowed, text))
}
