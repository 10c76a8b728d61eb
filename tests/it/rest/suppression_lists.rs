//! Suppressions as CSV and JSON lines, in and out.

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::api::{Answer, Api};
use crate::support::stores::on_every_engine;

const PATH: &str = "/api/v1/suppressions";
const AS_LINES: (&str, &str) = ("content-type", "application/x-ndjson");

async fn import(api: &Api, headers: &[(&str, &str)], text: impl Into<Vec<u8>>) -> Answer {
    let bearer = format!("Bearer {}", api.key);
    let label = if headers.contains(&AS_LINES) { &[][..] } else { &[("content-type", "text/csv; charset=utf-8")] };
    let usual = [&[("authorization", bearer.as_str())], label].concat();
    api.ask(Method::POST, &format!("{PATH}/import"), &[usual.as_slice(), headers].concat(), text.into()).await
}

async fn exported(api: &Api, query: &str) -> String {
    let answer = api.get(&api.key, &format!("{PATH}/export{query}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    String::from_utf8(answer.body).unwrap()
}

#[test]
fn thousands_of_lines_are_written_and_what_is_wrong_is_told_by_its_line() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let mut text = "Email,Reason,Evidence\r\n".to_owned();
        for number in 0..2345 {
            text.push_str(&format!("u{number}@x.test,bounce,\"550 no\r\nsuch user {number}\"\r\n"));
        }
        text.push_str("nobody,bounce,\r\nU7@X.test,,\r\n\r\n\"a b\"@x.test,\"two words\",\r\n\u{0},,\r\n");
        let answer = import(&api, &[], text).await;
        let report = answer.json()["data"].clone();
        assert_eq!(answer.status, 200, "{answer:?}");
        let counts = ["read", "added", "already", "refused"].map(|name| report[name].as_u64().unwrap());
        assert_eq!((counts, &report["done"]), ([2349, 2345, 1, 3], &json!(true)));
        let lines: Vec<u64> = report["faults"].as_array().unwrap().iter().map(|fault| fault["line"].as_u64().unwrap()).collect();
        assert_eq!(lines, [4692, 4695, 4696], "{report}");
        let found = api.get(&api.key, &format!("{PATH}/u2344@x.test")).await.json()["data"].clone();
        assert_eq!((&found["reason"], &found["evidence"]), (&json!("bounce"), &json!("550 no\r\nsuch user 2344")));
        assert_eq!(exported(&api, "?format=jsonl").await.lines().count(), 2345, "over several pages");
        assert_eq!(import(&api, &[], "").await.json()["data"]["read"], 0);
    });
}

#[test]
fn who_asks_for_it_hears_how_far_an_import_has_come() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let text: String = (0..1200).map(|number| format!("u{number}@x.test\n")).chain(["x\n".to_owned()]).collect();
        let answer = import(&api, &[("accept", "application/x-ndjson")], text).await;
        assert_eq!(answer.header("content-type"), "application/x-ndjson");
        let reports: Vec<Value> =
            std::str::from_utf8(&answer.body).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let told: Vec<_> =
            reports.iter().map(|report| (report["read"].as_u64().unwrap(), report["done"].as_bool().unwrap())).collect();
        assert_eq!(told, [(500, false), (1000, false), (1201, false), (1201, true)]);
        assert_eq!((&reports[2]["faults"], &reports[3]["faults"][0]["line"]), (&json!([]), &json!(1201)));
    });
}

#[test]
fn faults_beyond_a_hundred_are_counted_only() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let report = import(&api, &[], "nobody\n".repeat(700)).await.json()["data"].clone();
        assert_eq!((&report["refused"], report["faults"].as_array().unwrap().len()), (&json!(700), 100));
    });
}

#[test]
fn what_is_exported_can_be_imported_and_is_no_formula() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        for (address, evidence) in [
            ("=cmd|'/c calc'!a@x.test", Value::Null),
            ("+tag@x.test", json!("=HYPERLINK(\"http://evil.test\")")),
            ("-x@x.test", json!("@SUM(A1)")),
            ("'=y@x.test", json!("a,\"b\"\nc")),
            ("plain@x.test", json!("'quoted")),
        ] {
            let answer = api.post(&api.key, PATH, &json!({"address": address, "evidence": evidence})).await;
            assert_eq!(answer.status == 201, !address.contains(' '), "{address}");
        }
        let text = exported(&api, "").await;
        assert!(text.starts_with("address,reason,evidence,email_id,created_at\r\n"), "{text}");
        for line in text.lines() {
            assert!(
                !line.starts_with(['=', '+', '-', '@']) && !line.contains(",=") && !line.contains(",\"=") && !line.contains(",@"),
                "{line}"
            );
        }
        let before = exported(&api, "?format=jsonl").await;
        assert_eq!(before.lines().count(), 4);
        let undated =
            |lines: &str| lines.lines().map(|line| line.split(",\"created_at\"").next().unwrap().to_owned()).collect::<Vec<_>>();
        for (headers, list) in [(&[][..], &text), (&[AS_LINES], &before)] {
            for line in before.lines() {
                let address = serde_json::from_str::<Value>(line).unwrap()["address"].as_str().unwrap().replace('@', "%40");
                assert_eq!(api.delete(&api.key, &format!("{PATH}/{address}")).await.status, 204, "{address}");
            }
            assert_eq!(import(&api, headers, list.clone()).await.json()["data"]["added"], 4);
            assert_eq!(undated(&exported(&api, "?format=jsonl").await), undated(&before));
        }
    });
}

#[test]
fn an_export_is_a_file_of_one_team() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        api.post(&api.key, PATH, &json!({"address": "a@b.test", "reason": "bounce"})).await;
        let answer = api.get(&api.key, &format!("{PATH}/export?reason=bounce")).await;
        assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8; header=present");
        assert_eq!(answer.header("content-disposition"), "attachment; filename=\"suppressions.csv\"");
        assert_eq!(exported(&api, "?reason=manual").await.lines().count(), 1);
        assert_eq!(exported(&api, "?format=jsonl&reason=manual").await, "");
        let foreign = api.get(&api.foreign_key, &format!("{PATH}/export")).await;
        assert_eq!(String::from_utf8(foreign.body).unwrap().lines().count(), 1);
        for query in ["format=xml", "page=1", "address=x"] {
            assert_eq!(api.get(&api.key, &format!("{PATH}/export?{query}")).await.status, 422, "{query}");
        }
    });
}

#[test]
fn a_list_says_what_it_is() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let bearer = format!("Bearer {}", api.key);
        for (label, status) in [
            ("text/csv", 200),
            ("TEXT/CSV; header=absent", 200),
            ("text/csv; charset=utf-16", 415),
            ("text/plain", 415),
            ("application/x-www-form-urlencoded", 415),
            ("application/json", 400),
        ] {
            let headers = [("authorization", bearer.as_str()), ("content-type", label)];
            let answer = api.ask(Method::POST, &format!("{PATH}/import"), &headers, "a@b.test\n").await;
            assert_eq!(answer.status, status, "{label}: {answer:?}");
        }
    });
}
