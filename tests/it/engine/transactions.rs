//! Who shares a transaction: each is one message at its destination, with a turn and an outcome of its own.

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::Duration;

use posthouse::config::Config;
use posthouse::model::outcome::RecipientState::{Queued, Sent};

use crate::support::dns::{Dns, Records};
use crate::support::sink::{Act, Script, Sink};
use crate::support::stores::{Book, on_every_engine};

use super::returning::team_of;
use super::{Running, accept, config, direct, nouns, numbered, states, team, until, until_all};

#[test]
fn no_more_than_a_hundred_share_one() {
    on_every_engine(|book| async move {
        let sink = Sink::willing().await;
        let addresses: Vec<String> = (0..230).map(|n| format!("r{n}@example.com")).collect();
        let to: Vec<&str> = addresses.iter().map(String::as_str).collect();
        let engine = Running::start(&book.store, &config(&sink), &book.clock);
        let id = accept(&book.store, numbered(team(&book.store).await, 1, &to)).await;
        until_all(&book.store, &[id], Sent).await;
        engine.stop().await;
        let mut shared: Vec<usize> = sink.received().iter().map(|received| received.rcpt.len()).collect();
        shared.sort_unstable();
        assert_eq!(shared, [30, 100, 100]);
    });
}

#[test]
fn recipients_left_over_by_the_next_hop_wait_for_a_turn_of_their_own() {
    on_every_engine(|book| async move {
        let sink = Sink::start(Script::on(|turn| match (turn.verb().as_str(), turn.nth) {
            ("RCPT", 1) => Some(Act::say("452 4.5.3 too many")),
            ("MAIL", 1) => Some(Act::Silence),
            _ => None,
        }))
        .await;
        let engine = Running::start(&book.store, &config(&sink), &book.clock);
        let id = accept(&book.store, numbered(team(&book.store).await, 1, &["a@example.com", "b@example.com"])).await;
        until("the first is settled", || async { states(&book.store, id).await == [Sent, Queued] }).await;
        sink.wait("another transaction", |sink| sink.said("MAIL") == 2).await;
        engine.shutdown.begin();
        engine.shutdown.finished(Duration::ZERO).await;
    });
}

/// Answers every dot but those of what is for `stuck@`.
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

/// A message whose reverse-path is ours, to two domains: the one that answers is settled, whatever the other does.
async fn each_domain_is_settled_by_itself(book: &Book, mut config: Config) {
    config.inbound.address = "127.0.0.1:25".to_owned();
    let team = team_of(&book.store, "example.test", true).await;
    let engine = Running::start(&book.store, &config, &book.clock);
    let id = accept(&book.store, nouns::acceptance(team, &["stuck@one.example", "you@two.example"])).await;
    until("one is settled", || async { matches!(states(&book.store, id).await[..], [Queued, state] if !state.is_open()) }).await;
    engine.shutdown.begin();
    engine.shutdown.finished(Duration::ZERO).await;
}

#[test]
fn domains_behind_one_smarthost_have_their_own_where_each_has_its_reverse_path() {
    on_every_engine(|book| async move {
        let sink = Sink::start(stuck()).await;
        each_domain_is_settled_by_itself(&book, config(&sink)).await;
    });
}

#[test]
fn domains_behind_the_same_hosts_have_their_own_where_each_has_its_reverse_path() {
    on_every_engine(|book| async move {
        let sink = Sink::start(stuck()).await;
        let records = Records::default()
            .mx("one.example", 10, "mx.shared.example")
            .mx("two.example", 10, "mx.shared.example")
            .address("mx.shared.example", direct::here(1));
        let dns = Dns::start(records).await;
        each_domain_is_settled_by_itself(&book, direct::config(&dns, &sink)).await;
    });
}
