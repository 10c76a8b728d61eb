//! `/api/v1/suppressions`: one address, and the list.

use posthouse::model::key::KeyRights;
use serde_json::json;

use super::plain_with;
use crate::support::api::{Api, scoped, transactional};
use crate::support::stores::on_every_engine;

const PATH: &str = "/api/v1/suppressions";

#[test]
fn an_address_is_suppressed_once_and_lifted_in_any_spelling() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let body = json!({"address": "Some.One@B\u{fc}cher.Example", "reason": "Bounce", "evidence": "550 5.1.1 no such user"});
        let added = api.post(&api.key, PATH, &body).await;
        let kept = added.json()["data"].clone();
        assert_eq!((added.status.as_u16(), &kept["address"]), (201, &json!("some.one@xn--bcher-kva.example")));
        assert_eq!((&kept["reason"], &kept["evidence"]), (&json!("bounce"), &json!("550 5.1.1 no such user")));
        assert!(kept["email_id"].is_null() && kept["created_at"].is_string() && kept.as_object().unwrap().len() == 5, "{kept}");
        let again = api.post(&api.key, "/api/v1/mail/suppressions", &json!({"address": "some.one@b\u{fc}cher.example"})).await;
        assert_eq!((again.status.as_u16(), again.json()["data"].clone()), (200, kept.clone()), "the first evidence stays");
        let refused = api.post(&api.key, "/api/v1/emails", &plain_with(&json!({"to": "some.one@xn--bcher-kva.example"}))).await;
        assert_eq!(refused.json()["code"], "recipient_suppressed");

        let path = format!("{PATH}/SOME.ONE%40b%C3%BCcher.example");
        assert_eq!(api.get(&api.key, &path).await.json()["data"], kept);
        assert_eq!(api.get(&api.foreign_key, &path).await.status, 404);
        assert_eq!(api.delete(&api.foreign_key, &path).await.status, 404);
        assert_eq!(api.delete(&api.key, &path).await.status, 204);
        assert_eq!(api.delete(&api.key, &path).await.status, 404);
        assert_eq!(
            api.post(&api.key, "/api/v1/emails", &plain_with(&json!({"to": "some.one@xn--bcher-kva.example"}))).await.status,
            201
        );
    });
}

#[test]
fn faults_are_told_by_field() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        for (body, field) in [
            (json!({}), "address"),
            (json!({"address": null}), "address"),
            (json!({"address": ""}), "address"),
            (json!({"address": "Ann <a@b.test>"}), "address"),
            (json!({"address": "a@b.test\u{0}"}), "address"),
            (json!({"address": "a@b.test\r\nx"}), "address"),
            (json!({"address": format!("{}@b.test", "x".repeat(256))}), "address"),
            (json!({"address": ["a@b.test"]}), "address"),
            (json!({"address": "a@b.test", "reason": "two words"}), "reason"),
            (json!({"address": "a@b.test", "evidence": "\u{0}"}), "evidence"),
            (json!({"address": "a@b.test", "evidence": "x".repeat(1001)}), "evidence"),
            (json!({"address": "a@b.test", "note": "x"}), "note"),
        ] {
            let answer = api.post(&api.key, PATH, &body).await;
            assert_eq!(answer.status, 422, "{body}");
            assert!(answer.json()["details"][field].is_array(), "{body}: {}", answer.json());
        }
        for path in ["none", "%00", "%ff", "a%40", "%3Cscript%3E", "..%2f"] {
            assert_eq!(
                api.get(&api.key, &format!("{PATH}/{path}")).await.bare(),
                api.get(&api.key, &format!("{PATH}/x%40y.test")).await.bare()
            );
        }
        assert_eq!(api.get(&api.key, PATH).await.json()["meta"]["total"], 0);
    });
}

#[test]
fn the_list_goes_by_address_and_is_filtered() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        for (address, reason) in
            [("b@x.test", "bounce"), ("a@x.test", "complaint"), ("d@x.test", "bounce"), ("c@x.test", "manual")]
        {
            api.post(&api.key, PATH, &json!({"address": address, "reason": reason})).await;
        }
        api.post(&api.foreign_key, PATH, &json!({"address": "e@x.test"})).await;
        let page = async |query: &str| {
            let answer = api.get(&api.key, &format!("{PATH}?{query}")).await;
            let page = answer.json();
            let addresses = page["data"].as_array().unwrap_or_else(|| panic!("{query}: {page}")).iter();
            let locals: String = addresses.map(|row| &row["address"].as_str().unwrap()[..1]).collect();
            (locals, page["meta"]["total"].as_u64().unwrap(), page["meta"]["next_cursor"].as_str().map(str::to_owned))
        };
        for (query, locals, total) in [
            ("", "abcd", 4),
            ("reason=bounce", "bd", 2),
            ("reason=BOUNCE", "bd", 2),
            ("reason=nothing", "", 0),
            ("address=C@X.test", "c", 1),
            ("address=c@x.test&reason=bounce", "", 0),
            ("address=e@x.test", "", 0),
            ("page=2&per_page=3", "d", 4),
            ("page=2&per_page=1&reason=bounce", "d", 2),
        ] {
            assert_eq!(page(query).await, (locals.to_owned(), total, None), "{query}");
        }
        let (first, _, next) = page("per_page=3").await;
        let (rest, total, end) = page(&format!("per_page=3&cursor={}", next.unwrap())).await;
        assert_eq!((first.as_str(), rest.as_str(), total, end), ("abc", "d", 4, None));
        for query in ["address=nobody", "reason=a%20b", "cursor=%00", "cursor=AA", "sort=x", "page=x"] {
            assert_eq!(api.get(&api.key, &format!("{PATH}?{query}")).await.status, 422, "{query}");
        }
    });
}

#[test]
fn either_scope_of_mail_reads_and_one_changes() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let sandbox = KeyRights { sandbox: Some(Vec::new()), ..transactional() };
        let body = json!({"address": "a@b.test"});
        for (rights, read, write) in [
            (scoped(&["mail:read"]), 200, 403),
            (scoped(&["templates:manage"]), 403, 403),
            (sandbox, 200, 403),
            (scoped(&["mail:send"]), 200, 201),
        ] {
            let key = api.key(rights).await;
            assert_eq!(api.get(&key, PATH).await.status, read);
            assert_eq!(api.get(&key, &format!("{PATH}/export")).await.status, read);
            assert_eq!(api.post(&key, PATH, &body).await.status, write);
            let shown = if read == 200 && write == 403 { 404 } else { read };
            assert_eq!(api.get(&key, &format!("{PATH}/a%40b.test")).await.status, shown);
            assert_eq!(api.post(&key, &format!("{PATH}/import"), &json!({"suppressions": []})).await.status == 200, write == 201);
            assert_eq!(api.delete(&key, &format!("{PATH}/a%40b.test")).await.status == 204, write == 201);
        }
    });
}

#[test]
fn a_list_in_json_is_imported() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let path = format!("{PATH}/import");
        let list = json!({"suppressions": [{"address": "a@b.test", "reason": "bounce"}, {"address": "nobody"}, {"address": "A@B.test"}]});
        let answer = api.post(&api.key, &path, &list).await;
        let report = answer.json()["data"].clone();
        let fault = json!([{"line": 2, "error": "address: there is no @ with a domain after it"}]);
        let expected = json!({"done": true, "read": 3, "added": 1, "already": 1, "refused": 1, "faults": fault});
        assert_eq!((answer.status.as_u16(), report), (200, expected));
        let entry = json!({"address": "a@b.test"});
        for (body, status) in [
            (json!({}), 400),
            (json!([entry]), 400),
            (json!({"suppressions": ["a@b.test"]}), 422),
            (json!({"suppressions": [{"address": "a@b.test", "more": 1}]}), 422),
            (json!({"suppressions": vec![entry.clone(); 10_001]}), 422),
        ] {
            let answer = api.post(&api.key, &path, &body).await;
            assert_eq!(answer.status, status, "{}", answer.json());
        }
        assert_eq!(api.get(&api.key, PATH).await.json()["meta"]["total"], 1);
    });
}
