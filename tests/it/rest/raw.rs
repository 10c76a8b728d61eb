//! `GET /api/v1/emails/{id}/raw`.

use std::time::Duration;

use posthouse::clock::Clock;
use posthouse::config::Config;
use posthouse::id::{Id, Ids};
use posthouse::retention::Retention;
use posthouse::store::operate::QueueAction;
use serde_json::json;

use super::{plain, sent};
use crate::support::api::{Api, scoped};
use crate::support::stores::on_every_engine;

#[test]
fn the_bytes_come_under_every_form_of_the_id() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let id: Id = sent(&api, &json!({})).await.parse().unwrap();
        for form in [id.crockford(), id.crockford().to_lowercase(), id.uuid(), format!("snd_{id}")] {
            let answer = api.get(&api.key, &format!("/api/v1/emails/{form}/raw")).await;
            assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "message/rfc822"), "{form}");
            let bytes = String::from_utf8(answer.body).unwrap();
            assert!(
                bytes.starts_with("Received: by ") && bytes.contains("\r\nMessage-ID: <") && bytes.contains("\r\nIt works.\r\n")
            );
        }
    });
}

#[test]
fn a_foreign_id_and_an_unknown_one_answer_alike() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let (id, never) = (sent(&api, &json!({})).await, Ids::random(Clock::System).next());
        let theirs = api.get(&api.foreign_key, &format!("/api/v1/emails/{id}/raw")).await;
        for unknown in [never.to_string(), "nonsense".to_owned(), "%ff".to_owned()] {
            let nobodys = api.get(&api.foreign_key, &format!("/api/v1/emails/{unknown}/raw")).await;
            assert_eq!(theirs.bare(), nobodys.bare(), "{unknown}");
        }
        assert_eq!((theirs.status.as_u16(), theirs.body.as_slice()), (404, &br#"{"error":"Not found"}"#[..]));
    });
}

#[test]
fn content_that_is_no_longer_kept_is_gone_and_its_message_is_not() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let once = [("idempotency-key", "order-1")];
        let first = api.post_with(&api.key, "/api/v1/emails", &once, &plain()).await.json()["data"].clone();
        let id = first["id"].as_str().unwrap();
        api.store.queue_action(id.parse().unwrap(), QueueAction::Cancel).await.unwrap();
        let later = Clock::manual(Clock::System.now().plus(Duration::from_secs(100 * 86_400)));
        let retention = Retention::new(api.store.clone(), &Config::defaults().retention, later);
        retention.without_rest().pass().await.unwrap();

        let raw = api.get(&api.key, &format!("/api/v1/emails/{id}/raw")).await;
        assert_eq!((raw.status.as_u16(), raw.json()), (410, json!({"error": "The content is no longer kept"})));
        assert_eq!(api.get(&api.foreign_key, &format!("/api/v1/emails/{id}/raw")).await.status, 404);
        assert_eq!(api.get(&api.key, &format!("/api/v1/emails/{id}")).await.json()["data"]["status"], "cancelled");
        let events = api.get(&api.key, &format!("/api/v1/emails/{id}/events")).await.json()["data"].clone();
        assert_eq!((events.as_array().unwrap().len(), &events[0]["type"]), (1, &json!("queued")));
        let again = api.post_with(&api.key, "/api/v1/emails", &once, &plain()).await;
        assert_eq!((again.status.as_u16(), &again.json()["data"]), (201, &first), "a repeat is still known");
    });
}

#[test]
fn a_key_that_may_not_read_does_not() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let id = sent(&api, &json!({})).await;
        let sending = api.key(scoped(&["send"])).await;
        let answer = api.get(&sending, &format!("/api/v1/emails/{id}/raw")).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_slice()), (403, &br#"{"error":"Insufficient scope"}"#[..]));
    });
}
