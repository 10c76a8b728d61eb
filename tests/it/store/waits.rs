//! Why mail waits, as it is listed, and how much of it there is.

use std::sync::Arc;
use std::time::Duration;

use posthouse::clock::Clock;
use posthouse::id::Id;
use posthouse::model::event::EventKind;
use posthouse::model::outcome::{Outcome, RecipientState, Reply};
use posthouse::model::wait::Wait;
use posthouse::store::Store;
use posthouse::store::claim::Lane;
use posthouse::store::operate::QueueAction;
use posthouse::store::read::{DAMAGED, Filter};

use crate::support::nouns::acceptance;
use crate::support::stores::on_every_engine;

use super::{delivered, settlement};

async fn wait(store: &Store, id: Id) -> Option<Wait> {
    store.message(None, id).await.unwrap().unwrap().waits.remove(&0)
}

#[test]
fn whatever_is_open_says_what_it_waits_for() {
    on_every_engine(|book| async move {
        let team = book.store.create_team("t").await.unwrap().id;
        let epoch = book.store.open_epoch("one").await.unwrap();
        let offered = acceptance(team, &["you@example.test"]);
        let id = offered.message.id;
        book.store.accept(offered).await.unwrap();
        assert_eq!(wait(&book.store, id).await, Some(Wait::Turn));

        let claim = async || book.store.claim(epoch, Lane::FreshTransactional, 1).await.unwrap().remove(0);
        let now = Clock::System.now();
        let held = claim().await;
        assert_eq!(wait(&book.store, id).await, Some(Wait::Engine { name: "one".into(), alive: true }));
        let (until, why) = (now.plus(Duration::from_secs(600)), "limit of 2 connections".to_owned());
        let put_off = Outcome::PutOff { until, why: why.clone() };
        assert_eq!(book.store.settle(settlement(&held, &put_off)).await, Ok(0));
        assert_eq!(wait(&book.store, id).await, Some(Wait::Room { why, until }));

        assert_eq!(book.store.queue_action(id, QueueAction::Hold).await, Ok(1));
        assert!(matches!(wait(&book.store, id).await, Some(Wait::Release { why }) if why.starts_with("by an operator")));
        assert_eq!(book.store.queue_action(id, QueueAction::Release).await, Ok(1));
        assert_eq!(wait(&book.store, id).await, Some(Wait::Turn), "what it waited for before is over");
        let events = book.store.events(id).await.unwrap();
        let told: Vec<_> = events.iter().map(|event| (event.kind, event.recipient, event.detail["by"].as_str())).collect();
        assert_eq!(told, [EventKind::Held, EventKind::Released].map(|kind| (kind, Some(0), Some("operator"))));

        let reply = Reply::new(451, Some("4.7.1".into()), "come back");
        let until = Clock::System.now().plus(Duration::from_secs(600));
        let deferred = Outcome::Deferred { reply, until };
        assert_eq!(book.store.settle(settlement(&claim().await, &deferred)).await, Ok(0));
        let retry = Wait::Retry { attempts: 1, last_reply: "451 4.7.1 come back".into(), until };
        assert_eq!(wait(&book.store, id).await, Some(retry));

        assert_eq!(book.store.queue_action(id, QueueAction::Retry).await, Ok(1));
        let last = book.store.claim(epoch, Lane::RetriedTransactional, 1).await.unwrap().remove(0);
        assert_eq!(book.store.settle(settlement(&last, &delivered())).await, Ok(0));
        assert_eq!(wait(&book.store, id).await, None);
    });
}

#[test]
fn a_time_chosen_and_an_engine_that_died_are_told_apart_from_retries() {
    on_every_engine(|book| async move {
        let team = book.store.create_team("t").await.unwrap().id;
        let epoch = book.store.open_epoch("one").await.unwrap();
        let (mut later, taken) = (acceptance(team, &["you@example.test"]), acceptance(team, &["you@example.test"]));
        let until = Clock::System.now().plus(Duration::from_secs(3600));
        Arc::make_mut(&mut later.message).send_at = Some(until);
        let (scheduled, orphan) = (later.message.id, taken.message.id);
        book.store.accept(later).await.unwrap();
        book.store.accept(taken).await.unwrap();
        assert_eq!(book.store.claim(epoch, Lane::FreshTransactional, 5).await.unwrap().len(), 1);
        book.store.close_epoch(epoch).await.unwrap();
        assert_eq!(wait(&book.store, scheduled).await, Some(Wait::SendAt { until }));
        assert_eq!(wait(&book.store, orphan).await, Some(Wait::Engine { name: "one".into(), alive: false }));
    });
}

#[test]
fn what_is_damaged_is_listed_among_the_rest() {
    on_every_engine(|book| async move {
        let team = book.store.create_team("t").await.unwrap().id;
        let mut ids = Vec::new();
        for subject in ["sound", "one of two", "unreadable"] {
            let mut offered = acceptance(team, &["a@example.test", "b@example.test"]);
            Arc::make_mut(&mut offered.message).subject = subject.into();
            ids.push(offered.message.id);
            book.store.accept(offered).await.unwrap();
        }
        book.tamper(
            "UPDATE outbound_recipients SET state = 'lost' WHERE address = 'b@example.test'
             AND message_id = (SELECT id FROM outbound_messages WHERE subject = 'one of two')",
        )
        .await;
        book.tamper("UPDATE outbound_messages SET details = '{' WHERE subject = 'unreadable'").await;
        for team in [None, Some(team)] {
            let listed = book.store.messages(&Filter { team, limit: 10, open_only: true, ..Filter::default() }).await.unwrap();
            let found: Vec<_> = listed.iter().map(|l| (l.message.id, l.recipients.len(), l.damage.len())).collect();
            assert_eq!(found, [(ids[2], 2, 1), (ids[1], 1, 1), (ids[0], 2, 0)]);
            assert_eq!((listed[0].damage[0].recipient, listed[1].damage[0].recipient), (None, Some(1)));
            assert_eq!(listed[1].status(), "queued");
        }
        book.tamper("UPDATE outbound_recipients SET state = 'lost'").await;
        assert_eq!(book.store.message(None, ids[0]).await.unwrap().unwrap().status(), DAMAGED);
        assert_eq!(book.store.queue_stats().await.unwrap().damaged, 6);
    });
}

#[test]
fn totals_by_lane_and_by_domain() {
    on_every_engine(|book| async move {
        let team = book.store.create_team("t").await.unwrap().id;
        let recipients = ["a@one.test", "b@ONE.test", "\"c@d\"@two.test", "x@[127.0.0.1]"];
        let offered = acceptance(team, &recipients);
        let id = offered.message.id;
        book.store.accept(offered).await.unwrap();
        let stats = book.store.queue_stats().await.unwrap();
        assert_eq!(stats.by_lane, [(Lane::FreshTransactional, 4)]);
        let domains = [("one.test".to_owned(), 2), ("[127.0.0.1]".to_owned(), 1), ("two.test".to_owned(), 1)];
        assert_eq!(stats.by_domain, domains);
        assert_eq!(book.store.queue_action(id, QueueAction::Cancel).await, Ok(4));
        let stats = book.store.queue_stats().await.unwrap();
        assert_eq!((stats.by_state, stats.by_lane, stats.by_domain), (vec![(RecipientState::Cancelled, 4)], vec![], vec![]));
    });
}
