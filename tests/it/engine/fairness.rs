//! What is stuck delays nothing else.

use std::sync::Arc;
use std::time::Duration;

use posthouse::config::Relay;
use posthouse::model::outcome::RecipientState;
use posthouse::model::stream::Stream;
use posthouse::store::claim::Lane;

use crate::support::sink::{Act, Script, Sink};
use crate::support::stores::on_every_engine;

use super::{Running, accept, accept_many, config, numbered, states, team, until, until_all};

#[test]
fn stuck_broadcast_of_one_dead_engine_does_not_delay_what_another_left() {
    on_every_engine(|book| async move {
        let stuck = |turn: &crate::support::sink::Turn| turn.line.starts_with("RCPT TO:<bulk@").then_some(Act::Silence);
        let sink = Sink::start(Script::on(stuck)).await;
        let team = team(&book.store).await;
        let ids = accept_many(&book.store, team, 1000..1010).await;
        let mut accepting = tokio::task::JoinSet::new();
        for number in 0..600 {
            let mut newsletter = numbered(team, number, &["bulk@example.com"]);
            Arc::get_mut(&mut newsletter.message).expect("ours alone").stream = Stream::Broadcast;
            let store = book.store.clone();
            accepting.spawn(async move { accept(&store, newsletter).await });
        }
        accepting.join_all().await;
        for lane in [Lane::FreshTransactional, Lane::FreshBroadcast] {
            let dead = book.store.open_epoch("dead").await.expect("an epoch");
            assert!(!book.store.claim(dead, lane, 600).await.expect("claims").is_empty());
            book.store.close_epoch(dead).await.expect("closed");
        }
        let engine = Running::start(&book.store, &config(&sink), &book.clock);
        until_all(&book.store, &ids, RecipientState::Sent).await;
        engine.shutdown.begin();
        engine.shutdown.finished(Duration::ZERO).await;
    });
}

#[test]
fn a_stuck_broadcast_does_not_delay_a_password_reset() {
    on_every_engine(|book| async move {
        let stuck = |turn: &crate::support::sink::Turn| turn.line.starts_with("RCPT TO:<bulk@").then_some(Act::Silence);
        let sink = Sink::start(Script::on(stuck)).await;
        let team = team(&book.store).await;
        let engine = Running::start(&book.store, &config(&sink), &book.clock);
        let mut bulk = Vec::new();
        for number in 0..600 {
            let mut newsletter = numbered(team, number, &["bulk@example.com"]);
            Arc::get_mut(&mut newsletter.message).expect("ours alone").stream = Stream::Broadcast;
            bulk.push(newsletter);
        }
        let mut accepting = tokio::task::JoinSet::new();
        for newsletter in bulk {
            let store = book.store.clone();
            accepting.spawn(async move { accept(&store, newsletter).await });
        }
        accepting.join_all().await;
        sink.wait("stuck connections", |sink| sink.said("RCPT") >= 15).await;
        let ids = accept_many(&book.store, team, 1000..1020).await;
        until_all(&book.store, &ids, RecipientState::Sent).await;
        assert_eq!((sink.received().len(), sink.said("RCPT TO:<BULK@")), (20, 15));
        engine.shutdown.begin();
        engine.shutdown.finished(Duration::ZERO).await;
        engine.task.await.expect("the engine ends");
        assert_eq!(book.store.renew_epoch(1).await, Ok(true), "what is still attempted is not free for others");
    });
}

#[test]
fn a_smarthost_that_is_stuck_holds_up_no_other_way() {
    on_every_engine(|book| async move {
        let (sink, stuck) =
            (Sink::willing().await, Sink::start(Script::on(|turn| (turn.verb() == "MAIL").then_some(Act::Silence))).await);
        let mut config = config(&sink);
        let relay = Relay { port: stuck.address.port(), ..config.delivery.relay.clone() };
        config.delivery.relays.insert("stuck".to_owned(), relay);
        let rule = "[[rule]]\nrecipient_domain = \"stuck.example\"\nroutes = \"relay:stuck\"";
        config.delivery.rule = toml::from_str::<toml::Table>(rule).unwrap().remove("rule").unwrap().try_into().unwrap();
        config.delivery.workers = 8;
        let (team, engine) = (team(&book.store).await, Running::start(&book.store, &config, &book.clock));
        let mut held = Vec::new();
        // More than there are places.
        for number in 0..100 {
            held.push(accept(&book.store, numbered(team, number, &["you@stuck.example"])).await);
        }
        until("it is stuck", || async { stuck.said("MAIL") >= 3 }).await;
        let ids = accept_many(&book.store, team, 1000..1010).await;
        until_all(&book.store, &ids, RecipientState::Sent).await;
        for id in held {
            assert_eq!(states(&book.store, id).await, [RecipientState::Queued]);
        }
        engine.shutdown.begin();
        engine.shutdown.finished(Duration::ZERO).await;
    });
}
