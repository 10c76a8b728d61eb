//! Why there is no connection to a next hop.

use crate::delivery::allowance::Denied;
use crate::delivery::client::ClientError;
use crate::delivery::mx::Unroutable;

/// Why there is no connection.
#[derive(Clone, Debug)]
pub enum Undialled {
    /// The hosts may be tried another day only.
    Denied(Denied),
    /// The last host that was tried.
    Failed { host: String, failure: ClientError },
    /// No host could be tried.
    Unroutable(Unroutable),
}

impl Undialled {
    /// None of the addresses of `host` may be connected to: not today, or by no address of ours.
    pub fn closed(host: &str, denied: Option<Denied>) -> Self {
        denied.map_or_else(
            || {
                let cause = "delivery.source has no address of its family".to_owned();
                let failure = ClientError::Unreachable { peer: host.to_owned(), cause };
                Self::Failed { host: host.to_owned(), failure }
            },
            Self::Denied,
        )
    }

    /// Of two failures, the one that leaves more hope; of equals the later.
    pub fn worth_more(before: Option<Self>, now: Self) -> Self {
        match (&before, &now) {
            (Some(Self::Failed { .. }), Self::Denied(_) | Self::Unroutable(_)) => before.unwrap_or(now),
            (Some(Self::Denied(_)), Self::Unroutable(_)) => before.unwrap_or(now),
            (Some(Self::Unroutable(Unroutable::Later(_) | Unroutable::Hindered(_))), Self::Unroutable(Unroutable::Never(_))) => {
                before.unwrap_or(now)
            }
            _ => now,
        }
    }
}
