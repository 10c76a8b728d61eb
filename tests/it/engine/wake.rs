//! Engines find at once what another process left ready. Only PostgreSQL has other processes.

use std::time::Duration;

use posthouse::delivery::pace::Pace;
use posthouse::model::outcome::RecipientState;
use posthouse::store::Location;
use posthouse::store::operate::QueueAction;

use crate::support::sink::Sink;
use crate::support::stores::on_every_engine;

use super::{Running, accept, arrivals, brisk, config, numbered, states, team, until, until_all};

/// Nothing is found by looking: only a bell can explain what is delivered within a test's patience.
fn deaf() -> Pace {
    Pace { poll: Duration::from_secs(3600), ..brisk() }
}

#[test]
fn what_another_process_leaves_ready_is_delivered_without_a_poll() {
    on_every_engine(|book| async move {
        if matches!(book.location, Location::Sqlite(_)) {
            return;
        }
        let sink = Sink::willing().await;
        let team = team(&book.store).await;
        let other = book.again().await;
        let engine = Running::at_pace(deaf(), &other, &config(&sink), &book.clock);
        // The engine's first look explains one, the first connection of its listener another.
        for number in 0..5 {
            let id = accept(&book.store, numbered(team, number, &["you@example.com"])).await;
            until_all(&book.store, &[id], RecipientState::Sent).await;
        }
        // What is released by hand is ready, too.
        let mut later = numbered(team, 5, &["you@example.com"]);
        let message = std::sync::Arc::get_mut(&mut later.message).expect("ours alone");
        message.send_at = Some(book.clock.now().plus(Duration::from_secs(3600)));
        let id = accept(&book.store, later).await;
        assert_eq!(states(&book.store, id).await, [RecipientState::Queued]);
        assert_eq!(book.store.queue_action(id, QueueAction::Retry).await, Ok(1));
        until_all(&book.store, &[id], RecipientState::Sent).await;
        engine.stop().await;
        other.close().await;
        assert!(arrivals(&sink).len() == 6 && arrivals(&sink).values().all(|&times| times == 1));
    });
}

#[test]
fn a_listener_that_lost_its_connection_listens_again() {
    on_every_engine(|book| async move {
        if matches!(book.location, Location::Sqlite(_)) {
            return;
        }
        let sink = Sink::willing().await;
        let team = team(&book.store).await;
        let other = book.again().await;
        let engine = Running::at_pace(deaf(), &other, &config(&sink), &book.clock);
        for number in 0..6 {
            let id = accept(&book.store, numbered(team, number, &["you@example.com"])).await;
            until("it is sent", || async { states(&book.store, id).await == [RecipientState::Sent] }).await;
            if number % 2 == 1 {
                book.tamper("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'").await;
            }
        }
        engine.stop().await;
        other.close().await;
        assert_eq!(arrivals(&sink).len(), 6);
    });
}
