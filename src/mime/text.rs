//! Field values as people read them: unfolded, encoded words decoded (RFC 2047), nothing that a terminal or a page would obey.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use mail_parser::parsers::MessageStream;
use memchr::{memchr, memmem};

/// Octets that are read in search of encoded words, for each octet of a value: who lets words begin that none can decode has only
/// the first of them looked at.
const EFFORT: usize = 8;

/// Decodes an unstructured value. What can't be decoded stays as it is; octets that are no text become U+FFFD.
pub fn decode(value: &[u8]) -> String {
    let mut rest = value.trim_ascii();
    let mut effort = rest.len().saturating_mul(EFFORT);
    let mut text = String::with_capacity(rest.len());
    let mut after_word = false;
    while let Some((range, word)) = next_word(rest, &mut effort) {
        let between = &rest[..range.start];
        // RFC 2047 section 6.2: blanks between two words stand for nothing.
        if !after_word || !between.trim_ascii().is_empty() {
            text.push_str(&String::from_utf8_lossy(between));
        }
        text.push_str(&word);
        (rest, after_word) = (&rest[range.end..], true);
    }
    text.push_str(&String::from_utf8_lossy(rest));
    printable(&text)
}

/// The first encoded word: where it stands, and what it says.
fn next_word(text: &[u8], effort: &mut usize) -> Option<(Range<usize>, String)> {
    for start in memmem::find_iter(text, b"=?") {
        let Some(head) = word_head(&text[start..]) else { continue };
        let end = start + head + memmem::find(&text[start + head..], b"?=")? + 2;
        *effort = effort.checked_sub(end - start)?;
        let mut stream = MessageStream::new(&text[start + 1..end]);
        // Hostile words have made the decoder panic before: what it can't do is shown raw.
        let decoded = catch_unwind(AssertUnwindSafe(|| stream.decode_rfc2047()));
        if let Ok(Some(word)) = decoded {
            return Some((start..end, word));
        }
    }
    None
}

/// The length of `=?charset?encoding?` (RFC 2047 section 2), if the octets begin with that.
fn word_head(bytes: &[u8]) -> Option<usize> {
    let charset = memchr(b'?', bytes.get(2..)?)?;
    let head = 2 + charset + 3;
    matches!(bytes.get(head - 2..head)?, [b'b' | b'B' | b'q' | b'Q', b'?']).then_some(head)
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
    fn floods_of_encoded_words_are_read_to_their_end() {
        for word in ["=?utf-8?Q?a?= ", "=?utf-8?Q?a", "=?=?", "=?u?b?", "=??", "=?aa?Q?x", "=?aa?B?="] {
            let flood = word.repeat(256 * 1024 / word.len());
            let began = std::time::Instant::now();
            decode(flood.as_bytes());
            assert!(began.elapsed() < std::time::Duration::from_secs(10), "{word}");
        }
    }

    #[test]
    fn beginnings_that_share_one_end_are_looked_at_only_so_often() {
        // mail-parser reads each to the very end before it gives up.
        let flood = format!("{}=ZZ?=", "=?aa?Q?x".repeat(32 * 1024));
        let all = EFFORT * flood.len();
        let mut effort = all;
        assert_eq!(next_word(flood.as_bytes(), &mut effort), None);
        assert!(effort < flood.len() && effort < all, "{effort} of {all} octets were left to read");
        assert_eq!(decode(flood.as_bytes()), flood);
    }

    #[test]
    fn a_flood_of_good_words_is_decoded_whole() {
        let flood = "=?utf-8?Q?a?=\r\n ".repeat(20_000);
        assert_eq!(decode(flood.as_bytes()), "a".repeat(20_000));
        let one = format!("=?utf-8?B?{}?=", "YWJj".repeat(20_000));
        assert_eq!(decode(one.as_bytes()), "abc".repeat(20_000));
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(clipped("a\u{e4}\u{e4}".to_owned(), 4), "a\u{e4}");
        assert_eq!(clipped("abc".to_owned(), 4), "abc");
    }
}
