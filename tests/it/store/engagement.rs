//! Opens and clicks in the book: what is kept of them, who counts, and that no order of news changes what a message has come to.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use posthouse::clock::Clock;
use posthouse::config::Config;
use posthouse::id::Id;
use posthouse::model::email::Email;
use posthouse::model::engagement::{Deed, Engagement, Visitor};
use posthouse::model::event::{Event, EventKind};
use posthouse::model::outcome::{Outcome, Reply};
use posthouse::model::statistics::{Day, EngagementCounts};
use posthouse::model::status::MessageStatus;
use posthouse::retention::Retention;
use posthouse::store::Store;
use posthouse::store::returns::{News, Recorded, Returned};

use crate::support::nouns::acceptance;
use crate::support::stores::on_every_engine;

use super::status::consistent;
use super::{claimed, delivered, settlement};

fn deed(message: Id, place: i64, deed: Deed, automated: bool) -> Engagement {
    let by = Visitor { ip: IpAddr::V4(Ipv4Addr::LOCALHOST), user_agent: "Reader/1.0 \u{fc} \"'".to_owned(), automated };
    Engagement { message, place, deed, by }
}

fn opened(message: Id, automated: bool) -> Engagement {
    deed(message, 0, Deed::Opened, automated)
}

fn clicked(message: Id, automated: bool) -> Engagement {
    deed(message, 0, Deed::Clicked("https://a.test/?b=1&c='2'".to_owned()), automated)
}

/// A message that was handed to a relay, to these.
async fn sent(store: &Store, team: Id, to: &[&str]) -> Id {
    let epoch = store.open_epoch("test").await.unwrap();
    let claim = claimed(store, epoch, acceptance(team, to)).await;
    let sent = Outcome::Sent(Reply::new(250, Some("2.0.0".into()), "queued"));
    assert_eq!(store.settle(settlement(&claim, &sent)).await, Ok(0));
    claim.message.id
}

async fn shown(store: &Store, team: Id, id: Id) -> Email {
    store.email(team, id).await.unwrap().unwrap()
}

async fn of_kind(store: &Store, id: Id, kind: EventKind) -> Vec<Event> {
    store.events(id).await.unwrap().into_iter().filter(|event| event.kind == kind).collect()
}

async fn counted(store: &Store, team: Id) -> [u64; 3] {
    let EngagementCounts { opened, clicked, unsubscribed } = store.statistics(team, Day(1)).await.unwrap().engagement;
    [opened, clicked, unsubscribed]
}

async fn told(store: &Store, id: Id, news: News) {
    let returned = [Returned { index: 0, news, by: None, notice: None }];
    assert_eq!(store.record_returns(id, &returned).await, Ok(Recorded::Written(1)));
}

#[test]
fn a_persons_first_open_and_click_count_and_programs_do_not() {
    on_every_engine(async |book| {
        let store = &book.store;
        let team = store.create_team("t").await.unwrap().id;
        let id = sent(store, team, &["b@example.test"]).await;
        for automated in [opened(id, true), clicked(id, true)] {
            assert_eq!(store.engage(automated).await, Ok(true));
        }
        let email = shown(store, team, id).await;
        assert_eq!((email.times.opened, email.times.clicked, counted(store, team).await), (None, None, [0, 0, 0]));
        for _ in 0..2 {
            assert_eq!(store.engage(opened(id, false)).await, Ok(true));
            assert_eq!(store.engage(clicked(id, false)).await, Ok(true));
        }
        let email = shown(store, team, id).await;
        let (opens, clicks) = (of_kind(store, id, EventKind::Opened).await, of_kind(store, id, EventKind::Clicked).await);
        assert_eq!((email.times.opened, email.times.clicked), (Some(opens[1].at), Some(clicks[1].at)));
        assert_eq!(opens.iter().map(Event::is_automated).collect::<Vec<_>>(), [true, false, false]);
        assert_eq!((counted(store, team).await, email.status), ([1, 1, 0], MessageStatus::Sent));
        let detail =
            serde_json::json!({ "url": "https://a.test/?b=1&c='2'", "ip": "127.0.0.1", "user_agent": "Reader/1.0 \u{fc} \"'" });
        assert_eq!((&clicks[1].detail, clicks[1].recipient, clicks[1].team), (&detail, Some(0), team));
        let days = store.daily_statistics(team, 1).await.unwrap();
        assert_eq!(days[0].counts.engagement, EngagementCounts { opened: 1, clicked: 1, unsubscribed: 0 });
        consistent(store, team).await;
    });
}

#[test]
fn no_order_of_news_changes_what_a_message_has_come_to() {
    on_every_engine(async |book| {
        let store = &book.store;
        let team = store.create_team("t").await.unwrap().id;
        let id = sent(store, team, &["b@example.test"]).await;
        store.engage(opened(id, false)).await.unwrap();
        let first = shown(store, team, id).await.times.opened;
        assert!(first.is_some());
        told(store, id, News::Delivered(Reply::new(250, Some("2.0.0".into()), "at last"))).await;
        store.engage(opened(id, false)).await.unwrap();
        let email = shown(store, team, id).await;
        assert_eq!((email.status, email.times.opened), (MessageStatus::Delivered, first), "a late delivered, and a second open");
        assert!(email.times.delivered >= first);
        told(store, id, News::Complained("abuse".to_owned())).await;
        store.engage(clicked(id, false)).await.unwrap();
        let email = shown(store, team, id).await;
        assert_eq!((email.status, email.times.opened), (MessageStatus::Complained, first), "a complaint after delivery");
        assert!(email.times.clicked >= email.times.complained && counted(store, team).await == [1, 1, 0]);
        // A program that follows the links of mail yet on its way, as one that scans what it passes on.
        let epoch = store.open_epoch("test").await.unwrap();
        let claim = claimed(store, epoch, acceptance(team, &["b@example.test"])).await;
        assert_eq!(store.engage(clicked(claim.message.id, true)).await, Ok(true));
        assert_eq!(store.engage(clicked(claim.message.id, false)).await, Ok(true));
        assert_eq!(shown(store, team, claim.message.id).await.status, MessageStatus::Queued);
        assert_eq!(store.settle(settlement(&claim, &delivered())).await, Ok(0));
        let email = shown(store, team, claim.message.id).await;
        assert!(email.status == MessageStatus::Delivered && email.times.clicked <= email.times.delivered);
        consistent(store, team).await;
    });
}

#[test]
fn a_message_of_many_recipients_counts_once() {
    on_every_engine(async |book| {
        let store = &book.store;
        let team = store.create_team("t").await.unwrap().id;
        let id = sent(store, team, &["a@example.test", "b@example.test", "c@example.test"]).await;
        for place in [2, 0, 1] {
            assert_eq!(store.engage(deed(id, place, Deed::Opened, false)).await, Ok(true));
        }
        let opens = of_kind(store, id, EventKind::Opened).await;
        assert_eq!(opens.iter().map(|event| event.recipient).collect::<Vec<_>>(), [Some(2), Some(0), Some(1)]);
        assert_eq!((counted(store, team).await, shown(store, team, id).await.times.opened), ([1, 0, 0], Some(opens[0].at)));
    });
}

#[test]
fn so_many_are_kept_and_neither_people_nor_programs_take_the_others_place() {
    on_every_engine(async |book| {
        let (store, other) = (book.store.clone(), book.again().await);
        let team = store.create_team("t").await.unwrap().id;
        let id = sent(&store, team, &["b@example.test"]).await;
        let mut visits = tokio::task::JoinSet::new();
        for automated in [true, false] {
            for _ in 0..120 {
                let store = store.clone();
                visits.spawn(async move { (automated, store.engage(opened(id, automated)).await.unwrap()) });
            }
            let written: Vec<_> = std::mem::take(&mut visits).join_all().await;
            assert_eq!(written.iter().filter(|(_, written)| *written).count(), 50, "automated: {automated}");
        }
        assert_eq!(other.engage(opened(id, false)).await, Ok(false), "another process knows it, too");
        assert_eq!(other.engage(deed(id, 0, Deed::Clicked("https://a.test/".to_owned()), false)).await, Ok(true));
        assert_eq!((of_kind(&store, id, EventKind::Opened).await.len(), counted(&store, team).await), (100, [1, 1, 0]));
        other.close().await;
    });
}

#[test]
fn what_is_not_written_waits_for_no_writer() {
    on_every_engine(async |book| {
        let store = &book.store;
        let team = store.create_team("t").await.unwrap().id;
        let id = sent(store, team, &["b@example.test"]).await;
        let full = async || {
            let opens = (0..50).map(|_| store.engage(opened(id, false)));
            futures_util::future::join_all(opens).await
        };
        assert!(full().await.into_iter().all(|written| written == Ok(true)));
        let other = book.occupied().await;
        assert!(full().await.into_iter().all(|written| written == Ok(false)), "enough of them is kept");
        assert_eq!(store.engage(opened(Id([7; 16]), false)).await, Ok(false), "no message of ours");
        assert_eq!(store.engage(deed(id, 1, Deed::Opened, false)).await, Ok(false), "no copy of ours");
        drop(other);
        assert_eq!(store.engage(clicked(id, false)).await, Ok(true));
        assert_eq!(counted(store, team).await, [1, 1, 0]);
    });
}

#[test]
fn two_processes_count_a_first_open_once() {
    on_every_engine(async |book| {
        let (store, other) = (book.store.clone(), book.again().await);
        let team = store.create_team("t").await.unwrap().id;
        for round in 1..=20 {
            let id = sent(&store, team, &["b@example.test"]).await;
            let (one, two) = tokio::join!(store.engage(opened(id, false)), other.engage(opened(id, false)));
            assert_eq!((one, two), (Ok(true), Ok(true)));
            assert_eq!(counted(&store, team).await, [round, 0, 0]);
        }
        other.close().await;
    });
}

#[test]
fn what_is_no_copy_of_ours_is_written_nowhere() {
    on_every_engine(async |book| {
        let store = &book.store;
        let team = store.create_team("t").await.unwrap().id;
        let id = sent(store, team, &["b@example.test"]).await;
        assert_eq!(store.engage(opened(Id([7; 16]), false)).await, Ok(false));
        assert_eq!(store.engage(deed(id, 1, Deed::Opened, false)).await, Ok(false), "there is no second recipient");
        let mut sandbox = acceptance(team, &["b@example.test"]);
        Arc::make_mut(&mut sandbox.message).sandbox = true;
        let captured = sandbox.message.id;
        store.accept(sandbox).await.unwrap();
        assert_eq!(store.engage(opened(captured, false)).await, Ok(false));
        assert_eq!(counted(store, team).await, [0, 0, 0]);
        store.close().await;
        assert!(store.engage(opened(id, false)).await.is_err());
    });
}

#[test]
fn while_any_open_of_a_message_is_kept_no_more_of_them_are_than_ever() {
    on_every_engine(async |book| {
        let clock = Clock::manual(Clock::System.now().plus(Duration::from_secs(3600)));
        let store = &Store::open(&book.location, clock.clone()).await.unwrap();
        let team = store.create_team("t").await.unwrap().id;
        let id = sent(store, team, &["b@example.test"]).await;
        assert_eq!(store.engage(opened(id, false)).await, Ok(true));
        clock.advance(Duration::from_secs(60 * 86_400));
        for _ in 1..50 {
            assert_eq!(store.engage(opened(id, false)).await, Ok(true));
        }
        let month_later = clock.now().plus(Duration::from_secs(31 * 86_400));
        let retention = |at| Retention::new(store.clone(), &Config::defaults().retention, Clock::manual(at)).without_rest();
        retention(month_later).pass().await.unwrap();
        assert_eq!(of_kind(store, id, EventKind::Opened).await.len(), 49, "the first is too old");
        assert_eq!(store.engage(opened(id, false)).await, Ok(false));
        retention(month_later.plus(Duration::from_secs(90 * 86_400))).pass().await.unwrap();
        assert_eq!(store.engage(opened(id, false)).await, Ok(true), "nothing of it is kept");
        store.close().await;
    });
}

#[test]
fn of_a_message_for_many_less_is_kept_of_each() {
    on_every_engine(async |book| {
        let store = &book.store;
        let team = store.create_team("t").await.unwrap().id;
        let addresses: Vec<String> = (0..1000).map(|place| format!("r{place}@example.test")).collect();
        let offered = acceptance(team, &addresses.iter().map(String::as_str).collect::<Vec<_>>());
        let id = offered.message.id;
        store.accept(offered).await.unwrap();
        for _ in 0..100 {
            store.engage(opened(id, false)).await.unwrap();
            store.engage(clicked(id, false)).await.unwrap();
        }
        let kept = async |kind| of_kind(store, id, kind).await.len();
        assert_eq!((kept(EventKind::Opened).await, kept(EventKind::Clicked).await), (5, 10));
    });
}
