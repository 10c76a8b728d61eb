//! Where one transaction may leave from, with the parts of the budgets that were taken for it.

use std::net::{IpAddr, SocketAddr};

use crate::delivery::allowance::{Denied, Taken};
use crate::delivery::shape::sources::Family;
use crate::delivery::shape::warmup::Again;
use crate::model::stream::Stream;

/// Leave for one transaction. The default is where nothing has to be asked.
#[derive(Debug, Default)]
pub struct Departure {
    /// Of its From domain's budget, when that warms up.
    pub sender: Option<Taken>,
    /// To hosts that are reached by IPv4.
    pub v4: End,
    pub v6: End,
}

/// Our end of a connection.
#[derive(Debug, Default)]
pub enum End {
    /// The system chooses the address.
    #[default]
    Any,
    /// This address; when it warms up, with a part of its budget.
    At(IpAddr, Option<Taken>),
    /// The stream has addresses, and none of this family.
    None,
    /// All that the stream has of this family warm up, and have nothing left before then.
    Spent { again: Again, stream: Stream },
}

impl Departure {
    fn end(&self, peer: IpAddr) -> &End {
        match Family::of(peer) {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }

    /// Whether it may go over a connection to `peer` that was bound to `source`, or to none.
    pub fn allows(&self, peer: IpAddr, source: Option<IpAddr>) -> bool {
        match self.end(peer) {
            End::Any => source.is_none(),
            End::At(address, _) => source == Some(*address),
            End::None | End::Spent { .. } => false,
        }
    }

    /// Whether a connection to `peer` may be made.
    fn opens(&self, peer: IpAddr) -> bool {
        matches!(self.end(peer), End::Any | End::At(..))
    }

    /// Why none may be made to `peer` today, when that is only for today.
    fn denied(&self, peer: IpAddr) -> Option<Denied> {
        let End::Spent { again, stream } = self.end(peer) else { return None };
        let why = format!("all addresses for {stream} mail warm up: today's budgets are spent");
        Some(Denied::Spent { again: *again, why, of_addresses: true })
    }

    /// Those of a host's addresses that connections may be made to; else why to none, when that is only for today.
    pub fn opened(&self, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Option<Denied>> {
        let (open, closed): (Vec<_>, Vec<_>) = found.into_iter().partition(|address| self.opens(address.ip()));
        if open.is_empty() && !closed.is_empty() {
            return Err(closed.iter().find_map(|address| self.denied(address.ip())));
        }
        Ok(open)
    }

    /// What connections are bound to: at most one address of each family.
    pub fn sources(&self) -> Vec<IpAddr> {
        [&self.v4, &self.v6]
            .into_iter()
            .filter_map(|end| if let End::At(address, _) = end { Some(*address) } else { None })
            .collect()
    }

    /// Whether a message was sent by it, over a connection to `peer`; while it is being sent, it counts.
    pub fn spend(&mut self, peer: Option<IpAddr>, spent: bool) {
        let end = match peer.map(Family::of) {
            Some(Family::V4) => Some(&mut self.v4),
            Some(Family::V6) => Some(&mut self.v6),
            None => None,
        };
        let of_address = end.and_then(|end| if let End::At(_, taken) = end { taken.as_mut() } else { None });
        of_address.into_iter().chain(self.sender.as_mut()).for_each(|taken| taken.spend(spent));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn a_connection_is_used_again_only_for_mail_that_leaves_from_there() {
        let [ours, other, v4, v6]: [IpAddr; 4] =
            ["192.0.2.1", "192.0.2.2", "198.51.100.7", "2001:db8::7"].map(|address| address.parse().unwrap());
        let departure = Departure { v4: End::At(ours, None), v6: End::None, sender: None };
        assert!(departure.allows(v4, Some(ours)) && departure.allows("::ffff:198.51.100.7".parse().unwrap(), Some(ours)));
        assert!(!departure.allows(v4, Some(other)) && !departure.allows(v4, None));
        assert!(!departure.allows(v6, None) && !departure.opens(v6) && departure.denied(v6).is_none());
        let free = Departure::default();
        assert!(free.allows(v6, None) && free.opens(v4) && !free.allows(v4, Some(ours)), "what is bound is kept for whom it is");
        let again = Again { from: Timestamp(5), within: Duration::ZERO };
        let spent = Departure { v4: End::Spent { again, stream: Stream::Broadcast }, ..Departure::default() };
        assert!(!spent.opens(v4) && spent.opens(v6) && spent.denied(v4).is_some());
    }
}
