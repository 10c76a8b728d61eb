//! One mailbox, strictly: the parse by which a From field is judged and later signed. Anything that two readers could take for
//! two different senders is refused instead of guessed at.

use std::ops::Range;

/// The one mailbox of a From field (RFC 5322 section 3.4), as places in its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// What stands before the angle bracket; `None` when there are no brackets.
    pub phrase: Option<Range<usize>>,
    /// The addr-spec: `local@domain`, or a local part alone.
    pub address: Range<usize>,
}

/// Why a value is not exactly one mailbox, in words that follow "From".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("holds no address")]
    Empty,
    #[error("holds more than one mailbox (a comma in a name needs quotes)")]
    Several,
    #[error("holds a group; name one mailbox")]
    Group,
    #[error("holds a quote, comment or bracket that never ends")]
    Unclosed,
    #[error("holds a source route")]
    Route,
    #[error("holds an encoded word inside the address")]
    EncodedAddress,
    #[error("has an @ in a name that is not quoted")]
    AtInName,
    #[error("is not written as NAME <LOCAL@DOMAIN> or LOCAL@DOMAIN")]
    Form,
    #[error("holds control characters, or an address that is not UTF-8")]
    Bytes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// A run of atext and dots.
    Atom,
    Quoted,
    /// `[...]`
    Literal,
    Special(u8),
}

#[derive(Clone, Debug)]
struct Token {
    kind: Kind,
    range: Range<usize>,
}

impl Mailbox {
    /// Reads a From field's value. Comments may nest as deep as they like: they are counted, not descended into.
    pub fn parse(value: &[u8]) -> Result<Self, Fault> {
        if value.iter().any(|&byte| byte.is_ascii_control() && !is_blank(byte)) {
            return Err(Fault::Bytes);
        }
        let tokens = tokens(value)?;
        let mailbox = match tokens.iter().position(|t| t.kind == Kind::Special(b'<')) {
            Some(open) => name_addr(value, &tokens, open)?,
            None => Self { phrase: None, address: addr_spec(&tokens)? },
        };
        // RFC 2047 section 5: an encoded word must not appear in an addr-spec; a reader that decodes it there sees another one.
        let address = std::str::from_utf8(&value[mailbox.address.clone()]).map_err(|_| Fault::Bytes)?;
        if address.contains("=?") { Err(Fault::EncodedAddress) } else { Ok(mailbox) }
    }

    /// The display name as people read it, in the `value` that this was parsed from; empty when there is none.
    pub fn name(&self, value: &[u8]) -> String {
        let phrase = &value[self.phrase.clone().unwrap_or_default()];
        let (mut name, mut end) = (Vec::new(), 0);
        for token in tokens(phrase).unwrap_or_default() {
            if token.range.start > end && !name.is_empty() {
                name.push(b' ');
            }
            name.extend(unquoted(&phrase[token.range.clone()]));
            end = token.range.end;
        }
        super::text::decode(&name)
    }
}

/// `[display-name] "<" addr-spec ">"`.
fn name_addr(value: &[u8], tokens: &[Token], open: usize) -> Result<Mailbox, Fault> {
    let (before, rest) = (&tokens[..open], &tokens[open + 1..]);
    let close = rest.iter().position(|t| t.kind == Kind::Special(b'>')).ok_or(Fault::Unclosed)?;
    let (inside, after) = (&rest[..close], &rest[close + 1..]);
    if inside.first().is_some_and(|t| t.kind == Kind::Special(b'@')) {
        return Err(Fault::Route);
    }
    if let Some(next) = after.first() {
        return Err(if next.kind == Kind::Special(b',') { Fault::Several } else { Fault::Form });
    }
    let address = addr_spec(inside)?;
    phrase(value, before, &address)?;
    Ok(Mailbox { phrase: Some(0..tokens[open].range.start), address })
}

/// A display name: words and dots. Many programs repeat the address as the name, without quotes: that much of an `@` is taken.
fn phrase(value: &[u8], tokens: &[Token], address: &Range<usize>) -> Result<(), Fault> {
    for token in tokens {
        match token.kind {
            Kind::Atom | Kind::Quoted => {}
            Kind::Special(b'@') if same_text(value, tokens, address) => {}
            Kind::Special(b'@') => return Err(Fault::AtInName),
            Kind::Special(b',') => return Err(Fault::Several),
            Kind::Special(b':' | b';') => return Err(Fault::Group),
            _ => return Err(Fault::Form),
        }
    }
    Ok(())
}

fn same_text(value: &[u8], tokens: &[Token], address: &Range<usize>) -> bool {
    match (tokens.first(), tokens.last()) {
        (Some(first), Some(last)) => value[first.range.start..last.range.end] == value[address.clone()],
        _ => false,
    }
}

/// `local-part "@" domain` with nothing between its parts, or a local part alone.
fn addr_spec(tokens: &[Token]) -> Result<Range<usize>, Fault> {
    for token in tokens {
        match token.kind {
            Kind::Special(b',') => return Err(Fault::Several),
            Kind::Special(b':' | b';') => return Err(Fault::Group),
            _ => {}
        }
    }
    let kinds: Vec<&Kind> = tokens.iter().map(|t| &t.kind).collect();
    let is_whole = match kinds[..] {
        [] => return Err(Fault::Empty),
        [Kind::Atom | Kind::Quoted] => true,
        [Kind::Atom | Kind::Quoted, Kind::Special(b'@'), Kind::Atom | Kind::Literal] => {
            tokens.windows(2).all(|pair| pair[0].range.end == pair[1].range.start)
        }
        _ => false,
    };
    match (is_whole, tokens) {
        (true, [first, .., last]) => Ok(first.range.start..last.range.end),
        (true, [only]) => Ok(only.range.clone()),
        _ => Err(Fault::Form),
    }
}

/// The lexical tokens of RFC 5322 section 3.2, comments and folding left out.
fn tokens(value: &[u8]) -> Result<Vec<Token>, Fault> {
    let mut tokens = Vec::with_capacity(8);
    let mut at = 0;
    while let Some(&byte) = value.get(at) {
        let (kind, end) = match byte {
            blank if is_blank(blank) => {
                at += 1;
                continue;
            }
            b'(' => {
                at = comment_end(value, at)?;
                continue;
            }
            b'"' => (Kind::Quoted, closed(value, at, b'"')?),
            b'[' => (Kind::Literal, closed(value, at, b']')?),
            b')' | b'<' | b'>' | b']' | b':' | b';' | b'@' | b'\\' | b',' => (Kind::Special(byte), at + 1),
            _ => (Kind::Atom, at + value[at..].iter().take_while(|&&b| is_atom(b)).count()),
        };
        tokens.push(Token { kind, range: at..end });
        at = end;
    }
    Ok(tokens)
}

/// Folding white space (RFC 5322 section 3.2.2): a form feed is none.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Every octet that [`tokens`] has no other word for, so that each step goes on.
fn is_atom(byte: u8) -> bool {
    !is_blank(byte) && !b"()<>[]:;@\\,\"".contains(&byte)
}

/// A quoted string's content (RFC 5322 section 3.2.4); other words as they are.
pub(super) fn unquoted(word: &[u8]) -> Vec<u8> {
    let Some(inner) = word.strip_prefix(b"\"") else { return word.to_vec() };
    let inner = inner.strip_suffix(b"\"").unwrap_or(inner);
    let mut escaped = false;
    let keep = |byte: &u8| {
        escaped = *byte == b'\\' && !escaped;
        !escaped
    };
    inner.iter().copied().filter(keep).collect()
}

/// Past the closing mark of what begins at `at`, quoted pairs minded.
fn closed(value: &[u8], at: usize, mark: u8) -> Result<usize, Fault> {
    let mut place = at + 1;
    while let Some(&byte) = value.get(place) {
        match byte {
            b'\\' => place += 1,
            byte if byte == mark => return Ok(place + 1),
            _ => {}
        }
        place += 1;
    }
    Err(Fault::Unclosed)
}

/// Past a comment (RFC 5322 section 3.2.2), by counting: 200,000 parentheses are no reason to recurse.
pub(super) fn comment_end(value: &[u8], at: usize) -> Result<usize, Fault> {
    let (mut depth, mut place) = (0usize, at);
    while let Some(&byte) = value.get(place) {
        match byte {
            b'\\' => place += 1,
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        place += 1;
        if depth == 0 {
            return Ok(place);
        }
    }
    Err(Fault::Unclosed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(value: &str) -> Result<&str, Fault> {
        Mailbox::parse(value.as_bytes()).map(|mailbox| &value[mailbox.address])
    }

    #[test]
    fn one_mailbox_in_every_lawful_form() {
        let forms = [
            (" a@b.test", "a@b.test"),
            ("<a@b.test>", "a@b.test"),
            ("Ann O'Neil <a@b.test>", "a@b.test"),
            ("\"Last, First\" <a@b.test> (work)", "a@b.test"),
            ("J. R. Smith <a@b.test>", "a@b.test"),
            ("=?utf-8?Q?ceo=40bank.example_=3Cceo=40bank.example=3E?= <a@b.test>", "a@b.test"),
            ("\"ceo@bank.example\" <a@b.test>", "a@b.test"),
            ("a@b.test <a@b.test>", "a@b.test"),
            ("(bank@c.test) a@b.test (or <x@y>)", "a@b.test"),
            ("\"x@bank.example\"@b.test", "\"x@bank.example\"@b.test"),
            ("J\u{f6}rg <j\u{f6}rg@b.test>", "j\u{f6}rg@b.test"),
            ("a@[192.0.2.1]", "a@[192.0.2.1]"),
            ("root", "root"),
            ("Cron\r\n Daemon <root@host>", "root@host"),
        ];
        for (value, expected) in forms {
            assert_eq!(address(value), Ok(expected), "{value}");
        }
    }

    #[test]
    fn what_could_name_two_senders_is_refused() {
        let cases = [
            ("", Fault::Empty),
            ("<>", Fault::Empty),
            ("(only a comment)", Fault::Empty),
            ("a@b.test, c@d.test", Fault::Several),
            ("A <a@b.test>, C <c@d.test>", Fault::Several),
            ("Last, First <a@b.test>", Fault::Several),
            ("a@b.test,", Fault::Several),
            ("Friends: a@b.test;", Fault::Group),
            ("undisclosed-recipients:;", Fault::Group),
            ("<@relay.test:a@b.test>", Fault::Route),
            ("<@a,@b:c@d.test>", Fault::Route),
            ("ceo@bank.example <a@b.test>", Fault::AtInName),
            ("=?utf-8?Q?ceo=40bank.example=3E?=@b.test", Fault::EncodedAddress),
            ("<a@b.test", Fault::Unclosed),
            ("\"a <a@b.test>", Fault::Unclosed),
            ("(a a@b.test", Fault::Unclosed),
            ("<a@b.test> <c@d.test>", Fault::Form),
            ("<a@b.test> tail", Fault::Form),
            ("<<a@b.test>>", Fault::Form),
            ("a@b.test@c.test", Fault::Form),
            ("a (x) @b.test", Fault::Form),
            ("two words", Fault::Form),
            ("a@", Fault::Form),
            ("@b.test", Fault::Form),
            ("a@b.test\0", Fault::Bytes),
            ("a@b.test \x0c", Fault::Bytes),
            ("\x0c<a@b.test>", Fault::Bytes),
            ("\x0b<a@b.test>", Fault::Bytes),
        ];
        for (value, fault) in cases {
            assert_eq!(address(value), Err(fault), "{value}");
        }
        assert_eq!(Mailbox::parse(b"<j\xf6rg@b.test>"), Err(Fault::Bytes));
        assert!(Mailbox::parse(b"J\xf6rg <a@b.test>").is_ok(), "a name in an undeclared charset hides nothing");
    }

    #[test]
    fn deep_comments_are_counted_not_descended_into() {
        let deep = format!("{}{} a@b.test", "(".repeat(200_000), ")".repeat(200_000));
        assert_eq!(address(&deep), Ok("a@b.test"));
        assert_eq!(address(&"(".repeat(200_000)), Err(Fault::Unclosed));
        assert_eq!(address(&"a:".repeat(100_000)), Err(Fault::Group));
    }
}
