//! The header section, split into its fields without losing a byte (RFC 5322 section 2.2).
//!
//! What the best relays agree on decides where it ends: at the empty line, or before the first line that is no field and no
//! continuation of one. Such a line begins the body, and `edit` puts the missing empty line before it, so that every later
//! reader sees the same header section as the policies did.

use std::ops::Range;

use memchr::memchr;

/// How much of a header section is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub bytes: usize,
    pub fields: usize,
}

impl Bounds {
    /// For what was accepted already: wide enough for the fields that were put on top.
    pub const STORED: Self = Self { bytes: 1 << 20, fields: 4096 };
}

/// The longest field name with its colon: a line of 998 octets holds no more (RFC 5322 section 2.1.1).
const NAME_MAX: usize = 997;

/// One field, with the place it has in the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// All of its octets, line ends included.
    pub range: Range<usize>,
    /// Printable ASCII without colon; blanks before the colon are not part of it.
    pub name: &'a str,
    /// After the colon, folding included, without the last line end.
    pub value: &'a [u8],
}

impl Field<'_> {
    /// Whether it has this name, in any case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The value without surrounding blanks and line ends.
    pub fn trimmed(&self) -> &[u8] {
        self.value.trim_ascii()
    }

    /// The value as a person reads it: unfolded, encoded words decoded, no control characters.
    pub fn text(&self) -> String {
        super::text::decode(self.value)
    }
}

/// The bound that a header section is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    Bytes,
    Fields,
}

/// A message's header section. `envelope`, the fields, `separator` and the body, in this order, are the whole message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields<'a> {
    pub list: Vec<Field<'a>>,
    /// `From ` lines of an mbox file (RFC 4155) that stand before the first field; often empty.
    pub envelope: Range<usize>,
    /// The empty line; empty when it is missing.
    pub separator: Range<usize>,
    /// Set when reading stopped at a bound: what follows was not looked at.
    pub excess: Option<Excess>,
}

impl<'a> Fields<'a> {
    /// Splits the header section off `message`.
    pub fn split(message: &'a [u8], bounds: Bounds) -> Self {
        let envelope = 0..mbox_lines(message);
        let mut fields = Self { list: Vec::with_capacity(24), separator: envelope.end..envelope.end, envelope, excess: None };
        let mut at = fields.envelope.end;
        while let Some((name, colon)) = field_start(&message[at..]) {
            if fields.list.len() == bounds.fields {
                fields.excess = Some(Excess::Fields);
                break;
            }
            let end = field_end(message, at);
            if end > bounds.bytes {
                fields.excess = Some(Excess::Bytes);
                break;
            }
            fields.list.push(Field { range: at..end, name, value: without_line_end(&message[at + colon + 1..end]) });
            at = end;
        }
        fields.separator = at..at + empty_line(&message[at..]);
        fields
    }

    /// Where the body begins.
    pub fn body(&self) -> usize {
        self.separator.end
    }

    /// The first field of this name.
    pub fn first(&self, name: &str) -> Option<&Field<'a>> {
        self.all(name).next()
    }

    /// Every field of this name, from the top.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &Field<'a>> {
        self.list.iter().filter(move |field| field.is(name))
    }

    /// The decoded value of the first field of this name; empty when there is none.
    pub fn text(&self, name: &str) -> String {
        self.first(name).map(Field::text).unwrap_or_default()
    }
}

/// The length of the first line with its line end.
pub(super) fn line_len(bytes: &[u8]) -> usize {
    memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1)
}

/// 2 or 1 when the bytes begin with an empty line, else 0.
fn empty_line(bytes: &[u8]) -> usize {
    match bytes {
        [b'\r', b'\n', ..] => 2,
        [b'\n', ..] => 1,
        _ => 0,
    }
}

/// The name of the field that begins here, and the place of its colon (RFC 5322 section 2.2). Blanks before the colon are taken
/// (section 4.5, obs-optional); the name counts.
fn field_start(bytes: &[u8]) -> Option<(&str, usize)> {
    let near = &bytes[..bytes.len().min(NAME_MAX + 1)];
    let colon = memchr(b':', near)?;
    // Only blanks: a colon of the next line makes no field of this one.
    let blanks = near[..colon].iter().rev().take_while(|&&byte| matches!(byte, b' ' | b'\t')).count();
    let name = &near[..colon - blanks];
    let is_name = !name.is_empty() && name.iter().all(|byte| (33..=126).contains(byte));
    is_name.then(|| std::str::from_utf8(name).ok()).flatten().map(|name| (name, colon))
}

/// Where the field that begins at `at` ends, its continuation lines included (RFC 5322 section 2.2.3).
fn field_end(message: &[u8], at: usize) -> usize {
    let mut end = at + line_len(&message[at..]);
    while matches!(message.get(end), Some(b' ' | b'\t')) {
        end += line_len(&message[end..]);
    }
    end
}

/// The length of the leading lines that an mbox file would put before a message.
fn mbox_lines(message: &[u8]) -> usize {
    let mut at = 0;
    loop {
        let rest = &message[at..];
        let quoted = rest.iter().take_while(|&&byte| byte == b'>').count();
        if !rest[quoted..].starts_with(b"From ") || field_start(rest).is_some() {
            return at;
        }
        at += line_len(rest);
    }
}

fn without_line_end(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

#[cfg(test)]
#[path = "fields_tests.rs"]
mod tests;
