//! `/api/v1/templates`.

use axum::http::Method;
use posthouse::clock::Clock;
use posthouse::id::{Id, Ids};
use posthouse::model::template::TemplateText;
use serde_json::{Value, json};

use crate::support::api::{Answer, Api, scoped};
use crate::support::stores::on_every_engine;

const PATH: &str = "/api/v1/templates";

fn welcome() -> Value {
    json!({"name": "Welcome", "subject": "Hello {{ name }}", "html_content": "<p>{{town}} {{name}}</p>", "text_content": "Hi {{name}}"})
}

async fn made(api: &Api, body: &Value) -> Value {
    let answer = api.post(&api.key, PATH, body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["data"].clone()
}

#[test]
fn a_template_is_kept_shown_changed_and_removed() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let answer = api.post(&api.key, "/api/v1/mail/templates", &welcome()).await;
        let template = answer.json()["data"].clone();
        let path = format!("{PATH}/{}", template["id"].as_str().unwrap());
        assert_eq!((answer.status.as_u16(), answer.header("location")), (201, path.as_str()));
        assert_eq!((&template["name"], &template["subject"]), (&json!("Welcome"), &json!("Hello {{ name }}")));
        assert_eq!(template["variables"], json!(["name", "town"]));
        assert_eq!(template["created_at"], template["updated_at"]);
        assert_eq!(template.as_object().unwrap().len(), 8, "{template}");
        for shown in [&path, &path.replace("v1", "v1/mail")] {
            assert_eq!(api.get(&api.key, shown).await.json()["data"], template);
        }
        let bare: Id = template["id"].as_str().unwrap().parse().unwrap();
        assert_eq!(api.get(&api.key, &format!("{PATH}/{bare}")).await.json()["data"], template, "ids have several forms");

        for (method, change, subject, html, variables) in [
            (
                Method::PATCH,
                json!({"subject": "Now {{x}}"}),
                "Now {{x}}",
                json!("<p>{{town}} {{name}}</p>"),
                json!(["x", "town", "name"]),
            ),
            (Method::PUT, json!({"html_content": null}), "Now {{x}}", Value::Null, json!(["x", "name"])),
            (Method::PUT, json!({}), "Now {{x}}", Value::Null, json!(["x", "name"])),
            (Method::PUT, welcome(), "Hello {{ name }}", json!("<p>{{town}} {{name}}</p>"), json!(["name", "town"])),
        ] {
            let answer = api.send(method, &api.key, &path, &[], &change).await;
            let changed = &answer.json()["data"];
            assert_eq!(answer.status, 200, "{answer:?}");
            assert_eq!((&changed["subject"], &changed["html_content"]), (&json!(subject), &html));
            assert_eq!((&changed["variables"], &changed["created_at"]), (&variables, &template["created_at"]));
            assert_eq!(*changed, api.get(&api.key, &path).await.json()["data"]);
        }
        let gone = api.delete(&api.key, &path).await;
        assert_eq!((gone.status.as_u16(), gone.body.len()), (204, 0));
        assert_eq!(api.get(&api.key, &path).await.status, 404);
    });
}

#[test]
fn faults_are_told_by_field_and_nothing_is_kept() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let known = format!("{PATH}/{}", made(&api, &welcome()).await["id"].as_str().unwrap());
        let rows = [
            ("name", Value::Null),
            ("name", json!("")),
            ("name", json!("  ")),
            ("name", json!("a\r\nb")),
            ("name", json!("\u{0}")),
            ("name", json!("x".repeat(256))),
            ("name", json!(7)),
            ("subject", Value::Null),
            ("subject", json!("a\nBcc: x@y.test")),
            ("subject", json!("a\u{2028}b")),
            ("subject", json!("x".repeat(999))),
            ("html_content", json!("a\u{0}b")),
            ("text_content", json!("\u{0}")),
            ("text_content", json!("x".repeat((1 << 20) + 1))),
            ("html_content", json!((0..1001).map(|name| format!("{{{{n{name}}}}}")).collect::<String>())),
            ("variables", json!(["name"])),
        ];
        for (field, value) in rows {
            let mut body = welcome();
            body[field] = value;
            for answer in [api.post(&api.key, PATH, &body).await, api.send(Method::PUT, &api.key, &known, &[], &body).await] {
                assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (422, &json!("Validation failed")), "{field}");
                assert!(answer.json()["details"][field].is_array(), "{field}: {}", answer.json());
            }
        }
        let blank = json!({"name": "n", "subject": "s", "html_content": "", "text_content": null});
        let answer = api.post(&api.key, PATH, &blank).await;
        assert!(answer.json()["details"]["html_content"].is_array(), "{answer:?}");
        let emptied = json!({"html_content": null, "text_content": null});
        assert_eq!(api.send(Method::PATCH, &api.key, &known, &[], &emptied).await.status, 422);
        let page = api.get(&api.key, PATH).await.json();
        assert_eq!((&page["meta"]["total"], &page["data"][0]["name"]), (&json!(1), &json!("Welcome")));
        assert_eq!(page["data"][0]["subject"], welcome()["subject"], "and nothing is changed");
    });
}

#[test]
fn another_teams_template_is_not_told_from_none() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let path = format!("{PATH}/{}", made(&api, &welcome()).await["id"].as_str().unwrap());
        let nowhere = format!("{PATH}/{}", Ids::random(Clock::System).next().uuid());
        let asked = async |path: &str| -> Vec<Answer> {
            vec![
                api.get(&api.foreign_key, path).await,
                api.send(Method::PUT, &api.foreign_key, path, &[], &welcome()).await,
                api.send(Method::PATCH, &api.foreign_key, path, &[], &json!({"name": "theirs"})).await,
                api.delete(&api.foreign_key, path).await,
            ]
        };
        let expected = asked(&nowhere).await;
        for path in [&path, &format!("{PATH}/none"), &format!("{PATH}/%00"), &format!("{PATH}/%ff"), &format!("{PATH}/..%2f..")] {
            for (answer, expected) in asked(path).await.iter().zip(&expected) {
                assert_eq!((answer.status.as_u16(), answer.bare()), (404, expected.bare()), "{path}");
            }
        }
        assert_eq!(api.get(&api.key, &path).await.json()["data"]["name"], "Welcome");
        assert_eq!(api.get(&api.foreign_key, PATH).await.json()["meta"]["total"], 0);
    });
}

#[test]
fn a_page_of_large_templates_ends_early_and_the_cursor_leads_on() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        for number in 0..6 {
            made(&api, &json!({"name": format!("t{number}"), "subject": "s", "html_content": "x".repeat(1 << 20)})).await;
        }
        let (mut names, mut sizes, mut query) = (Vec::new(), Vec::new(), String::new());
        loop {
            let page = api.get(&api.key, &format!("{PATH}{query}")).await.json();
            let found = page["data"].as_array().unwrap();
            sizes.push(found.len());
            names.extend(found.iter().map(|template| template["name"].as_str().unwrap().to_owned()));
            let Some(cursor) = page["meta"]["next_cursor"].as_str() else { break };
            query = format!("?cursor={cursor}");
        }
        assert_eq!((names.join(" "), sizes), ("t5 t4 t3 t2 t1 t0".to_owned(), vec![3, 3]));
        let huge = "\u{10ffff}".repeat(1 << 20);
        for name in ["first", "second"] {
            made(&api, &json!({"name": name, "subject": "s", "html_content": huge, "text_content": huge})).await;
        }
        let page = api.get(&api.key, PATH).await.json();
        assert_eq!((page["data"].as_array().unwrap().len(), &page["data"][0]["name"]), (1, &json!("second")), "one in any case");
    });
}

#[test]
fn pages_are_counted_and_the_cursor_leads_on() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        for number in 0..5 {
            made(&api, &json!({"name": format!("t{number}"), "subject": "s", "text_content": "x"})).await;
        }
        let page = async |query: &str| {
            let page = api.get(&api.key, &format!("{PATH}?{query}")).await.json();
            let names: Vec<String> =
                page["data"].as_array().unwrap().iter().map(|t| t["name"].as_str().unwrap().into()).collect();
            (names.join(" "), page["meta"].clone())
        };
        let (names, meta) = page("").await;
        assert_eq!((names.len(), meta), (14, json!({"page": 1, "per_page": 25, "total": 5, "next_cursor": null})));
        let (first, meta) = page("per_page=2").await;
        let cursor = meta["next_cursor"].as_str().unwrap().to_owned();
        let (second, _) = page("per_page=2&page=2").await;
        let (behind, meta) = page(&format!("per_page=2&cursor={cursor}")).await;
        assert_eq!((behind, &meta["page"]), (second.clone(), &Value::Null));
        assert_eq!([first, second, page("per_page=2&page=3").await.0].join(" "), names);
        for query in ["page=0&x=1", "per_page=many", "cursor=nothing", "page=5001&per_page=2"] {
            assert_eq!(api.get(&api.key, &format!("{PATH}?{query}")).await.status, 422, "{query}");
        }
    });
}

#[test]
fn only_templates_manage_opens_templates() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        for (scope, status) in [("templates:manage", 200), ("*", 200), ("mail:send", 403), ("mail:read", 403)] {
            let key = api.key(scoped(&[scope])).await;
            assert_eq!(api.get(&key, PATH).await.status, status, "{scope}");
        }
    });
}

#[test]
fn a_team_has_a_thousand_templates_at_most() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        for _ in 0..999 {
            api.store.create_template(api.ours, TemplateText::default()).await.unwrap();
        }
        let last = made(&api, &welcome()).await;
        let answer = api.post(&api.key, PATH, &welcome()).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (422, &json!("too_many_templates")));
        assert_eq!(api.delete(&api.key, &format!("{PATH}/{}", last["id"].as_str().unwrap())).await.status, 204);
        made(&api, &welcome()).await;
    });
}
