//! Endpoints that do not keep up: they cost little, and miss nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use posthouse::event::Places;
use posthouse::id::{Id, Ids};
use posthouse::model::webhook::{Webhook, WebhookHealth, WebhookKind, WebhookSettings};
use posthouse::store::Store;
use posthouse::store::webhooks::behind::{ROOM, ROOM_UNPROVEN};
use posthouse::store::webhooks::deliveries::{Attempted, Next, Standing};
use posthouse::store::webhooks::noted::Noted;
use posthouse::store::webhooks::outbox::WebhookEvent;

use super::{House, until};
use crate::support::receiver::Manner;
use crate::support::stores::{Book, on_every_engine};

/// Pairs of an event and an endpoint that wants it of which nothing is known: no delivery, and no mark that it is to be made.
const LOST: &str = "webhook_events e JOIN webhooks h ON h.team_id = e.team_id AND (h.kinds & e.kind) <> 0
    WHERE (h.behind_from IS NULL OR e.id < h.behind_from)
        AND NOT EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.event_id = e.id AND d.webhook_id = h.id)";
const PENDING: &str = "webhook_deliveries WHERE state = 'pending'";

/// Events of our team, in the order of their ids.
struct News<'a> {
    house: &'a House,
    ids: Ids,
}

impl<'a> News<'a> {
    fn of(house: &'a House) -> Self {
        Self { house, ids: Ids::counting(house.clock.clone()) }
    }

    fn made(&self, number: usize, kind: WebhookKind) -> Vec<WebhookEvent> {
        let one = |_| WebhookEvent { id: self.ids.next(), team: self.house.team, kind, body: "{}".to_owned() };
        (0..number).map(one).collect()
    }

    async fn happen(&self, number: usize) -> Vec<Id> {
        let news = self.made(number, WebhookKind::Rejected);
        self.house.store.announce(&news, Noted::default()).await.unwrap();
        news.iter().map(|event| event.id).collect()
    }
}

/// As rows are counted.
fn many(rows: usize) -> i64 {
    i64::try_from(rows).unwrap()
}

impl House {
    async fn is_proven(&self, webhook: &Webhook) {
        self.fares(webhook, WebhookHealth { succeeded_at: Some(self.clock.now()), ..WebhookHealth::default() }).await;
    }

    async fn is_behind(&self, webhook: &Webhook) -> bool {
        self.shown(webhook).await.behind_from.is_some()
    }
}

#[test]
fn who_never_answers_costs_a_few_deliveries_and_is_told_of_all_in_order_when_it_is_back() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let (ill, well) = (house.endpoint("ill").await, house.endpoint("well").await);
        house.receiver.behave("ill", Manner::Closes);
        house.run_with(Places { extras: 0, ..Places::default() });
        let (news, mut all) = (News::of(&house), Vec::new());
        for _ in 0..20 {
            all.extend(news.happen(50).await);
        }
        until("the good one to be told", async || house.log(&well).await.len() == 1000).await;
        until("a pause", async || house.shown(&ill).await.health.paused_until.is_some()).await;
        assert!(book.rows(PENDING).await <= 2 * many(ROOM_UNPROVEN), "what is due, and what was attempted");
        assert_eq!(house.shown(&ill).await.behind_from.map(Id::made_at), Some(house.clock.now()));

        let before = house.receiver.of("ill").len();
        house.receiver.behave("ill", Manner::Status(204, String::new()));
        house.clock.advance(Duration::from_secs(31));
        until("it to be called", async || house.receiver.of("ill").len() > before).await;
        all.extend(news.happen(50).await);
        until("it to be told of all", async || taken(&house, "ill", before).len() == 1050).await;
        let told = taken(&house, "ill", before);
        assert!(told.values().all(|(_, times)| *times == 1), "each once, but for those that it did not take");
        let mut came: Vec<_> = told.iter().map(|(event, (place, _))| (*place, *event)).collect();
        came.sort_unstable();
        let first_attempts: Vec<Id> = came.iter().map(|(_, event)| *event).filter(|event| all[20..].contains(event)).collect();
        assert_eq!(first_attempts, all[20..], "in order, with what happened meanwhile");
        until("it to keep up", async || !house.is_behind(&ill).await).await;
        assert_eq!(book.rows(LOST).await, 0);
        house.close().await;
    });
}

/// Of each event that came to an endpoint behind so many requests: the place of the last one, and how many there were.
fn taken(house: &House, name: &str, behind: usize) -> BTreeMap<Id, (usize, usize)> {
    let mut told = BTreeMap::new();
    for (place, receipt) in house.receiver.of(name).iter().enumerate().skip(behind) {
        let entry: &mut (usize, usize) = told.entry(receipt.header("webhook-id").parse().unwrap()).or_default();
        *entry = (place, entry.1 + 1);
    }
    told
}

#[test]
fn between_any_two_transactions_nothing_is_lost() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let (proven, new) = (house.endpoint("proven").await, house.endpoint("new").await);
        house.is_proven(&proven).await;
        let (news, early) = (News::of(&house), News::of(&house).made(3, WebhookKind::Rejected));
        house.clock.advance(Duration::from_secs(1));
        for number in [ROOM_UNPROVEN, 1, ROOM - ROOM_UNPROVEN - 1, 1, 300] {
            news.happen(number).await;
            assert_eq!(book.rows(LOST).await, 0, "{number}");
        }
        assert_eq!(book.rows("webhook_deliveries").await, many(ROOM + ROOM_UNPROVEN), "as many as there is room for");
        for (webhook, room) in [(&proven, ROOM), (&new, ROOM_UNPROVEN)] {
            let before = book.rows("webhook_deliveries").await;
            assert_eq!(house.store.catch_up_webhook(webhook).await, Ok(true));
            assert_eq!(book.rows("webhook_deliveries").await - before, many(room));
            assert_eq!(book.rows(LOST).await, 0, "a part");
        }
        // Each of these comes behind younger ones.
        for late in early {
            house.store.announce(&[late], Noted::default()).await.unwrap();
            assert_eq!(book.rows(LOST).await, 0, "late");
        }
        for webhook in [&proven, &new] {
            while house.store.catch_up_webhook(webhook).await.unwrap() {
                assert_eq!(book.rows(LOST).await, 0, "on the way");
            }
            assert!(!house.is_behind(webhook).await);
        }
        let events = book.rows("webhook_events").await;
        assert_eq!((events, book.rows("webhook_deliveries").await), (504, 2 * events));
        assert_eq!(book.rows(LOST).await, 0);
        house.close().await;
    });
}

#[test]
fn what_happens_while_it_catches_up_is_not_lost_whoever_does_what_at_once() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let endpoints = [house.endpoint("first").await, house.endpoint("second").await];
        let stores = [house.store.clone(), if house.store.is_shared() { book.again().await } else { house.store.clone() }];
        let ids = Ids::random(house.clock.clone());
        let mut work = tokio::task::JoinSet::new();
        for store in stores.iter().cycle().take(4) {
            let (store, news) = (store.clone(), News { house: &house, ids: ids.clone() });
            let lots: Vec<_> = (0..20).map(|_| news.made(7, WebhookKind::Rejected)).collect();
            work.spawn(async move {
                for lot in lots {
                    store.announce(&lot, Noted::default()).await.unwrap();
                }
            });
        }
        for (store, webhook) in stores.iter().zip(endpoints.iter()) {
            work.spawn(keeps_catching_up(store.clone(), webhook.clone()));
        }
        while let Some(ended) = work.join_next().await {
            ended.unwrap();
        }
        assert_eq!(book.rows(LOST).await, 0);
        for webhook in &endpoints {
            while house.store.catch_up_webhook(webhook).await.unwrap() {}
        }
        assert_eq!((book.rows(LOST).await, book.rows("webhook_deliveries").await), (0, 2 * 560));
        if house.store.is_shared() {
            stores[1].close().await;
        }
        house.close().await;
    });
}

async fn keeps_catching_up(store: Store, webhook: Webhook) {
    for _ in 0..100 {
        store.catch_up_webhook(&webhook).await.unwrap();
        tokio::task::yield_now().await;
    }
}

#[test]
fn an_event_that_is_left_out_and_not_committed_yet_is_waited_for() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let (webhook, news) = (house.endpoint("first").await, News::of(&house));
        let Some(mut other) = in_postgres(&book).await else { return house.close().await };
        house.is_proven(&webhook).await;
        news.happen(ROOM + 1).await;
        assert_eq!(house.store.catch_up_webhook(&webhook).await, Ok(true), "one is left");
        house.happens().await;
        let key = house.store.take_noted(None, 1).await.unwrap().keys[0];
        // Who takes it off the list, the last that its transaction does, has to wait.
        sqlx::query("BEGIN").execute(&mut other).await.unwrap();
        sqlx::query("SELECT 1 FROM webhook_outbox FOR UPDATE").fetch_all(&mut other).await.unwrap();
        let mut work = tokio::task::JoinSet::new();
        let (store, left_out) = (house.store.clone(), news.made(1, WebhookKind::Rejected));
        work.spawn(async move { store.announce(&left_out, Noted::only(key)).await.map(|_| ()) });
        until("fan-out to wait", async || waiting(&book).await >= 1).await;
        let store = house.store.clone();
        let catching_up = work.spawn(async move { store.catch_up_webhook(&webhook).await.map(|_| ()) });
        until("the other to be done, or to wait", async || catching_up.is_finished() || waiting(&book).await >= 2).await;
        sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
        while let Some(ended) = work.join_next().await {
            ended.unwrap().unwrap();
        }
        assert_eq!(book.rows(LOST).await, 0);
        house.close().await;
    });
}

async fn in_postgres(book: &Book) -> Option<sqlx::PgConnection> {
    use sqlx::Connection as _;
    let posthouse::store::Location::Postgres(url) = &book.location else { return None };
    Some(sqlx::PgConnection::connect(url).await.expect("a connection"))
}

/// How many connections wait for another's lock.
async fn waiting(book: &Book) -> i64 {
    book.rows("pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'").await
}

#[test]
fn what_it_does_not_want_is_gone_through_and_not_told() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let (webhook, news) = (house.endpoint("first").await, News::of(&house));
        let known = news.happen(ROOM_UNPROVEN + 1).await;
        let others = news.made(5000, WebhookKind::Sent);
        house.store.announce(&others, Noted::default()).await.unwrap();
        news.happen(2).await;
        assert_eq!(house.shown(&webhook).await.behind_from, Some(known[0]));
        let mut steps = 0;
        while house.store.catch_up_webhook(&webhook).await.unwrap() {
            steps += 1;
        }
        assert_eq!((steps, book.rows("webhook_deliveries").await), (3, many(ROOM_UNPROVEN) + 3));
        house.close().await;
    });
}

#[test]
fn what_waits_for_its_time_takes_no_room() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let (webhook, news) = (house.endpoint("first").await, News::of(&house));
        house.is_proven(&webhook).await;
        let tomorrow = Next::Again(house.clock.now().plus(Duration::from_secs(86_400)));
        for _ in 0..3 {
            let failed = news.happen(100).await.into_iter().map(|event| Attempted {
                attempt: house.attempt_at(&webhook, event),
                next: tomorrow,
                health: None,
                as_of: webhook.updated_at,
                is_back: None,
                given_up: None,
            });
            house.store.record_attempts(&failed.collect::<Vec<_>>()).await.unwrap();
        }
        news.happen(1).await;
        assert!(!house.is_behind(&webhook).await, "it takes what it is sent now");
        house.close().await;
    });
}

#[test]
fn who_is_behind_and_has_nothing_due_is_found_and_stays_behind_while_it_is_off() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let (webhook, news) = (house.endpoint("first").await, News::of(&house));
        news.happen(ROOM_UNPROVEN + 1).await;
        assert_eq!(book.rows("webhook_deliveries").await, 0);
        let found = async || house.store.webhooks_with_due(Id([9; 16]), Standing::Unproven, 10).await.unwrap().len();
        assert_eq!(found().await, 1);
        let off = WebhookSettings { enabled: false, ..webhook.settings.clone() };
        house.change(&webhook, off).await;
        news.happen(1).await;
        assert_eq!((found().await, house.is_behind(&webhook).await), (0, true));
        house.change(&webhook, webhook.settings.clone()).await;
        assert_eq!(found().await, 1);
        house.run();
        until("all to be told", async || house.log(&webhook).await.len() == ROOM_UNPROVEN + 2).await;
        until("it to keep up", async || !house.is_behind(&webhook).await).await;
        house.close().await;
    });
}
