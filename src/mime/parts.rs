//! The parts of a message (RFC 2046), found in one pass over its lines. Nothing here recurses: depth and number are bounded, and
//! what lies beyond a bound stays inside the part it was found in, unread.

use std::ops::Range;

use mail_parser::ContentType;

use super::fields::{Bounds, Fields, line_len};
use super::parameters;
use crate::config::SmtpLimits;

/// How far into a message the walk goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Multiparts within multiparts that are looked into.
    pub depth: usize,
    /// Parts that are told apart.
    pub parts: usize,
}

impl Reach {
    /// As the operator chose it.
    pub fn new(limits: &SmtpLimits) -> Self {
        Self { depth: limits.mime_depth, parts: limits.mime_parts }
    }

    /// The defaults.
    #[cfg(test)]
    pub const STANDARD: Self = Self { depth: 100, parts: 10_000 };
}

/// The header section of one part.
const PART_HEADER: Bounds = Bounds { bytes: 64 * 1024, fields: 200 };

/// How a part's octets are encoded (RFC 2045 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// 7bit, 8bit, binary, or nothing said.
    Identity,
    QuotedPrintable,
    Base64,
    /// Something else, as `x-uuencode`: what the octets stand for can't be told (section 6.4).
    Unknown,
}

/// One part: the message itself, a multipart, or a leaf.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its header section, the empty line included.
    pub header: Range<usize>,
    /// Its octets without the line end that belongs to the next delimiter. Of a multipart: all that is in it.
    pub body: Range<usize>,
    /// Place of the multipart that holds it.
    pub parent: Option<usize>,
    /// `type/subtype` in lower case; `text/plain` when it is not said.
    pub kind: String,
    pub charset: Option<String>,
    /// The file name.
    pub name: Option<String>,
    pub attachment: bool,
    pub encoding: Encoding,
    /// A multipart whose parts were looked for.
    pub multipart: bool,
    /// Inside multipart/signed or multipart/encrypted, or one of them: its octets are vouched for as they are.
    pub sealed: bool,
}

impl Part {
    /// Whether re-encoding it would break what it is (RFC 1847, RFC 5751, RFC 2046 section 5.2).
    pub fn must_stay(&self) -> bool {
        self.sealed
            || self.kind.starts_with("message/")
            || (self.kind.starts_with("multipart/") && !self.multipart)
            || self.is_pkcs7()
    }

    /// Whether it is what the message says, not something that comes with it.
    pub fn is_body(&self) -> bool {
        matches!(self.kind.as_str(), "text/plain" | "text/html") && !self.attachment && self.name.is_none()
    }

    /// Whether it holds what is signed or encrypted by S/MIME (RFC 8551).
    pub fn is_pkcs7(&self) -> bool {
        matches!(self.kind.as_str(), "application/pkcs7-mime" | "application/x-pkcs7-mime")
    }

    /// Whether it is text.
    pub fn is_text(&self) -> bool {
        self.kind.starts_with("text/")
    }
}

/// An open multipart: its boundary, and its place among the parts.
struct Open {
    boundary: Vec<u8>,
    part: usize,
}

/// A pass over the lines of a message.
struct Walk<'a> {
    message: &'a [u8],
    reach: Reach,
    parts: Vec<Part>,
    open: Vec<Open>,
    /// The leaf that lines are added to; none between parts.
    leaf: Option<usize>,
}

/// Every part of a message, the message itself first.
pub fn of(message: &[u8], reach: Reach) -> Vec<Part> {
    let mut walk = Walk { message, reach, parts: Vec::new(), open: Vec::new(), leaf: None };
    let header = Fields::split(message, Bounds::STORED);
    let mut at = walk.begin(0, &header, message.len());
    while !walk.open.is_empty() && at < message.len() {
        let end = at + line_len(&message[at..]);
        match walk.delimiter(&message[at..end]) {
            Some((level, closing)) => at = walk.step(level, closing, at, end),
            None => at = end,
        }
    }
    walk.close_to(0, message.len());
    walk.parts
}

impl Walk<'_> {
    /// Begins a part at `start`. Returns where its body begins.
    fn begin(&mut self, start: usize, fields: &Fields<'_>, end: usize) -> usize {
        let parent = self.open.last().map(|open| open.part);
        let body = start + fields.body();
        let content_type = parameters::read(fields, "Content-Type");
        let digest = parent.is_some_and(|parent| self.parts[parent].kind == "multipart/digest");
        let kind = kind(content_type.as_ref(), digest);
        let boundary = content_type.as_ref().and_then(|c| c.attribute("boundary")).filter(|_| kind.starts_with("multipart/"));
        let boundary = boundary.filter(|b| !b.is_empty() && b.len() < 998 && self.open.len() < self.reach.depth);
        let sealed = parent.is_some_and(|parent| self.parts[parent].sealed);
        let disposition = parameters::read(fields, "Content-Disposition");
        self.parts.push(Part {
            header: start..body,
            body: body..end,
            parent,
            charset: attribute(content_type.as_ref(), "charset"),
            name: attribute(disposition.as_ref(), "filename").or_else(|| attribute(content_type.as_ref(), "name")),
            attachment: disposition.as_ref().is_some_and(|d| d.ctype().eq_ignore_ascii_case("attachment")),
            encoding: encoding(fields),
            multipart: boundary.is_some(),
            sealed: sealed || matches!(kind.as_str(), "multipart/signed" | "multipart/encrypted"),
            kind,
        });
        let place = self.parts.len() - 1;
        match boundary {
            Some(boundary) => self.open.push(Open { boundary: boundary.as_bytes().to_vec(), part: place }),
            None => self.leaf = Some(place),
        }
        body
    }

    /// Whether a line is a delimiter of an open multipart, the innermost first, and whether it is the closing one.
    fn delimiter(&self, line: &[u8]) -> Option<(usize, bool)> {
        let rest = line.strip_prefix(b"--")?.trim_ascii_end();
        let matches = |open: &Open| match rest.strip_prefix(open.boundary.as_slice())? {
            b"" => Some(false),
            b"--" => Some(true),
            _ => None,
        };
        self.open.iter().enumerate().rev().find_map(|(level, open)| matches(open).map(|closing| (level, closing)))
    }

    /// A delimiter of the multipart at `level`: ends what is open inside it, and itself or begins its next part. Returns where to
    /// read on.
    fn step(&mut self, level: usize, closing: bool, line: usize, after: usize) -> usize {
        self.close_to(level + 1, without_line_end(self.message, line));
        if closing {
            let open = self.open.remove(level);
            self.parts[open.part].body.end = after;
            return after;
        }
        if self.parts.len() == self.reach.parts {
            // What follows stays in the multipart, unread.
            self.close_to(0, self.message.len());
            return self.message.len();
        }
        let header_end = self.header_end(after);
        let fields = Fields::split(&self.message[after..header_end], PART_HEADER);
        self.begin(after, &fields, self.message.len())
    }

    /// The end of the header section that begins here: after its empty line, or before a delimiter that comes too early.
    fn header_end(&self, start: usize) -> usize {
        let mut at = start;
        while at < self.message.len() && at - start <= PART_HEADER.bytes {
            let end = at + line_len(&self.message[at..]);
            let line = &self.message[at..end];
            if self.delimiter(line).is_some() {
                return at;
            }
            if matches!(line, b"\r\n" | b"\n") {
                return end;
            }
            at = end;
        }
        at
    }

    /// Ends the leaf, and the multiparts from `level` inwards.
    fn close_to(&mut self, level: usize, end: usize) {
        if let Some(leaf) = self.leaf.take() {
            let body = &mut self.parts[leaf].body;
            body.end = end.max(body.start);
        }
        for open in self.open.drain(level..) {
            let body = &mut self.parts[open.part].body;
            body.end = end.max(body.start);
        }
    }
}

/// `at` without the line end before it, which belongs to the delimiter (RFC 2046 section 5.1.1).
fn without_line_end(message: &[u8], at: usize) -> usize {
    match message[..at] {
        [.., b'\r', b'\n'] => at - 2,
        [.., b'\n'] => at - 1,
        _ => at,
    }
}

fn kind(content_type: Option<&ContentType<'_>>, digest: bool) -> String {
    match content_type {
        Some(c) => format!("{}/{}", c.ctype(), c.subtype().unwrap_or("")).to_ascii_lowercase(),
        None if digest => "message/rfc822".to_owned(),
        None => "text/plain".to_owned(),
    }
}

fn attribute(value: Option<&ContentType<'_>>, name: &str) -> Option<String> {
    value?.attribute(name).map(super::text::printable).filter(|text| !text.is_empty())
}

fn encoding(fields: &Fields<'_>) -> Encoding {
    let word = fields.first("Content-Transfer-Encoding").map(|field| without_comments(field.value)).unwrap_or_default();
    match word.trim_ascii().to_ascii_lowercase().as_slice() {
        b"" | b"7bit" | b"8bit" | b"binary" => Encoding::Identity,
        b"quoted-printable" => Encoding::QuotedPrintable,
        b"base64" => Encoding::Base64,
        _ => Encoding::Unknown,
    }
}

/// A value without what stands in brackets (RFC 5322 section 3.2.2), which may nest and hide one by a backslash.
fn without_comments(value: &[u8]) -> Vec<u8> {
    let (mut depth, mut escaped) = (0_usize, false);
    let is_said = |byte: &&u8| {
        let plain = !std::mem::replace(&mut escaped, false);
        match byte {
            b'\\' if plain => escaped = true,
            b'(' if plain => depth += 1,
            b')' if plain && depth > 0 => {
                depth -= 1;
                return false;
            }
            _ => {}
        }
        depth == 0
    };
    value.iter().filter(is_said).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoding_is_known_by_its_whole_name_and_comments_are_none_of_it() {
        for (value, expected) in [
            ("Base64", Encoding::Base64),
            ("\r\n base64 (as it (really\\)) is)", Encoding::Base64),
            ("(a) quoted-printable", Encoding::QuotedPrintable),
            ("(nothing said)", Encoding::Identity),
            ("8BIT", Encoding::Identity),
            ("binary", Encoding::Identity),
            ("quoted-printable;", Encoding::Unknown),
            ("base64 base64", Encoding::Unknown),
            ("base64)", Encoding::Unknown),
            ("x-uuencode", Encoding::Unknown),
        ] {
            let message = format!("Content-Transfer-Encoding: {value}\r\n\r\nx\r\n");
            assert_eq!(of(message.as_bytes(), Reach::STANDARD)[0].encoding, expected, "{value}");
        }
        assert_eq!(of(b"\r\nx\r\n", Reach::STANDARD)[0].encoding, Encoding::Identity);
    }
}
