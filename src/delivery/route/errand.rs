//! What a courier is sent with.

use tokio::time::sleep_until;

use crate::delivery::attempts::InFlight;
use crate::delivery::gate::Gate;
use crate::delivery::queue::Queue;
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
    /// Where it was taken from, whose pace it keeps; `None`: it keeps none.
    pub queue: Option<&'a Queue>,
}

impl Errand<'_> {
    /// Waits until MAIL may be said at the destination's pace.
    pub(super) async fn departs(&self, in_flight: &mut InFlight) -> Result<(), Ended> {
        match self.queue.and_then(Queue::departs) {
            Some(moment) => self.unless_closing(in_flight.through(sleep_until(moment))).await,
            None => Ok(()),
        }
    }

    /// Awaits what may take minutes; where the house closes meanwhile, it could not be sent any more.
    pub(super) async fn unless_closing<T>(&self, part: impl Future<Output = T>) -> Result<T, Ended> {
        tokio::select! {
            // What is there at once needs no look at the gate.
            biased;
            done = part => Ok(done),
            () = self.gate.drained() => Err(Ended::Closing),
        }
    }
}
