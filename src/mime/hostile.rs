//! Messages made to be dear: whoever reads one comes to its end soon, without a panic, a stack overflow or a part too many.

use std::time::{Duration, Instant};

use super::adapt::{Hop, adapt};
use super::fields::{Bounds, Fields};
use super::fingerprint::{self, Meaning};
use super::parts::{self, Reach};
use super::refill::{Said, refilled};
use super::view::View;
use crate::model::envelope::Envelope;
use crate::model::message::Tracking;
use crate::model::stream::Stream;

/// What one reading may take, in a build without optimisation on a busy machine.
const SLOW: Duration = Duration::from_secs(60);

/// Each with its name.
fn structures() -> Vec<(&'static str, String)> {
    let nested: String = (0..10_000).map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n")).collect();
    let same: String = "Content-Type: multipart/mixed; boundary=b\n\n--b\n".repeat(10_000);
    let rfc822 = "Content-Type: message/rfc822\n\n".repeat(5_000);
    let head = "Content-Type: multipart/mixed; boundary=b\n\n";
    let parameters: String = (0..1_600).map(|n| format!(";n{n}*1=x")).collect();
    let words = " =?aa?Q?x".repeat(1_800);
    vec![
        ("nested", nested),
        ("same boundary", same),
        ("rfc822", rfc822),
        ("empty parts", format!("{head}{}", "--b\n".repeat(2_000_000))),
        ("prefix boundaries", format!("{head}--b\nContent-Type: multipart/mixed; boundary=bb\n\n--bb\n\nx\n--bb--\n--b--\n")),
        ("long boundary", format!("Content-Type: multipart/mixed; boundary={}\n\n", "b".repeat(10_000))),
        ("empty boundary", "Content-Type: multipart/mixed; boundary=\"\"\n\n--\n\nx\n----\n".to_owned()),
        ("base64 without line ends", format!("Content-Transfer-Encoding: base64\n\n{}", "QUJD".repeat(1 << 20))),
        ("base64 of pads", format!("Content-Transfer-Encoding: base64\n\n{}", "=".repeat(1 << 20))),
        ("broken qp", format!("Content-Transfer-Encoding: quoted-printable\n\n{}=ZZ=0==", "=\n".repeat(1 << 20))),
        ("2231 flood", format!("Content-Type: a/b;{}\n\n", (0..20_000).map(|n| format!(" n*{n}*=%41;")).collect::<String>())),
        ("parameter flood", format!("{head}{}", format!("--b\nContent-Type: a/b{parameters}\n\n").repeat(200))),
        ("word flood in parameters", format!("{head}{}", format!("--b\nContent-Type: a/b; c=\"{words}\"\n\n").repeat(200))),
        ("word flood", format!("Subject: {}\n\n", words.repeat(16))),
        ("comment flood", format!("Content-Type: {}\n\n", "(".repeat(200_000))),
    ]
}

/// With an octet at its end that no hop takes without 8BITMIME.
fn each(read: impl Fn(&[u8])) {
    for (name, message) in structures() {
        let message = format!("{}\u{e4}\r\n", message.replace('\n', "\r\n"));
        let began = Instant::now();
        read(message.as_bytes());
        assert!(began.elapsed() < SLOW, "{name}: {:?}", began.elapsed());
    }
}

#[test]
fn they_are_shown() {
    each(|message| {
        let view = View::of(message, Reach::STANDARD);
        assert!(
            view.attachments.len() <= Reach::STANDARD.parts && parts::of(message, Reach::STANDARD).len() <= Reach::STANDARD.parts
        );
    });
}

#[test]
fn they_are_told_apart() {
    let (envelope, stream) = (Envelope::default(), Stream::Transactional);
    let meaning = Meaning {
        stream,
        envelope: &envelope,
        tags: &[],
        template: None,
        variables: None,
        send_at: None,
        tracking: Tracking::default(),
        ignore_unsubscribe: false,
    };
    each(|message| {
        fingerprint::of(message, &Fields::split(message, Bounds::STORED), &meaning, Reach::STANDARD);
    });
}

#[test]
fn they_are_said_anew() {
    let said = Said { subject: "anew", text: Some("text"), html: Some("<p>html</p>") };
    each(|message| {
        let _ = refilled(message, said, Reach::STANDARD);
    });
}

/// What leaves is ASCII, or is refused.
#[test]
fn they_leave_for_a_hop_that_takes_nothing_but_ascii() {
    let hop = Hop { eight_bit_mime: false, smtputf8: false };
    each(|message| {
        if let Ok(adapted) = adapt(message, hop, Reach::STANDARD) {
            assert!(adapted.bytes.is_ascii());
        }
    });
}
