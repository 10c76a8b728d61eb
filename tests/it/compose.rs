//! Composed messages in the eyes of other parsers: mail-parser here, Python's `email` beside (`tests/compose/read.py`). Both must
//! find every name, text and file as it was given, on lines that SMTP can carry.

use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mail_parser::{HeaderForm, MessageParser, MimeHeaders as _};
use posthouse::mime::adapt::LINE_MAX;
use posthouse::mime::compose::{Attachment, Draft, Mailbox};
use posthouse::model::address::Address;
use serde_json::{Value, json};

use crate::support::mutate::Chance;

const MESSAGES: usize = 200;

/// Words in many scripts, joined and bidirectional ones, marks that combine, and what has a meaning of its own in a field.
const WORDS: [&str; 40] = [
    "hello",
    "Ann",
    "O'Neil",
    "a,b",
    "<x>",
    "\"q\"",
    "back\\slash",
    "(c)",
    "semi;colon",
    "@home",
    "=?utf-8?Q?x?=",
    "50%",
    "J.R.",
    "Gr\u{fc}\u{df}e",
    "cr\u{e8}me",
    "\u{c5}ngstr\u{f6}m",
    "\u{141}\u{f3}d\u{17a}",
    "\u{130}stanbul",
    "ti\u{1ebf}ng",
    "e\u{301}te\u{301}",
    "\u{395}\u{3bb}\u{3bb}\u{3ac}\u{3b4}\u{3b1}",
    "\u{41f}\u{440}\u{438}\u{432}\u{435}\u{442}",
    "\u{5e9}\u{5dc}\u{5d5}\u{5dd}",
    "\u{645}\u{631}\u{62d}\u{628}\u{627}",
    "\u{928}\u{92e}\u{938}\u{94d}\u{924}\u{947}",
    "\u{e2a}\u{e27}\u{e31}\u{e2a}\u{e14}\u{e35}",
    "\u{4f60}\u{597d}\u{ff0c}\u{4e16}\u{754c}",
    "\u{3053}\u{3093}\u{306b}\u{3061}\u{306f}",
    "\u{c548}\u{b155}\u{d558}\u{c138}\u{c694}",
    "\u{10d2}\u{10d0}\u{10db}",
    "\u{532}\u{561}\u{580}\u{587}",
    "\u{1F40E}",
    "\u{1F468}\u{200d}\u{1F469}\u{200d}\u{1F467}",
    "\u{1F1E9}\u{1F1EA}",
    "\u{1d54a}",
    "x",
    "y",
    "zz",
    "2026",
    "end.",
];
const LOCALS: [&str; 6] = ["a", "first.last", "b+tag", "\"quoted local\"", "\u{434}\u{43e}\u{43c}", "o'neil"];
const DOMAINS: [&str; 4] = ["b.test", "mail.c.test", "gr\u{fc}n.test", "\u{4f8b}\u{3048}.test"];
const KINDS: [&str; 6] = [
    "application/pdf",
    "text/csv; charset=utf-8",
    "image/png",
    "application/octet-stream",
    "text/plain; charset=utf-8",
    "text/calendar; method=REQUEST; charset=utf-8",
];

fn words(chance: &mut Chance, most: usize) -> String {
    let count = 1 + chance.below(most);
    (0..count).map(|_| WORDS[chance.below(WORDS.len())]).collect::<Vec<_>>().join(" ")
}

fn mailbox(chance: &mut Chance) -> Mailbox {
    let address = format!("{}@{}", LOCALS[chance.below(LOCALS.len())], DOMAINS[chance.below(DOMAINS.len())]);
    let name = (chance.below(3) > 0).then(|| words(chance, 12));
    Mailbox { name, address: Address::parse(&address).expect("an address") }
}

fn mailboxes(chance: &mut Chance, least: usize) -> Vec<Mailbox> {
    (0..least + chance.below(4)).map(|_| mailbox(chance)).collect()
}

/// Lines of any length: short, empty, with dots and blanks at their ends, far over what SMTP can carry.
fn text(chance: &mut Chance) -> String {
    let lines = (0..1 + chance.below(12)).map(|_| match chance.below(8) {
        0 => String::new(),
        1 => ".".to_owned(),
        2 => words(chance, 300),
        3 => "x".repeat(chance.below(3000)),
        4 => format!("{} \t", words(chance, 5)),
        5 => "From somebody".to_owned(),
        6 => "--boundary--".to_owned(),
        _ => words(chance, 12),
    });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

fn attachment(chance: &mut Chance, place: usize) -> Attachment {
    let inline = chance.below(3) == 0;
    let content_type = KINDS[chance.below(KINDS.len())].to_owned();
    let octet = |chance: &mut Chance| u8::try_from(chance.below(256)).expect("an octet");
    let content = match content_type.starts_with("text/") {
        // Of a text, whatever its line ends.
        true => text(chance).replace("\n\n", "\r\n\r").into_bytes(),
        false => (0..chance.below(2000)).map(|_| octet(chance)).collect(),
    };
    Attachment {
        // Readers decode what looks like an encoded word in a file name, against RFC 2047 section 5.
        filename: (chance.below(4) > 0).then(|| format!("{}.x", words(chance, 8).replace("=?", "="))),
        content_type,
        content,
        content_id: inline.then(|| format!("part{place}@b.test")),
        inline,
    }
}

fn draft(chance: &mut Chance) -> Draft {
    let (text_too, html_too) = [(true, false), (false, true), (true, true)][chance.below(3)];
    let attachments = if chance.below(2) == 0 { 0 } else { chance.below(5) };
    Draft {
        from: mailbox(chance),
        to: mailboxes(chance, 1),
        cc: mailboxes(chance, 0),
        reply_to: mailboxes(chance, 0),
        subject: words(chance, 30),
        text: text_too.then(|| text(chance)),
        html: html_too.then(|| format!("<p>{}</p>\n", text(chance))),
        attachments: (0..attachments).map(|place| attachment(chance, place)).collect(),
        headers: (0..chance.below(3)).map(|n| (format!("X-Value-{n}"), words(chance, 60).replace("=?", "="))).collect(),
    }
}

#[test]
fn two_other_parsers_find_every_piece_of_what_was_composed() {
    let seed = std::env::var("COMPOSE_SEED").map_or(1, |text| text.parse().expect("a number"));
    let mut chance = Chance::new(seed);
    let (folder, mut wrong) = (tempfile::tempdir().expect("a folder"), Vec::new());
    for n in 0..MESSAGES {
        let draft = draft(&mut chance);
        let bytes = draft.compose().expect("nothing is wrong with it");
        assert_lawful(&bytes);
        let expected = expected(&draft);
        wrong.extend(differences(&by_mail_parser(&bytes), &expected, &format!("message {n} of seed {seed}")));
        std::fs::write(folder.path().join(format!("{n:03}.eml")), &bytes).expect("written");
        std::fs::write(folder.path().join(format!("{n:03}.json")), expected.to_string()).expect("written");
    }
    assert!(wrong.is_empty(), "{} differences to mail-parser:\n{}", wrong.len(), wrong.join("\n"));
    by_python(folder.path());
}

/// What was found otherwise than expected.
fn differences(found: &Value, expected: &Value, whose: &str) -> Vec<String> {
    let expected = expected.as_object().expect("an object").iter().filter(|(name, expected)| found[name] != **expected);
    expected.map(|(name, expected)| format!("{name} of {whose}: {:#}, not {expected:#}", found[name])).collect()
}

fn assert_lawful(bytes: &[u8]) {
    let text = String::from_utf8(bytes.to_vec()).expect("addresses alone are more than ASCII");
    assert!(
        text.ends_with("\r\n")
            && text.split_terminator("\r\n").all(|line| line.len() <= LINE_MAX && !line.contains(['\r', '\n', '\0']))
    );
}

/// What a reader is to find. Of addresses only the domain has another form on the wire.
fn expected(draft: &Draft) -> Value {
    let person = |mailbox: &Mailbox| {
        let address = &mailbox.address;
        let domain = if address.domain().is_ascii() { address.domain().to_owned() } else { address.ascii_domain() };
        json!([mailbox.name.as_deref().unwrap_or_default(), format!("{}@{domain}", address.local_part())])
    };
    let people = |all: &[Mailbox]| all.iter().map(person).collect::<Vec<_>>();
    let file = |file: &Attachment| {
        json!({
            "name": file.filename.as_deref().unwrap_or_default(),
            "kind": file.content_type.split(';').next(),
            "content": STANDARD.encode(&file.content),
            "id": file.content_id,
            "inline": file.inline,
        })
    };
    // What the HTML shows stands before what is attached; without HTML too.
    let (shown, attached): (Vec<_>, Vec<_>) = draft.attachments.iter().partition(|attachment| attachment.inline);
    json!({
        "from": people(std::slice::from_ref(&draft.from)),
        "to": people(&draft.to),
        "cc": people(&draft.cc),
        "reply_to": people(&draft.reply_to),
        "subject": draft.subject,
        "text": draft.text,
        "html": draft.html,
        "files": shown.into_iter().chain(attached).map(file).collect::<Vec<_>>(),
        "headers": draft.headers.iter().map(|(name, value)| json!([name, value])).collect::<Vec<_>>(),
    })
}

fn by_mail_parser(bytes: &[u8]) -> Value {
    let message = MessageParser::default().parse(bytes).expect("a message");
    let people = |field: Option<&mail_parser::Address<'_>>| {
        let list = field.map(|field| field.iter().collect::<Vec<_>>()).unwrap_or_default();
        list.iter().map(|one| json!([one.name().unwrap_or_default(), one.address()])).collect::<Vec<_>>()
    };
    let body = |place: Option<&u32>| {
        let part = message.part(*place?)?;
        (!part.is_message()).then(|| part.text_contents().map(|text| text.replace("\r\n", "\n"))).flatten()
    };
    let is_html = |place: &&u32| message.part(**place).is_some_and(|part| part.is_text_html());
    let file = |part: &mail_parser::MessagePart<'_>| {
        let kind = part.content_type().map(|kind| format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or_default()));
        json!({
            "name": part.attachment_name().unwrap_or_default(),
            "kind": kind,
            "content": STANDARD.encode(part.contents()),
            "id": part.content_id(),
            "inline": part.content_disposition().is_some_and(|disposition| disposition.is_inline()),
        })
    };
    let leaves = message.parts.iter().filter(|part| part.content_disposition().is_some());
    let headers = (0..2).map(|n| format!("X-Value-{n}")).flat_map(|name| {
        let values = message.header_as(name.clone(), HeaderForm::Text);
        values.into_iter().map(|value| json!([name, value.as_text()])).collect::<Vec<_>>()
    });
    json!({
        "from": people(message.from()),
        "to": people(message.to()),
        "cc": people(message.cc()),
        "reply_to": people(message.reply_to()),
        "subject": message.subject(),
        "text": body(message.text_body.iter().find(|place| !is_html(place))),
        "html": body(message.html_body.iter().find(is_html)),
        "files": leaves.map(file).collect::<Vec<_>>(),
        "headers": headers.collect::<Vec<_>>(),
    })
}

fn by_python(folder: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compose/read.py");
    match Command::new("python3").arg(script).arg(folder).output() {
        Ok(read) => assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr)),
        Err(missing) => {
            assert!(std::env::var_os("POSTHOUSE_TEST_NO_SKIPS").is_none(), "{missing}, and skipping is forbidden");
            eprintln!("skipped: python3: {missing}");
        }
    }
}
