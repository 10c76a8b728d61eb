//! `POST /api/v1/emails/batch`.

use posthouse::clock::Clock;
use posthouse::model::key::{KeyRights, StreamWord};
use posthouse::model::stream::Stream;
use posthouse::model::suppression::Suppression;
use serde_json::{Value, json};

use super::{plain, plain_with};
use crate::support::api::{Answer, Api};
use crate::support::stores::on_every_engine;

async fn send(api: &Api, headers: &[(&str, &str)], emails: &[Value]) -> Answer {
    api.post_with(&api.key, "/api/v1/emails/batch", headers, &json!({"emails": emails})).await
}

/// How many messages the team has.
async fn accepted(api: &Api) -> u64 {
    api.get(&api.key, "/api/v1/emails").await.json()["meta"]["total"].as_u64().unwrap()
}

#[test]
fn all_are_accepted_together_in_their_order() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let emails: Vec<Value> = (0..100).map(|number| plain_with(&json!({"subject": format!("number {number}")}))).collect();
        let answer = send(&api, &[], &emails).await;
        assert_eq!(answer.status, 201);
        let items = answer.json()["data"].as_array().unwrap().clone();
        assert_eq!(items.len(), 100);
        for (number, item) in items.iter().enumerate() {
            assert_eq!((&item["status"], &item["data"]["subject"]), (&json!(201), &json!(format!("number {number}"))));
        }
        assert_eq!(accepted(&api).await, 100);
    });
}

#[test]
fn what_is_wrong_with_one_refuses_that_one() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let gone = Suppression {
            team: api.ours,
            address: "gone@b.test".to_owned(),
            reason: "manual".to_owned(),
            message: None,
            evidence: None,
            created_at: Clock::System.now(),
        };
        api.store.suppress(&[gone]).await.unwrap();
        let emails = [
            plain(),
            plain_with(&json!({"to": "gone@b.test"})),
            plain_with(&json!({"subject": "a\nb"})),
            plain_with(&json!({"scheduled_at": "2020-01-01T00:00:00Z"})),
            plain_with(&json!({"idempotency_key": ""})),
            plain_with(&json!({"idempotency_key": "batch\u{0}1"})),
            plain_with(&json!({"subject": "last"})),
        ];
        let answer = send(&api, &[], &emails).await;
        assert_eq!(answer.status, 207);
        let items = answer.json()["data"].clone();
        let statuses: Vec<u64> = items.as_array().unwrap().iter().map(|item| item["status"].as_u64().unwrap()).collect();
        assert_eq!(statuses, [201, 422, 422, 422, 422, 422, 201]);
        assert_eq!(items[1]["errors"]["code"], "recipient_suppressed");
        assert!(items[2]["errors"]["details"]["subject"].is_array() && items[3]["errors"]["details"]["scheduled_at"].is_array());
        for place in [4, 5] {
            assert_eq!(items[place]["errors"]["code"], "invalid_idempotency_key");
        }
        assert_eq!(items[6]["data"]["subject"], "last");
        assert_eq!(accepted(&api).await, 2);
    });
}

#[test]
fn what_is_a_matter_of_all_refuses_all() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let missing = [plain(), plain(), plain_with(&json!({"to": null}))];
        let answer = send(&api, &[], &missing).await;
        let text = "Email at index 2 is missing required fields (from, to, subject)";
        assert_eq!((answer.status.as_u16(), answer.json()), (422, json!({"error": text})));
        for (fields, status, code, text) in [
            (
                json!({"stream": "broadcast"}),
                403,
                "stream_not_allowed",
                "Email #2: API key is not allowed to send on stream 'broadcast'",
            ),
            (json!({"headers": {"Bcc": "x@y.test"}}), 422, "forbidden_header", "Email #2: Bcc is reserved; remove it"),
        ] {
            let answer = send(&api, &[], &[plain(), plain_with(&fields)]).await;
            assert_eq!((answer.status.as_u16(), answer.json()), (status, json!({"error": text, "code": code})));
        }
        let both = api.key(KeyRights { streams: Stream::ALL.map(StreamWord).to_vec(), ..KeyRights::default() }).await;
        let answer = api.post(&both, "/api/v1/emails/batch", &json!({"emails": [plain()]})).await;
        assert_eq!(answer.json(), json!({"error": "Email #1: stream is required for this API key", "code": "stream_required"}));
        assert_eq!(accepted(&api).await, 0);
    });
}

#[test]
fn a_batch_has_1_to_100_messages() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        for (body, status) in [
            (json!({}), 400),
            (json!({"emails": null}), 400),
            (json!([]), 400),
            (json!({"emails": []}), 422),
            (json!({"emails": vec![plain(); 101]}), 422),
            (json!({"emails": [[]]}), 422),
            (json!({"emails": [plain()], "more": 1}), 422),
            (json!({"emails": [plain_with(&json!({"sbject": "x"}))]}), 422),
        ] {
            let answer = api.post(&api.key, "/api/v1/emails/batch", &body).await;
            assert_eq!(answer.status, status, "{}", answer.json());
        }
        assert_eq!(accepted(&api).await, 0);
    });
}

#[test]
fn a_repeated_batch_is_answered_as_the_first_was() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let emails = [plain(), plain_with(&json!({"subject": "second", "idempotency_key": "own"}))];
        let (first, again) =
            (send(&api, &[("idempotency-key", "b1")], &emails).await, send(&api, &[("idempotency-key", "b1")], &emails).await);
        assert_eq!((first.status.as_u16(), again.status.as_u16()), (201, 201));
        assert_eq!(first.json(), again.json());
        assert_eq!((first.header("idempotent-replayed"), again.header("idempotent-replayed")), ("", "true"));
        // The item's own key is the one of its header alone, too.
        let alone = api
            .post_with(&api.key, "/api/v1/emails", &[("idempotency-key", "own")], &plain_with(&json!({"subject": "second"})))
            .await;
        assert_eq!(alone.json()["data"]["id"], first.json()["data"][1]["data"]["id"]);
        let changed = [plain(), plain_with(&json!({"subject": "changed", "idempotency_key": "own"}))];
        let answer = send(&api, &[("idempotency-key", "b1")], &changed).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["data"][1]["errors"]["code"]),
            (207, &json!("idempotency_key_reused"))
        );
        assert_eq!(accepted(&api).await, 2);
    });
}
