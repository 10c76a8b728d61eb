//! Whether the key may submit mail at all.

use crate::model::key::{ApiKey, Scope};
use crate::model::refusal::{Code, Refusal};
use crate::policy::{Draft, Facts, Verdict};

/// Refuses a key without `mail:send`, and the null reverse-path where the key was made without it.
pub fn judge(draft: &Draft<'_>, _facts: &Facts<'_>) -> Verdict {
    let null_sender = draft.source == crate::model::message::Source::Smtp && draft.envelope.reverse_path.is_none();
    check(draft.key, null_sender).map_or_else(Verdict::Refuse, |()| Verdict::Pass)
}

/// The same, for what is known before there is a draft.
pub fn check(key: &ApiKey, null_sender: bool) -> Result<(), Refusal> {
    if !key.may(Scope::MAIL_SEND) {
        return Err(Refusal::new(Code::InsufficientScope, "this key lacks the scope mail:send; use one that has it"));
    }
    if null_sender && !key.rights.null_sender {
        let text = "this key may not send from the null sender <>; give MAIL FROM an address";
        return Err(Refusal::new(Code::InsufficientScope, text));
    }
    Ok(())
}
