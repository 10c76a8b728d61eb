//! Turns to ask. Names whose servers are silent keep theirs for long, and must not keep others waiting that have only to find a host.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::model::stream::Stream;

/// What is asked for. Each has turns of its own, of which some give way to others: these never take the last quarter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// What nobody's mail waits for: a domain's records, reports.
    Look,
    /// Who takes the mail of a domain. Broadcast gives way.
    Route(Stream),
    /// Where a host is that mail is about to be sent to. Broadcast gives way.
    Dial(Stream),
    /// Where an endpoint is. Those that are not known to answer give way.
    Call { proven: bool },
}

/// Questions under way at once.
const LOOKS_MAX: usize = 128;
const ROUTES_MAX: usize = 384;
const DIALS_MAX: usize = 128;
const CALLS_MAX: usize = 256;
/// The longest wait for a turn.
const WAIT_MAX: Duration = Duration::from_mins(2);
/// For a call, which has a lease to keep to, and comes again soon.
const CALL_WAIT_MAX: Duration = Duration::from_secs(3);

/// The turns of one resolver.
pub(super) struct Turns {
    looks: Kind,
    routes: Kind,
    dials: Kind,
    calls: Kind,
}

/// The turns of one purpose.
struct Kind {
    all: Semaphore,
    /// For those who give way.
    yielding: Semaphore,
}

/// One turn, until it is dropped.
pub(super) struct Turn<'a> {
    _yielding: Option<SemaphorePermit<'a>>,
    _all: SemaphorePermit<'a>,
}

impl Turns {
    /// All are free.
    pub fn new() -> Self {
        let [looks, routes, dials, calls] = [LOOKS_MAX, ROUTES_MAX, DIALS_MAX, CALLS_MAX].map(Kind::new);
        Self { looks, routes, dials, calls }
    }

    /// Waits for a turn. `None`: it did not come for long.
    pub async fn take(&self, purpose: Purpose) -> Option<Turn<'_>> {
        let (kind, yields, patience) = match purpose {
            Purpose::Look => (&self.looks, false, WAIT_MAX),
            Purpose::Route(stream) => (&self.routes, stream == Stream::Broadcast, WAIT_MAX),
            Purpose::Dial(stream) => (&self.dials, stream == Stream::Broadcast, WAIT_MAX),
            Purpose::Call { proven } => (&self.calls, !proven, CALL_WAIT_MAX),
        };
        timeout(patience, kind.take(yields)).await.ok()?
    }
}

impl Kind {
    fn new(most: usize) -> Self {
        Self { all: Semaphore::new(most), yielding: Semaphore::new(most - most / 4) }
    }

    /// The semaphores are never closed.
    async fn take(&self, yields: bool) -> Option<Turn<'_>> {
        let yielding = if yields { Some(self.yielding.acquire().await.ok()?) } else { None };
        Some(Turn { _yielding: yielding, _all: self.all.acquire().await.ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Stream::{Broadcast, Transactional};

    /// Takes turns until none comes, which nobody gives back.
    async fn exhaust(turns: &Turns, purpose: Purpose) -> usize {
        let mut taken = 0;
        while let Some(turn) = turns.take(purpose).await {
            std::mem::forget(turn);
            taken += 1;
        }
        taken
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_takes_the_turns_of_others() {
        let turns = Turns::new();
        assert_eq!(exhaust(&turns, Purpose::Route(Broadcast)).await, ROUTES_MAX - ROUTES_MAX / 4);
        assert_eq!(exhaust(&turns, Purpose::Route(Transactional)).await, ROUTES_MAX / 4);
        assert_eq!(exhaust(&turns, Purpose::Dial(Broadcast)).await, DIALS_MAX - DIALS_MAX / 4);
        assert_eq!(exhaust(&turns, Purpose::Dial(Transactional)).await, DIALS_MAX / 4);
        assert_eq!(exhaust(&turns, Purpose::Call { proven: false }).await, CALLS_MAX - CALLS_MAX / 4);
        assert_eq!(exhaust(&turns, Purpose::Call { proven: true }).await, CALLS_MAX / 4);
        assert_eq!(exhaust(&turns, Purpose::Look).await, LOOKS_MAX);
    }
}
