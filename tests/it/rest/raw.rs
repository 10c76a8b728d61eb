//! `GET /api/v1/emails/{id}/raw`.

use posthouse::clock::Clock;
use posthouse::id::{Id, Ids};
use serde_json::json;

use super::sent;
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
fn a_key_that_may_not_read_does_not() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let id = sent(&api, &json!({})).await;
        let sending = api.key(scoped(&["send"])).await;
        let answer = api.get(&sending, &format!("/api/v1/emails/{id}/raw")).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_slice()), (403, &br#"{"error":"Insufficient scope"}"#[..]));
    });
}
