//! How much a key may send, and how much a team may have waiting.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::model::key::ApiKey;
use crate::model::refusal::{Code, Refusal};
use crate::policy::{Draft, Facts, Limits, Usage, Verdict};

/// Milliseconds; windows are fixed and begin at whole multiples of their length, UTC.
pub const MINUTE: i64 = 60_000;
pub const DAY: i64 = 86_400_000;

/// Refuses, for now, what is over an allowance.
pub fn judge(draft: &Draft<'_>, facts: &Facts<'_>) -> Verdict {
    check(draft.key, facts.usage, facts.limits, facts.now).map_or_else(Verdict::Refuse, |()| Verdict::Pass)
}

/// Whether `usage`, the message in question included, is within the allowances. 0 is no limit.
pub fn check(key: &ApiKey, usage: Usage, limits: &Limits, now: Timestamp) -> Result<(), Refusal> {
    let over = |used: u64, limit: u64| limit > 0 && used > limit;
    if over(usage.this_minute, limits.messages_per_minute) {
        let wait = rest_of(now, MINUTE);
        let seconds = wait.as_millis().div_ceil(1000);
        let text = format!("{} messages a minute is this key's limit; try again in {seconds} s", limits.messages_per_minute);
        return Err(Refusal::new(Code::RateLimited, text).retry_after(wait));
    }
    let per_day = [key.rights.quota.map_or(0, |quota| quota.per_day), limits.messages_per_day];
    // A quota of 0 on the key is a quota: nothing may be sent.
    let none = key.rights.quota.is_some_and(|quota| quota.per_day == 0);
    if none || per_day.iter().any(|&limit| over(usage.today, limit)) {
        let wait = rest_of(now, DAY);
        let limit = if none { 0 } else { per_day.into_iter().filter(|&limit| limit > 0).min().unwrap_or(0) };
        let reset = now.plus(wait).rfc3339();
        let text = format!("{limit} messages a day is this key's quota; it begins anew at {reset}");
        return Err(Refusal::new(Code::QuotaExceeded, text).retry_after(wait));
    }
    if over(usage.queued, limits.queued) {
        let text = format!("{} recipients waiting are this team's limit; try again later", limits.queued);
        return Err(Refusal::new(Code::QueueFull, text));
    }
    Ok(())
}

/// From now to the end of the window in which it lies.
fn rest_of(now: Timestamp, window: i64) -> Duration {
    Duration::from_millis(u64::try_from(window - now.0.rem_euclid(window)).unwrap_or(0))
}
