//! What a leaf part holds once its transfer encoding and its charset are undone, and its body written anew.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use mail_builder::encoders::{Base64Encoder, QuotedPrintableEncoder};
use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;

use super::parts::{Encoding, Part};

/// The octets of a part without their transfer encoding. What can't be decoded is given as it stands.
pub fn octets<'a>(message: &'a [u8], part: &Part) -> Cow<'a, [u8]> {
    decoded(message, part).unwrap_or(Cow::Borrowed(&message[part.body.clone()]))
}

/// The octets of a part without their transfer encoding, if it is undone without a fault.
pub fn decoded<'a>(message: &'a [u8], part: &Part) -> Option<Cow<'a, [u8]>> {
    let raw = &message[part.body.clone()];
    let decode = || match part.encoding {
        Encoding::Identity => Some(Cow::Borrowed(raw)),
        Encoding::QuotedPrintable => quoted_printable_decode(raw).map(Cow::Owned),
        Encoding::Base64 => base64_decode(raw).map(Cow::Owned),
        Encoding::Unknown => None,
    };
    catch_unwind(AssertUnwindSafe(decode)).ok().flatten()
}

/// Writes octets as a part's body, in this transfer encoding. The line end before a delimiter is the delimiter's own.
pub fn write(octets: &[u8], encoding: Encoding, out: &mut Vec<u8>) {
    match encoding {
        Encoding::Identity | Encoding::Unknown => out.extend_from_slice(octets),
        Encoding::QuotedPrintable => {
            QuotedPrintableEncoder::new().preserve_line_breaks().encode_into(octets, out);
        }
        Encoding::Base64 => {
            let start = out.len();
            out.reserve(octets.len() / 2 * 3);
            Base64Encoder::new().wrap_lines().encode_into(octets, out);
            if out[start..].ends_with(b"\r\n") {
                out.truncate(out.len() - 2);
            }
        }
    }
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
