//! Engines that close, die, fall silent, and begin anew.

use std::time::Duration;

use posthouse::delivery::Engine;
use posthouse::delivery::boottime::Boottime;
use posthouse::delivery::client::deadlines::Deadlines;
use posthouse::delivery::pace::Pace;
use posthouse::model::event::EventKind;
use posthouse::model::outcome::{Outcome, RecipientState, Reply};
use posthouse::shutdown::Shutdown;
use posthouse::store::Location;
use posthouse::store::claim::Lane;
use posthouse::store::engines::START_WITHIN;
use posthouse::store::settle::{Settled, Settlement};
use tokio::sync::watch;

use crate::support::sink::{Act, Script, Sink, Turn};
use crate::support::stores::on_every_engine;

use super::{Running, accept_many, arrivals, brisk, config, states, team, until, until_all};

#[test]
fn closing_under_load_sends_nothing_twice_and_loses_nothing() {
    on_every_engine(|book| async move {
        let sink = Sink::start(Script::on(|turn| (turn.verb() == ".").then(|| Act::Delay(Duration::from_millis(2))))).await;
        let team = team(&book.store).await;
        let mut ids = Vec::new();
        for round in 0..5 {
            // As another process: a store has one engine.
            let store = book.again().await;
            let engine = Running::start(&store, &config(&sink), &book.clock);
            let (closed, start) = (store.clone(), round * 200);
            let load = tokio::spawn(async move { accept_many(&store, team, start..start + 200).await });
            let before = round * 200 + 50;
            sink.wait_received(before).await;
            engine.stop().await;
            ids.extend(load.await.expect("accepted"));
            closed.close().await;
        }
        let engine = Running::start(&book.store, &config(&sink), &book.clock);
        until_all(&book.store, &ids, RecipientState::Sent).await;
        engine.stop().await;
        let arrivals = arrivals(&sink);
        let twice: Vec<_> = arrivals.iter().filter(|(_, times)| **times != 1).collect();
        assert!(arrivals.len() == 1000 && twice.is_empty(), "{} arrived, {twice:?}", arrivals.len());
    });
}

#[test]
fn what_a_dead_engine_held_is_taken_over() {
    on_every_engine(|book| async move {
        let sink = Sink::willing().await;
        let team = team(&book.store).await;
        let ids = accept_many(&book.store, team, 0..20).await;
        let dead = book.store.open_epoch("dead").await.expect("an epoch");
        let claimed = book.store.claim(dead, Lane::FreshTransactional, 100).await.expect("claims");
        assert_eq!(claimed.len(), 20);
        book.store.close_epoch(dead).await.expect("closed");
        let engine = Running::start(&book.store, &config(&sink), &book.clock);
        until_all(&book.store, &ids, RecipientState::Sent).await;
        engine.stop().await;
        assert!(arrivals(&sink).values().all(|&times| times == 1));
        // Its own word comes too late.
        let late = Settlement {
            epoch: dead,
            team,
            message: ids[0],
            lone: None,
            hop: None,
            outcomes: vec![Settled { index: 0, attempt: 0, outcome: Outcome::Bounced(Reply::fault("late").into()) }],
            notices: vec![],
        };
        assert_eq!(book.store.settle(late).await.expect("answered"), 1);
        assert_eq!(states(&book.store, ids[0]).await, [RecipientState::Sent]);
    });
}

#[test]
fn the_silent_are_not_found_dead_before_an_engine_is_steady_but_the_dead_are_taken_over_at_once() {
    on_every_engine(|book| async move {
        if matches!(book.location, Location::Sqlite(_)) {
            // One engine at a time.
            return;
        }
        let sink = Sink::willing().await;
        let team = team(&book.store).await;
        let ids = accept_many(&book.store, team, 0..2).await;
        let silent = book.store.open_epoch("silent").await.expect("an epoch");
        let held = book.store.claim(silent, Lane::FreshTransactional, 1).await.expect("claims").remove(0).message.id;
        let dead = book.store.open_epoch("dead").await.expect("an epoch");
        let left = book.store.claim(dead, Lane::FreshTransactional, 1).await.expect("claims").remove(0).message.id;
        book.store.close_epoch(dead).await.expect("closed");
        book.tamper("UPDATE engines SET renewed_at = 0").await;
        let patient = Pace { steady: Duration::from_secs(3600), ..brisk() };
        let engine = Running::at_pace(patient, &book.store, &config(&sink), &book.clock);
        until_all(&book.store, &[left], RecipientState::Sent).await;
        assert_eq!(states(&book.store, held).await, [RecipientState::Queued]);
        engine.stop().await;
        assert_eq!(book.store.renew_epoch(silent).await, Ok(true), "it may have been the database that was away");
        book.tamper("UPDATE engines SET renewed_at = 0").await;
        let engine = Running::start(&book.store, &config(&sink), &book.clock);
        until_all(&book.store, &ids, RecipientState::Sent).await;
        engine.stop().await;
        assert_eq!(arrivals(&sink).values().sum::<usize>(), 2);
    });
}

#[test]
fn an_engine_whose_epoch_is_dead_begins_another_and_goes_on() {
    on_every_engine(|book| async move {
        let (answer, answers) = watch::channel(false);
        let first_dots = move |turn: &Turn| (turn.verb() == "." && turn.nth < 5).then(|| Act::Once(answers.clone()));
        let sink = Sink::start(Script::on(first_dots)).await;
        let team = team(&book.store).await;
        let mut config = config(&sink);
        config.delivery.relay.max_connections = 5;
        let engine = Running::start(&book.store, &config, &book.clock);
        let mut ids = accept_many(&book.store, team, 0..50).await;
        sink.wait("five final dots", |sink| sink.said(".") >= 5).await;
        // Whatever epoch the engine has, it is dead now.
        let newest = book.store.open_epoch("another").await.expect("an epoch");
        for epoch in 1..=newest {
            book.store.close_epoch(epoch).await.expect("closed");
        }
        until("another epoch", || async { book.store.live_epochs().await.is_ok_and(|live| live.iter().any(|&e| e > newest)) })
            .await;
        answer.send(true).expect("the sink waits for it");
        ids.extend(accept_many(&book.store, team, 50..60).await);
        until_all(&book.store, &ids, RecipientState::Sent).await;
        engine.stop().await;
        let arrivals = arrivals(&sink);
        assert_eq!(arrivals.len(), 60);
        let twice = arrivals.values().filter(|&&times| times > 1).count();
        // Those in flight when the epoch died; every other came once.
        assert!(twice <= 5 && arrivals.values().all(|&times| times <= 2), "{arrivals:?}");
        for id in ids {
            let sent = book.store.events(id).await.expect("events").into_iter().filter(|e| e.kind == EventKind::Sent).count();
            assert_eq!(sent, 1, "the late outcome wrote nothing");
        }
    });
}

#[test]
fn an_engine_takes_over_from_its_own_earlier_life_without_waiting_for_its_silence() {
    on_every_engine(|book| async move {
        let sink = Sink::willing().await;
        let team = team(&book.store).await;
        let ids = accept_many(&book.store, team, 0..20).await;
        let seat = "boot 1:2".to_owned();
        // Another's life goes on, as far as anybody knows.
        let earlier = book.store.open_epoch(&seat).await.expect("an epoch");
        assert_eq!(book.store.claim(earlier, Lane::FreshTransactional, 100).await.expect("claims").len(), 20);
        let patient = Pace { steady: Duration::from_secs(3600), ..brisk() };
        let shutdown = Shutdown::default();
        let engine =
            Engine::with_pace(book.store.clone(), &config(&sink), &[], book.clock.clone(), patient, Deadlines::default());
        let task = shutdown.spawn(engine.expect("an engine").seated(Some(seat)).run(shutdown.clone()));
        until_all(&book.store, &ids, RecipientState::Sent).await;
        Running { shutdown, task }.stop().await;
        assert!(arrivals(&sink).values().all(|&times| times == 1));
    });
}

#[test]
fn an_engine_that_cannot_learn_who_else_lives_starts_nothing() {
    on_every_engine(|book| async move {
        if !matches!(book.location, Location::Sqlite(_)) {
            // Only there a column holds what can't be read as a number.
            return;
        }
        let (sink, team, boottime) = (Sink::willing().await, team(&book.store).await, Boottime::manual());
        let (shutdown, config) = (Shutdown::default(), config(&sink));
        let engine = Engine::with_pace(book.store.clone(), &config, &[], book.clock.clone(), brisk(), Deadlines::default());
        let task = shutdown.spawn(engine.expect("an engine").with_boottime(boottime.clone()).run(shutdown.clone()));
        let mut ids = accept_many(&book.store, team, 0..5).await;
        until_all(&book.store, &ids, RecipientState::Sent).await;
        book.tamper("INSERT INTO engines (epoch, name, state, renewed_at) VALUES ('none', 'unreadable', 'alive', 0)").await;
        until("the list can't be read", || async { book.store.live_epochs().await.is_err() }).await;
        // Nothing that was read before counts any more.
        boottime.advance(START_WITHIN);
        ids.extend(accept_many(&book.store, team, 5..10).await);
        for _ in 0..3 {
            // Its epoch is renewed all the while.
            book.tamper("UPDATE engines SET renewed_at = 1 WHERE name <> 'unreadable'").await;
            until("it is renewed", || async { book.rows("engines WHERE renewed_at = 1").await == 0 }).await;
        }
        assert_eq!(sink.received().len(), 5);
        book.tamper("DELETE FROM engines WHERE name = 'unreadable'").await;
        until_all(&book.store, &ids, RecipientState::Sent).await;
        Running { shutdown, task }.stop().await;
    });
}

#[test]
fn an_epoch_that_is_opened_in_vain_is_closed() {
    on_every_engine(|book| async move {
        if !matches!(book.location, Location::Sqlite(_)) {
            // Only there a column holds what can't be read as a number.
            return;
        }
        book.tamper(
            "CREATE TRIGGER unreadable AFTER INSERT ON engines WHEN NEW.epoch > 0 BEGIN
                 INSERT OR REPLACE INTO engines (epoch, name, state, renewed_at) VALUES (-0.5, 'unreadable', 'alive', 0);
             END",
        )
        .await;
        let (sink, once) = (Sink::willing().await, Pace { poll: Duration::from_secs(3600), ..brisk() });
        let engine = Running::at_pace(once, &book.store, &config(&sink), &book.clock);
        until("an epoch is opened", || async { book.rows("engines WHERE epoch > 0").await == 1 }).await;
        until("it is closed", || async { book.rows("engines WHERE epoch > 0 AND state = 'alive'").await == 0 }).await;
        engine.stop().await;
    });
}
