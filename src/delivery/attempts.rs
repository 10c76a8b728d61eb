//! How many attempts may be in flight: a crash can double no more than these.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::delivery::flights::{Flight, Flights};
use crate::delivery::portions::{Portion, Portions};
use crate::id::Id;
use crate::model::message::Message;
use crate::model::stream::Stream;

/// The attempts of an engine. Clones share them.
#[derive(Clone, Debug)]
pub struct Attempts {
    most: u32,
    all: Arc<Semaphore>,
    /// Broadcast can't take the last quarter.
    broadcast: Arc<Semaphore>,
    portions: Arc<Portions>,
    /// `None`: nothing is on record for the next life.
    flights: Option<Arc<Flights>>,
}

/// An attempt in flight: from before anything is said of the message until its outcome is durable.
#[derive(Debug)]
pub struct InFlight {
    /// Given up first, so that there are no more flights on record than attempts.
    _flight: Option<Arc<Flight>>,
    _all: Option<OwnedSemaphorePermit>,
    _broadcast: Option<OwnedSemaphorePermit>,
    /// Given up last: who waits for it looks what is free.
    _portion: Portion,
}

/// All other attempts, which can't begin while this lives.
#[derive(Debug)]
pub struct Others {
    _kept: Option<OwnedSemaphorePermit>,
    alone: Option<Arc<Flight>>,
    _portion: Portion,
}

impl Others {
    /// Lets them begin, since the one that was alone has done no harm for long.
    pub fn relent(self) {
        if let Some(flight) = &self.alone {
            flight.has_been_long();
        }
    }
}

impl Attempts {
    /// At most so many at once, one at least.
    pub fn new(most: usize) -> Self {
        let most = u32::try_from(most.max(1)).unwrap_or(u32::MAX);
        let semaphore = |permits: u32| Arc::new(Semaphore::new(permits as usize));
        let broadcast = semaphore((most - most / 4).max(1));
        Self { most, all: semaphore(most), broadcast, portions: Arc::default(), flights: None }
    }

    /// The same, with a record of what is in flight.
    pub fn recorded(self, flights: Arc<Flights>) -> Self {
        Self { flights: Some(flights), ..self }
    }

    fn record(&self, message: Id) -> Option<Arc<Flight>> {
        self.flights.as_ref().map(|flights| Arc::new(flights.begin(message)))
    }

    /// Waits until another attempt may begin; `destination` is one out there, which may hold a part of them only.
    pub async fn begin(&self, message: &Message, destination: Option<&Arc<str>>) -> InFlight {
        let portion = match destination {
            Some(destination) => self.portions.enter(destination, 1, || self.all.available_permits()).await,
            None => self.portions.uncounted(),
        };
        // Neither semaphore is ever closed.
        let broadcast = match message.stream {
            Stream::Broadcast => self.broadcast.clone().acquire_owned().await.ok(),
            Stream::Transactional => None,
        };
        let all = self.all.clone().acquire_owned().await.ok();
        InFlight { _flight: self.record(message.id), _all: all, _broadcast: broadcast, _portion: portion }
    }

    /// Waits until an attempt may begin alone: no other is in flight while the second value lives.
    pub async fn begin_alone(&self, message: &Message) -> (InFlight, Others) {
        let mut others = self.all.clone().acquire_many_owned(self.most).await.ok();
        let own = others.as_mut().and_then(|all| all.split(1));
        let flight = self.record(message.id);
        let portion = || self.portions.uncounted();
        let begun = InFlight { _flight: flight.clone(), _all: own, _broadcast: None, _portion: portion() };
        (begun, Others { _kept: others, alone: flight, _portion: portion() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::delivery::fixture;
    use std::time::Duration;
    use tokio::time::timeout;

    #[tokio::test(start_paused = true)]
    async fn broadcast_leaves_a_quarter_to_others() {
        let attempts = Attempts::new(4);
        let begun = async |stream| {
            let message = Message { stream, ..fixture::message(Timestamp(0)) };
            timeout(Duration::from_secs(1), attempts.begin(&message, None)).await
        };
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(begun(Stream::Broadcast).await.expect("room for three"));
        }
        assert!(begun(Stream::Broadcast).await.is_err());
        held.push(begun(Stream::Transactional).await.expect("the last quarter"));
        assert!(begun(Stream::Transactional).await.is_err());
        held.remove(0);
        assert!(begun(Stream::Broadcast).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn destinations_that_never_answer_leave_some_to_others() {
        let (attempts, message) = (Attempts::new(64), fixture::message(Timestamp(0)));
        let destination = |n: usize| Arc::<str>::from(format!("mx:{n}.example"));
        let begun = async |to: &Arc<str>| timeout(Duration::from_secs(1), attempts.begin(&message, Some(to))).await.ok();
        let mut held = Vec::new();
        for n in 0..8 {
            let (to, mut own) = (destination(n), Vec::new());
            while own.len() < 10
                && let Some(in_flight) = begun(&to).await
            {
                own.push(in_flight);
            }
            held.push(own);
        }
        let counts: Vec<usize> = held.iter().map(Vec::len).collect();
        assert_eq!(counts, [10, 10, 10, 10, 8, 6, 4, 2]);
        let other = begun(&destination(8)).await;
        assert!(other.is_some(), "one that holds nothing may begin while anything is left");
        assert!(begun(&destination(7)).await.is_none());
        held.truncate(1);
        assert!(begun(&destination(7)).await.is_some(), "what is given back is shared out anew");
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_its_portion_is_woken() {
        let (attempts, message) = (Attempts::new(4), fixture::message(Timestamp(0)));
        let (one, other) = (Arc::<str>::from("mx:one.example"), Arc::<str>::from("mx:other.example"));
        let own = [attempts.begin(&message, Some(&one)).await, attempts.begin(&message, Some(&one)).await];
        let others = attempts.begin(&message, Some(&other)).await;
        let (waiting, ()) = tokio::join!(attempts.begin(&message, Some(&one)), async {
            tokio::task::yield_now().await;
            drop((own, others));
        });
        drop(waiting);
        assert_eq!(attempts.all.available_permits(), 4);
    }
}
