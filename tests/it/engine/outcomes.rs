//! Outcomes that have to wait for the store.

use std::sync::Arc;
use std::time::Duration;

use posthouse::clock::Clock;
use posthouse::delivery::boottime::Boottime;
use posthouse::delivery::gate::Gate;
use posthouse::delivery::ledger::Ledger;
use posthouse::delivery::places::Places;
use posthouse::model::outcome::{Outcome, RecipientState, Reply};
use posthouse::model::stream::Stream;
use posthouse::shutdown::Shutdown;
use posthouse::store::settle::{Settled, Settlement};
use posthouse::store::{Location, Store};

use crate::support::sink::{Act, Script, Sink};
use crate::support::stores::{beside, on_every_engine};

use super::{Running, accept, accept_many, arrivals, brisk, config, numbered, team, until, until_all};

#[test]
fn nothing_starts_while_an_outcome_waits_to_be_written() {
    on_every_engine(|book| async move {
        let team = team(&book.store).await;
        let id = accept(&book.store, numbered(team, 1, &["you@example.com"])).await;
        let gate = Arc::new(Gate::new(Boottime::manual()));
        gate.begin(1, gate.now());
        let away = book.again().await;
        away.close().await;
        let shutdown = Shutdown::default();
        let ledger = Ledger::new(away, gate.clone(), brisk(), shutdown.clone());
        let places = Arc::new(Places::new(8));
        let place = Arc::new(places.admit(id, Stream::Transactional, 1));
        let outcomes = vec![Settled { index: 0, attempt: 0, outcome: Outcome::Sent(Reply::fault("done")) }];
        let settlement = Settlement { epoch: 1, team, message: id, lone: None, hop: None, outcomes, notices: vec![] };
        ledger.settle(std::future::ready(settlement), place, None);
        until("the gate shuts", || async { gate.open().is_none() }).await;
        assert!(places.holds(id), "held until it is durable");
        shutdown.finished(Duration::ZERO).await;
    });
}

#[test]
fn outcomes_that_had_to_wait_are_written_when_the_store_is_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("book.db");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let store = Store::open(&Location::Sqlite(file.clone()), Clock::System).await.expect("the book opens");
        let team = team(&store).await;
        let go = Arc::new(tokio::sync::Notify::new());
        let sink = Sink::start(Script::on(|turn| (turn.verb() == ".").then(|| Act::Delay(Duration::from_millis(300))))).await;
        let mut config = config(&sink);
        config.delivery.relay.max_connections = 1;
        let engine = Running::start(&store, &config, &Clock::System);
        let ids = accept_many(&store, team, 0..3).await;
        sink.wait("the first dot", |sink| sink.said(".") >= 1).await;
        let lock = lock_file(&file, go.clone());
        sink.wait_received(1).await;
        go.notify_one();
        lock.await.expect("the lock is let go");
        until_all(&store, &ids, RecipientState::Sent).await;
        engine.stop().await;
        store.close().await;
        assert!(arrivals(&sink).values().all(|&times| times == 1));
        assert_eq!(arrivals(&sink).len(), 3);
    });
}

/// Another program holds the database until told to let go.
fn lock_file(file: &std::path::Path, go: Arc<tokio::sync::Notify>) -> tokio::task::JoinHandle<()> {
    let file = file.to_owned();
    tokio::spawn(async move {
        let mut other = beside(&file).await;
        sqlx::query("BEGIN EXCLUSIVE").execute(&mut other).await.expect("the lock");
        go.notified().await;
        sqlx::query("ROLLBACK").execute(&mut other).await.expect("let go");
    })
}
