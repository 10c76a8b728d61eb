use proptest::prelude::*;

use super::*;
use crate::mime::view::View;

const SEVEN: Hop = Hop { eight_bit_mime: false, smtputf8: false };
const EIGHT: Hop = Hop { eight_bit_mime: true, smtputf8: false };
const UTF8: Hop = Hop { eight_bit_mime: true, smtputf8: true };

fn crlf(text: &str) -> Vec<u8> {
    text.replace('\n', "\r\n").into_bytes()
}

/// The message as it leaves to `hop`, after the checks that hold for all.
fn sent(message: &[u8], hop: Hop) -> Vec<u8> {
    let adapted = adapt(message, hop, Reach::STANDARD).expect("the hop can be served");
    let scan = Scan::of(&adapted.bytes);
    assert!(!scan.long_line && !scan.bare_line_end, "{:?}", adapted.bytes.escape_ascii().to_string());
    assert!(hop.eight_bit_mime || !scan.eight_bit, "{}", adapted.bytes.escape_ascii());
    assert!(adapted.bytes.ends_with(b"\r\n"));
    // Once adapted, nothing more is to be done.
    assert!(
        adapted.smtputf8 || matches!(adapt(&adapted.bytes, hop, Reach::STANDARD), Ok(Adapted { bytes: Cow::Borrowed(_), .. }))
    );
    adapted.bytes.into_owned()
}

#[test]
fn what_needs_nothing_is_not_touched() {
    let corpus = [
        include_str!("../../../tests/corpus/signed.eml"),
        include_str!("../../../tests/corpus/calendar.eml"),
        include_str!("../../../tests/corpus/flowed.eml"),
    ];
    for message in corpus {
        let message = crlf(&message.replace("\r\n", "\n"));
        for hop in [SEVEN, EIGHT, UTF8] {
            assert_eq!(adapt(&message, hop, Reach::STANDARD), Ok(Adapted { bytes: Cow::Borrowed(&message), smtputf8: false }));
        }
    }
}

#[test]
fn eight_bit_bodies_go_as_they_are_where_they_can() {
    let message = crlf("From: a@b.test\nContent-Type: text/plain; charset=utf-8\nMIME-Version: 1.0\n\nGr\u{fc}\u{df}e aus Ulm\n");
    assert_eq!(sent(&message, EIGHT), message);
    let plain = sent(&message, SEVEN);
    let expected = "From: a@b.test\nContent-Type: text/plain; charset=utf-8\nMIME-Version: 1.0\n\
                    Content-Transfer-Encoding: quoted-printable\n\nGr=C3=BC=C3=9Fe aus Ulm\n";
    assert_eq!(String::from_utf8_lossy(&plain), expected.replace('\n', "\r\n"));
}

#[test]
fn an_undeclared_body_is_declared() {
    let plain = sent(&crlf("Subject: x\n\ncaf\u{e9} and some more words here\n"), SEVEN);
    let view = View::of(&plain, Reach::STANDARD);
    assert_eq!(view.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!((view.header("mime-version"), view.header("content-transfer-encoding")), ("1.0", "quoted-printable"));
    assert_eq!(view.text.as_deref(), Some("caf\u{e9} and some more words here\n"));
    let latin = sent(b"Subject: x\r\n\r\ncaf\xe9 latin text here\r\n", SEVEN);
    assert_eq!(View::of(&latin, Reach::STANDARD).header("content-type"), "text/plain; charset=unknown-8bit");
}

#[test]
fn each_part_is_re_encoded_alone() {
    let message = crlf(
        "Subject: x\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: 8bit\n\n\
         pr\u{e9}amble\n--b\nContent-Type: text/plain\n\nkept as it is\n--b\nContent-Type: text/html; charset=utf-8\n\
         Content-Transfer-Encoding: 8bit\n\n<p>fran\u{e7}ais, mostly ASCII</p>\n--b\nContent-Type: image/png; name=\"\u{fc}.png\"\n\
         Content-Transfer-Encoding: binary\n\n\u{e4}\u{e4}\n--b--\n\u{e9}pilogue\n",
    );
    let plain = sent(&message, SEVEN);
    let (before, after) = (View::of(&message, Reach::STANDARD), View::of(&plain, Reach::STANDARD));
    assert_eq!((after.text, after.html), (before.text, before.html));
    assert_eq!(after.attachments, before.attachments);
    let text = String::from_utf8_lossy(&plain);
    assert!(text.contains("Content-Transfer-Encoding: 7bit") && text.contains("Content-Transfer-Encoding: base64"), "{text}");
    assert!(text.contains("--b\r\nContent-Type: text/plain\r\n\r\nkept as it is\r\n--b\r\n"), "{text}");
}

#[test]
fn what_is_vouched_for_bounces_rather_than_changes() {
    let signed = |inner: &str| {
        crlf(&format!(
            "Subject: x\nMIME-Version: 1.0\nContent-Type: multipart/signed; boundary=s\n\n--s\n{inner}\n--s\n\
             Content-Type: application/pgp-signature\n\nsig\n--s--\n"
        ))
    };
    let refused = [
        signed("Content-Type: text/plain\n\n\u{fc}"),
        signed("Content-Type: text/plain; name=\"\u{fc}\"\n\nx"),
        signed("Content-Type: multipart/mixed; boundary=t\n\n--t\n\n\u{fc}\n--t--"),
        String::from_utf8_lossy(&signed("\n\nx")).replace("\r\nsig\r\n", "\r\n\u{fc}\r\n").into_bytes(),
        crlf("MIME-Version: 1.0\nContent-Type: application/pkcs7-mime\nContent-Transfer-Encoding: binary\n\n\u{fc}\n"),
        crlf("MIME-Version: 1.0\nContent-Type: message/rfc822\n\nSubject: \u{fc}\n\nx\n"),
        crlf("Content-Type: multipart/encrypted; boundary=e\n\n--e\n\n\u{fc}\n--e--\n"),
        crlf("MIME-Version: 1.0\nContent-Transfer-Encoding: x-uuencode\n\n\u{fc}\n"),
    ];
    for message in &refused {
        assert_eq!(adapt(message, SEVEN, Reach::STANDARD), Err(Obstacle::Sealed), "{}", message.escape_ascii());
    }
    for message in &refused[..4] {
        assert_eq!(sent(message, EIGHT), *message);
    }
    let long = signed(&format!("Content-Type: text/plain\n\n{}", "x".repeat(2000)));
    assert_eq!(adapt(&long, EIGHT, Reach::STANDARD), Err(Obstacle::Sealed));
    assert_eq!((Obstacle::Sealed.enhanced(), Obstacle::NonAsciiAddress.enhanced()), ("5.6.3", "5.6.7"));
}

#[test]
fn a_line_of_an_mbox_file_that_the_hop_cannot_take_stays_behind() {
    let message = crlf("From \u{fc} Sat\nSubject: x\n\nbody\n");
    assert_eq!(sent(&message, SEVEN), b"Subject: x\r\n\r\nbody\r\n");
}

#[test]
fn fields_around_a_signature_may_change() {
    let message = crlf("Subject: \u{fc}\nContent-Type: multipart/signed; boundary=s\n\n--s\n\nx\n--s\n\nsig\n--s--\n");
    let plain = sent(&message, SEVEN);
    assert_eq!(View::of(&plain, Reach::STANDARD).header("subject"), "\u{fc}");
    assert!(plain.ends_with(b"--s\r\n\r\nx\r\n--s\r\n\r\nsig\r\n--s--\r\n"));
}

#[test]
fn no_line_leaves_longer_than_998() {
    for length in [998, 999, 1000, 100_000] {
        let line = "x".repeat(length);
        let body = crlf(&format!("Subject: x\n\n{line}\n.\nend\n"));
        let out = sent(&body, EIGHT);
        assert_eq!(out == body, length <= 998, "{length}");
        assert_eq!(View::of(&out, Reach::STANDARD).text, View::of(&body, Reach::STANDARD).text, "{length}");
        sent(&crlf(&format!("Subject: {line}\n\nbody\n")), EIGHT);
        sent(&crlf(&format!("Content-Transfer-Encoding: base64\n\n{}\n", "QUJD".repeat(length))), EIGHT);
        let qp = crlf(&format!("Content-Transfer-Encoding: quoted-printable\n\n=41{line}=\n{line}\n"));
        assert_eq!(View::of(&sent(&qp, EIGHT), Reach::STANDARD).text, View::of(&qp, Reach::STANDARD).text, "{length}");
    }
}

#[test]
fn a_header_address_decides_on_smtputf8() {
    let message = crlf("From: a@b.test\nTo: j\u{f6}rg@c.test\nSubject: \u{fc}\n\n\u{e4}\n");
    assert_eq!(adapt(&message, EIGHT, Reach::STANDARD), Err(Obstacle::NonAsciiAddress));
    assert_eq!(adapt(&message, UTF8, Reach::STANDARD), Ok(Adapted { bytes: Cow::Borrowed(&message), smtputf8: true }));
    let named = crlf("From: J\u{f6}rg <a@b.test>\nSubject: \u{fc}\n\n\u{e4}\n");
    let out = sent(&named, UTF8);
    assert!(out.starts_with(b"From: =?utf-8?Q?J=C3=B6rg?= <a@b.test>\r\nSubject: =?utf-8?B?w7w=?=\r\n\r\n"));
    assert!(out.ends_with("\u{e4}\r\n".as_bytes()));
}

#[test]
fn bare_line_ends_never_leave() {
    assert_eq!(sent(b"Subject: x\r\n\r\na\nb\rc\r\r\nd\r\n", EIGHT), b"Subject: x\r\n\r\na\r\nb\r\nc\r\nd\r\n");
}

proptest! {
    #[test]
    fn any_text_arrives_as_it_was_sent(lines in proptest::collection::vec("[ -~\u{e4}\u{4e00}]{0,40}[=. \t]{0,3}", 1..30)) {
        let text = lines.join("\n") + "\n";
        let message = crlf(&format!("MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n{text}"));
        let out = sent(&message, SEVEN);
        prop_assert_eq!(View::of(&out, Reach::STANDARD).text, Some(text));
    }

    #[test]
    fn whatever_comes_leaves_clean_or_not_at_all(message in proptest::collection::vec(any::<u8>(), 0..600)) {
        for hop in [SEVEN, EIGHT, UTF8] {
            if let Ok(adapted) = adapt(&message, hop, Reach::STANDARD) {
                let scan = Scan::of(&adapted.bytes);
                prop_assert!(!scan.long_line && !scan.bare_line_end);
                prop_assert!(hop.eight_bit_mime || !scan.eight_bit);
            }
        }
    }
}
