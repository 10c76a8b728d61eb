//! What is kept for so long only: the content of messages, and their events.

use std::sync::Arc;
use std::time::Duration;

use posthouse::clock::Clock;
use posthouse::config::Config;
use posthouse::id::Id;
use posthouse::model::event::EventKind;
use posthouse::model::message::{Body, Message};
use posthouse::model::outcome::{Bounce, Outcome, Reply};
use posthouse::model::statistics::Day;
use posthouse::model::status::MessageStatus;
use posthouse::retention::Retention;
use posthouse::store::accept::Acceptance;
use posthouse::store::returns::{News, Returned};
use posthouse::store::{Location, Store};

use crate::support::nouns::acceptance;
use crate::support::stores::{Book, on_every_engine};

use super::{claimed, delivered, settlement};

/// Deletes all that is old enough on the day that comes after so many, by what ships.
async fn pass(store: &Store, days: u64) {
    let clock = Clock::manual(Clock::System.now().plus(Duration::from_secs(days * 86_400)));
    let retention = Retention::new(store.clone(), &Config::defaults().retention, clock).without_rest();
    retention.pass().await.expect("a pass");
}

/// With so many octets of content.
fn large(team: Id, octets: usize) -> Acceptance {
    let mut offered = acceptance(team, &["you@example.test"]);
    Arc::make_mut(&mut offered.message).size = octets as u64;
    offered.body = Body::free(vec![b'x'; octets]);
    offered
}

/// One that is delivered, and one that waits after an attempt.
async fn finished_and_open(book: &Book, team: Id) -> (Message, Message) {
    let epoch = book.store.open_epoch("test").await.unwrap();
    let finished = claimed(&book.store, epoch, large(team, 3 << 20)).await;
    assert_eq!(book.store.settle(settlement(&finished, &delivered())).await, Ok(0));
    let open = claimed(&book.store, epoch, acceptance(team, &["you@example.test"])).await;
    let until = Clock::System.now().plus(Duration::from_secs(3600));
    let later = Outcome::Deferred { reply: Reply::fault("not now"), until };
    assert_eq!(book.store.settle(settlement(&open, &later)).await, Ok(0));
    ((*finished.message).clone(), (*open.message).clone())
}

#[test]
fn finished_messages_lose_their_content_and_then_their_events_and_nothing_else() {
    on_every_engine(|book| async move {
        let (store, team) = (&book.store, book.store.create_team("t").await.unwrap().id);
        let (finished, open) = finished_and_open(&book, team).await;
        let kept = async |id| store.body(Some(team), id).await.unwrap().is_some();
        let before = store.email(team, finished.id).await.unwrap().unwrap();
        let statistics = store.statistics(team, Day(1)).await.unwrap();
        assert!(before.times.sent.is_some() && before.times.delivered.is_some());

        pass(store, 29).await;
        assert!(kept(finished.id).await && kept(open.id).await, "a month is not over");
        pass(store, 31).await;
        assert!(!kept(finished.id).await && kept(open.id).await, "what waits is to be sent yet");
        assert_eq!(store.events(finished.id).await.unwrap().len(), 1);
        pass(store, 91).await;
        let events = async |id| store.events(id).await.unwrap().len();
        assert_eq!((events(finished.id).await, events(open.id).await), (0, 1));
        let listed = store.email_events(team, finished.id).await.unwrap().unwrap();
        assert_eq!(listed.iter().map(|event| event.kind).collect::<Vec<_>>(), [EventKind::Queued]);
        assert_eq!(store.email(team, finished.id).await.unwrap(), Some(before), "its times and its status stay");
        assert_eq!(store.statistics(team, Day(1)).await.unwrap(), statistics);
    });
}

#[test]
fn times_are_the_first_of_their_kind_also_when_later_events_are_kept() {
    on_every_engine(|book| async move {
        let (store, team) = (&book.store, book.store.create_team("t").await.unwrap().id);
        let epoch = store.open_epoch("test").await.unwrap();
        let claim = claimed(store, epoch, acceptance(team, &["you@example.test"])).await;
        let id = claim.message.id;
        assert_eq!(store.settle(settlement(&claim, &Outcome::Sent(Reply::fault("taken")))).await, Ok(0));
        let first = store.email(team, id).await.unwrap().unwrap().times;
        pass(store, 91).await;
        let bounce = Bounce::from(Reply::new(550, Some("5.2.2".into()), "full for months"));
        let told = Returned { index: 0, news: News::Bounced(bounce), by: None, notice: None };
        store.record_returns(id, &[told]).await.unwrap();
        let complaint = Returned { index: 0, news: News::Complained("abuse".into()), by: None, notice: None };
        store.record_returns(id, std::slice::from_ref(&complaint)).await.unwrap();
        let late = store.email(team, id).await.unwrap().unwrap();
        assert_eq!((late.times.sent, late.status), (first.sent, MessageStatus::Complained));
        pass(store, 200).await;
        let kinds: Vec<_> = store.events(id).await.unwrap().iter().map(|event| event.kind).collect();
        assert_eq!(kinds, [EventKind::Complained], "its status hangs on it");
        store.record_returns(id, &[complaint]).await.unwrap();
        assert_eq!(store.email(team, id).await.unwrap(), Some(late), "and who complained once is not heard twice");
    });
}

#[test]
fn what_was_to_leave_later_is_kept_from_then_on() {
    on_every_engine(|book| async move {
        let (store, team) = (&book.store, book.store.create_team("t").await.unwrap().id);
        let mut offered = acceptance(team, &["you@example.test"]);
        Arc::make_mut(&mut offered.message).send_at = Some(Clock::System.now().plus(Duration::from_secs(40 * 86_400)));
        let id = offered.message.id;
        store.accept(offered).await.unwrap();
        store.queue_action(id, posthouse::store::operate::QueueAction::Cancel).await.unwrap();
        pass(store, 60).await;
        assert!(store.body(Some(team), id).await.unwrap().is_some());
        pass(store, 71).await;
        assert!(store.body(Some(team), id).await.unwrap().is_none());
    });
}

#[test]
fn many_steps_delete_everything_and_a_file_shrinks() {
    on_every_engine(|book| async move {
        let (store, team) = (&book.store, book.store.create_team("t").await.unwrap().id);
        // More rows than a step has, and more octets.
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..1100 {
            let store = store.clone();
            let octets = if number < 20 { 1 << 20 } else { 100 };
            tasks.spawn(async move {
                let offered = large(team, octets);
                let id = offered.message.id;
                store.accept(offered).await.unwrap();
                id
            });
        }
        let ids = tasks.join_all().await;
        // An operator's actions share no commits, and a crowd of them waits for the one writer longer than it is patient.
        for id in &ids {
            store.queue_action(*id, posthouse::store::operate::QueueAction::Cancel).await.unwrap();
        }
        let size = || match &book.location {
            Location::Sqlite(file) => std::fs::metadata(file).unwrap().len(),
            Location::Postgres(_) => 0,
        };
        pass(store, 91).await;
        for id in ids {
            assert!(store.body(Some(team), id).await.unwrap().is_none() && store.events(id).await.unwrap().is_empty());
        }
        if let Location::Sqlite(_) = book.location {
            store.close().await;
            assert!(size() < 4 << 20, "{} octets for the rows of 1100 messages, once 20 MiB", size());
        }
    });
}
