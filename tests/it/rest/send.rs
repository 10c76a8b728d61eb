//! `POST /api/v1/emails`.

use std::time::Duration;

use axum::http::Method;
use posthouse::clock::Clock;
use posthouse::model::key::{KeyRights, StreamWord};
use posthouse::model::stream::Stream;
use serde_json::{Value, json};

use super::{plain, plain_with};
use crate::support::api::{Api, transactional};
use crate::support::stores::on_every_engine;

#[test]
fn a_message_is_accepted_and_shown_as_documented() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let email = json!({
            "from": "Ann <ann@a.test>", "to": ["Bob <bob@b.test>", "cy@c.test"], "cc": ["dee@d.test"], "bcc": ["eve@e.test"],
            "reply_to": "help@a.test", "subject": "Gr\u{fc}\u{df}e", "html": "<p>hi</p>", "text": "hi", "tags": {"order": "1"},
            "headers": {"X-Entity-Ref-ID": "7"},
        });
        let answer = api.post(&api.key, "/api/v1/emails", &email).await;
        assert_eq!(answer.status, 201, "{:?}", answer.json());
        let body = answer.json();
        let data = &body["data"];
        assert_eq!(answer.header("location"), format!("/api/v1/emails/{}", data["id"].as_str().unwrap()));
        let recipient = |address: &str| json!({"address": address, "status": "queued", "last_reply": null, "attempts": 0});
        let expected = json!({
            "id": data["id"], "created_at": data["created_at"], "message_id": data["message_id"],
            "from": "Ann <ann@a.test>", "to": ["Bob <bob@b.test>", "cy@c.test"], "cc": ["dee@d.test"], "bcc": ["eve@e.test"],
            "reply_to": "help@a.test", "subject": "Gr\u{fc}\u{df}e", "status": "queued", "tags": {"order": "1"},
            "scheduled_at": null, "sent_at": null, "delivered_at": null, "opened_at": null, "clicked_at": null,
            "bounced_at": null, "complained_at": null, "error_reason": null, "stream": "transactional", "tracking_enabled": false,
            "source": "rest", "template_id": null,
            "recipients": [recipient("bob@b.test"), recipient("cy@c.test"), recipient("dee@d.test"), recipient("eve@e.test")],
        });
        assert_eq!(*data, expected);
        let raw = api.get(&api.key, &format!("/api/v1/emails/{}/raw", data["id"].as_str().unwrap())).await;
        let raw = String::from_utf8(raw.body).unwrap();
        assert!(!raw.contains("eve@e.test") && raw.contains("X-Entity-Ref-ID: 7\r\n"), "{raw}");
    });
}

#[test]
fn a_form_label_is_taken_and_other_types_are_not() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let bearer = format!("Bearer {}", api.key);
        for (label, status) in [
            ("application/json", 201),
            ("application/x-www-form-urlencoded", 201),
            ("text/plain", 415),
            ("application/json; charset=utf-16", 415),
        ] {
            let headers = [("authorization", bearer.as_str()), ("content-type", label)];
            let answer = api.ask(Method::POST, "/api/v1/emails", &headers, plain().to_string()).await;
            assert_eq!(answer.status, status, "{label}");
            assert_eq!(answer.json()["error"].is_string(), status != 201, "{label}");
        }
        let headers = [("authorization", bearer.as_str()), ("content-encoding", "gzip")];
        assert_eq!(api.ask(Method::POST, "/api/v1/emails", &headers, plain().to_string()).await.status, 415);
    });
}

#[test]
fn what_is_wrong_has_status_and_path() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let bearer = format!("Bearer {}", api.key);
        for body in ["", "{", "[]", "null", "{\"from\": \"\\ud800\"}", "{\"subject\": 1e999}", &"[".repeat(100_000)] {
            let answer = api.ask(Method::POST, "/api/v1/emails", &[("authorization", &bearer)], body.to_owned()).await;
            assert_eq!(answer.status, 400, "{body:.50}");
            assert_eq!(answer.json().as_object().unwrap().len(), 1, "error alone");
        }
        let answer = api.post(&api.key, "/api/v1/emails", &json!({})).await;
        let details = json!({"from": ["can't be blank"], "to": ["can't be blank"], "subject": ["can't be blank"],
            "html": ["can't be blank when text is blank, too"]});
        assert_eq!((answer.status.as_u16(), answer.json()), (422, json!({"error": "Validation failed", "details": details})));
        for (fields, path) in [
            (json!({"sbject": "x"}), "sbject"),
            (json!({"subject": 5}), "subject"),
            (json!({"to": [{"email": "x@y.test"}]}), "to[0]"),
            (json!({"tags": {"a": 1}}), "tags.a"),
            (json!({"attachments": [{"filename": "f", "content_type": "text/plain", "content": "%"}]}), "attachments[0].content"),
            (json!({"stream": "bulk"}), "stream"),
            (json!({"tracking_enabled": "yes"}), "tracking_enabled"),
            (json!({"idempotency_key": "k"}), "idempotency_key"),
            (json!({"variables": {"name": "x".repeat(256 * 1024)}}), "variables"),
            (json!({"subject": "a\r\nBcc: v@x.test"}), "subject"),
        ] {
            let answer = api.post(&api.key, "/api/v1/emails", &plain_with(&fields)).await;
            assert_eq!(answer.status, 422, "{fields}");
            let details = answer.json()["details"].clone();
            assert_eq!(details.as_object().unwrap().keys().collect::<Vec<_>>(), [path], "{fields}");
        }
    });
}

/// The status and the code that a message with these fields gets under a key.
async fn refused(api: &Api, key: &str, fields: Value) -> (u16, String) {
    let answer = api.post(key, "/api/v1/emails", &plain_with(&fields)).await;
    (answer.status.as_u16(), answer.json()["code"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn policies_speak_by_their_codes() {
    on_every_engine(async |book| {
        let api = Api::with(&book, |config| config.require_verified_domain = posthouse::config::AutoBool::Set(true)).await;
        let both = api.key(KeyRights { streams: Stream::ALL.map(StreamWord).to_vec(), ..KeyRights::default() }).await;
        let sandbox = api.key(KeyRights { sandbox: Some(vec!["me@a.test".to_owned()]), ..transactional() }).await;
        for (key, fields, status, code) in [
            (&both, json!({}), 422, "stream_required"),
            (&api.key, json!({"stream": "broadcast"}), 403, "stream_not_allowed"),
            (&api.key, json!({"headers": {"DKIM-Signature": "v=1"}}), 422, "forbidden_header"),
            (&api.key, json!({}), 403, "domain_not_verified"),
            (&sandbox, json!({"to": ["me@a.test", "you@a.test"]}), 422, "sandbox_extra_recipients"),
            (&sandbox, json!({}), 403, "recipient_not_allowed"),
            (&sandbox, json!({"to": "me@a.test", "tracking_enabled": true}), 201, ""),
        ] {
            assert_eq!(refused(&api, key, fields.clone()).await, (status, code.to_owned()), "{fields}");
        }
    });
}

#[test]
fn a_repeat_under_a_key_is_answered_as_the_first_was() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let send =
            async |key: &str, email: Value| api.post_with(&api.key, "/api/v1/emails", &[("idempotency-key", key)], &email).await;
        let (first, again) = (send("k1", plain()).await, send("k1", plain()).await);
        assert_eq!((first.status.as_u16(), again.status.as_u16()), (201, 201));
        assert_eq!(first.json(), again.json());
        assert_eq!((first.header("idempotent-replayed"), again.header("idempotent-replayed")), ("", "true"));
        let other = send("k1", plain_with(&json!({"text": "something else"}))).await;
        assert_eq!((other.status.as_u16(), other.json()["code"].as_str()), (422, Some("idempotency_key_reused")));
        for bad in ["", &"x".repeat(256)] {
            let answer = send(bad, plain()).await;
            assert_eq!((answer.status.as_u16(), answer.json()["code"].as_str()), (422, Some("invalid_idempotency_key")));
        }
        assert_ne!(send("k2", plain()).await.json()["data"]["id"], first.json()["data"]["id"]);
    });
}

#[test]
fn a_repeat_of_mail_for_later_is_known_when_its_moment_is_past() {
    on_every_engine(async |book| {
        let clock = Clock::manual(book.clock.now());
        let api = Api::at(&book, &clock).await;
        let hour = Duration::from_secs(3600);
        let later = plain_with(&json!({"scheduled_at": clock.now().plus(hour).rfc3339()}));
        let send = async |headers: &[(&str, &str)]| api.post_with(&api.key, "/api/v1/emails", headers, &later).await;
        let first = send(&[("idempotency-key", "k1")]).await;
        assert_eq!(first.status, 201);
        clock.advance(2 * hour);
        let again = send(&[("idempotency-key", "k1")]).await;
        assert_eq!((again.status.as_u16(), again.header("idempotent-replayed"), again.json()), (201, "true", first.json()));
        let past = json!({"error": "Validation failed", "details": {"scheduled_at": ["must be in the future"]}});
        for headers in [&[][..], &[("idempotency-key", "k2")]] {
            let answer = send(headers).await;
            assert_eq!((answer.status.as_u16(), answer.json()), (422, past.clone()));
        }
        let batch = api.post(&api.key, "/api/v1/emails/batch", &json!({"emails": [plain(), later]})).await;
        assert_eq!((batch.status.as_u16(), &batch.json()["data"][1]["errors"]), (207, &past));
    });
}

#[test]
fn fifty_at_once_under_one_key_are_one_message() {
    on_every_engine(async |book| {
        let api = std::sync::Arc::new(Api::over(&book).await);
        let sends: Vec<_> = (0..50)
            .map(|_| {
                let api = api.clone();
                tokio::spawn(async move {
                    let answer = api.post_with(&api.key, "/api/v1/emails", &[("idempotency-key", "race")], &plain()).await;
                    assert_eq!(answer.status, 201);
                    (answer.json(), answer.header("idempotent-replayed") == "true")
                })
            })
            .collect();
        let mut answers = Vec::new();
        for send in sends {
            answers.push(send.await.unwrap());
        }
        assert_eq!(answers.iter().filter(|(_, replayed)| !replayed).count(), 1);
        assert!(answers.iter().all(|(answer, _)| *answer == answers[0].0));
    });
}

#[test]
fn a_thousand_recipients_are_all_named() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let to: Vec<String> = (0..900).map(|number| format!("Recipient Number {number} <r{number}@b.test>")).collect();
        let bcc: Vec<String> = (0..100).map(|number| format!("b{number}@b.test")).collect();
        let answer = api.post(&api.key, "/api/v1/emails", &plain_with(&json!({"to": to, "bcc": bcc}))).await;
        assert_eq!(answer.status, 201);
        let data = answer.json()["data"].clone();
        assert_eq!((&data["to"], &data["bcc"], data["recipients"].as_array().unwrap().len()), (&json!(to), &json!(bcc), 1000));
        let shown = api.get(&api.key, &format!("/api/v1/emails/{}", data["id"].as_str().unwrap())).await;
        assert_eq!(shown.json()["data"]["to"], json!(to));
        let more =
            api.post(&api.key, "/api/v1/emails", &plain_with(&json!({"to": to, "cc": bcc, "bcc": ["one@more.test"]}))).await;
        assert_eq!((more.status.as_u16(), &more.json()["code"]), (422, &json!("too_many_recipients")));
    });
}
