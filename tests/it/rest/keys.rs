//! `/api/v1/keys`: keys that make, show and revoke others.

use axum::http::Method;
use posthouse::clock::Clock;
use posthouse::id::Ids;
use posthouse::model::key::{KeyRights, Quota, StreamWord};
use posthouse::model::stream::Stream;
use serde_json::{Value, json};

use super::plain;
use crate::support::api::{Answer, Api, scoped, transactional};
use crate::support::stores::on_every_engine;

async fn revoked(api: &Api, key: &str, id: &str) -> Answer {
    api.ask(Method::DELETE, &format!("/api/v1/keys/{id}"), &[("authorization", &format!("Bearer {key}"))], "").await
}

async fn made(api: &Api, fields: &Value) -> Value {
    let answer = api.post(&api.key, "/api/v1/keys", fields).await;
    assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (201, "no-store"), "{}", answer.json());
    answer.json()["data"].clone()
}

#[test]
fn a_key_is_shown_once_works_and_is_revoked() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let new =
            made(&api, &json!({"name": "shop", "scopes": ["send", "mail:read"], "expires_at": "2099-01-01T00:00:00Z"})).await;
        let text = new["key"].as_str().unwrap().to_owned();
        assert!(text.starts_with("kr_live_") && text.len() == 51, "{text}");
        assert_eq!(new["key_prefix"], text[..12]);
        assert_eq!((&new["scopes"], &new["streams"]), (&json!(["mail:send", "mail:read"]), &json!(["transactional"])));
        assert_eq!((&new["status"], &new["expires_at"]), (&json!("active"), &json!("2099-01-01T00:00:00.000Z")));
        assert_eq!(api.post(&text, "/api/v1/emails", &plain()).await.status, 201);
        assert_eq!(api.get(&text, "/api/v1/keys").await.status, 403);

        let listed = api.get(&api.key, "/api/v1/keys?per_page=1").await.json();
        let mut shown = new.clone();
        shown.as_object_mut().unwrap().remove("key");
        shown["last_used_at"] = listed["data"][0]["last_used_at"].clone();
        assert_eq!((&listed["data"], &listed["meta"]["total"]), (&json!([shown]), &json!(2)));
        assert!(!listed.to_string().contains(&text));

        let id = new["id"].as_str().unwrap();
        for _ in 0..2 {
            assert_eq!(revoked(&api, &api.key, id).await.status, 204);
        }
        let listed = api.get(&api.key, "/api/v1/keys").await.json();
        assert_eq!((&listed["data"][0]["status"], listed["data"][0]["revoked_at"].is_string()), (&json!("revoked"), true));
    });
}

#[test]
fn what_is_left_out_is_as_the_key_has_it_that_asks() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let same = made(&api, &json!({"name": "same"})).await;
        assert_eq!(
            (&same["scopes"], &same["streams"], &same["is_sandbox"]),
            (&json!(["*"]), &json!(["transactional"]), &json!(false))
        );
        let sandbox = made(&api, &json!({"name": "tests", "is_sandbox": true, "allow_recipients": ["Bob@B.test"]})).await;
        assert_eq!(sandbox["scopes"], json!(["mail:send", "mail:read"]));
        assert_eq!((&sandbox["is_sandbox"], &sandbox["allow_recipients"]), (&json!(true), &json!(["Bob@B.test"])));
        let limited =
            made(&api, &json!({"name": "office", "networks": ["198.51.100.0/24", "2001:db8::1"], "quota_per_day": 5})).await;
        assert_eq!(limited["networks"], json!(["198.51.100.0/24", "2001:db8::1/128"]));
        assert_eq!(limited["quota_per_day"], 5);
        let text = limited["key"].as_str().unwrap();
        assert_eq!(api.get(text, "/api/v1/keys").await.status, 401, "it is asked from elsewhere");
    });
}

#[test]
fn no_key_makes_one_that_may_more_than_itself() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let both = || KeyRights { streams: Stream::ALL.map(StreamWord).to_vec(), ..transactional() };
        let of_network = KeyRights { networks: vec!["192.0.2.0/24".parse().unwrap()], ..both() };
        let of_quota = KeyRights { quota: Some(Quota { per_day: 9 }), ..both() };
        let sandbox = KeyRights { sandbox: Some(vec!["a@b.test".to_owned()]), ..both() };
        for (rights, fields, field) in [
            (transactional(), json!({"streams": ["broadcast"]}), "streams"),
            (transactional(), json!({"streams": ["transactional", "broadcast"]}), "streams"),
            (transactional(), json!({"may_ignore_unsubscribe": true}), "may_ignore_unsubscribe"),
            (transactional(), json!({"own_unsubscribe": true}), "own_unsubscribe"),
            (KeyRights { null_sender: false, ..both() }, json!({"null_sender": true}), "null_sender"),
            (of_network.clone(), json!({"networks": []}), "networks"),
            (of_network.clone(), json!({"networks": ["192.0.2.0/25", "192.0.0.0/16"]}), "networks"),
            (of_quota, json!({"quota_per_day": 1}), "quota_per_day"),
            (sandbox.clone(), json!({"is_sandbox": false}), "is_sandbox"),
            (sandbox.clone(), json!({"allow_recipients": []}), "allow_recipients"),
            (sandbox.clone(), json!({"allow_recipients": ["c@d.test"]}), "allow_recipients"),
            (sandbox.clone(), json!({"scopes": ["*"]}), "scopes"),
        ] {
            let (key, mut body) = (api.key(rights).await, fields);
            body["name"] = json!("more");
            let answer = api.post(&key, "/api/v1/keys", &body).await;
            let told: Vec<String> =
                answer.json()["details"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
            assert_eq!((answer.status.as_u16(), told), (422, vec![field.to_owned()]), "{body}");
        }
        for (rights, fields) in [
            (of_network, json!({"name": "less", "networks": ["192.0.2.7"]})),
            (sandbox, json!({"name": "less", "allow_recipients": ["A@b.test"]})),
            (both(), json!({"name": "less", "streams": ["broadcast"]})),
        ] {
            let key = api.key(rights).await;
            assert_eq!(api.post(&key, "/api/v1/keys", &fields).await.status, 201, "{fields}");
        }
    });
}

#[test]
fn what_can_be_no_key_is_told_by_its_field() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        for (body, field) in [
            (json!({}), "name"),
            (json!({"name": " "}), "name"),
            (json!({"name": "a\nb"}), "name"),
            (json!({"name": "x".repeat(256)}), "name"),
            (json!({"name": "x", "streams": []}), "streams"),
            (json!({"name": "x", "streams": ["bulk"]}), "streams[0]"),
            (json!({"name": "x", "scopes": []}), "scopes"),
            (json!({"name": "x", "scopes": ["mail:send", "root"]}), "scopes[1]"),
            (json!({"name": "x", "scopes": vec!["*"; 101]}), "scopes"),
            (json!({"name": "x", "expires_at": "tomorrow"}), "expires_at"),
            (json!({"name": "x", "expires_at": "2020-01-01T00:00:00Z"}), "expires_at"),
            (json!({"name": "x", "networks": ["192.0.2.0/33"]}), "networks[0]"),
            (json!({"name": "x", "allow_recipients": ["a@b.test"]}), "allow_recipients"),
            (json!({"name": "x", "is_sandbox": true, "allow_recipients": ["nobody"]}), "allow_recipients[0]"),
            (json!({"name": "x", "default_from": "nobody"}), "default_from"),
            (json!({"name": "x", "quota_per_day": 0}), "quota_per_day"),
            (json!({"name": "x", "dsn": "always"}), "dsn"),
            (json!({"name": "x", "key": "kr_live_mine"}), "key"),
        ] {
            let answer = api.post(&api.key, "/api/v1/keys", &body).await;
            let told: Vec<String> =
                answer.json()["details"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
            assert_eq!((answer.status.as_u16(), told), (422, vec![field.to_owned()]), "{body}");
        }
        assert_eq!(api.get(&api.key, "/api/v1/keys").await.json()["meta"]["total"], 1);
    });
}

#[test]
fn keys_are_for_those_who_may_everything_in_their_own_team() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let new = made(&api, &json!({"name": "ours"})).await;
        let (id, never) = (new["id"].as_str().unwrap(), Ids::random(Clock::System).next());
        let theirs = revoked(&api, &api.foreign_key, id).await;
        assert_eq!(theirs.status, 404);
        for unknown in [never.uuid(), never.crockford(), "nonsense".to_owned()] {
            assert_eq!(theirs.bare(), revoked(&api, &api.foreign_key, &unknown).await.bare());
        }
        let listed = api.get(&api.foreign_key, "/api/v1/keys").await.json();
        assert_eq!(listed["meta"]["total"], 1, "their own");
        for scope in ["mail:send", "mail:read", "domains:manage", "templates:manage", "contacts:manage", "mail:webhooks"] {
            let key = api.key(scoped(&[scope])).await;
            assert_eq!(api.get(&key, "/api/v1/keys").await.status, 403, "{scope}");
            assert_eq!(api.post(&key, "/api/v1/keys", &json!({"name": "more"})).await.status, 403, "{scope}");
            assert_eq!(revoked(&api, &key, id).await.status, 403, "{scope}");
        }
        assert_eq!(api.get(new["key"].as_str().unwrap(), "/api/v1/keys").await.status, 200);
    });
}
