use proptest::prelude::*;

use super::*;
use crate::mime::fields::{Bounds, Fields};
use crate::mime::parts::{self, Reach};
use crate::mime::view::{self, View};

fn mailbox(text: &str) -> Mailbox {
    text.parse().unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

fn draft() -> Draft {
    Draft {
        from: mailbox("a@b.test"),
        to: vec![mailbox("c@d.test")],
        cc: Vec::new(),
        reply_to: Vec::new(),
        subject: "hello".to_owned(),
        text: Some("text".to_owned()),
        html: None,
        attachments: Vec::new(),
        headers: Vec::new(),
    }
}

fn file(name: &str, content_type: &str, content: &[u8]) -> Attachment {
    Attachment {
        filename: Some(name.to_owned()),
        content_type: content_type.to_owned(),
        content: content.to_vec(),
        content_id: None,
        inline: false,
    }
}

fn image(id: &str) -> Attachment {
    Attachment { filename: None, content_id: Some(id.to_owned()), inline: true, ..file("", "image/png", b"\x89PNG\0") }
}

/// The message, after the checks that hold for all.
fn written(draft: &Draft) -> Vec<u8> {
    let bytes = draft.compose().unwrap_or_else(|flaw| panic!("{flaw}"));
    assert!(bytes.ends_with(b"\r\n"));
    for line in bytes.split(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        assert!(line.len() <= 998 && !line.iter().any(|byte| matches!(byte, b'\r' | 0)), "{}", line.escape_ascii());
    }
    assert_eq!(memchr::memchr_iter(b'\n', &bytes).count(), memchr::memmem::find_iter(&bytes, b"\r\n").count());
    bytes
}

fn kinds(draft: &Draft) -> Vec<String> {
    parts::of(&written(draft), Reach::STANDARD).into_iter().map(|part| part.kind).collect()
}

#[test]
fn a_word_longer_than_a_line_is_folded_and_reads_back() {
    let word = "x".repeat(998);
    let named = |name: &str| mailbox(&format!("{name} <a@b.test>"));
    let message =
        written(&Draft { from: named(&word), to: vec![named(&format!("a {word} b"))], subject: word.clone(), ..draft() });
    let fields = Fields::split(&message, Bounds::STORED);
    assert_eq!((fields.text("From"), fields.text("Subject")), (format!("{word} <a@b.test>"), word.clone()));
    assert_eq!(fields.text("To"), format!("a {word} b <a@b.test>"));
}

#[test]
fn every_piece_reads_back() {
    let draft = Draft {
        from: mailbox("Zo\u{eb} <a@b.test>"),
        to: vec![mailbox("c@d.test"), mailbox("\"Last, First\" <e@f.test>")],
        cc: vec![mailbox("g@gr\u{fc}n.test")],
        reply_to: vec![mailbox("Help Desk <h@b.test>")],
        subject: "Gr\u{fc}\u{df}e =?utf-8?Q?no?= ".to_owned() + &"\u{1F40E} ".repeat(40),
        text: Some("text \u{2713}\nline\rthree\r\n\0".to_owned()),
        html: Some("<p>html</p>".to_owned()),
        attachments: vec![file("b\u{fc}cher, 2026.csv", "text/csv; charset=utf-8", "a;\u{e4}\nb\r".as_bytes())],
        headers: vec![("X-Campaign".to_owned(), "kind: t\u{e9}st".to_owned())],
    };
    let bytes = written(&draft);
    let view = View::of(&bytes, Reach::STANDARD);
    assert_eq!(view.header("from"), "Zo\u{eb} <a@b.test>");
    assert_eq!(view.header("to"), "c@d.test, \"Last, First\" <e@f.test>");
    assert_eq!(view.header("cc"), "g@xn--grn-ioa.test");
    assert_eq!(view.header("reply-to"), "Help Desk <h@b.test>");
    assert_eq!(view.header("subject"), draft.subject.trim());
    assert_eq!(view.header("x-campaign"), "kind: t\u{e9}st");
    assert_eq!((view.text.as_deref(), view.html.as_deref()), (Some("text \u{2713}\nline\nthree\n"), Some("<p>html</p>")));
    assert_eq!(view.attachments[0].name, "b\u{fc}cher, 2026.csv");
    let octets = view::attachment(&bytes, 0, Reach::STANDARD).map(|(_, octets)| octets);
    assert_eq!(octets.as_ref(), Some(&draft.attachments[0].content), "a text file keeps its line ends");
    assert!(view.header("message-id").is_empty() && view.header("date").is_empty() && bytes.is_ascii());
}

#[test]
fn the_body_is_only_as_deep_as_it_must_be() {
    let (html, logo, pdf) = (Some("<img src=\"cid:logo\">".to_owned()), image("logo"), file("a.pdf", "application/pdf", b"1"));
    let with = |text: bool, html: Option<&String>, attachments: &[&Attachment]| Draft {
        text: text.then(|| "text".to_owned()),
        html: html.cloned(),
        attachments: attachments.iter().map(|attachment| (*attachment).clone()).collect(),
        ..draft()
    };
    let html = html.as_ref();
    let (mixed, related, alternative) = ("multipart/mixed", "multipart/related", "multipart/alternative");
    let cases: [(Draft, &[&str]); 10] = [
        (with(true, None, &[]), &["text/plain"]),
        (with(false, html, &[]), &["text/html"]),
        (with(false, None, &[]), &["text/plain"]),
        (with(true, html, &[]), &[alternative, "text/plain", "text/html"]),
        (with(true, None, &[&pdf]), &[mixed, "text/plain", "application/pdf"]),
        (with(false, None, &[&pdf]), &[mixed, "application/pdf"]),
        (with(false, html, &[&logo]), &[related, "text/html", "image/png"]),
        (with(true, None, &[&pdf, &logo]), &[mixed, "text/plain", "image/png", "application/pdf"]),
        (with(true, html, &[&logo]), &[related, alternative, "text/plain", "text/html", "image/png"]),
        (
            with(true, html, &[&pdf, &logo]),
            &[mixed, related, alternative, "text/plain", "text/html", "image/png", "application/pdf"],
        ),
    ];
    for (draft, expected) in cases {
        assert_eq!(kinds(&draft), expected);
    }
    let bytes = String::from_utf8(written(&with(true, html, &[&logo]))).expect("ASCII");
    assert!(bytes.contains("Content-Type: multipart/related; type=\"multipart/alternative\";\r\n boundary="), "{bytes}");
    assert!(bytes.contains("Content-Disposition: inline\r\nContent-ID: <logo>\r\n"), "{bytes}");
}

#[test]
fn no_text_can_put_in_a_field() {
    for break_ in ["\r\n", "\n", "\r", "\u{85}", "\u{2028}", "\0", "\r\n "] {
        let hostile = format!("x{break_}Bcc: v@x.test{break_}{break_}y");
        let mut from = mailbox("a@b.test");
        from.name = Some(hostile.clone());
        let draft = Draft {
            from,
            subject: hostile.clone(),
            headers: vec![("X-One".to_owned(), hostile.clone())],
            attachments: vec![file(&hostile, "text/plain", b"")],
            ..draft()
        };
        let bytes = written(&draft);
        let fields = Fields::split(&bytes, Bounds::STORED);
        let names: Vec<_> = fields.list.iter().map(|field| field.name).collect();
        assert_eq!(names, ["From", "To", "Subject", "X-One", "MIME-Version", "Content-Type"], "{}", bytes.escape_ascii());
        assert!(fields.text("Subject").starts_with("x") && fields.text("Subject").ends_with("y"));
        assert_eq!(kinds(&draft), ["multipart/mixed", "text/plain", "text/plain"]);
        assert!(hostile.parse::<Mailbox>().is_err() && format!("{hostile} <a@b.test>").parse::<Mailbox>().is_err());
    }
}

#[test]
fn a_body_that_looks_like_smtp_is_a_body() {
    let text = "one\r\n.\r\nMAIL FROM:<v@x.test>\r\n--boundary\r\n\r\nContent-Type: text/html\r\n";
    let view = View::of(&written(&Draft { text: Some(text.to_owned()), ..draft() }), Reach::STANDARD);
    assert_eq!(view.text, Some(text.replace("\r\n", "\n")));
}

#[test]
fn values_are_folded_and_what_can_not_be_is_refused() {
    let with = |name: &str, value: String| Draft { headers: vec![(name.to_owned(), value)], ..draft() };
    let words = "word ".repeat(2000);
    let value = |draft: &Draft, name: &str| Fields::split(&written(draft), Bounds::STORED).text(name);
    assert_eq!(value(&with("X-Long", words.clone()), "X-Long"), words.trim());
    let refs = (0..40).map(|n| format!("<{n}.{}@b.test>", "x".repeat(60))).collect::<Vec<_>>().join(" ");
    assert_eq!(value(&with("References", refs.clone()), "References"), refs);
    let unsubscribe = format!("<https://b.test/{}>", "x".repeat(900));
    assert_eq!(value(&with("List-Unsubscribe", unsubscribe.clone()), "List-Unsubscribe"), unsubscribe);
    assert_eq!(value(&with("Sender", "J\u{f6}rg <a@b.test>".to_owned()), "Sender"), "J\u{f6}rg <a@b.test>");
    assert_eq!(value(&with("X-Empty", " ".to_owned()), "X-Empty"), "");
    let flaw = |name: &str, value: &str| with(name, value.to_owned()).compose().err();
    assert_eq!(flaw("X-Long", &"x".repeat(999)), Some(Flaw::HeaderLine("X-Long".to_owned())));
    assert_eq!(flaw("X-Long", &format!("a {}", "x".repeat(998))), Some(Flaw::HeaderLine("X-Long".to_owned())));
    assert_eq!(flaw("X-Long", &format!("a {}", "x".repeat(997))), None);
    assert_eq!(flaw("References", "<gr\u{fc}n@b.test>"), Some(Flaw::HeaderAscii("References".to_owned())));
    for name in ["", "X Y", "X:", "X\r\nBcc", "Gr\u{fc}n"] {
        assert_eq!(flaw(name, "x"), Some(Flaw::HeaderName(name.to_owned())));
    }
}

#[test]
fn attachments_that_have_no_lawful_form_are_refused_or_opaque() {
    let with = |attachment: Attachment| Draft { attachments: vec![attachment], ..draft() };
    for kind in ["", "text", "text/", "/x", "text/a b", "te(xt/x", "text/plain\r\nBcc: x", "text/pl\u{e4}in", &"x/".repeat(200)] {
        assert_eq!(with(file("a", kind, b"")).compose(), Err(Flaw::ContentType(0)), "{kind}");
    }
    for id in ["", "<>", "a b", "a>b", "\u{e4}", &"x".repeat(251)] {
        assert_eq!(with(image(id)).compose(), Err(Flaw::ContentId(0)), "{id}");
    }
    assert_eq!(kinds(&with(image("<logo@b.test>"))).last().map(String::as_str), Some("image/png"));
    assert_eq!(with(file(&"x".repeat(256), "text/plain", b"")).compose(), Err(Flaw::Filename(0)));
    written(&with(file(&"x".repeat(255), "text/plain", b"")));
    written(&with(file(&"\u{1F40E}".repeat(255), "text/plain", b"")));

    let plain = file("a.eml", "message/rfc822", b"From: a@b.test\r\n\r\nbody");
    let bytes = String::from_utf8(written(&with(plain.clone()))).expect("ASCII");
    assert!(bytes.contains("\r\nContent-Transfer-Encoding: 7bit\r\n\r\nFrom: a@b.test\r\n\r\nbody\r\n--"), "{bytes}");
    for content in ["From: \u{e4}", "a\nb", "a\rb", "a\0b", &"x".repeat(999)] {
        let opaque = Attachment { content: content.as_bytes().to_vec(), ..plain.clone() };
        assert_eq!(kinds(&with(opaque)), ["multipart/mixed", "text/plain", "application/octet-stream"]);
    }
    let multipart = file("a", "multipart/mixed; boundary=x", b"--x\r\n\r\n--x--");
    assert_eq!(kinds(&with(multipart)), ["multipart/mixed", "text/plain", "application/octet-stream"]);
}

#[test]
fn mailboxes_are_read_and_written() {
    let cases = [
        ("a@b.test", None, "a@b.test"),
        ("<a@b.test>", None, "a@b.test"),
        ("Ann O'Neil <a@b.test>", Some("Ann O'Neil"), "Ann O'Neil <a@b.test>"),
        ("J. R. Smith <a@b.test>", Some("J. R. Smith"), "\"J. R. Smith\" <a@b.test>"),
        ("\"Last,  \\\"F\\\" \" <a@b.test> (work)", Some("Last,  \"F\""), "\"Last,  \\\"F\\\"\" <a@b.test>"),
        ("J\u{f6}rg <a@b.test>", Some("J\u{f6}rg"), "=?utf-8?Q?J=C3=B6rg?= <a@b.test>"),
        ("=?utf-8?Q?J=C3=B6rg?= <a@b.test>", Some("J\u{f6}rg"), "=?utf-8?Q?J=C3=B6rg?= <a@b.test>"),
        ("\"a b\"@b.test", None, "<\"a b\"@b.test>"),
        ("a@gr\u{fc}n.test", None, "a@xn--grn-ioa.test"),
        ("\u{434}\u{43e}\u{43c}@b.test", None, "\u{434}\u{43e}\u{43c}@b.test"),
    ];
    for (text, name, field) in cases {
        let read = mailbox(text);
        assert_eq!(read.name.as_deref(), name, "{text}");
        let bytes = Draft { from: read, ..draft() }.compose().expect("nothing is wrong with it");
        let raw = Fields::split(&bytes, Bounds::STORED).first("From").map(|field| field.trimmed().to_vec());
        assert_eq!(raw.as_deref(), Some(field.as_bytes()), "{text}");
    }
    for text in ["", "a@b.test, c@d.test", "Last, First <a@b.test>", "a", "a@b.test\n", "x <a@b.test", "a@-b.test"] {
        assert!(text.parse::<Mailbox>().is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_anywhere_leaves_one_lawful_message(
        name in any::<String>(),
        subject in any::<String>(),
        text in any::<String>(),
        html in any::<Option<String>>(),
        filename in any::<String>(),
        value in "(\\PC| ){0,300}",
        content in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut from = mailbox("a@b.test");
        from.name = Some(name);
        let attachments = vec![Attachment { content, ..file(&filename, "text/x-any", b"") }];
        let headers = vec![("X-Value".to_owned(), value)];
        let draft = Draft { from, subject, text: Some(text.clone()), html, attachments, headers, ..draft() };
        let bytes = written(&draft);
        let fields = Fields::split(&bytes, Bounds::STORED);
        let names: Vec<_> = fields.list.iter().map(|field| field.name).collect();
        prop_assert_eq!(names, ["From", "To", "Subject", "X-Value", "MIME-Version", "Content-Type"]);
        let view = View::of(&bytes, Reach::STANDARD);
        prop_assert_eq!(view.attachments.len(), 1);
        let (_, octets) = view::attachment(&bytes, 0, Reach::STANDARD).expect("the attachment");
        prop_assert_eq!(&octets, &draft.attachments[0].content);
        prop_assert!(view.text.is_some() && view.html.is_some() == draft.html.is_some());
    }
}
