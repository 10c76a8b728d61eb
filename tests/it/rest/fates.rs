//! One message: what became of it, what happened to it, and taking it back.

use std::collections::BTreeSet;

use axum::http::Method;
use posthouse::clock::Clock;
use posthouse::id::{Id, Ids};
use posthouse::model::key::KeyRights;
use posthouse::model::outcome::{Outcome, Reply};
use posthouse::store::claim::Lane;
use posthouse::store::settle::{Settled, Settlement};
use serde_json::{Value, json};

use super::{plain_with, sent};
use crate::support::api::{Answer, Api, transactional};
use crate::support::nouns::acceptance;
use crate::support::stores::on_every_engine;

async fn shown(api: &Api, id: &str) -> Value {
    let answer = api.get(&api.key, &format!("/api/v1/emails/{id}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["data"].clone()
}

/// The next hop ends the message for its recipient so.
async fn end(api: &Api, id: &str, outcome: Outcome) {
    let epoch = api.store.open_epoch("test").await.unwrap();
    let message: Id = id.parse().unwrap();
    let claims = api.store.claim(epoch, Lane::FreshTransactional, 10).await.unwrap();
    let claim = claims.iter().find(|claim| claim.message.id == message).unwrap();
    let settled = Settled { index: 0, attempt: claim.recipients[0].attempts, outcome };
    let settlement =
        Settlement { epoch, team: api.ours, message, lone: None, hop: None, outcomes: vec![settled], notices: vec![] };
    assert_eq!(api.store.settle(settlement).await.unwrap(), 0);
}

#[test]
fn what_became_of_a_message_is_shown() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let id = sent(&api, &json!({})).await;
        let email = shown(&api, &id).await;
        assert_eq!(
            (&email["status"], &email["to"], &email["recipients"][0]["attempts"]),
            (&json!("queued"), &json!(["bob@b.test"]), &json!(0))
        );
        let reply = Reply::new(550, Some("5.1.1".to_owned()), "no such user");
        end(&api, &id, Outcome::Bounced(reply.into())).await;
        let email = shown(&api, &id).await;
        assert_eq!((&email["status"], &email["error_reason"]), (&json!("bounced"), &json!("550 5.1.1 no such user")));
        assert!(email["bounced_at"].is_string() && email["delivered_at"].is_null(), "{email}");
        let recipient =
            json!({"address": "bob@b.test", "status": "bounced", "last_reply": "550 5.1.1 no such user", "attempts": 1});
        assert_eq!(email["recipients"], json!([recipient]));
        let events = api.get(&api.key, &format!("/api/v1/emails/{id}/events")).await.json()["data"].clone();
        let kinds: Vec<&str> = events.as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["queued", "bounced"]);
        assert_eq!((&events[0]["recipient"], &events[1]["recipient"]), (&json!(null), &json!("bob@b.test")));
        let told = json!({"reply": "550 5.1.1 no such user", "enhanced_code": "5.1.1", "attempt": 1, "class": "other", "bounce_type": "soft"});
        assert_eq!(events[1]["data"], told);
        assert!(events[1]["occurred_at"].as_str().unwrap().ends_with('Z'));
    });
}

#[test]
fn what_happened_comes_page_by_page_however_much_it_is() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let addresses: Vec<String> = (0..2500).map(|place| format!("r{place}@b.test")).collect();
        let mut offered = acceptance(api.ours, &addresses.iter().map(String::as_str).collect::<Vec<_>>());
        offered.recipients.iter_mut().for_each(|one| one.rejected = Some("it bounced before".to_owned()));
        let path = format!("/api/v1/emails/{}/events", offered.message.id.uuid());
        api.store.accept(offered).await.unwrap();
        let (mut kinds, mut about, mut query) = (Vec::new(), BTreeSet::new(), String::new());
        for _ in 0..3 {
            let page = api.get(&api.key, &format!("{path}{query}")).await.json();
            let events = page["data"].as_array().unwrap();
            assert!(events.len() <= 1001, "{}", events.len());
            kinds.extend(events.iter().map(|event| event["type"].as_str().unwrap().to_owned()));
            about.extend(events.iter().map(|event| event["recipient"].to_string()));
            query = page["meta"]["next_cursor"].as_str().map(|cursor| format!("?cursor={cursor}")).unwrap_or_default();
        }
        assert_eq!((kinds.len(), about.len(), query.as_str()), (2501, 2501, ""), "each once, and no page behind the last");
        assert!(kinds[0] == "queued" && kinds[1..].iter().all(|kind| kind == "rejected"));
        assert_eq!(api.get(&api.key, &format!("{path}?cursor=x")).await.status, 422);
    });
}

#[test]
fn what_waits_for_its_time_can_be_taken_back_once() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let (later, now) = (sent(&api, &json!({"scheduled_at": "2099-01-01T00:00:00Z"})).await, sent(&api, &json!({})).await);
        assert_eq!(shown(&api, &later).await["scheduled_at"], "2099-01-01T00:00:00.000Z");
        let cancel = async |id: &str| api.post(&api.key, &format!("/api/v1/emails/{id}/cancel"), &json!({})).await;
        let answer = cancel(&later).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["data"]["status"]), (200, &json!("cancelled")));
        assert_eq!(shown(&api, &later).await["status"], "cancelled");
        for id in [&later, &now] {
            let answer = cancel(id).await;
            assert_eq!((answer.status.as_u16(), answer.json()["code"].as_str()), (422, Some("not_cancellable")));
        }
    });
}

#[test]
fn a_sandbox_key_takes_back_no_live_mail_and_a_live_key_none_of_the_sandbox() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let sandbox = api.key(KeyRights { sandbox: Some(vec!["me@a.test".to_owned()]), ..transactional() }).await;
        let later = |to: &str| plain_with(&json!({"to": to, "scheduled_at": "2099-01-01T00:00:00Z"}));
        let (live, tried) = (later("bob@b.test"), later("me@a.test"));
        for (own, other, email) in [(&api.key, &sandbox, live), (&sandbox, &api.key, tried)] {
            let email = api.post(own, "/api/v1/emails", &email).await.json();
            let path = format!("/api/v1/emails/{}/cancel", email["data"]["id"].as_str().unwrap());
            assert_eq!(api.post(other, &path, &json!({})).await.status, 404);
            assert_eq!(api.post(own, &path, &json!({})).await.status, 200);
        }
    });
}

#[test]
fn another_teams_message_is_one_that_never_was() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let (id, never) = (sent(&api, &json!({"scheduled_at": "2099-01-01T00:00:00Z"})).await, Ids::random(Clock::System).next());
        let bearer = format!("Bearer {}", api.foreign_key);
        for (method, tail) in [(Method::GET, ""), (Method::GET, "/events"), (Method::GET, "/raw"), (Method::POST, "/cancel")] {
            let ask = async |id: &str| -> Answer {
                api.ask(method.clone(), &format!("/api/v1/emails/{id}{tail}"), &[("authorization", &bearer)], "").await
            };
            let theirs = ask(&id).await;
            assert_eq!(theirs.status, 404, "{tail}");
            for unknown in [never.uuid(), never.crockford(), "nonsense".to_owned()] {
                assert_eq!(theirs.bare(), ask(&unknown).await.bare(), "{tail}");
            }
        }
        assert_eq!(shown(&api, &id).await["status"], "queued");
    });
}
