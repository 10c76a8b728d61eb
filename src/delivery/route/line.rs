//! Where couriers go.

use std::sync::Arc;

use crate::delivery::client::Connection;
use crate::delivery::departure::Departure;
use crate::delivery::mx::Unroutable;
use crate::delivery::route::capture::Capture;
use crate::delivery::route::direct::{Direct, Service};
use crate::delivery::route::relay::Relay;
use crate::delivery::route::undialled::Undialled;
use crate::model::envelope::DsnNotify;
use crate::model::outcome::Reply;

/// Where a courier goes.
#[derive(Clone, Debug)]
pub enum Line {
    Capture(Capture),
    Relay(Arc<Relay>),
    Direct(Arc<Direct>),
}

impl Line {
    /// What a next hop is asked to tell us. Of one that is the last we know of success by its own reply.
    pub(super) fn notify(&self) -> DsnNotify {
        DsnNotify { success: matches!(self, Self::Relay(_)), failure: true, delay: false }
    }

    /// What the next hop is called, which is `service` where mail goes directly.
    pub(super) fn hop<'h>(&'h self, service: Option<&'h Service>) -> Option<&'h str> {
        match (self, service) {
            (Self::Relay(relay), _) => Some(relay.host()),
            (_, service) => service.map(|service| &*service.destination),
        }
    }

    /// A connection to it, from where leave was given.
    pub(super) async fn dial(&self, service: Option<&Service>, departure: &Departure) -> Result<Connection, Undialled> {
        match (self, service) {
            (Self::Relay(relay), _) => relay.dial(departure).await,
            (Self::Direct(direct), Some(service)) => direct.dial(service, departure).await,
            _ => Err(Undialled::Unroutable(Unroutable::Later(Reply::fault("nothing leaves by this line")))),
        }
    }
}
