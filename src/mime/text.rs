//! Field values as people read them: unfolded, encoded words decoded (RFC 2047), nothing that a terminal or a page would obey.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mail_parser::HeaderValue;
use mail_parser::parsers::MessageStream;

/// Decodes an unstructured value. What can't be decoded stays as it is; octets that are no text become U+FFFD.
pub fn decode(value: &[u8]) -> String {
    let value = value.trim_ascii();
    if value.is_ascii() && memchr::memmem::find(value, b"=?").is_none() {
        return printable(&String::from_utf8_lossy(value));
    }
    // Hostile encoded words have made the decoder panic before: what it can't do is shown raw.
    let decoded = catch_unwind(AssertUnwindSafe(|| decode_words(value))).unwrap_or_default();
    printable(&decoded.unwrap_or_else(|| String::from_utf8_lossy(value).into_owned()))
}

fn decode_words(value: &[u8]) -> Option<String> {
    let mut line = Vec::with_capacity(value.len() + 2);
    line.extend_from_slice(value);
    line.extend_from_slice(b"\r\n");
    match MessageStream::new(&line).parse_unstructured() {
        HeaderValue::Text(text) => Some(text.into_owned()),
        _ => None,
    }
}

/// One line without control characters: folding becomes what it stands for (RFC 5322 section 2.2.3), a tab a blank.
pub fn printable(text: &str) -> String {
    // Nearly every value is as it is shown.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.trim().to_owned();
    }
    let kept = text.chars().filter_map(|c| match c {
        '\t' => Some(' '),
        c if is_unseen(c) => None,
        c => Some(c),
    });
    kept.collect::<String>().trim().to_owned()
}

/// Many lines without control characters other than line ends and tabs.
pub fn printable_lines(text: &str) -> String {
    text.chars().filter(|&c| matches!(c, '\n' | '\t') || !is_unseen(c)).collect()
}

/// The same text with its line ends as LF.
pub fn lines(text: &str) -> String {
    text.replace("\r\n", "\n")
}

/// Controls, and the marks that turn the direction of what stands around them.
fn is_unseen(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// At most `limit` octets of `text`, cut between characters.
pub fn clipped(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        text.truncate(text.floor_char_boundary(limit));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_decoded_and_controls_dropped() {
        let cases: [(&[u8], &str); 12] = [
            (b" plain text ", "plain text"),
            (b" a\r\n\tb", "a b"),
            (b"=?utf-8?Q?caf=C3=A9?= au =?iso-8859-1?Q?lait=E9?=", "caf\u{e9} au lait\u{e9}"),
            (b"=?utf-8?B?w6Q=?=\r\n =?utf-8?B?w7Y=?=", "\u{e4}\u{f6}"),
            ("gr\u{fc}n".as_bytes(), "gr\u{fc}n"),
            (b"latin \xfc", "latin \u{fffd}"),
            (b"=?utf-8?Q?a=0D=0ABcc:_x?=", "aBcc: x"),
            (b"=?utf-8?Q?a=00b=1B[31m?=", "ab[31m"),
            (b"=?utf-8?Q?unterminated", "=?utf-8?Q?unterminated"),
            (b"=?nope?Q?x=C3=A4?=", "x\u{e4}"),
            (b"=?utf-8?B?//8=?=", "\u{fffd}\u{fffd}"),
            (b"", ""),
        ];
        for (value, expected) in cases {
            assert_eq!(decode(value), expected, "{}", value.escape_ascii());
        }
    }

    #[test]
    fn floods_of_encoded_words_take_no_time() {
        for word in ["=?utf-8?Q?a?= ", "=?utf-8?Q?a", "=?=?", "=?u?b?", "=??"] {
            let flood = word.repeat(256 * 1024 / word.len());
            let began = std::time::Instant::now();
            decode(flood.as_bytes());
            assert!(began.elapsed() < std::time::Duration::from_secs(10), "{word}");
        }
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(clipped("a\u{e4}\u{e4}".to_owned(), 4), "a\u{e4}");
        assert_eq!(clipped("abc".to_owned(), 4), "abc");
    }
}
