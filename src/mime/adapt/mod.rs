//! What a next hop lacks, made up for: 8-bit parts re-encoded, lines kept to 998 octets, raw UTF-8 in fields written as encoded
//! words. A message that needs none of it is given back as it is.

mod body;
mod scan;

use std::borrow::Cow;

use super::encode;
use super::fields::{Bounds, Field, Fields};
use super::parts::Reach;
use scan::Scan;

/// RFC 5322 section 2.1.1, RFC 5321 section 4.5.3.1.6: octets of a line without its CRLF.
pub const LINE_MAX: usize = 998;

/// What a hop offers in its EHLO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    pub eight_bit_mime: bool,
    pub smtputf8: bool,
}

/// A message in the form a hop can take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adapted<'a> {
    /// Borrowed when nothing had to change.
    pub bytes: Cow<'a, [u8]>,
    /// A field holds an address that only SMTPUTF8 can carry: it must be said at MAIL.
    pub smtputf8: bool,
}

/// Why a message can't be brought into a form the hop takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// What would have to be re-encoded is signed, encrypted, a message of its own, or in an encoding that is not known.
    #[error("conversion is required, but the message is signed, encrypted, encapsulated or in an unknown encoding")]
    Sealed,
    /// A field holds an address with a local part that is not ASCII.
    #[error("a header address needs SMTPUTF8, which the next hop does not offer")]
    NonAsciiAddress,
}

impl Obstacle {
    /// The enhanced status code of the bounce (RFC 3463 section 3.7, RFC 6531 section 3.7.4.1).
    pub fn enhanced(self) -> &'static str {
        match self {
            Self::Sealed => "5.6.3",
            Self::NonAsciiAddress => "5.6.7",
        }
    }
}

/// Brings `message` into a form that `hop` takes.
pub fn adapt(message: &[u8], hop: Hop, reach: Reach) -> Result<Adapted<'_>, Obstacle> {
    let scan = Scan::of(message);
    if scan.is_plain() {
        return Ok(Adapted { bytes: Cow::Borrowed(message), smtputf8: false });
    }
    if scan.bare_line_end {
        let mended = scan::with_crlf(message);
        let Adapted { bytes, smtputf8 } = adapt(&mended, hop, reach)?;
        return Ok(Adapted { bytes: Cow::Owned(bytes.into_owned()), smtputf8 });
    }
    let fields = Fields::split(message, Bounds::STORED);
    let smtputf8 = fields.list.iter().any(encode::needs_smtputf8);
    if smtputf8 && !hop.smtputf8 {
        return Err(Obstacle::NonAsciiAddress);
    }
    // RFC 6531 section 3.1: who offers SMTPUTF8 takes 8-bit bodies too.
    let take = Take { eight_bit: hop.eight_bit_mime || smtputf8, utf8_fields: smtputf8 };
    let header_stays = !take.changes_header(&message[..fields.body()]);
    if header_stays && !take.changes_body(&message[fields.body()..]) {
        return Ok(Adapted { bytes: Cow::Borrowed(message), smtputf8 });
    }
    Ok(Adapted { bytes: Cow::Owned(body::rewritten(message, take, reach)?), smtputf8 })
}

/// What may leave as it is.
#[derive(Clone, Copy, Debug)]
struct Take {
    /// 8-bit octets in bodies.
    eight_bit: bool,
    /// UTF-8 in the message's own fields.
    utf8_fields: bool,
}

impl Take {
    fn changes_header(self, header: &[u8]) -> bool {
        Scan::of(header).long_line || (!self.utf8_fields && !header.is_ascii())
    }

    fn changes_body(self, body: &[u8]) -> bool {
        Scan::of(body).long_line || (!self.eight_bit && !body.is_ascii())
    }

    /// A field of the message itself, as it may leave.
    fn field<'a>(self, message: &'a [u8], field: &Field<'_>) -> Cow<'a, [u8]> {
        let raw = &message[field.range.clone()];
        let written = if self.utf8_fields || raw.is_ascii() { Cow::Borrowed(raw) } else { Cow::Owned(encode::field(field)) };
        if Scan::of(&written).long_line { Cow::Owned(encode::fold::folded(&written, LINE_MAX)) } else { written }
    }
}

#[cfg(test)]
mod tests;
