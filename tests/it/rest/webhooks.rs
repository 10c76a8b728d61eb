//! `/api/v1/webhooks`.

use axum::http::Method;
use futures_util::future::join_all;
use posthouse::clock::Clock;
use posthouse::id::Ids;
use posthouse::model::webhook::WebhookKind;
use serde_json::{Value, json};

use crate::support::api::{Answer, Api, scoped};
use crate::support::receiver::{Manner, Receiver};
use crate::support::stores::{Book, on_every_engine};

const PATH: &str = "/api/v1/webhooks";

fn hook(url: &str) -> Value {
    json!({"url": url, "events": ["email.delivered", "email.sent"]})
}

/// The API where anything may be called.
async fn lax(book: &Book) -> Api {
    Api::with(book, |config| config.webhooks.allow_insecure = true).await
}

async fn made(api: &Api, body: &Value) -> Value {
    let answer = api.post(&api.key, PATH, body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["data"].clone()
}

fn path(webhook: &Value) -> String {
    format!("{PATH}/{}", webhook["id"].as_str().unwrap())
}

#[test]
fn an_endpoint_is_kept_shown_changed_and_removed() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let answer = api.post(&api.key, "/api/v1/mail/webhooks", &hook("https://93.184.216.34/hook")).await;
        let mut webhook = answer.json()["data"].clone();
        let path = path(&webhook);
        assert_eq!((answer.status.as_u16(), answer.header("location")), (201, path.as_str()));
        assert_eq!((&webhook["url"], &webhook["enabled"]), (&json!("https://93.184.216.34/hook"), &json!(true)));
        assert_eq!((&webhook["events"], &webhook["state"]), (&json!(["email.sent", "email.delivered"]), &json!("active")));
        let secret = webhook.as_object_mut().unwrap().remove("secret").unwrap();
        assert_eq!((&secret.as_str().unwrap()[..6], secret.as_str().unwrap().len()), ("whsec_", 50));
        for shown in [&path, &path.replace("v1", "v1/mail")] {
            assert_eq!(api.get(&api.key, shown).await.json()["data"], webhook, "and never its secret again");
        }
        let change = json!({"enabled": false, "description": "the shop's", "events": ["webhook.disabled"]});
        for method in [Method::PATCH, Method::PUT] {
            let changed = api.send(method, &api.key, &path, &[], &change).await.json()["data"].clone();
            assert_eq!((&changed["enabled"], &changed["state"]), (&json!(false), &json!("disabled")));
            assert_eq!((&changed["url"], &changed["events"]), (&webhook["url"], &json!(["webhook.disabled"])));
            assert_eq!(changed, api.get(&api.key, &path).await.json()["data"]);
        }
        let page = api.get(&api.key, PATH).await.json();
        assert_eq!((&page["meta"]["total"], &page["data"][0]["id"]), (&json!(1), &webhook["id"]));
        assert_eq!(api.delete(&api.key, &path).await.status, 204);
        assert_eq!(api.get(&api.key, &path).await.status, 404);
    });
}

#[test]
fn faults_are_told_by_field_and_nothing_is_kept() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let known = path(&made(&api, &hook("https://93.184.216.34/")).await);
        let rows = [
            ("url", json!("")),
            ("url", json!("http://93.184.216.34/")),
            ("url", json!("https://127.1/")),
            ("url", json!("https://good@93.184.216.34/")),
            ("url", json!("https://93.184.216.34:6379/")),
            ("url", json!(7)),
            ("events", json!([])),
            ("events", json!("email.sent")),
            ("events[1]", json!(["email.sent", "email.queued"])),
            ("description", json!("a\nb")),
            ("description", json!("x".repeat(256))),
            ("enabled", json!("yes")),
            ("secret", json!("mine")),
        ];
        for (field, value) in rows {
            let mut body = hook("https://93.184.216.34/other");
            body[field.split('[').next().unwrap()] = value;
            for answer in [api.post(&api.key, PATH, &body).await, api.send(Method::PATCH, &api.key, &known, &[], &body).await] {
                assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (422, &json!("Validation failed")), "{field}");
                assert!(answer.json()["details"][field].is_array(), "{field}: {}", answer.json());
            }
        }
        let page = api.get(&api.key, PATH).await.json();
        assert_eq!((&page["meta"]["total"], &page["data"][0]["url"]), (&json!(1), &json!("https://93.184.216.34/")));
        for (action, body) in [
            ("rotate", json!({"overlap": 99_999_999})),
            ("replay", json!({})),
            ("replay", json!({"event_id": "none"})),
            ("replay", json!({"from": "yesterday"})),
            ("replay", json!({"event_id": known[known.len() - 36..], "from": "2026-01-01T00:00:00Z"})),
        ] {
            assert_eq!(api.post(&api.key, &format!("{known}/{action}"), &body).await.status, 422, "{action} {body}");
        }
    });
}

#[test]
fn a_team_has_so_many_endpoints_at_most_and_they_are_paged() {
    on_every_engine(async |book| {
        let api = Api::with(&book, |config| config.webhooks.endpoints_per_team = 5).await;
        for number in 0..5 {
            made(&api, &hook(&format!("https://93.184.216.34/{number}"))).await;
        }
        let answer = api.post(&api.key, PATH, &hook("https://93.184.216.34/5")).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (422, &json!("too_many_webhooks")));
        let page = async |query: &str| {
            let page = api.get(&api.key, &format!("{PATH}?{query}")).await.json();
            let urls: Vec<String> = page["data"].as_array().unwrap().iter().map(|w| w["url"].to_string()).collect();
            (urls, page["meta"]["next_cursor"].clone())
        };
        let (all, _) = page("").await;
        let (first, cursor) = page("per_page=3").await;
        let (rest, end) = page(&format!("per_page=3&cursor={}", cursor.as_str().unwrap())).await;
        assert_eq!((all.len(), [first, rest].concat(), end), (5, all, Value::Null));
    });
}

#[test]
fn a_team_has_no_more_endpoints_though_many_are_made_at_once() {
    on_every_engine(async |book| {
        let api = Api::with(&book, |config| config.webhooks.endpoints_per_team = 5).await;
        let new = async |number: usize| {
            api.post(&api.key, PATH, &hook(&format!("https://93.184.216.34/{number}"))).await.status.as_u16()
        };
        let answers = join_all((0..20).map(new)).await;
        assert_eq!(answers.iter().filter(|status| **status == 201).count(), 5, "{answers:?}");
        assert_eq!(api.get(&api.key, PATH).await.json()["meta"]["total"], 5);
    });
}

#[test]
fn two_changes_at_once_are_both_made() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let path = path(&made(&api, &hook("https://93.184.216.34/")).await);
        for round in 0..20 {
            let description = format!("round {round}");
            let event = ["email.opened", "email.clicked"][round % 2];
            let changes = [
                json!({"description": description}),
                json!({"events": [event]}),
                json!({"enabled": round % 2 == 1}),
                json!({"url": format!("https://93.184.216.34/{round}")}),
            ];
            let change = async |change: Value| api.send(Method::PATCH, &api.key, &path, &[], &change).await.status.as_u16();
            assert_eq!(join_all(changes.clone().map(change)).await, [200; 4]);
            let shown = api.get(&api.key, &path).await.json()["data"].clone();
            for (field, value) in changes.iter().flat_map(|change| change.as_object().unwrap()) {
                assert_eq!(&shown[field], value, "{round}");
            }
        }
    });
}

#[test]
fn another_teams_endpoint_is_not_told_from_none() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let ours = path(&made(&api, &hook("https://93.184.216.34/")).await);
        let nowhere = format!("{PATH}/{}", Ids::random(Clock::System).next().uuid());
        let asked = async |path: &str| -> Vec<Answer> {
            let (key, again) = (&api.foreign_key, json!({"from": "2026-01-01T00:00:00Z"}));
            vec![
                api.get(key, path).await,
                api.get(key, &format!("{path}/deliveries")).await,
                api.send(Method::PUT, key, path, &[], &json!({"enabled": false})).await,
                api.send(Method::PATCH, key, path, &[], &json!({"enabled": false})).await,
                api.delete(key, path).await,
                api.post(key, &format!("{path}/test"), &json!({})).await,
                api.post(key, &format!("{path}/rotate"), &json!({})).await,
                api.post(key, &format!("{path}/replay"), &again).await,
            ]
        };
        let expected = asked(&nowhere).await;
        for (answer, expected) in asked(&ours).await.iter().zip(&expected) {
            assert_eq!((answer.status.as_u16(), answer.bare()), (404, expected.bare()));
        }
        assert_eq!(api.get(&api.key, &ours).await.json()["data"]["enabled"], true);
        assert_eq!(api.get(&api.foreign_key, PATH).await.json()["meta"]["total"], 0);
    });
}

#[test]
fn only_mail_webhooks_opens_endpoints() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        for (scope, status) in
            [("mail:webhooks", 200), ("webhooks:manage", 200), ("*", 200), ("mail:send", 403), ("mail:read", 403)]
        {
            let key = api.key(scoped(&[scope])).await;
            assert_eq!(api.get(&key, PATH).await.status, status, "{scope}");
        }
    });
}

#[test]
fn a_test_is_sent_now_and_stands_in_the_log() {
    on_every_engine(async |book| {
        let (api, receiver) = (lax(&book).await, Receiver::start().await);
        let webhook = made(&api, &hook(&receiver.url("hook"))).await;
        receiver.behave("hook", Manner::Status(202, "thanks".into()));
        let tested = api.post(&api.key, &format!("{}/test", path(&webhook)), &json!({})).await.json()["data"].clone();
        assert_eq!((&tested["success"], &tested["status"], &tested["response"]), (&json!(true), &json!(202), &json!("thanks")));
        let receipt = receiver.of("hook").remove(0);
        assert_eq!((receipt.header("x-krafter-test"), receipt.header("x-krafter-event")), ("true", "email.sent"));
        assert_eq!(receipt.header("x-krafter-webhook-id"), tested["id"].as_str().unwrap());
        assert_eq!((&receipt.json()["id"], &receipt.json()["data"]["subject"]), (&tested["event_id"], &json!("This is a test")));
        receiver.behave("hook", Manner::Closes);
        let failed = api.post(&api.key, &format!("{}/test", path(&webhook)), &json!({})).await.json()["data"].clone();
        assert_eq!((&failed["success"], &failed["status"]), (&json!(false), &Value::Null));
        let log = api.get(&api.key, &format!("{}/deliveries", path(&webhook))).await.json();
        assert_eq!((&log["data"], &log["meta"]["total"]), (&json!([failed, tested]), &json!(2)));
        assert_eq!(api.get(&api.key, &path(&webhook)).await.json()["data"]["state"], "active", "tests do not count");
    });
}

#[test]
fn a_new_secret_signs_beside_the_old_one_for_a_while() {
    on_every_engine(async |book| {
        let (api, receiver) = (lax(&book).await, Receiver::start().await);
        let webhook = made(&api, &hook(&receiver.url("hook"))).await;
        let signed = async || {
            let answer = api.post(&api.key, &format!("{}/test", path(&webhook)), &json!({})).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            let receipt = receiver.of("hook").pop().unwrap();
            (receipt.header("x-krafter-signature-next").len(), receipt.header("webhook-signature").split(' ').count())
        };
        assert_eq!(signed().await, (0, 1));
        let rotated = api.post(&api.key, &format!("{}/rotate", path(&webhook)), &json!({})).await.json()["data"].clone();
        assert_ne!(rotated["secret"], webhook["secret"]);
        assert!(rotated["previous_secret_until"].is_string());
        assert_eq!(signed().await, (71, 2));
        let again =
            api.post(&api.key, &format!("{}/rotate", path(&webhook)), &json!({"overlap": 0})).await.json()["data"].clone();
        assert_ne!(again["secret"], rotated["secret"]);
        assert_eq!(signed().await, (0, 1), "without an overlap");
    });
}

#[test]
fn what_is_switched_off_is_not_told_again_and_no_list_of_events_is_longer_than_there_are_kinds() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let mut new = hook("https://93.184.216.34/");
        new["enabled"] = json!(false);
        let path = path(&made(&api, &new).await);
        let again = json!({"from": "2026-01-01T00:00:00Z"});
        let refused = api.post(&api.key, &format!("{path}/replay"), &again).await;
        assert_eq!((refused.status.as_u16(), &refused.json()["code"]), (422, &json!("webhook_disabled")));
        let change = async |events: usize| {
            let change = json!({"enabled": true, "events": vec!["email.sent"; events]});
            api.send(Method::PATCH, &api.key, &path, &[], &change).await.status.as_u16()
        };
        assert_eq!((change(14).await, change(13).await), (422, 200));
        let queued = api.post(&api.key, &format!("{path}/replay"), &again).await;
        assert_eq!((queued.status.as_u16(), &queued.json()["data"]["queued"]), (202, &json!(0)));
        let never = json!({"event_id": Ids::random(Clock::System).next().uuid()});
        assert_eq!(api.post(&api.key, &format!("{path}/replay"), &never).await.status, 404, "there is no such event");
    });
}

#[test]
fn the_description_bounds_a_list_of_events_by_the_kinds_there_are() {
    let document = serde_json::to_value(posthouse::door::rest::document()).unwrap();
    let schemas = &document["components"]["schemas"];
    for (schema, kinds, is_required) in [("NewWebhook", json!("array"), true), ("WebhookChange", json!(["array", "null"]), false)]
    {
        let events = &schemas[schema]["properties"]["events"];
        assert_eq!((&events["type"], &events["items"]["type"]), (&kinds, &json!("string")), "{events}");
        assert_eq!((&events["minItems"], &events["maxItems"]), (&json!(1), &json!(WebhookKind::ALL.len())), "{events}");
        let required = schemas[schema]["required"].as_array().is_some_and(|names| names.contains(&json!("events")));
        assert_eq!(required, is_required, "{schema}");
    }
}
