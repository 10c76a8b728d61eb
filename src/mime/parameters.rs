//! Content-Type and Content-Disposition: a word and its parameters (RFC 2045 section 5.1, RFC 2231).
//!
//! mail-parser compares each parameter with all others, and reads an encoded word that does not end to the end of the value. It is
//! handed so few of both that neither shows.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mail_parser::parsers::MessageStream;
use mail_parser::{ContentType, HeaderValue};

use super::fields::Fields;

/// Octets of a value that are read.
const VALUE: usize = 16 * 1024;
/// Octets that may end a parameter, or part of one. A file name of 255 octets in RFC 2231's form has some thirty.
const ENDS: usize = 100;
/// Encoded words (RFC 2047), which don't belong here and are found all the same; such a name takes twelve at most.
const WORDS: usize = 12;

/// The first field of this name, as far as it is read; `None` when there is none, or it can't be read.
pub fn read(fields: &Fields<'_>, name: &str) -> Option<ContentType<'static>> {
    let mut line = bounded(fields.first(name)?.value).to_vec();
    line.extend_from_slice(b"\r\n");
    let parse = || match MessageStream::new(&line).parse_content_type().into_owned() {
        HeaderValue::ContentType(content_type) => Some(content_type),
        _ => None,
    };
    catch_unwind(AssertUnwindSafe(parse)).ok().flatten()
}

/// As much of a value as is within the bounds.
fn bounded(value: &[u8]) -> &[u8] {
    let value = &value[..value.len().min(VALUE)];
    let (mut ends, mut words) = (0, 0);
    let is_beyond = |(at, byte): (usize, &u8)| {
        match byte {
            b';' | b'\n' | b'"' | b'\'' | b'(' => ends += 1,
            b'=' if value.get(at + 1) == Some(&b'?') => words += 1,
            _ => {}
        }
        ends > ENDS || words > WORDS
    };
    let end = value.iter().enumerate().position(is_beyond).unwrap_or(value.len());
    &value[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::fields::Bounds;

    fn of(value: &str) -> Option<ContentType<'static>> {
        let message = format!("Content-Type: {value}\r\n\r\n");
        read(&Fields::split(message.as_bytes(), Bounds::STORED), "content-type")
    }

    #[test]
    fn a_value_is_read_with_its_parameters() {
        let read = of("Text/Plain; charset=\"utf-8\";\r\n name*0*=utf-8''r%C3%A9; name*1*=sum%C3%A9.txt").expect("a value");
        assert_eq!((read.ctype(), read.subtype()), ("text", Some("plain")));
        assert_eq!((read.attribute("charset"), read.attribute("name")), (Some("utf-8"), Some("r\u{e9}sum\u{e9}.txt")));
    }

    #[test]
    fn a_long_name_in_many_pieces_is_read_whole() {
        let piece = |n: usize| format!(";\r\n name*{n}*={}%E4%B8%AD", if n == 0 { "utf-8''" } else { "" });
        let read = of(&format!("a/b{}", (0..40).map(piece).collect::<String>())).expect("a value");
        assert_eq!(read.attribute("name").map(|name| name.chars().count()), Some(40));
    }

    #[test]
    fn pieces_that_are_no_name_together_are_read_as_far_as_they_go() {
        for (value, name) in [
            ("a/b; name*0*=utf-8''a; name*2*=c", "ac"),
            ("a/b; name*0*=utf-8''a; name*0*=b", "a"),
            ("a/b; name*0*=nope''%E4; name*1*=b", "\u{fffd}b"),
            ("a/b; name*99999999999*=utf-8''a", "a"),
        ] {
            assert_eq!(of(value).and_then(|read| read.attribute("name").map(str::to_owned)).as_deref(), Some(name), "{value}");
        }
        assert!(of("a/b; name*0*=utf-8''%E4%B8").is_some());
    }

    /// What mail-parser is given decides how long it takes.
    #[test]
    fn of_a_flood_little_is_read() {
        let distinct: String = (0..2000).map(|n| format!(";n{n}*1=x")).collect();
        let pieces: String = (0..2000).map(|n| format!(";n*{n}*=%41")).collect();
        let quoted: String = (0..2000).map(|n| format!("n{n}=\"x\"")).collect();
        for flood in [distinct, pieces, format!(";{quoted}")] {
            let read = of(&format!("a/b; charset=utf-8{flood}")).expect("a value");
            let found = read.attributes().map_or(0, <[_]>::len);
            assert!((1..=ENDS).contains(&found), "{found} parameters");
            assert_eq!(read.attribute("charset"), Some("utf-8"));
        }
        let (quotes, words) = (format!("a/b; n*0*=x{}", "'y".repeat(2000)), format!("a/b; n=\"{}", " =?aa?Q?x".repeat(1000)));
        assert!(bounded(quotes.as_bytes()).len() < 300 && bounded(words.as_bytes()).len() < 300);
    }
}
