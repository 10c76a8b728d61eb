//! `/api/v1/unsubscribes`, and what a wish does to what is sent.

use std::sync::Arc;

use posthouse::model::key::{KeyRights, StreamWord};
use posthouse::model::stream::Stream;
use posthouse::model::unsubscribe::{Evidence, How};
use serde_json::{Value, json};

use super::plain_with;
use crate::support::api::{Api, scoped, transactional};
use crate::support::nouns;
use crate::support::stores::on_every_engine;

const PATH: &str = "/api/v1/unsubscribes";

fn both_streams() -> KeyRights {
    KeyRights { streams: Stream::ALL.map(StreamWord).to_vec(), ..KeyRights::default() }
}

/// Sends with these fields; the code it is refused with, or what became of each recipient.
async fn sent(api: &Api, key: &str, fields: &Value) -> Vec<String> {
    let answer = api.post(key, "/api/v1/emails", &plain_with(fields)).await.json();
    match answer["code"].as_str() {
        Some(code) => vec![code.to_owned()],
        None => {
            let recipients = answer["data"]["recipients"].as_array().unwrap_or_else(|| panic!("{answer}"));
            recipients.iter().map(|one| one["status"].as_str().unwrap().to_owned()).collect()
        }
    }
}

#[test]
fn a_wish_is_noted_once_and_taken_back_in_any_spelling() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let body = json!({"address": "Some.One@B\u{fc}cher.Example", "reason": "by phone"});
        let added = api.post(&api.key, PATH, &body).await;
        let kept = added.json()["data"].clone();
        let expected = json!({
            "address": "some.one@xn--bcher-kva.example", "stream": "broadcast", "how": "api", "reason": "by phone", "ip": null,
            "user_agent": null, "email_id": null, "created_at": kept["created_at"],
        });
        assert_eq!((added.status.as_u16(), &kept), (201, &expected));
        let again = api.post(&api.key, "/api/v1/mail/unsubscribes", &json!({"address": "some.one@b\u{fc}cher.example"})).await;
        assert_eq!((again.status.as_u16(), again.json()["data"].clone()), (200, kept.clone()), "the first evidence stays");
        assert_eq!(api.get(&api.key, "/api/v1/suppressions").await.json()["meta"]["total"], 0, "a wish is no suppression");

        let path = format!("{PATH}/SOME.ONE%40b%C3%BCcher.example");
        assert_eq!(api.get(&api.key, &path).await.json()["data"], kept);
        assert_eq!(api.get(&api.foreign_key, &path).await.status, 404);
        assert_eq!(api.delete(&api.foreign_key, &path).await.status, 404);
        assert_eq!(api.delete(&api.key, &path).await.status, 204);
        assert_eq!(api.delete(&api.key, &path).await.status, 404);
        for (body, field) in [
            (json!({}), "address"),
            (json!({"address": "Ann <a@b.test>"}), "address"),
            (json!({"address": "a@b.test\u{0}"}), "address"),
            (json!({"address": "a@b.test", "reason": "\u{0}"}), "reason"),
            (json!({"address": "a@b.test", "reason": "x".repeat(1001)}), "reason"),
            (json!({"address": "a@b.test", "stream": "broadcast"}), "stream"),
        ] {
            let answer = api.post(&api.key, PATH, &body).await;
            assert_eq!(answer.status, 422, "{body}");
            assert!(answer.json()["details"][field].is_array(), "{body}: {}", answer.json());
        }
    });
}

#[test]
fn broadcast_heeds_a_wish_and_transactional_mail_does_not() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let (key, may) =
            (api.key(both_streams()).await, api.key(KeyRights { may_ignore_unsubscribe: true, ..both_streams() }).await);
        api.post(&api.key, PATH, &json!({"address": "done@b.test"})).await;
        let to = |to: Value, stream: &str| json!({"to": to, "stream": stream});
        assert_eq!(sent(&api, &key, &to(json!("Done@B.test"), "transactional")).await, ["queued"]);
        assert_eq!(sent(&api, &key, &to(json!("Done@B.test"), "broadcast")).await, ["recipient_suppressed"]);
        assert_eq!(sent(&api, &key, &to(json!(["x@b.test", "done@b.test"]), "broadcast")).await, ["queued", "rejected"]);
        let answer = api.post(&key, "/api/v1/emails", &plain_with(&to(json!("done@b.test"), "broadcast"))).await;
        assert_eq!(answer.status, 422);
        assert!(answer.json()["error"].as_str().unwrap().contains("has unsubscribed"), "{}", answer.json());

        let insistent = json!({"to": "done@b.test", "stream": "broadcast", "ignore_unsubscribe": true});
        assert_eq!(sent(&api, &key, &insistent).await, ["forbidden_header"]);
        assert_eq!(sent(&api, &may, &insistent).await, ["queued"]);
        api.post(&api.key, "/api/v1/suppressions", &json!({"address": "done@b.test"})).await;
        assert_eq!(sent(&api, &may, &insistent).await, ["recipient_suppressed"], "no suppression is overridden");
        api.delete(&api.key, "/api/v1/suppressions/done@b.test").await;
        api.delete(&api.key, &format!("{PATH}/done@b.test")).await;
        assert_eq!(sent(&api, &key, &to(json!("done@b.test"), "broadcast")).await, ["queued"]);
    });
}

#[test]
fn who_is_left_out_has_an_event_with_the_reason() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let key = api.key(both_streams()).await;
        api.post(&api.key, PATH, &json!({"address": "done@b.test"})).await;
        let email = plain_with(&json!({"to": ["x@b.test", "done@b.test"], "stream": "broadcast"}));
        let id = api.post(&key, "/api/v1/emails", &email).await.json()["data"]["id"].as_str().unwrap().to_owned();
        let events = api.get(&key, &format!("/api/v1/emails/{id}/events")).await.json()["data"].clone();
        assert_eq!((&events[1]["type"], &events[1]["recipient"]), (&json!("rejected"), &json!("done@b.test")));
        assert_eq!(events[1]["data"]["reason"], "unsubscribed");
    });
}

#[test]
fn who_takes_back_what_a_reader_told_is_known() {
    on_every_engine(async |book| {
        let (api, store) = (Api::over(&book).await, &book.store);
        let mut offered = nouns::acceptance(api.ours, &["x@b.test", "Reader@b.test"]);
        let message = Arc::make_mut(&mut offered.message);
        message.stream = Stream::Broadcast;
        let id = message.id;
        store.accept(offered).await.unwrap();
        let reader = store.reader(id, 1).await.unwrap().unwrap();
        assert_eq!(store.unsubscribe_reader(&reader, How::OneClick, Evidence::default()).await, Ok(true));
        assert_eq!(api.delete(&api.key, &format!("{PATH}/reader@b.test")).await.status, 204);
        assert_eq!(api.delete(&api.key, &format!("{PATH}/reader@b.test")).await.status, 404);
        let events = api.get(&api.key, &format!("/api/v1/emails/{id}/events")).await.json()["data"].clone();
        let told: Vec<_> =
            events.as_array().unwrap().iter().skip(1).map(|e| (&e["type"], &e["recipient"], &e["data"]["how"])).collect();
        let recipient = json!("Reader@b.test");
        assert_eq!(
            told,
            [(&json!("unsubscribed"), &recipient, &json!("one_click")), (&json!("resubscribed"), &recipient, &json!("api")),]
        );
        // What no message caused has none to tell it of.
        api.post(&api.key, PATH, &json!({"address": "reader@b.test"})).await;
        assert_eq!(api.delete(&api.key, &format!("{PATH}/reader@b.test")).await.status, 204);
        assert_eq!(store.events(id).await.unwrap().len(), 2);
    });
}

#[test]
fn the_list_goes_by_address_in_pages() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        for address in ["c@x.test", "a@x.test", "b@x.test"] {
            api.post(&api.key, PATH, &json!({"address": address})).await;
        }
        api.post(&api.foreign_key, PATH, &json!({"address": "d@x.test"})).await;
        let page = async |query: &str| {
            let page = api.get(&api.key, &format!("{PATH}?{query}")).await.json();
            let addresses = page["data"].as_array().unwrap_or_else(|| panic!("{query}: {page}")).iter();
            let locals: String = addresses.map(|row| &row["address"].as_str().unwrap()[..1]).collect();
            (locals, page["meta"]["total"].as_u64().unwrap(), page["meta"]["next_cursor"].as_str().map(str::to_owned))
        };
        assert_eq!(page("").await, ("abc".to_owned(), 3, None));
        let (first, _, next) = page("per_page=2").await;
        let (rest, total, end) = page(&format!("per_page=2&cursor={}", next.unwrap())).await;
        assert_eq!((first.as_str(), rest.as_str(), total, end), ("ab", "c", 3, None));
        assert_eq!(page("page=2&per_page=2").await.0, "c");
        for query in ["cursor=%00", "reason=x", "page=x"] {
            assert_eq!(api.get(&api.key, &format!("{PATH}?{query}")).await.status, 422, "{query}");
        }
    });
}

#[test]
fn either_scope_of_mail_reads_and_one_changes() {
    on_every_engine(async |book| {
        let api = Api::over(&book).await;
        let sandbox = KeyRights { sandbox: Some(Vec::new()), ..transactional() };
        for (rights, read, write) in [
            (scoped(&["mail:read"]), 200, 403),
            (scoped(&["templates:manage"]), 403, 403),
            (sandbox, 200, 403),
            (scoped(&["mail:send"]), 200, 201),
        ] {
            let key = api.key(rights).await;
            assert_eq!(api.get(&key, PATH).await.status, read);
            assert_eq!(api.post(&key, PATH, &json!({"address": "a@b.test"})).await.status, write);
            let shown = if read == 200 && write == 403 { 404 } else { read };
            assert_eq!(api.get(&key, &format!("{PATH}/a%40b.test")).await.status, shown);
            assert_eq!(api.delete(&key, &format!("{PATH}/a%40b.test")).await.status == 204, write == 201);
        }
    });
}
