//! `GET /api/v1/emails`: filters, pages, cursors.

use serde_json::{Value, json};

use super::{plain, sent};
use crate::support::api::Api;
use crate::support::stores::on_every_engine;

/// The subjects that this query finds, and where they lie.
async fn found(api: &Api, query: &str) -> (Vec<String>, Value) {
    let answer = api.get(&api.key, &format!("/api/v1/emails{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.json());
    let body = answer.json();
    let subjects = body["data"].as_array().unwrap().iter().map(|email| email["subject"].as_str().unwrap().to_owned());
    (subjects.collect(), body["meta"].clone())
}

#[test]
fn mail_is_listed_newest_first_and_only_to_its_team() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        for number in 0..5 {
            sent(&api, &json!({"subject": format!("number {number}")})).await;
        }
        let (subjects, meta) = found(&api, "").await;
        assert_eq!(subjects, ["number 4", "number 3", "number 2", "number 1", "number 0"]);
        assert_eq!(meta, json!({"page": 1, "per_page": 25, "total": 5, "next_cursor": null}));
        let (subjects, meta) = found(&api, "?page=2&per_page=2").await;
        assert_eq!(subjects, ["number 2", "number 1"]);
        assert_eq!((&meta["page"], &meta["per_page"], &meta["total"]), (&json!(2), &json!(2), &json!(5)));
        assert_eq!(found(&api, "?per_page=1000").await.1["per_page"], 100);
        let least = found(&api, "?per_page=0&page=0").await.1;
        assert_eq!((&least["per_page"], &least["page"]), (&json!(1), &json!(1)));
        let theirs = api.get(&api.foreign_key, "/api/v1/emails").await.json();
        assert_eq!(theirs, json!({"data": [], "meta": {"page": 1, "per_page": 25, "total": 0, "next_cursor": null}}));
    });
}

#[test]
fn a_cursor_leads_through_all_of_it() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        for number in 0..5 {
            sent(&api, &json!({"subject": format!("number {number}")})).await;
        }
        let (mut seen, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let query = cursor.map_or("?per_page=2".to_owned(), |cursor| format!("?per_page=2&cursor={cursor}"));
            let (subjects, meta) = found(&api, &query).await;
            seen.extend(subjects);
            cursor = meta["next_cursor"].as_str().map(str::to_owned);
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, ["number 4", "number 3", "number 2", "number 1", "number 0"]);
    });
}

#[test]
fn filters_narrow_it_down() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        sent(&api, &json!({"subject": "invoice for you", "tags": {"kind": "invoice"}})).await;
        sent(&api, &json!({"subject": "welcome", "to": "carol@elsewhere.test", "tags": {"kind": "hello"}})).await;
        for (query, subjects) in [
            ("?status=queued", &["welcome", "invoice for you"][..]),
            ("?status=delivered", &[]),
            ("?search=invoice", &["invoice for you"]),
            ("?search=carol@elsewhere.test", &["welcome"]),
            ("?search=ann@a.test", &["welcome", "invoice for you"]),
            ("?stream=transactional", &["welcome", "invoice for you"]),
            ("?stream=broadcast", &[]),
            ("?tag=kind:hello", &["welcome"]),
            ("?tag=kind", &["welcome", "invoice for you"]),
            ("?from_date=2020-01-01&to_date=2020-01-02", &[]),
            ("?from_date=2020-01-01T00:00:00Z", &["welcome", "invoice for you"]),
            ("?status=", &["welcome", "invoice for you"]),
        ] {
            assert_eq!(found(&api, query).await.0, subjects, "{query}");
        }
    });
}

#[test]
fn what_is_no_filter_is_named() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let long = format!("?search={}", "x".repeat(201));
        let tag = format!("?tag=kind:{}", "x".repeat(317));
        for (query, name) in [
            ("?state=queued", "state"),
            ("?status=opened", "status"),
            ("?stream=bulk", "stream"),
            ("?page=-1", "page"),
            ("?page=x", "page"),
            ("?page=101&per_page=100", "page"),
            ("?cursor=nonsense", "cursor"),
            ("?from_date=yesterday", "from_date"),
            ("?search=%00", "search"),
            ("?tag=%00", "tag"),
            ("?tag=kind:a%0Ab", "tag"),
            (&tag, "tag"),
            ("?status=queued&status=sent", "status"),
            (&long, "search"),
        ] {
            let answer = api.get(&api.key, &format!("/api/v1/emails{query}")).await;
            assert_eq!(answer.status, 422, "{query}");
            let details = answer.json()["details"].clone();
            assert_eq!(details.as_object().unwrap().keys().collect::<Vec<_>>(), [name], "{query}");
        }
        assert_eq!(api.post(&api.key, "/api/v1/emails", &plain()).await.status, 201);
    });
}
