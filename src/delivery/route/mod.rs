//! Routes: which way a message goes, and who carries it there.

mod attempt;
pub mod capture;
pub mod courier;
pub mod relay;
pub mod rules;

use std::sync::Arc;

use crate::config::{Config, Route};
use crate::delivery::attempts::Attempts;
use crate::delivery::bounce::Rules;
use crate::delivery::client::deadlines::Deadlines;
use crate::delivery::pace::Pace;
use crate::delivery::parcel::Course;
use crate::delivery::signing::Signer;
use crate::store::handover::Claim;
use capture::Capture;
use courier::{Courier, Line};
use relay::Relay;

/// A way out of the house, as the configuration names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    Capture,
    Relay,
}

/// A place that mail is carried to; each has a queue of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Destination {
    Capture,
    Relay,
}

/// The routes in force.
#[derive(Debug)]
pub struct Routes {
    captured: Arc<[Way]>,
    ruled: Arc<[Way]>,
    capture: Capture,
    relay: Arc<Relay>,
    attempts: Attempts,
    signer: Arc<Signer>,
    bounces: Rules,
}

impl Routes {
    /// From the configuration; reads the certificates it names.
    pub fn new(config: &Config, deadlines: Deadlines, pace: &Pace, signer: Signer) -> Result<Self, String> {
        let way = match config.delivery.route {
            Route::Capture => Way::Capture,
            Route::Relay => Way::Relay,
            Route::Direct => {
                return Err("delivery.route = \"direct\" is not available in this version: capture or relay".to_owned());
            }
        };
        Ok(Self {
            captured: Arc::new([Way::Capture]),
            ruled: Arc::new([way]),
            capture: Capture::new(&config.sandbox.domain),
            relay: Arc::new(Relay::new(config, deadlines, pace)?),
            attempts: Attempts::new(config.delivery.workers),
            signer: Arc::new(signer),
            bounces: Rules::new(&config.delivery.bounce)?,
        })
    }

    /// The attempts of this engine.
    pub fn attempts(&self) -> &Attempts {
        &self.attempts
    }

    /// What a refusal along any of them means.
    pub fn bounces(&self) -> &Rules {
        &self.bounces
    }

    /// Splits a claim by the ways it goes. A sandbox message never leaves.
    pub fn assign(&self, claim: Claim) -> Vec<(Course, Claim)> {
        let ways = if claim.message.sandbox { &self.captured } else { &self.ruled };
        vec![(Course::new(ways.clone()), claim)]
    }

    /// Somebody to carry mail to the destination.
    pub fn courier(&self, destination: &Destination) -> Courier {
        let line = match destination {
            Destination::Capture => Line::Capture(self.capture.clone()),
            Destination::Relay => Line::Relay(self.relay.clone()),
        };
        Courier::new(line, self.attempts.clone()).signed_by(self.signer.clone())
    }
}
