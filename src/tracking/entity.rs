//! Character references in attributes, undone and done again: as much of it as links are written with.

use std::borrow::Cow;

/// Names that count without a semicolon, for the sake of old pages (WHATWG HTML section 13.5); `amp` stands apart.
const LEGACY: &str = "AElig AMP Aacute Acirc Agrave Aring Atilde Auml COPY Ccedil ETH Eacute Ecirc Egrave Euml GT Iacute Icirc Igrave \
    Iuml LT Ntilde Oacute Ocirc Ograve Oslash Otilde Ouml QUOT REG THORN Uacute Ucirc Ugrave Uuml Yacute aacute acirc acute aelig \
    agrave aring atilde auml brvbar ccedil cedil cent copy curren deg divide eacute ecirc egrave eth euml frac12 frac14 frac34 gt \
    iacute icirc iexcl igrave iquest iuml laquo lt macr micro middot nbsp not ntilde oacute ocirc ograve ordf ordm oslash otilde ouml \
    para plusmn pound quot raquo reg sect shy sup1 sup2 sup3 szlig thorn times uacute ucirc ugrave uml uuml yacute yen yuml";

/// An attribute's value as a reader takes it (WHATWG HTML section 13.2.5.72 and following). `None`: it holds references that links are not
/// written with.
pub fn unescaped(value: &str) -> Option<Cow<'_, str>> {
    let Some(first) = value.find('&') else { return Some(Cow::Borrowed(value)) };
    let mut out = value[..first].to_owned();
    let mut rest = &value[first..];
    while let Some(behind) = rest.strip_prefix('&') {
        let (said, after) = reference(behind)?;
        out.push(said);
        let text = after.find('&').unwrap_or(after.len());
        out.push_str(&after[..text]);
        rest = &after[text..];
    }
    Some(Cow::Owned(out))
}

/// What an ampersand with this behind it stands for, and what is left.
fn reference(behind: &str) -> Option<(char, &str)> {
    if let Some(number) = behind.strip_prefix('#') {
        return numeric(number).unwrap_or(Some(('&', behind)));
    }
    let end = behind.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(behind.len());
    let (name, after) = behind.split_at(end);
    if let Some(after) = after.strip_prefix(';').filter(|_| !name.is_empty()) {
        let said = match name {
            "amp" | "AMP" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => return None,
        };
        return Some((said, after));
    }
    match name {
        // An equals sign behind it: `&copy=1` is a parameter of that name.
        _ if after.starts_with('=') => Some(('&', behind)),
        "amp" => Some(('&', after)),
        name if LEGACY.split(' ').any(|known| known == name) => None,
        _ => Some(('&', behind)),
    }
}

/// `38;` or `x26;`. `None`: it is no number, and the ampersand stands for itself; `Some(None)`: the number of no character, or of one that
/// readers take for another.
fn numeric(number: &str) -> Option<Option<(char, &str)>> {
    let (digits, radix) = match number.strip_prefix(['x', 'X']) {
        Some(digits) => (digits, 16),
        None => (number, 10),
    };
    let end = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
    let (digits, after) = digits.split_at(end);
    if digits.is_empty() {
        return None;
    }
    let said = u32::from_str_radix(digits, radix)
        .ok()
        .and_then(char::from_u32)
        .filter(|c| *c != '\0' && !('\u{80}'..='\u{9f}').contains(c));
    Some(said.map(|said| (said, after.strip_prefix(';').unwrap_or(after))))
}

/// A text as it stands in an attribute, whatever quotes are around it, if any; it holds no blanks.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_taken_as_readers_take_them() {
        let cases = [
            ("http://a.b/", "http://a.b/"),
            ("?a=1&amp;b=2&c=3&ampd=4&amp=5", "?a=1&b=2&c=3&ampd=4&amp=5"),
            ("?a&amp", "?a&"),
            ("?a&amp&b", "?a&&b"),
            ("&#38;&#x26;&#X26&#38a", "&&&&a"),
            ("&&;&#;&#x;&#xg", "&&;&#;&#x;&#xg"),
            ("?a=1&copy=2&copyright&region=3&b&c#&d", "?a=1&copy=2&copyright&region=3&b&c#&d"),
            ("&quot;&lt;&gt;&apos;", "\"<>'"),
            ("\u{e4}&amp;\u{e4}&\u{e4}", "\u{e4}&\u{e4}&\u{e4}"),
        ];
        for (value, expected) in cases {
            assert_eq!(unescaped(value).as_deref(), Some(expected), "{value}");
        }
        for other in ["&nbsp;", "?a&copy", "?a&reg&b", "&colon;", "&#0;", "&#150;", "&#xd800;", "&#99999999999;", "&AMP"] {
            assert_eq!(unescaped(other), None, "{other}");
        }
    }

    #[test]
    fn what_is_escaped_reads_back() {
        let text = "http://a.b/?a=1&b='\"<>&amp;&copy";
        assert_eq!(unescaped(&escaped(text)).as_deref(), Some(text));
    }
}
