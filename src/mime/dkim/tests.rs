use super::*;
use crate::model::dkim::Algorithm;

const AT: Timestamp = Timestamp(1_795_230_067_250);

pub(super) fn keys() -> Vec<SigningKey> {
    let key = |selector, algorithm| {
        let made = key::generate(algorithm).expect("a key");
        SigningKey::load(selector, algorithm, &made.private).expect("what was made loads")
    };
    vec![key("ph1r", Algorithm::Rsa), key("ph1e", Algorithm::Ed25519)]
}

fn signed(message: &str, keys: &[SigningKey]) -> Vec<String> {
    let top = String::from_utf8(sign(b"", message.as_bytes(), keys, "example.com", AT).expect("signed")).expect("ASCII");
    let fields = Fields::split(top.as_bytes(), Bounds::STORED);
    fields.list.iter().map(|field| top[field.range.clone()].to_owned()).collect()
}

#[test]
fn each_key_makes_a_field_of_narrow_lines() {
    let fields = signed("From: a@example.com\r\nTo: b@c.test\r\nto: d@c.test\r\n\r\nhi\r\n", &keys());
    let [rsa, ed25519] = &fields[..] else { panic!("{fields:?}") };
    for (field, algorithm, selector) in [(rsa, "rsa", "ph1r"), (ed25519, "ed25519", "ph1e")] {
        let flat = field.replace("\r\n ", " ");
        let begin = format!(
            "DKIM-Signature: v=1; a={algorithm}-sha256; c=relaxed/relaxed; d=example.com; s={selector}; t=1795230067; x=1795834867; h="
        );
        assert!(flat.starts_with(&begin), "{flat}");
        assert!(field.lines().all(|line| line.len() < 78), "{field}");
        assert!(field.ends_with("\r\n") && !field.trim_end().contains("\n\n"), "{field}");
        let names = flat.replace(": ", ":");
        assert!(
            names.contains(
                "h=From:From:To:To:To:Cc:Subject:Date:Reply-To:Message-ID:MIME-Version:Content-Type:List-Unsubscribe:\
                 List-Unsubscribe-Post; bh="
            ),
            "{flat}"
        );
    }
}

#[test]
fn what_threads_mail_is_covered_where_it_is_present() {
    let names = |message: &str| {
        let field = signed(message, &keys()).remove(0).replace("\r\n ", " ").replace(": ", ":");
        field.split_once("h=").and_then(|(_, rest)| rest.split_once(';')).expect("names").0.to_owned()
    };
    let plain = names("From: a@example.com\r\n\r\n");
    let threaded = "From: a@example.com\r\nReferences: <1@x.test>\r\nIn-Reply-To: <1@x.test>\r\nFeedback-ID: a:b:c:d\r\n\r\n";
    assert_eq!(names(threaded), format!("{plain}:In-Reply-To:References:Feedback-ID"));
}

#[test]
fn a_long_domain_breaks_no_word() {
    let domain = format!("{}.example.com", ["a".repeat(60).as_str(); 3].join("."));
    let top = sign(b"", b"From: a@b.test\r\n\r\n", &keys(), &domain, AT).expect("signed");
    assert!(String::from_utf8_lossy(&top).contains(&format!("\r\n d={domain};\r\n s=ph1r;")));
}

#[test]
fn what_has_no_author_or_no_certain_end_is_not_signed() {
    for message in
        ["", "To: a@b.test\r\n\r\nFrom: x@y.test\r\n", "From: a@b.test\r\nno field\r\n", "From x\r\nFrom: a@b.test\r\n\r\n"]
    {
        assert_eq!(sign(b"", message.as_bytes(), &keys(), "b.test", AT), Err(SignError::Header), "{message:?}");
    }
    assert!(sign(b"", b"From: a@b.test\r\n", &keys(), "b.test", AT).is_ok());
}

#[test]
fn a_key_says_nothing_of_itself() {
    assert_eq!(format!("{:?}", keys()), "[SigningKey(ph1r rsa), SigningKey(ph1e ed25519)]");
    assert!(SigningKey::load("x", Algorithm::Rsa, b"no key").is_none());
}
