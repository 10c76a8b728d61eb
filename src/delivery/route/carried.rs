//! What became of a courier's errand.

use crate::delivery::allowance::Denied;
use crate::delivery::client::{ClientError, Step};
use crate::delivery::fate::{Fates, explain};
use crate::delivery::shape::manner::Sign;
use crate::model::outcome::Reply;

/// What became of an attempt.
#[derive(Debug)]
pub enum Carried {
    Fates(Fates),
    /// The next hop took no connection, so that nothing was attempted.
    Away(Away),
    /// Nothing may leave by this way today, though perhaps by another, so that nothing was attempted.
    Denied(Denied),
}

/// How a next hop stays away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Away {
    /// It answers, and refuses to talk.
    TurnedUs(Reply),
    /// It can't be reached, or not under the terms that hold for it.
    Unreachable(Reply),
}

impl Away {
    /// What there is to say of it.
    pub fn reply(&self) -> &Reply {
        let (Self::TurnedUs(reply) | Self::Unreachable(reply)) = self;
        reply
    }

    /// What it tells of the destination as a whole.
    pub fn sign(&self) -> Sign<'_> {
        match self {
            Self::TurnedUs(reply) => Sign::Refused(reply),
            Self::Unreachable(reply) => Sign::Unreachable(reply),
        }
    }
}

impl From<&ClientError> for Away {
    fn from(failure: &ClientError) -> Self {
        match failure {
            ClientError::Refused(Step::Greeting, reply) => Self::TurnedUs(reply.to_model()),
            ClientError::Refused(_, reply) if reply.code == 421 => Self::TurnedUs(reply.to_model()),
            failure => Self::Unreachable(explain(failure)),
        }
    }
}
