//! Whether the From address is the team's to send from.

use crate::model::domain::DomainStanding;
use crate::model::key::ApiKey;
use crate::model::refusal::{Code, Refusal};
use crate::policy::{Draft, Facts, Limits, Verdict, quoted};

/// Whether the question is asked at all: not of sandbox keys, whose mail never leaves, nor where the operator turned it off.
pub fn is_asked(key: &ApiKey, limits: &Limits) -> bool {
    limits.verified_domain && !key.is_sandbox()
}

/// Refuses a From outside the team's verified domains.
pub fn judge(draft: &Draft<'_>, facts: &Facts<'_>) -> Verdict {
    if !is_asked(draft.key, facts.limits) {
        return Verdict::Pass;
    }
    let domain = draft.sender.address.ascii_domain();
    match facts.standing {
        Some(DomainStanding::Verified) => Verdict::Pass,
        Some(DomainStanding::Disabled) => {
            let text = format!("From: {} is disabled; ask the operator", quoted(&domain));
            Refusal::new(Code::DomainDisabled, text).into()
        }
        _ if !domain.contains('.') => {
            let text =
                format!("From: {} has no domain with a dot; give a full address or the key a default_from", quoted(&domain));
            Refusal::new(Code::DomainNotVerified, text).into()
        }
        _ => {
            let text =
                format!("From: {} is no verified domain of this team; verify it, or send from one that is", quoted(&domain));
            Refusal::new(Code::DomainNotVerified, text).into()
        }
    }
}
