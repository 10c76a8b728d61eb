//! What a leaf part holds once its transfer encoding and its charset are undone.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;

use super::parts::{Encoding, Part};

/// The octets of a part without their transfer encoding. What can't be decoded is given as it stands.
pub fn octets<'a>(message: &'a [u8], part: &Part) -> Cow<'a, [u8]> {
    let raw = &message[part.body.clone()];
    let decode = || match part.encoding {
        Encoding::Identity => None,
        Encoding::QuotedPrintable => quoted_printable_decode(raw),
        Encoding::Base64 => base64_decode(raw),
    };
    let decoded = catch_unwind(AssertUnwindSafe(decode)).ok().flatten();
    decoded.map_or(Cow::Borrowed(raw), Cow::Owned)
}

/// A text part as text, by its charset; octets that are none become U+FFFD.
pub fn text(message: &[u8], part: &Part) -> String {
    let octets = octets(message, part);
    let decoder = part.charset.as_deref().and_then(|charset| charset_decoder(charset.as_bytes()));
    let decode = || match decoder {
        // The table knows "ascii" as a legacy code page; what is UTF-8 in truth is read as that.
        Some(decoder) if std::str::from_utf8(&octets).is_err() || !is_ascii_like(part) => decoder(&octets),
        _ => String::from_utf8_lossy(&octets).into_owned(),
    };
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|_| String::from_utf8_lossy(&octets).into_owned())
}

fn is_ascii_like(part: &Part) -> bool {
    part.charset
        .as_deref()
        .is_none_or(|charset| charset.eq_ignore_ascii_case("us-ascii") || charset.eq_ignore_ascii_case("ascii"))
}
