//! Who may ask, how often, and for what.

use axum::body::Body;
use axum::http::Method;
use posthouse::clock::Clock;
use posthouse::model::key::Secret;
use posthouse::store::keys::NewKey;

use super::plain;
use crate::support::api::{Api, scoped, transactional};
use crate::support::stores::on_every_engine;

#[test]
fn without_a_key_that_opens_the_door_nothing_is_told() {
    on_every_engine(async |book| {
        let api = Api::with(&book, |config| config.limits.requests_per_minute = 1).await;
        let expired = Secret::generate();
        let key = NewKey {
            team: api.ours,
            name: "expired".to_owned(),
            secret: expired.clone(),
            rights: transactional(),
            expires_at: Some(Clock::System.now()),
        };
        api.store.create_key(key).await.unwrap();
        let bearer = |key: &str| format!("Bearer {key}");
        for authorization in [
            None,
            Some(bearer("kr_live_nobody")),
            Some(bearer(expired.reveal())),
            Some(format!("Basic {}", api.key)),
            Some("Bearer".to_owned()),
            Some("Bearer \u{e4}".to_owned()),
        ] {
            let headers: Vec<(&str, &str)> = authorization.iter().map(|value| ("authorization", value.as_str())).collect();
            // What nobody may ask for is not told from what there is not.
            for path in ["/api/v1/emails", "/api/v1/nothing/here"] {
                let answer = api.ask(Method::POST, path, &headers, plain().to_string()).await;
                assert_eq!(answer.status, 401, "{authorization:?}");
                assert_eq!(answer.body, br#"{"error":"Invalid or missing API key"}"#);
                assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"posthouse\"");
                assert!(!answer.headers.contains_key("x-ratelimit-limit"), "a stranger uses up nobody's minute");
            }
        }
    });
}

#[test]
fn a_scope_opens_what_it_covers_under_each_of_its_spellings() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        for (scope, send, read) in [
            ("mail:send", 201, 403),
            ("send", 201, 403),
            ("mail:read", 403, 404),
            ("read", 403, 404),
            ("*", 201, 404),
            ("domains:manage", 403, 403),
        ] {
            let key = api.key(scoped(&[scope])).await;
            assert_eq!(api.post(&key, "/api/v1/emails", &plain()).await.status, send, "{scope}");
            assert_eq!(api.get(&key, "/api/v1/emails/none/raw").await.status, read, "{scope}");
        }
    });
}

#[test]
fn a_team_has_so_many_requests_a_minute() {
    on_every_engine(async |book| {
        let api = Api::with(&book, |config| config.limits.requests_per_minute = 2).await;
        let other = api.key(scoped(&["mail:read"])).await;
        let statuses = [&api.key, &other, &other].map(|key| async { api.get(key, "/api/v1/emails/none/raw").await });
        let mut answers = Vec::new();
        for answer in statuses {
            answers.push(answer.await);
        }
        // The minute may end between two of them.
        if answers[0].header("x-ratelimit-reset") != answers[2].header("x-ratelimit-reset") {
            return;
        }
        let told = |name: &str| answers.iter().map(|answer| answer.header(name).to_owned()).collect::<Vec<_>>();
        assert_eq!(told("x-ratelimit-limit"), ["2", "2", "2"]);
        assert_eq!(told("x-ratelimit-remaining"), ["1", "0", "0"]);
        let last = &answers[2];
        assert_eq!(last.status, 429, "before the scope is looked at");
        let wait = last.json()["retry_after"].as_u64().unwrap();
        assert_eq!(last.json(), serde_json::json!({"error": "Rate limit exceeded", "retry_after": wait}));
        assert_eq!(last.header("retry-after"), wait.to_string());
        assert!((1..=60).contains(&wait));
        assert_eq!(api.get(&api.foreign_key, "/api/v1/emails/none/raw").await.status, 404, "another team has its own");
    });
}

#[test]
fn every_answer_has_a_request_id() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let bearer = format!("Bearer {}", api.key);
        let ask = async |id: &str, path: &str| {
            let headers = [("authorization", bearer.as_str()), ("x-request-id", id)];
            api.ask(Method::GET, path, &headers, Body::empty()).await.header("x-request-id").to_owned()
        };
        assert_eq!(ask("mine-1", "/api/v1/emails/none/raw").await, "mine-1");
        assert_eq!(ask("mine-2", "/api/v1/nothing").await, "mine-2");
        for bad in ["two words", "", &"x".repeat(129)] {
            let made = ask(bad, "/api/v1/nothing").await;
            assert!(made != bad && made.len() == 36, "{made}");
        }
        assert_eq!(api.ask(Method::GET, "/api/v1/emails", &[], Body::empty()).await.header("x-request-id").len(), 36);
    });
}

#[test]
fn wrong_paths_and_methods_are_told_in_the_documented_shape() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let bearer = format!("Bearer {}", api.key);
        for (method, path, status, body) in [
            (Method::GET, "/api/v1", 404, r#"{"error":"Not found"}"#),
            (Method::GET, "/api/v1/nothing", 404, r#"{"error":"Not found"}"#),
            (Method::GET, "/api/v1/emails/", 404, r#"{"error":"Not found"}"#),
            (Method::DELETE, "/api/v1/emails", 405, r#"{"error":"Method not allowed"}"#),
            (Method::OPTIONS, "/api/v1/emails", 405, r#"{"error":"Method not allowed"}"#),
            (Method::HEAD, "/api/v1/nothing", 404, ""),
        ] {
            let answer = api.ask(method.clone(), path, &[("authorization", &bearer)], Body::empty()).await;
            assert_eq!((answer.status.as_u16(), std::str::from_utf8(&answer.body).unwrap()), (status, body), "{method} {path}");
            assert_eq!(answer.header("content-type"), "application/json");
            assert_eq!(answer.header("allow").contains("POST"), status == 405, "{method} {path}");
            assert!(!answer.headers.keys().any(|name| name.as_str().starts_with("access-control-")), "CORS is off");
        }
    });
}

#[test]
fn the_prefix_may_stand_twice() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        assert_eq!(api.post(&api.key, "/api/v1/api/v1/emails", &plain()).await.status, 201);
        assert_eq!(api.get(&api.key, "/api/v1/api/v1/nothing").await.json()["error"], "Not found");
    });
}
