//! Fields of addresses (RFC 5322 section 3.4), taken apart leniently: what is written anew must only say the same in ASCII.

use super::words;
use crate::mime::mailbox::{comment_end, unquoted};
use crate::mime::text;
use crate::model::address::ascii_domain;

/// What such a field is made of.
#[derive(Debug, PartialEq, Eq)]
enum Element<'a> {
    /// The words of a display name or a group's name, as they stand.
    Phrase(Vec<&'a [u8]>),
    /// Without its parentheses.
    Comment(&'a [u8]),
    /// An addr-spec, in angle brackets or bare.
    Address { spec: Vec<u8>, angle: bool },
    /// `,` `;` or `:`
    Mark(char),
}

/// Whether an address in the field has a local part that is not ASCII.
pub fn needs_smtputf8(value: &[u8]) -> bool {
    elements(value).iter().any(|element| matches!(element, Element::Address { spec, .. } if !split(spec).0.is_ascii()))
}

/// The field in ASCII, in pieces that may be folded between.
pub fn pieces(value: &[u8]) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    for element in elements(value) {
        match element {
            Element::Phrase(words) => pieces.extend(phrase(&words)),
            Element::Comment(inner) => pieces.extend(comment(inner)),
            Element::Address { spec, angle: true } => pieces.push(format!("<{}>", address(&spec))),
            Element::Address { spec, angle: false } => pieces.push(address(&spec)),
            Element::Mark(mark) => match pieces.last_mut() {
                Some(last) => last.push(mark),
                None => pieces.push(mark.to_string()),
            },
        }
    }
    pieces
}

fn phrase(words: &[&[u8]]) -> Vec<String> {
    if words.iter().all(|word| word.is_ascii()) {
        return words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    }
    let plain: Vec<Vec<u8>> = words.iter().map(|word| unquoted(word)).collect();
    let joined = plain.join(&b' ');
    match memchr::memmem::find(&joined, b"=?") {
        Some(_) => words::encoded(text::decode(&joined).as_bytes()),
        None => words::encoded(&joined),
    }
}

fn comment(inner: &[u8]) -> Vec<String> {
    let mut pieces = match inner.is_ascii() {
        true => vec![String::from_utf8_lossy(inner).into_owned()],
        false => words::encoded(inner),
    };
    if let Some(first) = pieces.first_mut() {
        first.insert(0, '(');
    }
    if let Some(last) = pieces.last_mut() {
        last.push(')');
    }
    pieces
}

/// Local part and domain.
fn split(spec: &[u8]) -> (&[u8], &[u8]) {
    match spec.iter().rposition(|&byte| byte == b'@') {
        Some(at) => (&spec[..at], &spec[at + 1..]),
        None => (spec, b""),
    }
}

/// The address with its domain in A-labels.
fn address(spec: &[u8]) -> String {
    let text = String::from_utf8_lossy(spec).into_owned();
    let (local, domain) = text.rsplit_once('@').unwrap_or((&text, ""));
    let ascii = |text: &str| text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect::<String>();
    match ascii_domain(domain).filter(|ascii| ascii.is_ascii() && !domain.is_ascii()) {
        Some(domain) => format!("{}@{domain}", ascii(local)),
        None => ascii(&text),
    }
}

fn elements(value: &[u8]) -> Vec<Element<'_>> {
    let mut elements = Vec::new();
    let mut words: Vec<&[u8]> = Vec::new();
    let mut at = 0;
    while let Some(&byte) = value.get(at) {
        let end = word_end(value, at);
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => {}
            b'(' => {
                bare(&mut words, &mut elements);
                elements.push(Element::Comment(value[at + 1..end].strip_suffix(b")").unwrap_or(&value[at + 1..end])));
            }
            b'<' => {
                name(&mut words, &mut elements);
                let inner = value[at + 1..end].strip_suffix(b">").unwrap_or(&value[at + 1..end]);
                let spec = inner.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
                elements.push(Element::Address { spec, angle: true });
            }
            b':' => {
                name(&mut words, &mut elements);
                elements.push(Element::Mark(':'));
            }
            b',' | b';' => {
                bare(&mut words, &mut elements);
                elements.push(Element::Mark(char::from(byte)));
            }
            _ => words.push(&value[at..end]),
        }
        at = end;
    }
    bare(&mut words, &mut elements);
    elements
}

/// The words so far are a name.
fn name<'a>(words: &mut Vec<&'a [u8]>, elements: &mut Vec<Element<'a>>) {
    if !words.is_empty() {
        elements.push(Element::Phrase(std::mem::take(words)));
    }
}

/// The words so far stand alone: an address, or else a name that nothing follows.
fn bare<'a>(words: &mut Vec<&'a [u8]>, elements: &mut Vec<Element<'a>>) {
    if words.iter().any(|word| !word.starts_with(b"\"") && word.contains(&b'@')) {
        elements.push(Element::Address { spec: std::mem::take(words).concat(), angle: false });
    }
    name(words, elements);
}

/// Past the word, comment or bracket that begins at `at`; what never ends, ends with the value.
fn word_end(value: &[u8], at: usize) -> usize {
    match value[at] {
        b'(' => comment_end(value, at).unwrap_or(value.len()),
        b'<' => value[at..].iter().position(|&byte| byte == b'>').map_or(value.len(), |len| at + len + 1),
        b'"' => quoted_end(value, at),
        b' ' | b'\t' | b'\r' | b'\n' | b',' | b';' | b':' => at + 1,
        b'[' => value[at..].iter().position(|&byte| byte == b']').map_or(value.len(), |len| at + len + 1),
        _ => at + 1 + value[at + 1..].iter().take_while(|&&byte| !b" \t\r\n,;:<(\"[".contains(&byte)).count(),
    }
}

fn quoted_end(value: &[u8], at: usize) -> usize {
    let mut place = at + 1;
    while let Some(&byte) = value.get(place) {
        match byte {
            b'\\' => place += 1,
            b'"' => return place + 1,
            _ => {}
        }
        place += 1;
    }
    value.len()
}
