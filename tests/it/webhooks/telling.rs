//! Who is told, and what.

use std::collections::BTreeSet;

use posthouse::id::Id;
use posthouse::model::webhook::WebhookKind;
use posthouse::store::Location;
use posthouse::store::webhooks::deliveries::Standing;
use serde_json::json;

use super::{House, until};
use crate::support::nouns::acceptance;
use crate::support::receiver::Manner;
use crate::support::stores::on_every_engine;

#[test]
fn each_endpoint_that_wants_to_know_is_told_the_same_and_nobody_else() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let stranger = house.store.create_team("theirs").await.unwrap().id;
        let (first, second) = (house.endpoint("first").await, house.endpoint("second").await);
        house.endpoint_for(house.team, "of-others", &[WebhookKind::Sent, WebhookKind::Delivered]).await;
        house.endpoint_for(stranger, "theirs", &[WebhookKind::Rejected]).await;
        let off = house.endpoint("off").await;
        let settings = posthouse::model::webhook::WebhookSettings { enabled: false, ..off.settings.clone() };
        house.change(&off, settings).await;
        house.run();
        let message = house.happens().await;
        let told = (house.attempts(&first, 1).await, house.attempts(&second, 1).await);
        assert_eq!((told.0.len(), told.1.len(), told.0[0].status, &told.0[0].error), (1, 1, Some(204), &None));

        let (one, other) = (house.receiver.of("first"), house.receiver.of("second"));
        assert_eq!((one.len(), other.len(), &one[0].body), (1, 1, &other[0].body));
        let (receipt, event) = (&one[0], &house.store.events(message).await.unwrap()[0]);
        let body = receipt.json();
        assert_eq!((&body["type"], &body["id"]), (&json!("email.rejected"), &json!(event.id.uuid())));
        assert_eq!(body["created_at"], event.at.rfc3339());
        assert_eq!(body["as_of"], house.clock.now().rfc3339());
        assert_eq!((&body["data"]["id"], &body["data"]["recipient"]), (&json!(message.uuid()), &json!("gone@example.test")));
        assert_eq!((&body["data"]["reason"], &body["data"]["status"]), (&json!("it bounced before"), &json!("rejected")));
        assert_eq!(receipt.header("x-krafter-event"), "email.rejected");
        assert_eq!(
            (receipt.header("webhook-id"), receipt.header("content-type")),
            (event.id.uuid().as_str(), "application/json")
        );
        assert_eq!(receipt.header("x-krafter-webhook-id"), told.0[0].request);
        assert_ne!(told.0[0].request, told.1[0].request);
        assert_ne!(receipt.header("x-krafter-signature"), other[0].header("x-krafter-signature"), "each has its own secret");
        assert!(receipt.header("webhook-signature").starts_with("v1,") && receipt.header("x-krafter-test").is_empty());
        for nobody in ["of-others", "theirs", "off"] {
            assert!(house.receiver.of(nobody).is_empty(), "{nobody}");
        }
        house.close().await;
    });
}

#[test]
fn where_nobody_listens_nothing_is_noted() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        house.happens().await;
        house.endpoint_for(house.team, "of-others", &[WebhookKind::Sent]).await;
        house.happens().await;
        assert!(house.store.take_noted(None, 10).await.unwrap().keys.is_empty());
        house.endpoint("wants").await;
        let message = house.happens().await;
        let noted = house.store.take_noted(None, 10).await.unwrap();
        assert_eq!((noted.keys.len(), noted.events[0].email.message.id), (1, message));
        house.close().await;
    });
}

#[test]
fn teams_take_turns_however_much_one_has_to_tell() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let (much, little) = (house.endpoint("much").await, house.store.create_team("theirs").await.unwrap().id);
        house.endpoint_for(little, "little", &[WebhookKind::Rejected]).await;
        let addresses: Vec<String> = (0..900).map(|place| format!("r{place}@example.test")).collect();
        let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
        for (team, to) in [(much.team, &addresses[..]), (little, &addresses[..1])] {
            let mut offered = acceptance(team, to);
            offered.recipients.iter_mut().for_each(|one| one.rejected = Some("it bounced before".to_owned()));
            house.store.accept(offered).await.unwrap();
        }
        let taken = house.store.take_noted(None, 100).await.unwrap();
        let of = |team| taken.keys.iter().filter(|key| key.team == team).count();
        assert_eq!((of(little), taken.events.len()), (1, taken.keys.len()), "with the first of the other");
        assert_eq!(of(much.team), 99, "and all the rest");
        if house.store.is_shared() {
            let beside = house.store.take_noted(None, 100).await.unwrap();
            assert!(
                beside.keys.iter().all(|key| key.team == much.team && !taken.keys.contains(key)),
                "processes divide the work"
            );
            assert_eq!(beside.keys.len(), 100);
        }
        let (first, next) =
            (house.store.take_noted(None, 1).await.unwrap(), house.store.take_noted(taken.last, 1).await.unwrap());
        assert!(first.keys.len() <= 1 && next.keys.len() <= 1);
        house.close().await;
    });
}

#[test]
fn one_event_that_cannot_be_written_keeps_no_other_waiting() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let webhook = house.endpoint("first").await;
        book.tamper(match book.location {
            Location::Sqlite(_) => {
                "CREATE TRIGGER bad BEFORE INSERT ON webhook_events WHEN NEW.body LIKE '%bad@example.test%'
                 BEGIN SELECT RAISE(ABORT, 'bad'); END"
            }
            Location::Postgres(_) => "ALTER TABLE webhook_events ADD CHECK (body NOT LIKE '%bad@example.test%')",
        })
        .await;
        for to in ["one@example.test", "bad@example.test", "two@example.test"] {
            let mut offered = acceptance(house.team, &[to]);
            offered.recipients[0].rejected = Some("it bounced before".to_owned());
            house.store.accept(offered).await.unwrap();
        }
        house.run();
        let told = house.attempts(&webhook, 2).await;
        assert!(told.iter().all(|attempt| attempt.error.is_none()));
        until("an empty outbox", async || house.store.take_noted(None, 10).await.unwrap().keys.is_empty()).await;
        house.close().await;
    });
}

#[test]
fn what_is_told_by_several_processes_is_told_once_while_none_dies() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let endpoints = [house.endpoint("first").await, house.endpoint("second").await];
        for _ in 0..if house.store.is_shared() { 3 } else { 1 } {
            house.run();
        }
        for _ in 0..100 {
            house.happens().await;
        }
        for (webhook, name) in endpoints.iter().zip(["first", "second"]) {
            house.attempts(webhook, 100).await;
            let came: Vec<String> =
                house.receiver.of(name).iter().map(|receipt| receipt.header("webhook-id").to_owned()).collect();
            let once: BTreeSet<&String> = came.iter().collect();
            assert_eq!((came.len(), once.len()), (100, 100), "{name}");
        }
        house.close().await;
    });
}

#[test]
fn an_endpoint_is_sent_one_request_at_a_time_until_it_has_answered_well() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let webhook = house.endpoint("first").await;
        house.receiver.behave("first", Manner::Status(500, "no".into()));
        for _ in 0..20 {
            house.happens().await;
        }
        house.run();
        let failed = house.attempts(&webhook, 10).await;
        assert_eq!((house.receiver.open_at_most(), failed[0].answer.as_str()), (1, "no"));
        let proven = async |standing| house.store.webhooks_with_due(Id([9; 16]), standing, 10).await.unwrap().len();
        assert_eq!((proven(Standing::Proven).await, proven(Standing::Unproven).await), (0, 0));
        house.receiver.behave("first", Manner::Status(200, String::new()));
        house.clock.advance(std::time::Duration::from_secs(3600));
        until("all to be told", async || house.log(&webhook).await.iter().filter(|a| a.error.is_none()).count() == 20).await;
        house.happens().await;
        until("one more", async || house.log(&webhook).await.iter().filter(|a| a.error.is_none()).count() == 21).await;
        assert!(house.receiver.open_at_most() <= 8);
        house.close().await;
    });
}

#[test]
fn of_a_message_for_many_each_event_names_its_recipient_alone() {
    on_every_engine(async |book| {
        let house = House::over(&book).await;
        let webhook = house.endpoint("first").await;
        house.run();
        for number in [50, 51] {
            let addresses: Vec<String> = (0..number).map(|place| format!("r{place}@example.test")).collect();
            let mut offered = acceptance(house.team, &addresses.iter().map(String::as_str).collect::<Vec<_>>());
            offered.recipients.iter_mut().for_each(|one| one.rejected = Some("it bounced before".to_owned()));
            house.store.accept(offered).await.unwrap();
        }
        house.attempts(&webhook, 101).await;
        let bodies: Vec<_> = house.receiver.of("first").iter().map(|receipt| receipt.json()["data"].clone()).collect();
        let named = |data: &serde_json::Value| data["to"].as_array().unwrap().len();
        assert_eq!(bodies.iter().filter(|data| named(data) == 50).count(), 50);
        let alone: Vec<_> = bodies.iter().filter(|data| named(data) == 1).collect();
        let about: BTreeSet<String> = alone.iter().map(|data| data["recipient"].to_string()).collect();
        assert_eq!((alone.len(), about.len()), (51, 51));
        for data in alone {
            assert_eq!((&data["to"], &data["bcc"]), (&json!([data["recipient"]]), &json!([])));
            let recipients = data["recipients"].as_array().unwrap();
            assert_eq!((recipients.len(), &recipients[0]["address"]), (1, &data["recipient"]));
        }
        house.close().await;
    });
}
