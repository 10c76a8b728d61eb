//! Why there was no transaction, and what that means for those it was for.

use crate::delivery::allowance::Denied;
use crate::delivery::client::ClientError;
use crate::delivery::fate::{Concerns, Fate};
use crate::delivery::mx::Unroutable;
use crate::delivery::route::carried::Away;
use crate::delivery::route::undialled::Undialled;
use crate::model::outcome::Reply;

/// Why there was no transaction.
pub(super) enum Ended {
    Away(Away),
    /// There is nobody to send to, for good.
    Unroutable(Reply),
    Denied(Denied),
    /// Something of ours was not to be had; what, in words.
    Hindered(String),
    /// The house closes.
    Closing,
}

impl Ended {
    /// The fate of those of whom nothing was told.
    pub fn fate(self) -> Fate {
        match self {
            Self::Away(away) => Fate::Later(away.reply().clone()),
            Self::Unroutable(reply) => Fate::Refused(reply, Concerns::Recipient),
            Self::Denied(denied) => denied.fate(),
            Self::Hindered(why) => Fate::Hindered(why),
            Self::Closing => Fate::Released,
        }
    }
}

impl From<ClientError> for Ended {
    fn from(failure: ClientError) -> Self {
        Self::Away(Away::from(&failure))
    }
}

impl From<Undialled> for Ended {
    fn from(undialled: Undialled) -> Self {
        match undialled {
            Undialled::Denied(denied) => Self::Denied(denied),
            Undialled::Failed { failure, .. } => failure.into(),
            Undialled::Unroutable(Unroutable::Never(reply)) => Self::Unroutable(reply),
            Undialled::Unroutable(Unroutable::Later(reply)) => Self::Away(Away::Unreachable(reply)),
            Undialled::Unroutable(Unroutable::Hindered(why)) => Self::Hindered(why),
        }
    }
}
