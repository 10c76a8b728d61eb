//! The message written anew: each part with the fields and the encoding that the hop takes, the rest copied.

use std::ops::Range;

use super::{Obstacle, Take};
use crate::mime::fields::{Bounds, Fields};
use crate::mime::leaf;
use crate::mime::parts::{self, Encoding, Part, Reach};

/// Characters of a line of base64 (RFC 2045 section 6.8).
const BASE64_LINE: usize = 76;

/// The whole message as it may leave.
pub fn rewritten(message: &[u8], take: Take, reach: Reach) -> Result<Vec<u8>, Obstacle> {
    let parts = parts::of(message, reach);
    let out = Vec::with_capacity(message.len() + message.len() / 4);
    let mut anew = Rewriting { message, parts: &parts, take, out };
    let mut done = 0;
    for part in &parts {
        anew.gap(done..part.header.start)?;
        let recoding = anew.recoding(part)?;
        anew.header(part, recoding)?;
        done = part.header.end;
        if !part.multipart {
            anew.body(part, recoding);
            done = part.body.end;
        }
    }
    anew.gap(done..message.len())?;
    Ok(anew.out)
}

/// How a leaf that can't stay as it is will be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Recoding {
    QuotedPrintable,
    Base64,
    /// It is base64 already, in lines that are too long or with octets that are not of its alphabet.
    Rewrapped,
}

impl Recoding {
    /// As the Content-Transfer-Encoding field says it.
    fn name(self) -> &'static str {
        match self {
            Self::QuotedPrintable => "quoted-printable",
            Self::Base64 | Self::Rewrapped => "base64",
        }
    }
}

/// A message on its way into another form.
struct Rewriting<'a> {
    message: &'a [u8],
    parts: &'a [Part],
    take: Take,
    out: Vec<u8>,
}

impl Rewriting<'_> {
    /// What stands between parts: delimiters, and text that no reader shows. Of that, a line the hop can't take is left out.
    fn gap(&mut self, range: Range<usize>) -> Result<(), Obstacle> {
        let gap = &self.message[range.clone()];
        if !self.take.changes_body(gap) {
            self.out.extend_from_slice(gap);
            return Ok(());
        }
        let sealed = |part: &Part| part.sealed && part.body.start <= range.start && range.end <= part.body.end;
        if self.parts.iter().any(sealed) {
            return Err(Obstacle::Sealed);
        }
        for line in gap.split_inclusive(|&byte| byte == b'\n') {
            match self.take.changes_body(line) {
                true if line.starts_with(b"--") => return Err(Obstacle::Sealed),
                true => {}
                false => self.out.extend_from_slice(line),
            }
        }
        Ok(())
    }

    /// What must be done to a part's octets, if anything.
    fn recoding(&self, part: &Part) -> Result<Option<Recoding>, Obstacle> {
        let raw = &self.message[part.body.clone()];
        if part.multipart || !self.take.changes_body(raw) {
            return Ok(None);
        }
        if part.must_stay() {
            return Err(Obstacle::Sealed);
        }
        Ok(Some(match part.encoding {
            Encoding::Base64 => Recoding::Rewrapped,
            Encoding::QuotedPrintable => Recoding::QuotedPrintable,
            Encoding::Identity if part.is_text() && !is_dense(raw) => Recoding::QuotedPrintable,
            Encoding::Identity => Recoding::Base64,
            Encoding::Unknown => return Err(Obstacle::Sealed),
        }))
    }

    /// A part's header section, with the fields that its new encoding asks for.
    fn header(&mut self, part: &Part, recoding: Option<Recoding>) -> Result<(), Obstacle> {
        let raw = &self.message[part.header.clone()];
        let take = if is_root(part) { self.take } else { Take { utf8_fields: self.take.eight_bit, ..self.take } };
        let relabel = part.multipart && !take.eight_bit;
        if recoding.is_none() && !relabel && !take.changes_header(raw) {
            self.out.extend_from_slice(raw);
            return Ok(());
        }
        let in_sealed = part.parent.is_some_and(|parent| self.parts[parent].sealed);
        if in_sealed && take.changes_header(raw) {
            return Err(Obstacle::Sealed);
        }
        let fields = Fields::split(raw, Bounds::STORED);
        // A line of an mbox file is no field, and there is no way to encode it.
        let mbox = &raw[fields.envelope.clone()];
        if !take.changes_header(mbox) {
            self.out.extend_from_slice(mbox);
        }
        for field in &fields.list {
            let is_encoding = field.is("Content-Transfer-Encoding");
            match recoding {
                Some(_) if is_encoding => {}
                // RFC 2045 section 6.4: a multipart says no more than its parts need, and they need 7 bits now.
                None if is_encoding && relabel && !in_sealed => {
                    self.out.extend_from_slice(b"Content-Transfer-Encoding: 7bit\r\n");
                }
                _ => self.out.extend_from_slice(&take.field(raw, field)),
            }
        }
        if let Some(recoding) = recoding {
            self.label(part, &fields, recoding);
        }
        self.out.extend_from_slice(&raw[fields.separator.start..]);
        Ok(())
    }

    /// The fields that tell how a leaf is encoded now.
    fn label(&mut self, part: &Part, fields: &Fields<'_>, recoding: Recoding) {
        if is_root(part) && fields.first("MIME-Version").is_none() {
            self.out.extend_from_slice(b"MIME-Version: 1.0\r\n");
        }
        if fields.first("Content-Type").is_none() {
            let body = &self.message[part.body.clone()];
            let charset = match std::str::from_utf8(body) {
                Ok(_) if body.is_ascii() => "us-ascii",
                Ok(_) => "utf-8",
                // RFC 1428 section 3: octets whose charset nobody told.
                Err(_) => "unknown-8bit",
            };
            self.out.extend_from_slice(format!("Content-Type: text/plain; charset={charset}\r\n").as_bytes());
        }
        self.out.extend_from_slice(format!("Content-Transfer-Encoding: {}\r\n", recoding.name()).as_bytes());
    }

    /// A leaf's octets, straight into the message: a large attachment is not held a third time.
    fn body(&mut self, part: &Part, recoding: Option<Recoding>) {
        let raw = &self.message[part.body.clone()];
        let start = self.out.len();
        match recoding {
            None => return self.out.extend_from_slice(raw),
            Some(Recoding::Rewrapped) => rewrap(raw, &mut self.out),
            Some(Recoding::Base64) => leaf::write(raw, Encoding::Base64, &mut self.out),
            Some(Recoding::QuotedPrintable) => {
                leaf::write(&leaf::octets(self.message, part), Encoding::QuotedPrintable, &mut self.out);
            }
        }
        // The message itself ends with a line end of its own.
        if is_root(part) && !self.out[start..].ends_with(b"\r\n") {
            self.out.extend_from_slice(b"\r\n");
        }
    }
}

/// Whether it is the message itself.
fn is_root(part: &Part) -> bool {
    part.parent.is_none()
}

/// Text of which more than a third is not ASCII is shorter in base64.
fn is_dense(text: &[u8]) -> bool {
    text.iter().filter(|byte| !byte.is_ascii()).count() > text.len() / 3
}

/// Base64 text in lines of its proper length; what is not of its alphabet says nothing and is left out.
fn rewrap(text: &[u8], out: &mut Vec<u8>) {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    let mut column = 0;
    for &byte in text.iter().filter(|byte| is_base64(byte)) {
        if column == BASE64_LINE {
            out.extend_from_slice(b"\r\n");
            column = 0;
        }
        out.push(byte);
        column += 1;
    }
}
