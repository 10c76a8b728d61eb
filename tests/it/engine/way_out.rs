//! Broadcast leaves with a way out for each reader, which is signed, works by one click, and is heeded at the door.

use axum::http::Method;
use posthouse::domains::keys;
use posthouse::door::http::{Context, Readiness, router};
use posthouse::model::key::{KeyRights, StreamWord};
use posthouse::model::stream::Stream;
use posthouse::model::template::TemplateText;
use serde_json::{Value, json};

use super::signing::signatures;
use super::*;
use crate::support::api::{self, Api};
use crate::support::sink::Received;
use crate::support::stores::on_every_engine;

const ONE_CLICK: &str = "List-Unsubscribe-Post: List-Unsubscribe=One-Click";

fn rights(own_unsubscribe: bool) -> KeyRights {
    KeyRights { streams: Stream::ALL.map(StreamWord).to_vec(), own_unsubscribe, ..KeyRights::default() }
}

fn email(to: &[&str], stream: &str, headers: &Value) -> Value {
    json!({"from": "a@example.test", "to": to, "subject": "hi", "text": "hi", "html": "<p>hi</p>", "stream": stream, "headers": headers})
}

/// Sends, and waits for what arrives: for each recipient a message, or the same for all.
async fn arrived(api: &Api, key: &str, sink: &Sink, email: &Value, count: usize) -> Vec<Received> {
    let before = sink.received().len();
    let answer = api.post(key, "/api/v1/emails", email).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    until("its arrival", || async { sink.received().len() == before + count }).await;
    sink.received().split_off(before)
}

/// The values of fields of this name.
fn values(mail: &Received, name: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(&mail.content).into_owned();
    let head = text.split("\r\n\r\n").next().unwrap_or_default().replace("\r\n ", " ");
    head.lines().filter_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned)).collect()
}

#[test]
fn one_click_in_a_mail_that_arrived_ends_broadcast_to_its_reader() {
    on_every_engine(async |book| {
        let (store, sink) = (&book.store, Sink::willing().await);
        let api = Api::over(&book).await;
        let key = api.key(rights(false)).await;
        let domain = keys::trust(store, api.ours, "example.test", book.clock.now()).await.unwrap();
        let mut config = config(&sink);
        config.public_url = "https://mail.example".into();
        let engine = Running::start(store, &config, &book.clock);
        let mails = arrived(&api, &key, &sink, &email(&["done@dest.test", "other@dest.test"], "broadcast", &json!({})), 2).await;
        let mut links = Vec::new();
        for mail in &mails {
            assert_eq!(mail.rcpt.len(), 1, "each copy is its reader's own");
            let signed = signatures(store, &domain, &mail.content).await;
            assert_eq!(signed.len(), 2);
            let text = String::from_utf8_lossy(&mail.content).replace("\r\n ", "");
            assert!(text.contains(ONE_CLICK) && text.contains(":List-Unsubscribe:List-Unsubscribe:"), "signed: {text}");
            assert!(text.contains(":Feedback-ID"), "signed: {text}");
            let feedback = values(mail, "Feedback-ID").remove(0);
            assert!(feedback.starts_with(&format!("example.test:{}:broadcast:", api.ours)), "{feedback}");
            let field = values(mail, "List-Unsubscribe");
            links.push(field[0].strip_prefix("<https://mail.example").unwrap().strip_suffix('>').unwrap().to_owned());
            assert_eq!(field.len(), 1);
        }
        assert_ne!(links[0], links[1]);

        let done = mails.iter().position(|mail| mail.rcpt[0].contains("done@")).unwrap();
        let pages = router(Context::new(&config, api::api(&config, store), Readiness::default()));
        let pages = Api { router: pages, ..api };
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let answer = pages.ask(Method::POST, &links[done], &form, "List-Unsubscribe=One-Click").await;
        assert_eq!(answer.status, 200);
        let refused = pages.post(&key, "/api/v1/emails", &email(&["Done@dest.test"], "broadcast", &json!({}))).await;
        assert_eq!((refused.status.as_u16(), &refused.json()["code"]), (422, &json!("recipient_suppressed")));
        assert_eq!(pages.post(&key, "/api/v1/emails", &email(&["other@dest.test"], "broadcast", &json!({}))).await.status, 201);
        let kept = pages.get(&key, "/api/v1/unsubscribes/done@dest.test").await.json()["data"].clone();
        assert_eq!((&kept["how"], &kept["ip"]), (&json!("one_click"), &json!("192.0.2.7")));
        engine.stop().await;
    });
}

#[test]
fn a_way_out_of_the_senders_own_stays_where_its_key_says_so_and_there_is_none_but_on_broadcast() {
    on_every_engine(async |book| {
        let (store, sink) = (&book.store, Sink::willing().await);
        let api = Api::over(&book).await;
        keys::trust(store, api.ours, "example.test", book.clock.now()).await.unwrap();
        let engine = Running::start(store, &config(&sink), &book.clock);
        let theirs = "<https://example.test/out>";
        for (own, stream, headers, ours, expected) in [
            (false, "broadcast", json!({"List-Unsubscribe": theirs}), true, vec![]),
            (true, "broadcast", json!({"List-Unsubscribe": theirs}), false, vec![theirs]),
            (true, "broadcast", json!({}), true, vec![]),
            (false, "transactional", json!({}), false, vec![]),
            (false, "transactional", json!({"List-Unsubscribe": theirs}), false, vec![theirs]),
        ] {
            let key = api.key(rights(own)).await;
            let mail = arrived(&api, &key, &sink, &email(&["you@dest.test"], stream, &headers), 1).await.remove(0);
            let mut found = values(&mail, "List-Unsubscribe");
            found.retain(|value| !value.starts_with("<https://mail.house.test/u/"));
            assert_eq!(values(&mail, "Feedback-ID").len(), usize::from(stream == "broadcast"));
            let has_ours = String::from_utf8_lossy(&mail.content).contains(ONE_CLICK);
            assert_eq!((has_ours, found), (ours, expected.into_iter().map(str::to_owned).collect()), "{own} {stream} {headers}");
        }
        engine.stop().await;
    });
}

#[test]
fn a_sender_puts_the_readers_own_link_into_bodies_and_templates_of_broadcast() {
    on_every_engine(async |book| {
        let (store, sink) = (&book.store, Sink::willing().await);
        let api = Api::over(&book).await;
        let key = api.key(rights(false)).await;
        keys::trust(store, api.ours, "example.test", book.clock.now()).await.unwrap();
        let engine = Running::start(store, &config(&sink), &book.clock);
        let (text, html) = ("Leave: {{unsubscribe_url}}.", "<p><a href=\"{{ unsubscribeUrl }}\">Leave</a></p>");
        let (name, subject) = ("news".to_owned(), "News".to_owned());
        let kept = TemplateText { name, subject, html: Some(html.into()), text: Some(text.into()), variables: Vec::new() };
        let template = store.create_template(api.ours, kept).await.unwrap().id.uuid();
        let raw = json!({"text": text, "html": html});
        let templated = json!({"template_id": template});
        let given = json!({"template_id": template, "variables": {"unsubscribe_url": "mine", "unsubscribeUrl": "mine"}});
        for (said, stream, expected) in [
            (&raw, "broadcast", None),
            (&templated, "broadcast", None),
            (&given, "broadcast", Some(["mine"; 2])),
            (&raw, "transactional", Some(["{{unsubscribe_url}}", "{{ unsubscribeUrl }}"])),
            (&templated, "transactional", Some([""; 2])),
            (&given, "transactional", Some(["mine"; 2])),
        ] {
            let mut mail = email(&["you@dest.test"], stream, &json!({}));
            mail.as_object_mut().unwrap().extend(said.as_object().unwrap().clone());
            let mail = arrived(&api, &key, &sink, &mail, 1).await.remove(0);
            let own = values(&mail, "List-Unsubscribe").pop().unwrap_or_default();
            let [in_text, in_html] = expected.unwrap_or([own.trim_matches(['<', '>']); 2]);
            let view = mail_parser::MessageParser::default().parse(&mail.content).unwrap();
            assert_eq!(view.body_text(0).unwrap().trim_end(), format!("Leave: {in_text}."), "{stream}: {said}");
            let page = view.body_html(0).unwrap();
            assert!(page.starts_with(&format!("<p><a href=\"{in_html}\">Leave</a></p>")), "{stream}: {said}: {page}");
        }
        engine.stop().await;
    });
}
