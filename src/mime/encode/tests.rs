use proptest::prelude::*;

use super::*;
use crate::mime::fields::{Bounds, Fields};
use crate::mime::mailbox::Mailbox;

/// The field written anew, after the checks that hold for all.
fn written(raw: &[u8]) -> String {
    let mut line = raw.to_vec();
    line.extend_from_slice(b"\r\n");
    let fields = Fields::split(&line, Bounds::STORED);
    let out = field(&fields.list[0]);
    assert!(out.is_ascii(), "{}", out.escape_ascii());
    let again = Fields::split(&out, Bounds::STORED);
    assert_eq!((again.list.len(), again.list[0].name), (1, fields.list[0].name), "{}", out.escape_ascii());
    assert!(out.split(|&b| b == b'\n').all(|line| line.len() <= 78), "{}", out.escape_ascii());
    String::from_utf8_lossy(&out).trim_end().to_owned()
}

#[test]
fn each_field_is_written_by_its_grammar() {
    let cases: [(&str, &str); 14] = [
        ("Subject: Gr\u{fc}\u{df}e aus Ulm", "Subject: =?utf-8?B?R3LDvMOfZQ==?= aus Ulm"),
        ("Subject: plain words and then caf\u{e9}", "Subject: plain words and then =?utf-8?Q?caf=C3=A9?="),
        ("X-Note: \u{e4} =?utf-8?Q?=C3=B6?=", "X-Note: =?utf-8?B?w6Qgw7Y=?="),
        ("From: J\u{f6}rg <j@b.test>", "From: =?utf-8?Q?J=C3=B6rg?= <j@b.test>"),
        ("From: \"M\u{fc}ller, J.\" <j@b.test>", "From: =?utf-8?Q?M=C3=BCller=2C_J=2E?= <j@b.test>"),
        ("To: a@b.test (J\u{f6}rg), c@d.test", "To: a@b.test (=?utf-8?Q?J=C3=B6rg?=), c@d.test"),
        ("Cc: \"Plain, Q.\" <p@b.test>, \u{d6} <o@b.test>", "Cc: \"Plain, Q.\" <p@b.test>, =?utf-8?B?w5Y=?= <o@b.test>"),
        ("To: Fr\u{fc}h: a@b.test;", "To: =?utf-8?Q?Fr=C3=BCh?=: a@b.test;"),
        ("To: a@b\u{fc}cher.test", "To: a@xn--bcher-kva.test"),
        ("Reply-To: <a@b\u{fc}cher.test>", "Reply-To: <a@xn--bcher-kva.test>"),
        ("Content-Type: text/plain; name=\"\u{fc}.txt\"", "Content-Type: text/plain; name*=utf-8''%C3%BC.txt"),
        (
            "Content-Disposition: attachment; filename=\"a;\\\"\u{e9}\"; size=3",
            "Content-Disposition: attachment; filename*=utf-8''a%3B%22%C3%A9; size=3",
        ),
        ("Message-ID: <\u{e4}@x>", "Message-ID: <??@x>"),
        ("List-Id: F\u{fc}\u{df}e <l.b.test>", "List-Id: =?utf-8?B?RsO8w59l?= <l.b.test>"),
    ];
    for (raw, expected) in cases {
        assert_eq!(written(raw.as_bytes()), expected);
    }
    assert_eq!(written(b"Subject: caf\xe9"), "Subject: =?unknown-8bit?Q?caf=E9?=");
}

#[test]
fn only_a_local_part_needs_smtputf8() {
    let needs = |raw: &str| {
        let line = format!("{raw}\r\n");
        needs_smtputf8(&Fields::split(line.as_bytes(), Bounds::STORED).list[0])
    };
    for raw in ["To: j\u{f6}rg@b.test", "Cc: J <j\u{f6}rg@b.test>", "To: a@b.test, \u{e4}@c.test"] {
        assert!(needs(raw), "{raw}");
    }
    for raw in ["To: J\u{f6}rg <j@b.test>", "To: a@b\u{fc}.test", "Subject: \u{e4}@b.test", "To: a@b.test (\u{e4}@b.test)"] {
        assert!(!needs(raw), "{raw}");
    }
}

#[test]
fn long_lines_are_folded_where_they_can_be() {
    let words = format!("X-Long: {}\r\n", "word ".repeat(1000));
    let folded = fold::folded(words.as_bytes(), 998);
    assert_eq!(String::from_utf8_lossy(&folded).replace("\r\n", ""), words.replace("\r\n", ""));
    let solid = format!("X-Long: {}\r\n", "w".repeat(5000));
    for (field, folds) in [(words, 5), (solid, 5)] {
        let out = fold::folded(field.as_bytes(), 998);
        let lines: Vec<&[u8]> = out.split(|&b| b == b'\n').collect();
        assert!(lines.iter().all(|line| line.len() <= 999), "{:?}", lines.iter().map(|l| l.len()).collect::<Vec<_>>());
        assert_eq!(Fields::split(&out, Bounds::STORED).list.len(), 1);
        assert_eq!(lines.len() - 1, folds + 1);
    }
}

proptest! {
    #[test]
    fn an_encoded_text_reads_back(value in "[ -~\u{a1}-\u{17f}\u{4e00}-\u{4e20}\u{1f600}]{1,200}") {
        prop_assume!(!value.is_ascii() && !value.contains("=?") && !value.contains("  "));
        let value = value.trim();
        let text = written(format!("Subject: {value}").as_bytes());
        let line = format!("{text}\r\n");
        prop_assert_eq!(Fields::split(line.as_bytes(), Bounds::STORED).text("Subject"), value);
    }

    #[test]
    fn an_encoded_name_keeps_the_mailbox(name in "[A-Za-z,.()@<>\" \u{e4}\u{4e00}]{1,60}") {
        prop_assume!(!name.is_ascii());
        let quoted = name.replace('"', "\\\"");
        let text = written(format!("From: \"{quoted}\" <a@b.test>").as_bytes());
        let value = &text.as_bytes()[5..];
        let mailbox = Mailbox::parse(value);
        prop_assert!(mailbox.is_ok(), "{}", text);
        prop_assert_eq!(&value[mailbox.map(|m| m.address).unwrap_or(0..0)], b"a@b.test");
    }

    #[test]
    fn whatever_stands_in_a_field_becomes_one_field(value in proptest::collection::vec(any::<u8>(), 1..200)) {
        let value: Vec<u8> = value.into_iter().filter(|byte| *byte >= b' ' && *byte != 127).collect();
        for name in ["Subject", "From", "Content-Type", "Message-ID"] {
            let raw = [name.as_bytes(), b": \xe4", &value, b"\r\n"].concat();
            let fields = Fields::split(&raw, Bounds::STORED);
            let out = field(&fields.list[0]);
            prop_assert!(out.is_ascii());
            let again = Fields::split(&out, Bounds::STORED);
            prop_assert_eq!((again.list.len(), again.body()), (1, out.len()));
        }
    }
}
