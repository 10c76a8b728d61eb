//! Routes: where a message goes, and who carries it there.

mod attempt;
pub mod capture;
pub mod relay;

use std::sync::Arc;

use crate::config::{Config, Route};
use crate::delivery::client::deadlines::Deadlines;
use crate::delivery::fate::Fate;
use crate::delivery::gate::Gate;
use crate::delivery::pace::Pace;
use crate::model::outcome::Reply;
use crate::store::handover::Claim;
use capture::Capture;
use relay::{Relay, RelayCourier};

/// A place that mail is carried to; each has a queue of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Destination {
    Capture,
    Relay,
}

/// The routes in force.
#[derive(Debug)]
pub struct Routes {
    route: Route,
    capture: Capture,
    relay: Arc<Relay>,
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carried {
    /// In the order of the claim's recipients.
    Fates(Vec<Fate>),
    /// The next hop took no connection, so that nothing was attempted.
    TurnedAway(Reply),
}

impl Routes {
    /// From the configuration; reads the certificates it names.
    pub fn new(config: &Config, deadlines: Deadlines, pace: &Pace) -> Result<Self, String> {
        if config.delivery.route == Route::Direct {
            return Err("delivery.route = \"direct\" is not available in this version: capture or relay".to_owned());
        }
        Ok(Self {
            route: config.delivery.route,
            capture: Capture::new(&config.sandbox.domain),
            relay: Arc::new(Relay::new(config, deadlines, pace)?),
        })
    }

    /// Splits a claim by destination. A sandbox message never leaves.
    pub fn assign(&self, claim: Claim) -> Vec<(Destination, Claim)> {
        let captured = claim.message.sandbox || self.route == Route::Capture;
        vec![(if captured { Destination::Capture } else { Destination::Relay }, claim)]
    }

    /// Somebody to carry mail to the destination.
    pub fn courier(&self, destination: Destination) -> Courier {
        match destination {
            Destination::Capture => Courier::Capture(self.capture.clone()),
            Destination::Relay => Courier::Relay(Box::new(RelayCourier::new(self.relay.clone()))),
        }
    }
}

/// Carries one claim after another, over a connection of its own where one is needed.
#[derive(Debug)]
pub enum Courier {
    Capture(Capture),
    Relay(Box<RelayCourier>),
}

impl Courier {
    /// Attempts the claim; what the gate shuts out before it is sent is released.
    pub async fn carry(&mut self, claim: &Claim, gate: &Gate) -> Carried {
        match self {
            Self::Capture(capture) => Carried::Fates(capture.carry(claim)),
            Self::Relay(relay) => relay.carry(claim, gate).await,
        }
    }

    /// Ends the connection in good manners.
    pub async fn retire(self) {
        if let Self::Relay(relay) = self {
            relay.retire().await;
        }
    }
}
