//! What is kept for so long only: the content of messages, and their events.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::join_all;
use posthouse::clock::Clock;
use posthouse::config::Config;
use posthouse::id::Id;
use posthouse::model::email::Email;
use posthouse::model::engagement::{Deed, Engagement, Visitor};
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
        let listed = store.email_events(team, finished.id, None).await.unwrap().unwrap().0.events;
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
fn what_cannot_be_deleted_keeps_nothing_else() {
    on_every_engine(|book| async move {
        let (store, team) = (&book.store, book.store.create_team("t").await.unwrap().id);
        let (finished, _) = finished_and_open(&book, team).await;
        book.tamper("ALTER TABLE message_bodies RENAME TO lost").await;
        let clock = Clock::manual(Clock::System.now().plus(Duration::from_secs(91 * 86_400)));
        let retention = Retention::new(store.clone(), &Config::defaults().retention, clock).without_rest();
        assert!(retention.pass().await.is_err(), "it is told");
        assert!(store.events(finished.id).await.unwrap().is_empty());
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

/// Messages that have come to an end, each opened by people and by programs; every twenty-fifth is large.
async fn ended(book: &Book, team: Id, count: usize) -> Vec<Id> {
    let epoch = book.store.open_epoch("test").await.unwrap();
    let mut ids = Vec::new();
    for number in 0..count {
        let octets = if number % 25 == 0 { 3 << 20 } else { 100 };
        let claim = claimed(&book.store, epoch, large(team, octets)).await;
        assert_eq!(book.store.settle(settlement(&claim, &delivered())).await, Ok(0));
        ids.push(claim.message.id);
    }
    let visits = ids.iter().flat_map(|id| [false, true].map(|automated| book.store.engage(opened(*id, automated))));
    assert!(join_all(visits).await.into_iter().all(|written| written == Ok(true)));
    ids
}

fn opened(message: Id, automated: bool) -> Engagement {
    let by = Visitor { ip: IpAddr::V4(Ipv4Addr::LOCALHOST), user_agent: String::new(), automated };
    Engagement { message, place: 0, deed: Deed::Opened, by }
}

/// The content of each is there as a whole, or not at all. How many have one.
async fn whole(store: &Store, team: Id, ids: &[Id]) -> usize {
    let mut kept = 0;
    for (number, id) in ids.iter().enumerate() {
        let octets = if number % 25 == 0 { 3 << 20 } else { 100 };
        if let Some(body) = store.body(Some(team), *id).await.unwrap() {
            assert_eq!(body.len(), octets);
            kept += 1;
        }
    }
    kept
}

async fn emails(store: &Store, team: Id, ids: &[Id]) -> Vec<Email> {
    let shown = join_all(ids.iter().map(|id| store.email(team, *id))).await;
    shown.into_iter().map(|email| email.unwrap().unwrap()).collect()
}

/// Rows of what is to be forgotten, of all messages: bodies and their pieces, events, what is known of readers.
async fn left(book: &Book) -> Vec<i64> {
    let mut left = Vec::new();
    for table in ["message_bodies", "message_body_pieces", "events", "engagements"] {
        left.push(book.rows(table).await);
    }
    left
}

#[test]
fn two_processes_forget_the_same_at_once() {
    on_every_engine(async |book| {
        let (store, other) = (&book.store, book.again().await);
        let team = store.create_team("t").await.unwrap().id;
        let ids = ended(&book, team, 600).await;
        let (before, statistics) = (emails(store, team, &ids).await, store.statistics(team, Day(1)).await.unwrap());
        assert!(before.iter().all(|email| email.times.delivered.is_some() && email.times.opened.is_some()));
        assert_eq!(left(&book).await, [600, 48, 1800, 600]);
        // Mail comes and goes meanwhile, and one whose events are being forgotten is complained of.
        let late = Returned { index: 0, news: News::Complained("abuse".into()), by: None, notice: None };
        let meanwhile = async {
            for _ in 0..20 {
                store.accept(acceptance(team, &["you@example.test"])).await.unwrap();
            }
            store.record_returns(ids[599], &[late]).await.unwrap();
        };
        tokio::join!(pass(store, 91), pass(&other, 91), pass(&other, 91), meanwhile);
        pass(store, 91).await;
        assert_eq!(left(&book).await, [20, 0, 1, 0], "what is new stays, and the complaint");
        let after = emails(store, team, &ids).await;
        assert_eq!(after[..599], before[..599], "times and status stay");
        assert_eq!((after[599].status, after[599].times.opened), (MessageStatus::Complained, before[599].times.opened));
        let counted = store.statistics(team, Day(1)).await.unwrap();
        assert_eq!((counted.engagement, counted.statuses.total()), (statistics.engagement, statistics.statuses.total() + 20));
        other.close().await;
    });
}

#[test]
fn a_pass_that_is_cut_short_anywhere_leaves_nothing_half() {
    on_every_engine(async |book| {
        let store = &book.store;
        let team = store.create_team("t").await.unwrap().id;
        let ids = ended(&book, team, 30).await;
        let before = emails(store, team, &ids).await;
        let (mut steps, mut seen) = (0, std::collections::BTreeSet::new());
        loop {
            steps += 1;
            // Another process each time, that dies at its next wait.
            let mortal = book.again().await;
            let ended = cut_after(steps, Box::pin(pass(&mortal, 91))).await;
            drop(mortal);
            seen.insert(whole(store, team, &ids).await);
            assert_eq!(emails(store, team, &ids).await, before, "after {steps} steps");
            if ended {
                break;
            }
        }
        assert!(steps > 2 && seen.len() > 1, "it was cut short {steps} times, and left {seen:?} bodies");
        assert_eq!(left(&book).await, [0, 0, 0, 0]);
    });
}

/// Lets `work` go on so many times when it waited, and drops it then. Whether it came to its end.
async fn cut_after(steps: usize, work: impl Future<Output = ()>) -> bool {
    let (mut work, mut left) = (std::pin::pin!(work), steps);
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        work.as_mut().poll(context).map(|()| true)
    })
    .await
}
