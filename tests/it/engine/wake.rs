//! Engines find at once what another process left ready. Only PostgreSQL has other processes.

use std::time::Duration;

use posthouse::delivery::pace::Pace;
use posthouse::id::Id;
use posthouse::model::outcome::RecipientState;
use posthouse::store::operate::QueueAction;
use posthouse::store::{Location, Store};

use crate::support::sink::Sink;
use crate::support::stores::{Book, on_every_engine};

use super::{Running, accept, arrivals, brisk, config, numbered, states, team, until_all};

/// Nothing is found by looking: only a bell can explain what is delivered within a test's patience.
fn deaf() -> Pace {
    Pace { poll: Duration::from_secs(3600), ..brisk() }
}

/// An engine of another process than the one that accepts, which finds nothing by looking.
struct Beside {
    sink: Sink,
    team: Id,
    other: Store,
    engine: Running,
}

impl Beside {
    /// `None`: there can be no other process.
    async fn start(book: &Book) -> Option<Self> {
        if matches!(book.location, Location::Sqlite(_)) {
            return None;
        }
        let (sink, team, other) = (Sink::willing().await, team(&book.store).await, book.again().await);
        let engine = Running::at_pace(deaf(), &other, &config(&sink), &book.clock);
        Some(Self { sink, team, other, engine })
    }

    /// A message that is sent without a poll.
    async fn rings(&self, book: &Book, number: usize) {
        let id = accept(&book.store, numbered(self.team, number, &["you@example.com"])).await;
        until_all(&book.store, &[id], RecipientState::Sent).await;
    }

    /// So many came, each once.
    async fn end(self, came: usize) {
        self.engine.stop().await;
        self.other.close().await;
        let arrivals = arrivals(&self.sink);
        assert!(arrivals.len() == came && arrivals.values().all(|&times| times == 1), "{arrivals:?}");
    }
}

#[test]
fn what_another_process_leaves_ready_is_delivered_without_a_poll() {
    on_every_engine(|book| async move {
        let Some(beside) = Beside::start(&book).await else { return };
        // The engine's first look explains one, the first connection of its listener another.
        for number in 0..5 {
            beside.rings(&book, number).await;
        }
        // What is released by hand is ready, too.
        let mut later = numbered(beside.team, 5, &["you@example.com"]);
        let message = std::sync::Arc::get_mut(&mut later.message).expect("ours alone");
        message.send_at = Some(book.clock.now().plus(Duration::from_secs(3600)));
        let id = accept(&book.store, later).await;
        assert_eq!(states(&book.store, id).await, [RecipientState::Queued]);
        assert_eq!(book.store.queue_action(id, QueueAction::Retry).await, Ok(1));
        until_all(&book.store, &[id], RecipientState::Sent).await;
        beside.end(6).await;
    });
}

#[test]
fn a_listener_that_lost_its_connection_listens_again() {
    on_every_engine(|book| async move {
        let Some(beside) = Beside::start(&book).await else { return };
        for number in 0..6 {
            beside.rings(&book, number).await;
            if number % 2 == 1 {
                book.tamper("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'").await;
            }
        }
        beside.end(6).await;
    });
}
