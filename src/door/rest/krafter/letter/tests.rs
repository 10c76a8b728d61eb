use serde_json::{Value, json};

use super::*;
use crate::clock::Timestamp;
use crate::door::rest::json::read as read_json;
use crate::id::Id;
use crate::mime::fields::{Bounds, Fields};
use crate::model::key::KeyRights;
use crate::model::refusal::Code;

const NOW: Timestamp = Timestamp(1_795_222_800_000);

fn key() -> ApiKey {
    ApiKey {
        id: Id([1; 16]),
        team: Id([2; 16]),
        name: "test".to_owned(),
        display: "kr_live_test".to_owned(),
        rights: KeyRights::default(),
        created_at: NOW,
        expires_at: None,
        revoked_at: None,
        last_used_at: None,
        requests_per_minute: None,
    }
}

/// A letter of these fields over a plain one's; `null` takes one away.
fn letter(fields: Value) -> Result<Letter, Problem> {
    let mut email = json!({"from": "Ann <a@b.test>", "to": "c@d.test", "subject": "Hello", "text": "hi"});
    for (name, value) in fields.as_object().expect("an object") {
        email[name] = value.clone();
    }
    Letter::read(read_json::<NewEmail>(email.to_string().as_bytes())?, &key())
}

/// The paths of what is wrong, or the refusal's code.
fn wrong(fields: Value) -> Vec<String> {
    match letter(fields).and_then(|letter| letter.compose().map(|_| ())) {
        Err(Problem::Invalid(details)) => {
            let shown = serde_json::to_value(details).expect("details");
            shown.as_object().expect("an object").keys().cloned().collect()
        }
        Err(Problem::Refused(refusal)) => vec![refusal.code.word().to_owned()],
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_missing_is_told_all_at_once() {
    assert_eq!(wrong(json!({"from": null, "to": [], "subject": " ", "text": ""})), ["from", "html", "subject", "to"]);
    assert!(letter(json!({"text": null, "template_id": "0192c3a1-0000-7000-8000-000000000000"})).is_ok());
}

#[test]
fn line_ends_are_refused_in_each_field_that_becomes_a_header() {
    for end in ["\r\nBcc: v@x.test", "\n", "\r", "\0", "\u{85}", "\u{2028}", "\u{2029}", "\u{7f}"] {
        let text = format!("a{end}b");
        let mailbox = format!("{text} <a@b.test>");
        let file = |field: &str| {
            let mut file = json!({"filename": "f.txt", "content_type": "text/plain", "content": "", "content_id": "x"});
            file[field] = json!(text);
            json!({"attachments": [file]})
        };
        for (fields, path) in [
            (json!({"from": mailbox}), "from"),
            (json!({"to": mailbox}), "to"),
            (json!({"to": ["x@y.test", mailbox]}), "to[1]"),
            (json!({"cc": [mailbox]}), "cc[0]"),
            (json!({"bcc": [mailbox]}), "bcc[0]"),
            (json!({"reply_to": mailbox}), "reply_to"),
            (json!({"subject": text}), "subject"),
            (json!({"headers": {"X-A": text}}), "headers.X-A"),
            (json!({"tags": {"a": text}}), "tags.a"),
            (file("filename"), "attachments[0].filename"),
            (file("content_type"), "attachments[0].content_type"),
            (file("content_id"), "attachments[0].content_id"),
        ] {
            assert_eq!(wrong(fields), [path], "{end:?}");
        }
        assert_eq!(wrong(json!({"headers": {text: "x"}})).len(), 1);
    }
    assert_eq!(wrong(json!({"html": "a\0b"})), ["html"]);
}

#[test]
fn fields_that_only_we_write_are_forbidden_in_any_case() {
    for name in
        ["From", "BCC", "message-id", "Content-Type", "X-Krafter-Anything", "x-krafter-", "Resent-To", "Return-Path", "Received"]
    {
        assert_eq!(wrong(json!({"headers": {name: "x"}})), [Code::ForbiddenHeader.word()], "{name}");
    }
    for name in ["Reply-To", "Sender", "List-Unsubscribe", "In-Reply-To", "X-Krafter", "X-Entity-Ref-ID"] {
        assert!(letter(json!({"headers": {name: "<x@y.test>"}})).is_ok(), "{name}");
    }
    for name in ["", "a b", "a:b", "\u{e4}", &"x".repeat(101)] {
        assert_eq!(wrong(json!({"headers": {name: "x"}})), [format!("headers.{name}")], "{name}");
    }
}

#[test]
fn the_envelope_names_everybody_once_and_the_message_nobody_of_bcc() {
    let letter = letter(json!({"to": ["C <c@d.test>", "c@D.test"], "cc": ["e@f.test"], "bcc": ["g@h.test", "E@f.test"]}))
        .expect("a letter");
    let paths: Vec<&str> = letter.envelope.recipients.iter().map(|path| path.address.as_str()).collect();
    assert_eq!(paths, ["c@d.test", "e@f.test", "g@h.test"]);
    assert_eq!(letter.envelope.reverse_path.as_ref().map(|address| address.as_str()), Some("a@b.test"));
    let message = letter.compose().expect("a message");
    let fields = Fields::split(&message, Bounds::STORED);
    assert_eq!((fields.text("From"), fields.text("Cc")), ("Ann <a@b.test>".to_owned(), "e@f.test".to_owned()));
    assert!(!String::from_utf8_lossy(&message).contains("g@h.test"));
}

#[test]
fn bounds_are_told() {
    let many: Vec<String> = (0..1001).map(|number| format!("r{number}@d.test")).collect();
    assert_eq!(wrong(json!({"to": many})), [Code::TooManyRecipients.word()]);
    assert_eq!(wrong(json!({"subject": "x".repeat(999)})), ["subject"]);
    let tags: serde_json::Map<String, Value> = (0..51).map(|number| (format!("t{number}"), json!("v"))).collect();
    assert_eq!(wrong(json!({"tags": tags})).len(), 1);
    assert_eq!(wrong(json!({"tags": {"": "v"}})), ["tags."]);
    assert_eq!(
        wrong(json!({"attachments": [{"filename": "f", "content_type": "nonsense", "content": ""}]})),
        ["attachments[0].content_type"]
    );
}

#[test]
fn a_schedule_is_a_moment() {
    let at = |text: &str| letter(json!({"scheduled_at": text})).map(|letter| letter.controls.send_at);
    assert_eq!(at("2099-01-01T00:00:00Z").ok().flatten().map(Timestamp::rfc3339).as_deref(), Some("2099-01-01T00:00:00.000Z"));
    assert!(at("2020-01-01T00:00:00Z").is_ok(), "whether it is past is for a policy to say");
    for text in ["tomorrow", "2099-01-01", "2099-01-01T00:00:00", ""] {
        assert_eq!(wrong(json!({"scheduled_at": text})), ["scheduled_at"], "{text}");
    }
}
