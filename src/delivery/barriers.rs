//! Whom mail is kept from since it was accepted, as it may have waited for long: suppressed addresses, and on broadcast readers who
//! unsubscribed.

use std::collections::HashMap;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::delivery::fate::Fate;
use crate::model::message::Message;
use crate::model::outcome::{Outcome, Reply};
use crate::store::Store;
use crate::store::barriers::Barriers;
use crate::store::handover::Claim;

/// What is attempted so soon after its acceptance was judged just now: to look once more would cost mail that does not wait a read.
const JUDGED_JUST_NOW: Duration = Duration::from_secs(5);

/// Takes out of a claim whom its message is kept from, and returns these with the outcome of each; an error is the fate of all.
pub async fn take_out(store: &Store, claim: &mut Claim, now: Timestamp) -> Result<Option<(Claim, Vec<Outcome>)>, Fate> {
    let message = claim.message.clone();
    if !message.heeds_wishes() && now.since(message.created_at) < JUDGED_JUST_NOW {
        return Ok(None);
    }
    let addresses = claim.recipients.iter().map(|recipient| recipient.path.address.key()).collect();
    let found = store.barriers(message.team, addresses).await;
    let reasons = reasons(&message, found.map_err(|e| Fate::Hindered(format!("whom it is kept from can't be read: {e}")))?);
    if reasons.is_empty() {
        return Ok(None);
    }
    let (mut recipients, mut outcomes) = (Vec::new(), Vec::new());
    for recipient in std::mem::take(&mut claim.recipients) {
        match reasons.get(&recipient.path.address.key()) {
            Some(why) => {
                recipients.push(recipient);
                outcomes.push(Outcome::Rejected(Reply::fault(why)));
            }
            None => claim.recipients.push(recipient),
        }
    }
    Ok(Some((Claim { recipients, ..claim.clone() }, outcomes)))
}

/// Why the message is kept from some addresses (comparable form). A suppression is never overridden, a wish may be.
fn reasons(message: &Message, found: Barriers) -> HashMap<String, String> {
    let wishes =
        found.unsubscribed.into_iter().filter(|_| message.heeds_wishes()).map(|address| (address, "unsubscribed".to_owned()));
    let suppressed = found.suppressed.into_iter().map(|(address, reason)| (address, format!("suppressed: {reason}")));
    wishes.chain(suppressed).collect()
}
