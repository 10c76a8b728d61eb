//! What leaves, octet for octet, and what the envelope says.

use std::sync::Arc;

use posthouse::mime::parts::Reach;
use posthouse::mime::view::View;
use posthouse::model::envelope::{DsnNotify, DsnRet};

use crate::support::sink::{Received, Script, Sink};

use super::{carry, claim, courier, small, told};

const REACH: Reach = Reach { depth: 100, parts: 10_000 };

#[tokio::test]
async fn content_arrives_octet_for_octet() {
    let long = format!("{}\r\n", "x".repeat(997));
    // The writer works in pieces of 64 KiB: a dot at the beginning of a line at, before and after each edge.
    let edge = |before: usize| {
        let mut content = b"Subject: edge\r\n\r\n".to_vec();
        while content.len() + long.len() < before {
            content.extend_from_slice(long.as_bytes());
        }
        content.resize(before.saturating_sub(2), b'y');
        content.extend_from_slice(b"\r\n.dot\r\n..\r\n.\r\nend\r\n");
        content
    };
    let mut contents: Vec<Vec<u8>> =
        vec![b"a: b\r\n\r\n.\r\n".to_vec(), b".\r\n".to_vec(), b"a: b\r\n\r\n..x\r\n\r\n.\r\n\r\n".to_vec(), Vec::new()];
    contents.extend([8191, 8192, 16384].into_iter().chain(65530..65540).chain(131070..131076).map(edge));
    contents.push(b"a: b\r\n\r\n\r\n.\r\nMAIL FROM:<x@y.example>\r\nRCPT TO:<v@y.example>\r\nDATA\r\n.\r\nQUIT\r\n".to_vec());
    for offers in [&["PIPELINING"][..], &[], &["PIPELINING", "CHUNKING"], &["CHUNKING"]] {
        let sink = Sink::start(Script::default().offering(offers)).await;
        let mut courier = courier(&sink);
        for content in &contents {
            let fates = carry(&mut courier, &claim(content, &["you@example.com"])).await;
            assert_eq!(told(&fates), ["sent: 250 2.0.0 taken"]);
        }
        let received = sink.received();
        assert_eq!(received.len(), contents.len());
        for (got, sent) in received.iter().zip(&contents) {
            assert!(got.content == *sent, "{} octets became {}", sent.len(), got.content.len());
        }
        assert_eq!(sink.connections(), 1, "one connection carries them all");
        assert_eq!(sink.said("RSET"), 0, "nothing had to be reset");
    }
}

#[tokio::test]
async fn a_bare_line_end_leaves_whole() {
    let sink = Sink::willing().await;
    carry(&mut courier(&sink), &claim(b"a: b\r\n\r\nx\n.\ny\r.\rz", &["you@example.com"])).await;
    let received = sink.received();
    assert_eq!(received[0].raw, b"a: b\r\n\r\nx\r\n..\r\ny\r\n..\r\nz\r\n.\r\n");
    let sink = Sink::start(Script::default().offering(&["CHUNKING"])).await;
    carry(&mut courier(&sink), &claim(b"a: b\r\n\r\nx\n.\ny\r.\rz", &["you@example.com"])).await;
    assert_eq!(sink.received()[0].raw, b"a: b\r\n\r\nx\r\n.\r\ny\r\n.\r\nz\r\n");
    assert_eq!(sink.lines().last().map(|(_, line)| line.as_str()), Some("."));
    assert_eq!((sink.said("BDAT 23 LAST"), sink.said("DATA")), (1, 0), "{:?}", sink.lines());
}

#[tokio::test]
async fn the_envelope_says_what_the_next_hop_knows() {
    let mut asked = claim("a: b\r\n\r\n\u{fc}\r\n".as_bytes(), &["you@example.com", "b\u{fc}ro@b\u{fc}cher.example"]);
    let message = Arc::get_mut(&mut asked.message).expect("ours alone");
    (message.ret, message.envid) = (Some(DsnRet::Full), Some("a b".to_owned()));
    asked.recipients[0].path.notify = Some(DsnNotify { success: true, failure: true, delay: false });
    let sink = Sink::willing().await;
    assert_eq!(told(&carry(&mut courier(&sink), &asked).await), ["sent: 250 2.0.0 taken"; 2]);
    let got = &sink.received()[0];
    assert_eq!(got.mail, "MAIL FROM:<a@example.test> SIZE=12 BODY=8BITMIME SMTPUTF8 RET=FULL ENVID=a+20b");
    assert_eq!(got.rcpt, ["RCPT TO:<you@example.com> NOTIFY=SUCCESS,FAILURE", "RCPT TO:<b\u{fc}ro@b\u{fc}cher.example>"]);

    let plain = Sink::start(Script::default().offering(&["PIPELINING", "8BITMIME"])).await;
    let fates = told(&carry(&mut courier(&plain), &asked).await);
    assert_eq!(fates[0], "sent: 250 2.0.0 taken");
    assert!(fates[1].starts_with("refused: 5.6.7"), "{fates:?}");
    assert_eq!(plain.received()[0].mail, "MAIL FROM:<a@example.test> BODY=8BITMIME");
}

#[tokio::test]
async fn eight_bit_mail_is_re_encoded_for_a_hop_that_can_not_take_it() {
    let content = "Subject: hi\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\u{fc}\r\n".as_bytes();
    let sink = Sink::start(Script::default().offering(&["PIPELINING", "SIZE"])).await;
    let fates = told(&carry(&mut courier(&sink), &claim(content, &["you@example.com"])).await);
    assert_eq!(fates, ["sent: 250 2.0.0 taken"]);
    let got = &sink.received()[0];
    assert!(got.content.is_ascii() && got.content != content, "{}", got.content.escape_ascii());
    assert_eq!(got.mail, format!("MAIL FROM:<a@example.test> SIZE={}", got.content.len()));
    // What is signed can't be changed: it bounces.
    let signed = [b"Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n".as_slice(), content, b"--b--\r\n"].concat();
    let fates = told(&carry(&mut courier(&sink), &claim(&signed, &["you@example.com"])).await);
    assert!(fates[0].starts_with("refused: 5.6.3"), "{fates:?}");
}

#[tokio::test]
async fn what_is_too_large_is_not_even_offered() {
    let sink = Sink::start(Script::default().offering(&["SIZE 10"])).await;
    let fates = told(&carry(&mut courier(&sink), &small(&["you@example.com"])).await);
    assert!(fates[0].starts_with("refused: 5.3.4"), "{fates:?}");
    assert_eq!(sink.said("MAIL"), 0);
}

/// What becomes of a mail that is not all ASCII, at a hop that offers nothing, 8BITMIME, SMTPUTF8 (which no server may offer alone),
/// or both.
#[tokio::test]
async fn whatever_a_hop_lacks_mail_arrives_meaning_the_same_or_is_refused() {
    const HOPS: [&[&str]; 4] = [&[], &["8BITMIME"], &["SMTPUTF8"], &["8BITMIME", "SMTPUTF8"]];
    let mail = |from: &str, subject: &str, body: &str| {
        let mime = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8";
        format!("From: {from}@example.test\r\nSubject: {subject}\r\n{mime}\r\n\r\n{body}\r\n")
    };
    let (same, ascii, fields, refused) = ("as it was", "in ASCII", "its fields in ASCII", "refused: 5.6.7");
    for (content, to, expected) in [
        (mail("a", "hi", "body"), "you@example.com", [same; 4]),
        (mail("a", "hi", "b\u{f6}dy"), "you@example.com", [ascii, same, ascii, same]),
        (mail("a", "h\u{ed}", "body"), "you@example.com", [ascii; 4]),
        (mail("a", "h\u{ed}", "b\u{f6}dy"), "you@example.com", [ascii, fields, ascii, fields]),
        (mail("\u{e4}", "hi", "body"), "you@example.com", [refused, refused, same, same]),
        (mail("a", "hi", "body"), "y\u{f6}u@example.com", [refused, refused, same, same]),
    ] {
        for (offers, expected) in HOPS.into_iter().zip(expected) {
            let sink = Sink::start(Script::default().offering(offers)).await;
            let fates = told(&carry(&mut courier(&sink), &claim(content.as_bytes(), &[to])).await);
            let became =
                sink.received().first().map_or(fates[0].as_str(), |arrived| what_became(content.as_bytes(), arrived)).to_owned();
            assert!(became.starts_with(expected), "{content}to {to} by {offers:?}: {became}");
        }
    }
}

/// How the content that arrived differs. It has to say the same, and what is not ASCII has to be announced.
fn what_became(sent: &[u8], arrived: &Received) -> &'static str {
    let (before, after) = (View::of(sent, REACH), View::of(&arrived.content, REACH));
    assert_eq!((before.header("Subject"), &before.text), (after.header("Subject"), &after.text));
    let head = memchr::memmem::find(&arrived.content, b"\r\n\r\n").expect("a body");
    let (fields, body) = arrived.content.split_at(head);
    assert!(body.is_ascii() || arrived.mail.contains("BODY=8BITMIME"), "{}", arrived.mail);
    assert!(fields.is_ascii() || arrived.mail.contains("SMTPUTF8"), "{}", arrived.mail);
    match (arrived.content == sent, fields.is_ascii(), body.is_ascii()) {
        (true, ..) => "as it was",
        (false, true, true) => "in ASCII",
        (false, true, false) => "its fields in ASCII",
        _ => "changed",
    }
}
