//! The message written anew: each part with the fields and the encoding that the hop takes, the rest copied.

use std::borrow::Cow;

use mail_builder::encoders::{Base64Encoder, QuotedPrintableEncoder};

use super::{Obstacle, Take};
use crate::mime::fields::{Bounds, Fields};
use crate::mime::leaf;
use crate::mime::parts::{self, Encoding, Part, Reach};

/// A leaf's octets in another encoding.
struct Encoded {
    name: &'static str,
    bytes: Vec<u8>,
}

/// The whole message as it may leave.
pub fn rewritten(message: &[u8], take: Take, reach: Reach) -> Result<Vec<u8>, Obstacle> {
    let parts = parts::of(message, reach);
    let mut out = Vec::with_capacity(message.len() + message.len() / 4);
    let mut done = 0;
    for (place, part) in parts.iter().enumerate() {
        gap(message, done..part.header.start, &parts, take, &mut out)?;
        let encoded = if part.multipart { None } else { encoded(message, part, place == 0, take)? };
        header(message, part, place == 0, encoded.as_ref(), &parts, take, &mut out)?;
        done = part.header.end;
        if !part.multipart {
            match encoded {
                Some(encoded) => out.extend_from_slice(&encoded.bytes),
                None => out.extend_from_slice(&message[part.body.clone()]),
            }
            done = part.body.end;
        }
    }
    gap(message, done..message.len(), &parts, take, &mut out)?;
    Ok(out)
}

/// What stands between parts: delimiters, and text that no reader shows. Of that, a line the hop can't take is left out.
fn gap(message: &[u8], range: std::ops::Range<usize>, parts: &[Part], take: Take, out: &mut Vec<u8>) -> Result<(), Obstacle> {
    let gap = &message[range.clone()];
    if !take.changes_body(gap) {
        out.extend_from_slice(gap);
        return Ok(());
    }
    let sealed = |part: &Part| part.sealed && part.body.start <= range.start && range.end <= part.body.end;
    if parts.iter().any(sealed) {
        return Err(Obstacle::Sealed);
    }
    for line in gap.split_inclusive(|&byte| byte == b'\n') {
        match take.changes_body(line) {
            true if line.starts_with(b"--") => return Err(Obstacle::Sealed),
            true => {}
            false => out.extend_from_slice(line),
        }
    }
    Ok(())
}

/// A part's header section, with the fields that its new encoding asks for.
fn header(
    message: &[u8],
    part: &Part,
    is_root: bool,
    encoded: Option<&Encoded>,
    parts: &[Part],
    take: Take,
    out: &mut Vec<u8>,
) -> Result<(), Obstacle> {
    let raw = &message[part.header.clone()];
    let take = if is_root { take } else { Take { utf8_fields: take.eight_bit, ..take } };
    let relabel = part.multipart && !take.eight_bit;
    if encoded.is_none() && !relabel && !take.changes_header(raw) {
        out.extend_from_slice(raw);
        return Ok(());
    }
    let in_sealed = part.parent.is_some_and(|parent| parts[parent].sealed);
    if in_sealed && take.changes_header(raw) {
        return Err(Obstacle::Sealed);
    }
    let fields = Fields::split(raw, Bounds::STORED);
    out.extend_from_slice(&raw[fields.envelope.clone()]);
    for field in &fields.list {
        let is_encoding = field.is("Content-Transfer-Encoding");
        match encoded {
            Some(_) if is_encoding => {}
            // RFC 2045 section 6.4: a multipart says no more than its parts need, and they need 7 bits now.
            None if is_encoding && relabel && !in_sealed => out.extend_from_slice(b"Content-Transfer-Encoding: 7bit\r\n"),
            _ => out.extend_from_slice(&take.field(raw, field)),
        }
    }
    if let Some(encoded) = encoded {
        label(message, part, is_root, &fields, encoded, out);
    }
    out.extend_from_slice(&raw[fields.separator.start..]);
    Ok(())
}

/// The fields that tell how a leaf is encoded now.
fn label(message: &[u8], part: &Part, is_root: bool, fields: &Fields<'_>, encoded: &Encoded, out: &mut Vec<u8>) {
    if is_root && fields.first("MIME-Version").is_none() {
        out.extend_from_slice(b"MIME-Version: 1.0\r\n");
    }
    if fields.first("Content-Type").is_none() {
        let body = &message[part.body.clone()];
        let charset = match std::str::from_utf8(body) {
            Ok(_) if body.is_ascii() => "us-ascii",
            Ok(_) => "utf-8",
            // RFC 1428 section 3: octets whose charset nobody told.
            Err(_) => "unknown-8bit",
        };
        out.extend_from_slice(format!("Content-Type: text/plain; charset={charset}\r\n").as_bytes());
    }
    out.extend_from_slice(format!("Content-Transfer-Encoding: {}\r\n", encoded.name).as_bytes());
}

/// A leaf's octets re-encoded, when the hop can't take them as they are.
fn encoded(message: &[u8], part: &Part, is_root: bool, take: Take) -> Result<Option<Encoded>, Obstacle> {
    let raw = &message[part.body.clone()];
    if !take.changes_body(raw) {
        return Ok(None);
    }
    if part.must_stay() {
        return Err(Obstacle::Sealed);
    }
    let mut encoded = match part.encoding {
        Encoding::Base64 => Encoded { name: "base64", bytes: rewrapped(raw) },
        Encoding::QuotedPrintable => quoted_printable(&leaf::octets(message, part)),
        Encoding::Identity if part.is_text() && !is_dense(raw) => quoted_printable(raw),
        Encoding::Identity => base64(raw),
    };
    // The line end before a delimiter is the delimiter's own; the message itself ends with one of its own.
    let end = encoded.bytes.strip_suffix(b"\r\n").map_or(encoded.bytes.len(), <[u8]>::len);
    if encoded.name == "base64" {
        encoded.bytes.truncate(end);
    }
    if is_root && !encoded.bytes.ends_with(b"\r\n") {
        encoded.bytes.extend_from_slice(b"\r\n");
    }
    Ok(Some(encoded))
}

/// Text of which more than a third is not ASCII is shorter in base64.
fn is_dense(text: &[u8]) -> bool {
    text.iter().filter(|byte| !byte.is_ascii()).count() > text.len() / 3
}

fn quoted_printable(octets: &[u8]) -> Encoded {
    let mut bytes = Vec::with_capacity(octets.len() + octets.len() / 4);
    QuotedPrintableEncoder::new().preserve_line_breaks().encode_into(octets, &mut bytes);
    Encoded { name: "quoted-printable", bytes }
}

fn base64(octets: &[u8]) -> Encoded {
    let mut bytes = Vec::with_capacity(octets.len() / 2 * 3);
    Base64Encoder::new().wrap_lines().encode_into(octets, &mut bytes);
    Encoded { name: "base64", bytes }
}

/// Base64 text in lines of 76 (RFC 2045 section 6.8); what is not of its alphabet says nothing and is left out.
fn rewrapped(text: &[u8]) -> Vec<u8> {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    let kept: Cow<'_, [u8]> = text.iter().copied().filter(is_base64).collect();
    kept.chunks(76).flat_map(|line| [line, b"\r\n"]).flatten().copied().collect()
}
