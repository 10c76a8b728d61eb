//! Readers who unsubscribed since their mail was accepted, as it may have waited for long.

use crate::delivery::fate::Fate;
use crate::model::outcome::Reply;
use crate::store::Store;
use crate::store::handover::Claim;

/// Takes out of a claim whose readers wish its message no more. Returns a claim on these, if there are any; an error is the fate of all.
pub async fn take_out(store: &Store, claim: &mut Claim) -> Result<Option<Claim>, Fate> {
    if !claim.message.heeds_wishes() {
        return Ok(None);
    }
    let addresses = claim.recipients.iter().map(|recipient| recipient.path.address.key()).collect();
    let found = store.barriers(claim.message.team, addresses).await;
    let wishes = found.map_err(|e| Fate::Later(Reply::fault(format!("who unsubscribed can't be read: {e}"))))?.unsubscribed;
    if wishes.is_empty() {
        return Ok(None);
    }
    let (gone, stay) = claim.recipients.drain(..).partition(|recipient| wishes.contains(&recipient.path.address.key()));
    claim.recipients = stay;
    Ok(Some(Claim { recipients: gone, ..claim.clone() }))
}
