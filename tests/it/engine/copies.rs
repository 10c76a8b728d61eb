//! Mail of which each recipient gets a copy of its own: what is slow for one holds up no other.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use posthouse::model::outcome::RecipientState::{Queued, Sent};
use posthouse::model::stream::Stream;

use crate::support::sink::{Act, Script, Sink};
use crate::support::stores::on_every_engine;

use super::{Running, accept, config, numbered, states, team, until};

/// A next hop that never answers the dot of what is for `stuck@`.
fn stuck() -> Script {
    let connections = Mutex::new(HashSet::new());
    Script::on(move |turn| {
        let mut stuck = connections.lock().expect("nobody panicked");
        if turn.line.starts_with("RCPT TO:<stuck@") {
            stuck.insert(turn.connection);
        }
        (turn.line == "." && stuck.contains(&turn.connection)).then_some(Act::Silence)
    })
}

#[test]
fn a_smarthost_gets_copies_over_several_connections_and_each_is_settled_by_itself() {
    on_every_engine(|book| async move {
        let sink = Sink::start(stuck()).await;
        let mut config = config(&sink);
        config.delivery.relay.max_connections = 4;
        let to = ["stuck@a.example", "b@b.example", "c@c.example", "d@d.example"];
        let mut newsletter = numbered(team(&book.store).await, 1, &to);
        Arc::make_mut(&mut newsletter.message).stream = Stream::Broadcast;
        let engine = Running::start(&book.store, &config, &book.clock);
        let id = accept(&book.store, newsletter).await;
        until("all but one are settled", || async { states(&book.store, id).await == [Queued, Sent, Sent, Sent] }).await;
        assert!((2..=3).contains(&sink.most_at_once()), "{} connections, of which broadcast leaves one", sink.most_at_once());
        engine.shutdown.begin();
        engine.shutdown.finished(Duration::ZERO).await;
    });
}
