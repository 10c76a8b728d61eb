//! How many attempts may be in flight: a crash can double no more than these, and as many again that have lasted long.

use std::sync::Arc;
use std::time::Duration;

use crate::delivery::capacity::{Capacity, Rest, Underway};
use crate::delivery::flights::{Flight, Flights};
use crate::delivery::portions::{Portion, Portions};
use crate::id::Id;
use crate::model::message::Message;
use crate::model::stream::Stream;
use crate::net::sockets;

/// Connections that are being opened, or wait for their attempt, for each attempt in flight.
const DIALS_PER_ATTEMPT: usize = 4;
/// All of these together, those that last included, take no more than this part of the sockets that the process may have.
const PART_OF_SOCKETS: usize = 3;

/// The attempts of an engine. Clones share them.
#[derive(Clone, Debug)]
pub struct Attempts {
    all: Capacity,
    dials: Capacity,
    portions: Arc<Portions>,
    /// `None`: nothing is on record for the next life.
    flights: Option<Arc<Flights>>,
}

/// An attempt in flight: from before anything is said of the message until its outcome is durable.
#[derive(Debug)]
pub struct InFlight {
    /// Given up first, so that there are no more flights on record than attempts.
    _flight: Option<Arc<Flight>>,
    underway: Underway,
    /// Given up last: who waits for it looks what is free.
    portion: Portion,
}

/// All other attempts, which can't begin while this lives.
#[derive(Debug)]
pub struct Others {
    _rest: Rest,
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

impl InFlight {
    /// Awaits a part of the attempt, which makes room for another when it takes long.
    pub async fn through<F: Future>(&mut self, part: F) -> F::Output {
        let portions = self.portion.of();
        self.underway.through_telling(part, || portions.more_is_left()).await
    }
}

impl Attempts {
    /// At most so many at once, one at least, beside those that have lasted longer than `patience`.
    pub fn new(most: usize, patience: Duration) -> Self {
        let dials = most.saturating_mul(DIALS_PER_ATTEMPT).min(sockets::at_most() / PART_OF_SOCKETS / 2);
        let (all, dials) = (Capacity::new(most, patience), Capacity::new(dials, patience));
        Self { all, dials, portions: Arc::default(), flights: None }
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
            Some(destination) => self.portions.enter(destination, 1, || self.all.free()).await,
            None => self.portions.uncounted(),
        };
        let underway = self.all.enter(message.stream).await;
        InFlight { _flight: self.record(message.id), underway, portion }
    }

    /// Waits until an attempt may begin alone: no other is in flight while the second value lives.
    pub async fn begin_alone(&self, message: &Message) -> (InFlight, Others) {
        let (underway, rest) = self.all.enter_alone().await;
        let flight = self.record(message.id);
        let portion = || self.portions.uncounted();
        let begun = InFlight { _flight: flight.clone(), underway, portion: portion() };
        (begun, Others { _rest: rest, alone: flight, _portion: portion() })
    }

    /// Waits until another connection may be opened for mail of this stream; it counts until its attempt has begun.
    pub async fn dial(&self, stream: Stream) -> Underway {
        self.dials.enter(stream).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::delivery::fixture;
    use tokio::time::timeout;

    const PATIENCE: Duration = Duration::from_secs(15);

    #[tokio::test(start_paused = true)]
    async fn destinations_that_never_answer_leave_some_to_others() {
        let (attempts, message) = (Attempts::new(64, PATIENCE), fixture::message(Timestamp(0)));
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
        let (attempts, message) = (Attempts::new(4, PATIENCE), fixture::message(Timestamp(0)));
        let (one, other) = (Arc::<str>::from("mx:one.example"), Arc::<str>::from("mx:other.example"));
        let own = [attempts.begin(&message, Some(&one)).await, attempts.begin(&message, Some(&one)).await];
        let others = attempts.begin(&message, Some(&other)).await;
        let (waiting, ()) = tokio::join!(attempts.begin(&message, Some(&one)), async {
            tokio::task::yield_now().await;
            drop((own, others));
        });
        drop(waiting);
        assert_eq!(attempts.all.free(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_woken_when_others_begin_to_last() {
        let (attempts, message) = (Attempts::new(8, PATIENCE), fixture::message(Timestamp(0)));
        let (one, other) = (Arc::<str>::from("mx:one.example"), Arc::<str>::from("mx:other.example"));
        let mut tasks = tokio::task::JoinSet::new();
        for to in [&one, &one, &other, &other] {
            let mut endless = attempts.begin(&message, Some(to)).await;
            tasks.spawn(async move { endless.through(std::future::pending::<()>()).await });
        }
        assert!(
            timeout(PATIENCE / 2, attempts.begin(&message, Some(&one))).await.is_err(),
            "half of what is left is no more than it has"
        );
        assert!(timeout(2 * PATIENCE, attempts.begin(&message, Some(&one))).await.is_ok());
    }
}
