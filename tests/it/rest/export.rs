//! `GET /api/v1/emails/export`.

use serde_json::{Value, json};

use super::sent;
use crate::support::api::{Api, scoped};
use crate::support::stores::on_every_engine;

const PATH: &str = "/api/v1/emails/export";

async fn exported(api: &Api, query: &str) -> String {
    let answer = api.get(&api.key, &format!("{PATH}{query}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    String::from_utf8(answer.body).unwrap()
}

#[test]
fn all_mail_is_exported_page_after_page_newest_first() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        for number in 0..205 {
            sent(&api, &json!({"subject": format!("number {number}")})).await;
        }
        let text = exported(&api, "?format=jsonl").await;
        let subjects: Vec<Value> =
            text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["subject"].clone()).collect();
        let expected: Vec<Value> = (0..205).rev().map(|number| json!(format!("number {number}"))).collect();
        assert_eq!(subjects, expected);
        assert_eq!(exported(&api, "?format=jsonl&search=number").await, text, "over several pages of a search");
        let first = serde_json::from_str::<Value>(text.lines().next().unwrap()).unwrap();
        let shown = api.get(&api.key, &format!("/api/v1/emails/{}", first["id"].as_str().unwrap())).await.json();
        assert_eq!(first, shown["data"], "a line is the message as it is shown");
        assert_eq!(exported(&api, "").await.lines().count(), 206);
    });
}

#[test]
fn cells_are_no_formulas_and_filters_hold() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        sent(&api, &json!({"subject": "=cmd|'/c calc'!A1", "to": ["Ann, Dr. <a@b.test>".replace(", Dr.", ""), "c@d.test"], "tags": {"run": "7"}})).await;
        sent(&api, &json!({"subject": "plain, \"quoted\""})).await;
        let text = exported(&api, "?search=a%40b.test").await;
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("id,created_at,status,stream,source,from,to,"), "{text}");
        assert_eq!(lines.len(), 2, "{text}");
        assert!(
            lines[1].contains(",queued,transactional,rest,Ann <ann@a.test>,\"Ann <a@b.test>, c@d.test\",,,,'=cmd|'/c calc'!A1,"),
            "{text}"
        );
        assert!(lines[1].contains(",\"{\"\"run\"\":\"\"7\"\"}\","), "{text}");
        for (query, lines) in
            [("?tag=run:7", 2), ("?status=sent", 1), ("?stream=broadcast", 1), ("?from_date=2099-01-01", 1), ("", 3)]
        {
            assert_eq!(exported(&api, query).await.lines().count(), lines, "{query}");
        }
        for query in ["?format=xml", "?page=1", "?status=odd", "?search=%00"] {
            assert_eq!(api.get(&api.key, &format!("{PATH}{query}")).await.status, 422, "{query}");
        }
    });
}

#[test]
fn an_export_is_of_one_team_and_asks_for_mail_read() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        sent(&api, &json!({})).await;
        let foreign = api.get(&api.foreign_key, &format!("{PATH}?format=jsonl")).await;
        assert_eq!((foreign.status.as_u16(), foreign.body.len()), (200, 0));
        assert_eq!(foreign.header("content-disposition"), "attachment; filename=\"emails.jsonl\"");
        let sender = api.key(scoped(&["mail:send"])).await;
        assert_eq!(api.get(&sender, PATH).await.status, 403);
    });
}
