//! A connection that is kept between messages.

use crate::delivery::client::Connection;
use crate::delivery::departure::Departure;
use crate::delivery::route::direct::Service;

/// A connection that is kept for what comes next.
#[derive(Debug)]
pub(super) struct Kept {
    pub connection: Connection,
    /// Whom it was made for, when that is not always the same.
    pub service: Option<Service>,
}

impl Kept {
    /// Whether it was made from where this may leave.
    pub fn leaves_by(&self, departure: &Departure) -> bool {
        let peer = self.connection.peer_address();
        peer.is_none_or(|peer| departure.allows(peer, self.connection.source()))
    }

    /// Whether what goes to this service may go over it.
    pub fn serves(&self, wanted: Option<&Service>) -> bool {
        match (&self.service, wanted) {
            (Some(made_for), Some(wanted)) => made_for.serves(wanted),
            (made_for, wanted) => made_for.is_none() && wanted.is_none(),
        }
    }
}
