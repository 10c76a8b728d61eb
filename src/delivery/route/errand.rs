//! What a courier is sent with.

use crate::delivery::gate::Gate;
use crate::delivery::route::direct::Service;
use crate::delivery::route::ended::Ended;
use crate::store::handover::Claim;

/// Recipients of one message who share a transaction.
#[derive(Clone, Copy, Debug)]
pub struct Errand<'a> {
    pub claim: &'a Claim,
    /// Who takes it, when it goes directly.
    pub service: Option<&'a Service>,
    /// What it shuts out before it is sent is released.
    pub gate: &'a Gate,
}

impl Errand<'_> {
    /// Awaits what may take minutes; where the house closes meanwhile, it could not be sent any more.
    pub(super) async fn unless_closing<T>(&self, part: impl Future<Output = T>) -> Result<T, Ended> {
        tokio::select! {
            done = part => Ok(done),
            () = self.gate.drained() => Err(Ended::Closing),
        }
    }
}
