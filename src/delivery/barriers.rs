//! Whom mail is kept from since it was accepted, as it may have waited for long: suppressed addresses, and on broadcast readers who
//! unsubscribed.

use std::collections::HashMap;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::model::message::{Message, Recipient};
use crate::model::outcome::{Outcome, Reply};
use crate::store::Store;
use crate::store::barriers::Barriers;
use crate::store::handover::Claim;

/// What is attempted so soon after its acceptance was judged just now: to look once more would cost mail that does not wait a read.
const JUDGED_JUST_NOW: Duration = Duration::from_secs(5);
/// For a moment in which the store does not tell.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// Takes out of a claim what is not to be attempted now, and returns it with the outcome of each: rejected is whom the message is kept
/// from. Where that can't be known all of it is put off, and nothing is counted.
pub async fn take_out(store: &Store, claim: &mut Claim, now: Timestamp) -> Option<(Claim, Vec<Outcome>)> {
    let message = claim.message.clone();
    if !message.heeds_wishes() && now.since(message.created_at) < JUDGED_JUST_NOW {
        return None;
    }
    let addresses = claim.recipients.iter().map(|recipient| recipient.path.address.key()).collect();
    let outcomes: Vec<Option<Outcome>> = match store.barriers(message.team, addresses).await {
        Ok(found) => {
            let reasons = reasons(&message, found);
            let rejected = |one: &Recipient| reasons.get(&one.path.address.key()).map(|why| Outcome::Rejected(Reply::fault(why)));
            claim.recipients.iter().map(rejected).collect()
        }
        Err(error) => {
            let put_off =
                Outcome::PutOff { until: now.plus(ASK_AGAIN), why: format!("whom it is kept from can't be read: {error}") };
            vec![Some(put_off); claim.recipients.len()]
        }
    };
    if outcomes.iter().all(Option::is_none) {
        return None;
    }
    let (gone, stay): (Vec<_>, Vec<_>) = claim.recipients.drain(..).zip(outcomes).partition(|(_, outcome)| outcome.is_some());
    claim.recipients = stay.into_iter().map(|(recipient, _)| recipient).collect();
    let (recipients, outcomes): (Vec<_>, Vec<_>) = gone.into_iter().unzip();
    Some((Claim { recipients, ..claim.clone() }, outcomes.into_iter().flatten().collect()))
}

/// Why the message is kept from some addresses (comparable form). A suppression is never overridden, a wish may be.
fn reasons(message: &Message, found: Barriers) -> HashMap<String, String> {
    let wishes =
        found.unsubscribed.into_iter().filter(|_| message.heeds_wishes()).map(|address| (address, "unsubscribed".to_owned()));
    let suppressed = found.suppressed.into_iter().map(|(address, reason)| (address, format!("suppressed: {reason}")));
    wishes.chain(suppressed).collect()
}
