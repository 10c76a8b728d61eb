//! What a message says, said anew: its Subject and its bodies are replaced, what is attached to it and every other field stays.

use std::borrow::Cow;

use mail_builder::mime::MimePart;

use super::compose::{body, fields as composed};
use super::fields::{Bounds, Fields};
use super::parts::{self, Part, Reach};

/// What it is to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said<'a> {
    pub subject: &'a str,
    pub text: Option<&'a str>,
    pub html: Option<&'a str>,
}

/// Why a message can't be made to say something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    #[error("the message is signed or encrypted as it is")]
    Sealed,
    #[error("the message has too many parts")]
    Parts,
}

/// `message`, saying `said`.
pub fn refilled(message: &[u8], said: Said<'_>, reach: Reach) -> Result<Vec<u8>, Obstacle> {
    let fields = Fields::split(message, Bounds::STORED);
    let parts = parts::of(message, reach);
    if parts.len() >= reach.parts {
        return Err(Obstacle::Parts);
    }
    if parts.iter().any(|part| part.sealed || part.is_pkcs7()) {
        return Err(Obstacle::Sealed);
    }
    let mut out = Vec::with_capacity(message.len() + said.html.map_or(0, str::len) * 2 + 4096);
    write_header(message, &fields, said.subject, &mut out);
    let (mut related, mut attached) = (Vec::new(), Vec::new());
    for (place, part) in parts.iter().enumerate().filter(|(_, part)| !part.multipart) {
        if !is_replaced(part, &parts) {
            let kept = kept(message, &fields, part, place == 0);
            if is_related(part, &parts) { &mut related } else { &mut attached }.push(kept);
        }
    }
    body::whole(said.text, said.html, related, attached).write_part(&mut out);
    body::end_line(&mut out);
    Ok(out)
}

/// Every field but those of the body's form, as it stands; Subject anew.
fn write_header(message: &[u8], fields: &Fields<'_>, subject: &str, out: &mut Vec<u8>) {
    let mut subject = Some(composed::subject(subject));
    for field in &fields.list {
        if field.is("Subject") {
            out.extend(subject.take().unwrap_or_default());
        } else if !is_of_the_body(field.name) {
            out.extend_from_slice(&message[field.range.clone()]);
            body::end_line(out);
        }
    }
    out.extend(subject.unwrap_or_default());
    out.extend_from_slice(composed::MIME_VERSION);
}

/// RFC 2045 section 9: the fields of MIME describe the body.
fn is_of_the_body(name: &str) -> bool {
    name.eq_ignore_ascii_case("MIME-Version") || name.get(..8).is_some_and(|head| head.eq_ignore_ascii_case("Content-"))
}

/// Whether the part says what is said anew: a body, or another form of one (text/x-amp-html, text/enriched). An invitation among
/// the alternatives is none.
fn is_replaced(part: &Part, parts: &[Part]) -> bool {
    let among_alternatives = part.parent.is_some_and(|parent| parts[parent].kind == "multipart/alternative");
    part.is_body() || (among_alternatives && part.is_text() && !part.attachment && part.kind != "text/calendar")
}

/// Whether some multipart around it holds what an HTML body shows.
fn is_related(part: &Part, parts: &[Part]) -> bool {
    std::iter::successors(part.parent, |parent| parts[*parent].parent).any(|parent| parts[parent].kind == "multipart/related")
}

/// A part as it stands. One that was the whole message has its fields among the message's.
fn kept<'a>(message: &'a [u8], fields: &Fields<'_>, part: &Part, whole: bool) -> MimePart<'a> {
    let octets = match whole {
        false => Cow::Borrowed(&message[part.header.start..part.body.end]),
        true => {
            let own = fields.list.iter().filter(|field| is_of_the_body(field.name) && !field.is("MIME-Version"));
            let mut octets: Vec<u8> = own.flat_map(|field| &message[field.range.clone()]).copied().collect();
            octets.extend_from_slice(b"\r\n");
            octets.extend_from_slice(&message[part.body.clone()]);
            Cow::Owned(octets)
        }
    };
    body::as_it_is(octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::view::{self, View};

    const SAID: Said<'_> = Said { subject: "Gr\u{fc}\u{df}e", text: Some("new text\n"), html: Some("<p>new \u{2713}</p>") };

    fn crlf(text: &str) -> Vec<u8> {
        text.replace('\n', "\r\n").into_bytes()
    }

    fn refill(message: &str, said: Said<'_>) -> Result<Vec<u8>, Obstacle> {
        refilled(&crlf(message), said, Reach::STANDARD)
    }

    /// What a reader is shown of the message when it is filled with [`SAID`], checked for what holds for all.
    fn seen(message: &str) -> (String, View) {
        let bytes = refill(message, SAID).expect("nothing stands against it");
        let view = View::of(&bytes, Reach::STANDARD);
        let said = (view.header("subject"), view.text.as_deref(), view.html.as_deref());
        assert_eq!(said, (SAID.subject, SAID.text, SAID.html), "{}", bytes.escape_ascii());
        for name in ["MIME-Version", "Content-Type", "Subject"] {
            assert_eq!(view.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name)).count(), 1, "{name}");
        }
        (String::from_utf8(bytes).expect("text"), view)
    }

    #[test]
    fn a_lone_text_becomes_both_and_other_fields_keep_their_bytes() {
        let (bytes, view) = seen("X-One: a\n  b\nsubject: old\nFrom: A <a@b.test>\nContent-Type: text/plain\nX-Two : c\n\nold\n");
        assert!(
            bytes.starts_with("X-One: a\r\n  b\r\nSubject: =?utf-8?B?R3LDvMOfZQ==?=\r\nFrom: A <a@b.test>\r\nX-Two : c\r\n"),
            "{bytes}"
        );
        assert_eq!(view.header("content-type").split(';').next(), Some("multipart/alternative"));
        assert!(!bytes.contains("old") && view.attachments.is_empty());
        assert!(seen("From: a@b.test\n\nold").0.starts_with("From: a@b.test\r\nSubject: "));
        assert!(seen("From: a@b.test").0.starts_with("From: a@b.test\r\nSubject: "));
    }

    #[test]
    fn what_is_attached_and_shown_stays_byte_for_byte() {
        let image = "Content-Type: image/png; name=a.png\nContent-ID: <a>\nContent-Transfer-Encoding: base64\n\nAAAA\nBBBB";
        let file = "Content-Type: text/csv\nContent-Disposition: attachment;\n filename=\"\u{e4}.csv\"\n\nx;\u{e4}\n";
        let message = format!(
            "From: a@b.test\nSubject: old\nContent-Type: multipart/mixed; boundary=m\n\npreamble\n--m\n\
             Content-Type: multipart/related; boundary=r\n\n--r\nContent-Type: multipart/alternative; boundary=z\n\n\
             --z\n\nold text\n--z\nContent-Type: text/x-amp-html\n\nold amp\n--z\nContent-Type: text/html\n\nold html\n--z--\n\
             --r\n{image}\n--r--\n--m\n{file}\n--m--\nepilogue\n"
        );
        let (bytes, view) = seen(&message);
        assert!(!bytes.contains("old"), "{bytes}");
        for part in [image, file] {
            let part = String::from_utf8(crlf(part)).expect("text");
            assert!(bytes.contains(&format!("\r\n{part}\r\n--")), "{bytes}");
        }
        let names: Vec<_> = view.attachments.iter().map(|attached| attached.name.as_str()).collect();
        assert_eq!(names, ["a.png", "\u{e4}.csv"]);
        let kinds: Vec<_> = parts::of(bytes.as_bytes(), Reach::STANDARD).into_iter().map(|part| part.kind).collect();
        let expected =
            ["multipart/mixed", "multipart/related", "multipart/alternative", "text/plain", "text/html", "image/png", "text/csv"];
        assert_eq!(kinds, expected);
        assert_eq!(view.header("content-transfer-encoding"), "8bit");
    }

    #[test]
    fn a_message_that_is_one_file_keeps_it_beside_the_text() {
        let message = "From: a@b.test\nMIME-Version: 1.0\nContent-Type: application/pdf; name=a.pdf\nSubject: s\n\
                       Content-Transfer-Encoding: base64\n\nAAAA\n";
        let (bytes, view) = seen(message);
        assert_eq!((view.attachments[0].name.as_str(), view.attachments[0].size), ("a.pdf", 3));
        assert_eq!(view::attachment(bytes.as_bytes(), 0, Reach::STANDARD).map(|(_, octets)| octets), Some(vec![0, 0, 0]));
    }

    #[test]
    fn an_invitation_stays_and_text_alone_is_one_part() {
        let message = "From: a@b.test\nContent-Type: multipart/alternative; boundary=z\n\n--z\n\nold\n--z\n\
                       Content-Type: text/calendar; method=REQUEST\n\nBEGIN:VCALENDAR\n--z--\n";
        assert_eq!(seen(message).1.attachments[0].content_type, "text/calendar");
        let said = Said { html: None, ..SAID };
        let bytes = refill("From: a@b.test\nContent-Type: text/html\n\n<p>old", said).expect("nothing stands against it");
        let view = View::of(&bytes, Reach::STANDARD);
        assert_eq!((view.text.as_deref(), view.html.as_deref(), view.attachments.len()), (said.text, None, 0));
    }

    #[test]
    fn what_is_vouched_for_as_it_is_can_not_be_refilled() {
        let signed = include_str!("../../tests/corpus/signed.eml").replace("\r\n", "\n");
        assert_eq!(refill(&signed, SAID), Err(Obstacle::Sealed));
        let pkcs7 = "From: a@b.test\nContent-Type: application/pkcs7-mime\n\nAAAA\n";
        assert_eq!(refill(pkcs7, SAID), Err(Obstacle::Sealed));
        let many = format!("Content-Type: multipart/mixed; boundary=z\n\n{}", "--z\n\nx\n".repeat(20));
        let reach = Reach { parts: 10, ..Reach::STANDARD };
        assert_eq!(refilled(&crlf(&many), SAID, reach), Err(Obstacle::Parts));
    }
}
