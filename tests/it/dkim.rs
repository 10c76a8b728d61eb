//! Signatures hold for whoever verifies them, whatever the message; and what is changed or added afterwards breaks them.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use posthouse::clock::Timestamp;
use posthouse::mime::dkim::key::{SigningKey, generate};
use posthouse::mime::dkim::sign;
use posthouse::model::dkim::Algorithm;
use proptest::prelude::*;

use crate::support::dkim::{Verdict, verify};

const AT: Timestamp = Timestamp(1_795_230_067_250);
/// A body for which line ends and blanks matter.
const MESSAGE: &str =
    "From: A <a@example.com>\r\nTo: b@c.test\r\nSubject: \tfolded\r\n  twice \r\n\r\n  a \t b \r\n\r\nc\r\n\r\n \r\n";

/// Keys, and the names and texts of their records.
type Keys = (Vec<SigningKey>, Vec<(String, String)>);

/// Keys of both kinds, and what their records say.
fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| {
        let made = Algorithm::ALL.map(|algorithm| {
            let (made, kind) = (generate(algorithm).unwrap(), algorithm.as_str());
            let record = format!("v=DKIM1; k={kind}; p={}", STANDARD.encode(&made.public));
            (SigningKey::load(kind, algorithm, &made.private).unwrap(), (format!("{kind}._domainkey.example.com"), record))
        });
        made.into_iter().unzip()
    })
}

fn signed(message: &[u8]) -> Vec<u8> {
    signed_below(b"", message)
}

/// With these fields between the signatures and the message.
fn signed_below(top: &[u8], message: &[u8]) -> Vec<u8> {
    [&sign(top, message, &keys().0, "example.com", AT).unwrap(), top, message].concat()
}

fn verdicts(message: &[u8]) -> Vec<Verdict> {
    verify(message, |name| keys().1.iter().find(|(n, _)| n == name).map(|(_, record)| record.clone()))
}

fn holds(message: &[u8]) -> bool {
    let verdicts = verdicts(message);
    verdicts.len() == 2 && verdicts.iter().all(Result::is_ok)
}

fn is_broken(message: &[u8]) -> bool {
    let verdicts = verdicts(message);
    verdicts.len() == 2 && verdicts.iter().all(Result::is_err)
}

/// The message and keys of RFC 8463 appendix A: the verifier itself is right.
#[test]
fn the_verifier_agrees_with_the_rfc() {
    let message = include_str!("../corpus/rfc8463.eml").replace('\n', "\r\n");
    let record = |name: &str| match name {
        "brisbane._domainkey.football.example.com" => {
            Some("v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=".to_owned())
        }
        _ => None,
    };
    let verdicts = verify(message.as_bytes(), record);
    assert_eq!(verdicts[0].as_ref().map(|signed| signed.algorithm.as_str()), Ok("ed25519-sha256"), "{verdicts:?}");
}

#[test]
fn what_is_added_or_changed_breaks_both() {
    let whole = signed(MESSAGE.as_bytes());
    assert!(holds(&whole), "{:?}", verdicts(&whole));
    let text = String::from_utf8(whole).unwrap();
    for name in
        ["From", "To", "Cc", "Subject", "Date", "Reply-To", "Message-ID", "MIME-Version", "Content-Type", "List-Unsubscribe"]
    {
        let field = format!("{name}: x@y.test\r\n");
        assert!(is_broken(format!("{field}{text}").as_bytes()), "{name} on top");
        assert!(is_broken(text.replacen("\r\n\r\n", &format!("\r\n{field}\r\n"), 1).as_bytes()), "{name} below");
    }
    // Not in the signatures, which are others each time.
    let (signatures, message) = text.split_at(text.len() - MESSAGE.len());
    for (from, to) in [("folded", "Folded"), ("a \t b", "a b c"), ("c\r\n", "c\r\nmore\r\n"), ("c\r\n", "\r\nc\r\n")] {
        assert!(is_broken(format!("{signatures}{}", message.replacen(from, to, 1)).as_bytes()), "{from:?}");
    }
    // What relays do to blanks, and what stands above, changes nothing.
    let relayed = format!("Received: by relay\r\n{}", text.replacen("\tfolded\r\n  twice ", "folded twice", 1).trim_end());
    assert!(holds(relayed.as_bytes()), "{:?}", verdicts(relayed.as_bytes()));
}

#[test]
fn fields_that_are_put_on_top_are_signed_with_the_message() {
    let top = "List-Unsubscribe: <https://mail.example/u/x>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nSubject: another\r\n";
    for message in [MESSAGE.to_owned(), format!("List-Unsubscribe: <mailto:u@b.test>\r\n{MESSAGE}")] {
        let text = String::from_utf8(signed_below(top.as_bytes(), message.as_bytes())).unwrap();
        assert!(holds(text.as_bytes()), "{:?}", verdicts(text.as_bytes()));
        assert!(is_broken(text.replacen("/u/x", "/u/y", 1).as_bytes()));
        assert!(is_broken(text.replacen("List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n", "", 1).as_bytes()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn whatever_is_signed_verifies(
        fields in proptest::collection::vec(("(To|cC|SUBJECT|Subject|X-A|reply-to|Content-Type) ?", "[ \t]{0,2}[!-~\u{e9}]{0,9}(\r\n[ \t]{1,2}[!-~]{1,5}){0,2}[ \t]{0,2}"), 0..8),
        body in proptest::collection::vec(proptest::sample::select(vec!["\r\n", " ", "\t", "a", ".", "\u{e9}", "b c", "\0"]), 0..40),
        separated in any::<bool>(),
    ) {
        let mut message = String::from("From: a@example.com\r\n");
        for (name, value) in fields {
            message.push_str(&format!("{name}:{value}\r\n"));
        }
        if separated {
            message.push_str("\r\n");
            message.push_str(&body.concat());
        }
        let whole = signed(message.as_bytes());
        prop_assert!(holds(&whole), "{:?} of {}", verdicts(&whole), whole.escape_ascii());
    }
}
