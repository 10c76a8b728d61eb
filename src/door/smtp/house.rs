//! What a session asks of the house: the keyring, intake, and the budget of message bytes.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::door::keyring::Denied;
use crate::door::smtp::door::Door;
use crate::door::smtp::session::NotBegun;
use crate::model::key::{ApiKey, Secret};
use crate::model::refusal::{Code, Refusal};
use crate::model::submission::{Receipt, Submission};
use crate::shutdown::Shutdown;

/// How long a peer in the middle of a message is kept waiting for memory. Sessions that each hold a part and wait for more end here.
const ROOM: Duration = Duration::from_secs(30);
/// A transaction older than this was begun under a key that may have been revoked since.
const KEY_MAY_HAVE_CHANGED: Duration = Duration::from_secs(4);

/// Asks the keyring. A wrong key is answered later and later; nobody else waits for that.
pub async fn authenticate(door: &Door, secret: &Secret, peer: IpAddr, shutdown: &Shutdown) -> Result<Arc<ApiKey>, Denied> {
    let answer = door.keyring.authenticate(secret, peer).await;
    if let Err(denied) = &answer {
        tracing::info!(%peer, ?denied, "login failed");
    }
    if answer == Err(Denied::Unknown) {
        let delay = door.logins.failed(peer, secret.hash());
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = shutdown.begun() => {}
        }
    }
    answer
}

/// Whether a transaction may begin; with the key as it is now.
pub async fn begin(
    door: &Door,
    key: &Arc<ApiKey>,
    peer: IpAddr,
    declared_size: Option<u64>,
    null_sender: bool,
) -> Result<Arc<ApiKey>, NotBegun> {
    let key = door.keyring.recheck(key, peer).await.map_err(NotBegun::Denied)?;
    door.intake.may_begin(&key, declared_size, null_sender).await.map_err(NotBegun::Refused)?;
    Ok(key)
}

/// Hands a message to intake. A key is looked at again when its transaction took long.
pub async fn submit(door: &Door, submission: Submission, peer: IpAddr, took: Duration) -> Result<Receipt, Refusal> {
    if took > KEY_MAY_HAVE_CHANGED {
        door.keyring.recheck(&submission.key, peer).await.map_err(revoked)?;
    }
    door.intake.accept(submission).await
}

fn revoked(denied: Denied) -> Refusal {
    match denied {
        Denied::Unavailable => Refusal::new(Code::StoreUnavailable, "the key can't be looked up now; try again later"),
        Denied::Unknown | Denied::Expired | Denied::Network => {
            Refusal::new(Code::InsufficientScope, "the key was revoked or has expired; log in with another")
        }
    }
}

/// Waits for a share of the budget of message bytes. `None`: there was none in time.
pub async fn wait_for_room(door: &Door, octets: u32) -> Option<OwnedSemaphorePermit> {
    timeout(ROOM, door.budget.clone().acquire_many_owned(octets)).await.ok()?.ok()
}
