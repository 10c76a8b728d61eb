//! Endpoints that fail: each in its own way, for a while, or for good.

use std::collections::BTreeSet;
use std::time::Duration;

use posthouse::model::webhook::WebhookHealth;
use serde_json::json;

use super::{House, until};
use crate::support::receiver::Manner;
use crate::support::stores::on_every_engine;

const WEEK: Duration = Duration::from_secs(7 * 86_400);
/// By as much as attempts may be put off.
const LONGER_THAN_A_DAY: Duration = Duration::from_secs(26 * 3600);

#[test]
fn whatever_is_no_success_is_tried_again_as_the_same_event() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let elsewhere = house.receiver.url("elsewhere");
        let manners = [
            ("refuses", Manner::Status(500, "a\u{0}b".into()), "the answer is 500"),
            ("gone", Manner::Status(410, "x".repeat(10_000)), "the answer is 410"),
            ("moved", Manner::Moved(elsewhere), "no other address is called"),
            ("closes", Manner::Closes, "no answer"),
            ("hangs", Manner::Hangs, "no answer in time"),
        ];
        let mut endpoints = Vec::new();
        for (name, manner, _) in &manners {
            house.receiver.behave(name, manner.clone());
            endpoints.push(house.endpoint(name).await);
        }
        house.happens().await;
        house.run();
        for ((name, _, fault), webhook) in manners.iter().zip(&endpoints) {
            let log = house.attempts(webhook, 1).await;
            let error = log[0].error.clone().unwrap_or_default();
            assert!(error.contains(fault), "{name}: {error}");
            assert!(log[0].answer.len() <= 4096 && !log[0].answer.contains('\0'), "{name}");
            assert_eq!((log.len(), house.shown(webhook).await.health.failures), (1, 1), "{name}");
            house.receiver.behave(name, Manner::Status(200, "ok".into()));
        }
        // The second attempt is due after 17 seconds and some jitter.
        house.clock.advance(Duration::from_secs(60));
        for ((name, _, _), webhook) in manners.iter().zip(&endpoints) {
            let log = house.attempts(webhook, 2).await;
            assert_eq!((log.len(), log[1].number, &log[1].error), (2, 2, &None), "{name}");
            let receipts = house.receiver.of(name);
            let ids: BTreeSet<&str> = receipts.iter().map(|receipt| receipt.header("webhook-id")).collect();
            let requests: BTreeSet<&str> = receipts.iter().map(|receipt| receipt.header("x-krafter-webhook-id")).collect();
            assert_eq!((receipts.len(), ids.len(), requests.len()), (2, 1, 2), "{name}");
            assert_eq!(receipts[0].body, receipts[1].body, "{name}");
            assert_eq!(house.shown(webhook).await.health.failures, 0, "{name}");
        }
        assert!(house.receiver.of("elsewhere").is_empty(), "nobody is sent elsewhere");
        house.close().await;
    });
}

#[test]
fn an_endpoint_that_fails_is_spared_and_brought_up_to_date_when_it_is_back() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let webhook = house.endpoint("ill").await;
        house.receiver.behave("ill", Manner::Closes);
        for _ in 0..30 {
            house.happens().await;
        }
        house.run();
        until("a pause", async || house.shown(&webhook).await.health.paused_until.is_some()).await;
        let health = house.shown(&webhook).await.health;
        assert_eq!((health.failures, house.log(&webhook).await.len()), (10, 10), "ten in a row, and no more");
        // The pause is over: one probe, and a longer pause.
        house.clock.advance(Duration::from_secs(31));
        until("a probe", async || house.shown(&webhook).await.health.failures == 11).await;
        assert_eq!(house.log(&webhook).await.len(), 11);
        house.receiver.behave("ill", Manner::Status(200, String::new()));
        house.clock.advance(Duration::from_secs(61));
        until("all to be told", async || house.log(&webhook).await.iter().filter(|a| a.error.is_none()).count() == 30).await;
        let health = house.shown(&webhook).await.health;
        assert_eq!(WebhookHealth { succeeded_at: None, ..health }, WebhookHealth::default());
        house.close().await;
    });
}

#[test]
fn an_endpoint_that_takes_nothing_for_a_week_is_given_up_and_the_others_hear_of_it() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let (ill, well) = (house.endpoint("ill").await, house.endpoint("well").await);
        house.receiver.behave("ill", Manner::Status(503, String::new()));
        house.happens().await;
        house.run();
        house.attempts(&ill, 1).await;
        // Its delivery is attempted five times in some minutes, and then daily.
        for attempt in 2..=11 {
            house.clock.advance(if attempt <= 5 { Duration::from_secs(60) } else { LONGER_THAN_A_DAY });
            house.attempts(&ill, attempt).await;
            assert!(house.shown(&ill).await.settings.enabled, "{attempt}");
        }
        house.clock.advance(LONGER_THAN_A_DAY);
        until("it to be given up", async || !house.shown(&ill).await.settings.enabled).await;
        let shown = house.shown(&ill).await;
        assert!(shown.health.disabled.is_some_and(|(_, reason)| reason.contains("7 days")));
        house.attempts(&well, 2).await;
        let body = house.receiver.of("well").last().unwrap().json();
        assert_eq!((&body["type"], &body["data"]["webhook"]["id"]), (&json!("webhook.disabled"), &json!(ill.id.uuid())));
        assert_eq!(body["data"]["webhook"]["url"], format!("http://{}", house.receiver.address), "where it lies, and no more");
        assert_eq!((&body["data"]["webhook"]["secret"], house.log(&ill).await.len()), (&serde_json::Value::Null, 12));
        assert!(house.receiver.of("ill").iter().all(|receipt| receipt.header("x-krafter-event") == "email.rejected"));
        // Switched on again it begins anew.
        let settings = posthouse::model::webhook::WebhookSettings { enabled: true, ..shown.settings };
        let on = house.change(&ill, settings).await;
        assert_eq!(WebhookHealth { succeeded_at: None, ..on.health }, WebhookHealth::default());
        house.close().await;
    });
}

#[test]
fn endpoints_that_never_answer_keep_nothing_from_one_that_does() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let mut silent = Vec::new();
        for number in 0..40 {
            let name = format!("silent{number}");
            house.receiver.behave(&name, Manner::Hangs);
            silent.push(house.endpoint(&name).await);
        }
        let good = house.endpoint("good").await;
        house.run();
        for _ in 0..50 {
            house.happens().await;
        }
        until("the good one to be told of all", async || house.receiver.of("good").len() == 50).await;
        let told = house.attempts(&good, 50).await;
        assert!(told.iter().all(|attempt| attempt.error.is_none()));
        for webhook in &silent {
            assert!(house.log(webhook).await.iter().all(|attempt| attempt.status.is_none()), "they never answer");
        }
        house.close().await;
    });
}

#[test]
fn whoever_says_2xx_has_it_whatever_follows() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let manners = [("endless", Manner::Endless), ("drips", Manner::Drips)];
        let mut endpoints = Vec::new();
        for (name, manner) in manners {
            house.receiver.behave(name, manner);
            endpoints.push(house.endpoint(name).await);
        }
        house.happens().await;
        house.run();
        for webhook in &endpoints {
            let log = house.attempts(webhook, 1).await;
            assert_eq!((log[0].status, &log[0].error), (Some(200), &None), "{}", webhook.settings.url);
            assert!(log[0].answer.starts_with('a') && log[0].answer.len() <= 4096, "{}", webhook.settings.url);
            assert_eq!(house.shown(webhook).await.health.failures, 0, "{}", webhook.settings.url);
        }
        house.close().await;
    });
}

#[test]
fn two_failures_more_than_a_week_apart_switch_nothing_off() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let webhook = house.endpoint("ill").await;
        house.receiver.behave("ill", Manner::Closes);
        house.happens().await;
        house.run();
        house.attempts(&webhook, 1).await;
        house.clock.advance(WEEK + LONGER_THAN_A_DAY);
        house.attempts(&webhook, 2).await;
        house.clock.advance(Duration::from_secs(60));
        house.attempts(&webhook, 3).await;
        assert!(house.shown(&webhook).await.settings.enabled, "it was asked three times");
        house.close().await;
    });
}

#[test]
fn what_cannot_be_written_down_is_not_sent_again_at_once() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let webhook = house.endpoint("well").await;
        book.tamper("ALTER TABLE webhook_attempts RENAME TO hidden").await;
        house.happens().await;
        house.run();
        until("the request", async || !house.receiver.of("well").is_empty()).await;
        // What else happens takes longer than the pauses between two looks.
        for _ in 0..20 {
            house.happens().await;
        }
        book.tamper("ALTER TABLE hidden RENAME TO webhook_attempts").await;
        let log = house.attempts(&webhook, 21).await;
        assert_eq!((log.len(), house.receiver.of("well").len()), (21, 21), "each once");
        house.close().await;
    });
}
