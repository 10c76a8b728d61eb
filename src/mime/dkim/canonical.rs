//! The relaxed form of fields and body (RFC 6376 section 3.4.2 and 3.4.4): what mail systems do to blanks does not change it.

use memchr::memchr2_iter;

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Appends a field's relaxed form, without a line end: the name in lower case, the value unfolded, each run of blanks as one, none
/// at either end of it.
pub(super) fn field(name: &str, value: &[u8], out: &mut Vec<u8>) {
    out.extend(name.bytes().map(|byte| byte.to_ascii_lowercase()));
    out.push(b':');
    let unfolded = value.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n'));
    let (start, mut blank) = (out.len(), false);
    for byte in unfolded {
        if is_blank(byte) {
            blank = true;
            continue;
        }
        if blank && out.len() > start {
            out.push(b' ');
        }
        blank = false;
        out.push(byte);
    }
}

/// Gives the body's relaxed form to `take`, in pieces that lie in the body wherever nothing changed: each run of blanks is one
/// space, no line ends in blanks, the last line ends by CRLF and is not empty. Nothing at all for a body without any text.
pub(super) fn body(body: &[u8], mut take: impl FnMut(&[u8])) {
    // What follows the last octet that is no blank and no line end are empty lines, or would be.
    let Some(last) = body.iter().rposition(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n')) else { return };
    let text = &body[..=last];
    let mut told = 0;
    for start in memchr2_iter(b' ', b'\t', text) {
        if start < told {
            continue;
        }
        let end = start + text[start..].iter().take_while(|byte| is_blank(**byte)).count();
        let at_line_end = text.get(end) == Some(&b'\r');
        if text[start..end] == *b" " && !at_line_end {
            continue;
        }
        take(&text[told..start]);
        take(if at_line_end { b"" } else { b" " });
        told = end;
    }
    take(&text[told..]);
    take(b"\r\n");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn relaxed_body(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        body(text, |piece| out.extend_from_slice(piece));
        out
    }

    fn relaxed_field(name: &str, value: &str) -> String {
        let mut out = Vec::new();
        field(name, value.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn bodies_at_every_edge() {
        let cases: [(&str, &str); 16] = [
            ("", ""),
            ("\r\n", ""),
            ("\r\n\r\n\r\n", ""),
            (" ", ""),
            (" \t \r\n \r\n", ""),
            ("a", "a\r\n"),
            ("a\r\n", "a\r\n"),
            ("a\r\n\r\n\r\n", "a\r\n"),
            ("a \t\r\n \t\r\n", "a\r\n"),
            ("\r\na", "\r\na\r\n"),
            (" a", " a\r\n"),
            ("\t a\t\tb \r\n", " a b\r\n"),
            ("a \r\n\r\n b\t", "a\r\n\r\n b\r\n"),
            ("a\r\n \r\nb", "a\r\n\r\nb\r\n"),
            ("a\tb c  d", "a b c d\r\n"),
            // RFC 6376 section 3.4.5.
            (" C \r\nD \t E\r\n\r\n\r\n", " C\r\nD E\r\n"),
        ];
        for (text, canonical) in cases {
            assert_eq!(relaxed_body(text.as_bytes()).escape_ascii().to_string(), canonical.as_bytes().escape_ascii().to_string());
        }
    }

    #[test]
    fn fields_at_every_edge() {
        // RFC 6376 section 3.4.5.
        assert_eq!(relaxed_field("A", " X"), "a:X");
        assert_eq!(relaxed_field("B", " Y\t\r\n\tZ  "), "b:Y Z");
        assert_eq!(relaxed_field("SuBJeCT", ""), "subject:");
        assert_eq!(relaxed_field("Subject", " \r\n \t"), "subject:");
        assert_eq!(relaxed_field("Subject", "a\r\n b\r\n\t c"), "subject:a b c");
        assert_eq!(relaxed_field("Subject", "\u{e9}  \u{a0} x"), "subject:\u{e9} \u{a0} x");
    }

    /// As the RFC tells it, line by line.
    fn by_the_letter(text: &[u8]) -> Vec<u8> {
        let text = std::str::from_utf8(text).unwrap();
        let mut lines: Vec<String> = Vec::new();
        for line in text.split("\r\n") {
            let mut squeezed = line.replace('\t', " ");
            while squeezed.contains("  ") {
                squeezed = squeezed.replace("  ", " ");
            }
            lines.push(squeezed.trim_end_matches(' ').to_owned());
        }
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines.iter().map(|line| format!("{line}\r\n")).collect::<String>().into_bytes()
    }

    proptest! {
        #[test]
        fn the_body_is_as_the_rfc_tells_it(pieces in proptest::collection::vec(
            proptest::sample::select(vec!["\r\n", " ", "\t", "a", ".", "\u{e9}", "bc"]), 0..40)) {
            let text = pieces.concat().into_bytes();
            prop_assert_eq!(relaxed_body(&text), by_the_letter(&text));
        }
    }
}
