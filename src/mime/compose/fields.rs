//! The header section.

use mail_builder::headers::Header as _;
use mail_builder::headers::raw::Raw;

use super::{Draft, Flaw, Mailbox};
use crate::mime::adapt::LINE_MAX;
use crate::mime::encode::{self, fold, words};
use crate::mime::fields::{Bounds, Fields};

/// What can't be folded is written as encoded words when it has more octets than this: a display name in quotes, or a word of one.
const WHOLE_MAX: usize = 60;

/// Writes every field but those that tell of the body's form.
pub(super) fn write(draft: &Draft, out: &mut Vec<u8>) -> Result<(), Flaw> {
    let from = std::slice::from_ref(&draft.from);
    for (name, mailboxes) in [("From", from), ("To", &draft.to), ("Cc", &draft.cc), ("Reply-To", &draft.reply_to)] {
        if !mailboxes.is_empty() {
            out.extend(fold::joined(name, &addresses(mailboxes)));
        }
    }
    out.extend(subject(&draft.subject));
    for (name, value) in &draft.headers {
        out.extend(field(name, value)?);
    }
    out.extend_from_slice(MIME_VERSION);
    Ok(())
}

/// What says that the fields of the body's form mean what RFC 2045 says.
pub(in crate::mime) const MIME_VERSION: &[u8] = b"MIME-Version: 1.0\r\n";

/// The Subject field.
pub(in crate::mime) fn subject(text: &str) -> Vec<u8> {
    let text = one_line(text);
    let fits = text.split(' ').all(|word| "Subject: ".len() + word.len() <= LINE_MAX);
    // What looks like an encoded word would be read as one.
    if text.is_ascii() && fits && !text.contains("=?") {
        plain("Subject", &text)
    } else {
        fold::joined("Subject", &words::encoded(text.as_bytes()))
    }
}

/// A field as its sender wrote it.
fn field(name: &str, value: &str) -> Result<Vec<u8>, Flaw> {
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':') {
        return Err(Flaw::HeaderName(name.to_owned()));
    }
    let value = one_line(value);
    let written = if value.is_ascii() { plain(name, &value) } else { encoded(name, &value)? };
    let too_long = |line: &[u8]| line.len() > LINE_MAX + 1;
    if written.split(|&byte| byte == b'\n').any(too_long) { Err(Flaw::HeaderLine(name.to_owned())) } else { Ok(written) }
}

/// A field folded at its blanks.
fn plain(name: &str, value: &str) -> Vec<u8> {
    let mut field = format!("{name}: ").into_bytes();
    let column = field.len();
    Raw::new(value).write_header(&mut field, column);
    field
}

/// A field encoded as its grammar allows.
fn encoded(name: &str, value: &str) -> Result<Vec<u8>, Flaw> {
    let raw = format!("{name}: {value}\r\n");
    let fields = Fields::split(raw.as_bytes(), Bounds::STORED);
    match fields.first(name) {
        Some(field) if encode::takes_text(field) => Ok(encode::field(field)),
        _ => Err(Flaw::HeaderAscii(name.to_owned())),
    }
}

/// Mailboxes in pieces that may be folded between.
fn addresses(mailboxes: &[Mailbox]) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    for mailbox in mailboxes {
        if let Some(last) = pieces.last_mut() {
            last.push(',');
        }
        let address = address(mailbox);
        match mailbox.name.as_deref().map(one_line).filter(|name| !name.is_empty()) {
            Some(name) => {
                pieces.extend(phrase(&name));
                pieces.push(format!("<{address}>"));
            }
            // Without brackets some readers take a quoted local part for a name.
            None if address.starts_with('"') => pieces.push(format!("<{address}>")),
            None => pieces.push(address),
        }
    }
    pieces
}

/// `local@domain`, the domain in A-labels. A local part beyond ASCII has no other form: it stands as it is (RFC 6532).
fn address(mailbox: &Mailbox) -> String {
    let address = &mailbox.address;
    match address.domain().is_ascii() {
        true => address.to_string(),
        false => format!("{}@{}", address.local_part(), address.ascii_domain()),
    }
}

/// A display name (RFC 5322 section 3.2.5): words as they are, else a quoted string, else encoded words.
fn phrase(name: &str) -> Vec<String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_'!&+/".contains(&byte);
    let is_word = |word: &str| (1..=WHOLE_MAX).contains(&word.len()) && word.bytes().all(is_plain);
    if name.split(' ').all(is_word) {
        return name.split(' ').map(str::to_owned).collect();
    }
    if name.is_ascii() && name.len() <= WHOLE_MAX && !name.contains("=?") {
        return vec![format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))];
    }
    words::encoded(name.as_bytes())
}

/// The text with blanks for whatever would end its line, or be seen by nobody.
pub(super) fn one_line(text: &str) -> String {
    text.chars().map(|c| if ends_a_line_or_hides(c) { ' ' } else { c }).collect::<String>().trim().to_owned()
}

/// Controls, and the line ends beyond ASCII.
pub(super) fn ends_a_line_or_hides(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}
