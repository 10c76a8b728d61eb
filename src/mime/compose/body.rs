//! The body: one part, or as many as there is to say. mixed (RFC 2046 section 5.1.3) holds related (RFC 2387) holds alternative
//! (RFC 2046 section 5.1.4), each only where it is needed.

use mail_builder::headers::content_type::ContentType;
use mail_builder::headers::raw::Raw;
use mail_builder::mime::{BodyPart, MimePart};

use super::fields::one_line;
use super::{Attachment, Flaw};
use crate::mime::adapt::LINE_MAX;

/// Characters of a file name.
const FILENAME_MAX: usize = 255;
/// Octets of a content id.
const CONTENT_ID_MAX: usize = 250;

/// The body that says `text` and `html`. `related` parts are what the HTML shows; without HTML they are attached as well.
pub(in crate::mime) fn whole<'a>(
    text: Option<&str>,
    html: Option<&str>,
    mut related: Vec<MimePart<'a>>,
    mut attached: Vec<MimePart<'a>>,
) -> MimePart<'a> {
    if html.is_none() {
        related.append(&mut attached);
        attached = std::mem::take(&mut related);
    }
    let said = match (text.map(|text| said("text/plain", text)), html.map(|html| said("text/html", html))) {
        (Some(text), Some(html)) => Some(("multipart/alternative", multipart("multipart/alternative", vec![text, html]))),
        (Some(text), None) => Some(("text/plain", text)),
        (None, Some(html)) => Some(("text/html", html)),
        (None, None) if attached.is_empty() => Some(("text/plain", said("text/plain", ""))),
        (None, None) => None,
    };
    let said = said.map(|(kind, part)| if related.is_empty() { part } else { shown_with(kind, part, related) });
    if attached.is_empty()
        && let Some(said) = said
    {
        return said;
    }
    multipart("multipart/mixed", said.into_iter().chain(attached).collect())
}

/// A part with those that it shows. Its type must be told (RFC 2387 section 3.1).
fn shown_with<'a>(kind: &'static str, root: MimePart<'a>, related: Vec<MimePart<'a>>) -> MimePart<'a> {
    let content_type = ContentType::new("multipart/related").attribute("type", kind);
    multipart(content_type, std::iter::once(root).chain(related).collect())
}

fn multipart<'a>(content_type: impl Into<ContentType<'a>>, parts: Vec<MimePart<'a>>) -> MimePart<'a> {
    let eight_bit = parts.iter().any(is_eight_bit);
    let part = MimePart::new(content_type, parts);
    // RFC 2045 section 6.4: what is inside may need eight bits, and then the whole does.
    if eight_bit { part.transfer_encoding("8bit") } else { part }
}

/// Whether octets above 127 leave as they are. Only what was written elsewhere is not encoded here.
fn is_eight_bit(part: &MimePart<'_>) -> bool {
    match &part.contents {
        BodyPart::Binary(octets) => part.headers.is_empty() && !octets.is_ascii(),
        BodyPart::Text(_) => false,
        BodyPart::Multipart(parts) => parts.iter().any(is_eight_bit),
    }
}

/// A text part, encoded as its lines and characters need. Its line ends become CRLF, and NUL, which no encoding makes lawful (RFC 2045
/// section 2.7), goes.
fn said<'a>(kind: &'static str, text: &str) -> MimePart<'a> {
    let text = text.replace('\0', "").replace("\r\n", "\n").replace(['\r', '\n'], "\r\n");
    MimePart::new(kind, text)
}

/// A part that was written elsewhere: header section, empty line, octets.
pub(in crate::mime) fn as_it_is<'a>(part: impl Into<std::borrow::Cow<'a, [u8]>>) -> MimePart<'a> {
    MimePart::raw(BodyPart::Binary(part.into()))
}

/// Ends the last line, where it has no end.
pub(in crate::mime) fn end_line(message: &mut Vec<u8>) {
    if !message.ends_with(b"\n") {
        message.extend_from_slice(b"\r\n");
    }
}

impl Attachment {
    /// The part, whose octets arrive as they are; `place` is told where it can't be written.
    pub(super) fn part(&self, place: usize) -> Result<MimePart<'_>, Flaw> {
        let kind = self.kind().ok_or(Flaw::ContentType(place))?;
        let as_message = kind.starts_with("message/") && is_plain_mail(&self.content);
        // RFC 2046 section 5.2.1, RFC 2045 section 6.4: what is made of parts may not be encoded, so it is sent as octets.
        let opaque = kind.starts_with("multipart/") || (kind.starts_with("message/") && !as_message);
        let content_type = if opaque { "application/octet-stream" } else { &self.content_type };
        let mut disposition = ContentType::new(if self.inline { "inline" } else { "attachment" });
        if let Some(filename) = &self.filename {
            if filename.chars().count() > FILENAME_MAX {
                return Err(Flaw::Filename(place));
            }
            disposition = disposition.attribute("filename", one_line(filename));
        }
        // Told as raw text, a text type is no reason to change line ends.
        let mut part = MimePart::raw(BodyPart::Binary(self.content.as_slice().into()))
            .header("Content-Type", Raw::new(content_type))
            .header("Content-Disposition", disposition);
        if let Some(id) = &self.content_id {
            part = part.cid(content_id(id).ok_or(Flaw::ContentId(place))?);
        }
        Ok(if as_message { part.transfer_encoding("7bit") } else { part })
    }

    /// `type/subtype` in lower case (RFC 2045 section 5.1); `None` when it is none, or when parameters could not stand in a field.
    fn kind(&self) -> Option<String> {
        let printable = self.content_type.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        let kind = self.content_type.split(';').next().unwrap_or_default().trim();
        let is_token = |text: &str| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&byte))
        };
        let (main, sub) = kind.split_once('/')?;
        let sound = printable && self.content_type.len() <= FILENAME_MAX && is_token(main) && is_token(sub);
        sound.then(|| kind.to_ascii_lowercase())
    }
}

/// The content id, without the angle brackets that some give it.
fn content_id(id: &str) -> Option<&str> {
    let id = id.strip_prefix('<').and_then(|id| id.strip_suffix('>')).unwrap_or(id);
    let sound =
        (1..=CONTENT_ID_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>".contains(&byte));
    sound.then_some(id)
}

/// Whether octets can stand in a message without an encoding: ASCII, lines ended by CRLF and none too long.
fn is_plain_mail(octets: &[u8]) -> bool {
    let is_line = |line: &[u8]| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        line.len() <= LINE_MAX && !line.iter().any(|byte| matches!(byte, b'\r' | 0))
    };
    let crlf = memchr::memmem::find_iter(octets, b"\r\n").count();
    octets.is_ascii() && memchr::memchr_iter(b'\n', octets).count() == crlf && octets.split(|&byte| byte == b'\n').all(is_line)
}
