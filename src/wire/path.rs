//! Reverse-path and forward-path (RFC 5321 section 4.1.2), with what real clients leave out or add.

use crate::model::address::{Address, AddressError};

/// Splits `text` into a path and what follows it, which is empty or begins with a blank. The path is given without its angle
/// brackets and source route; `None` stands for `<>`. Brackets may be missing: programs written by hand leave them out.
pub fn parse(text: &str) -> Result<(Option<Address>, &str), AddressError> {
    let (path, rest, bracketed) = match text.strip_prefix('<') {
        Some(inner) => {
            let end = unquoted(inner, |c| c == '>').ok_or(AddressError::LocalPart)?;
            (&inner[..end], &inner[end + 1..], true)
        }
        None => {
            let end = unquoted(text, |c| c == ' ' || c == '\t').unwrap_or(text.len());
            (&text[..end], &text[end..], false)
        }
    };
    if !rest.is_empty() && !rest.starts_with([' ', '\t']) {
        return Err(AddressError::Domain);
    }
    if path.is_empty() && bracketed {
        return Ok((None, rest));
    }
    Address::parse(without_route(path)?).map(|address| (Some(address), rest))
}

/// Drops `@one,@two:` (RFC 5321 appendix C: taken, and ignored).
fn without_route(path: &str) -> Result<&str, AddressError> {
    if !path.starts_with('@') {
        return Ok(path);
    }
    let (route, mailbox) = path.split_once(':').ok_or(AddressError::NoDomain)?;
    let hops = route.split(',').all(|hop| hop.len() > 1 && hop.starts_with('@'));
    if hops { Ok(mailbox) } else { Err(AddressError::Domain) }
}

/// The place of the first character that `wanted` takes outside a quoted string.
fn unquoted(text: &str, wanted: impl Fn(char) -> bool) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (place, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if !quoted && wanted(c) => return Some(place),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(String, &str)> {
        let (path, rest) = parse(text).ok()?;
        Some((path.map_or("null".into(), |p| p.to_string()), rest))
    }

    #[test]
    fn paths_are_read_with_and_without_brackets() {
        for (text, path, rest) in [
            ("<a@b.test>", "a@b.test", ""),
            ("<>", "null", ""),
            ("<> SIZE=1", "null", " SIZE=1"),
            ("a@b.test SIZE=1", "a@b.test", " SIZE=1"),
            ("<\"a > b\"@c.test> X", "\"a > b\"@c.test", " X"),
            ("\"a b\"@c.test X", "\"a b\"@c.test", " X"),
            ("<\"a\\\"> b\"@c.test>", "\"a\\\"> b\"@c.test", ""),
            ("<@one.test,@two.test:a@b.test>", "a@b.test", ""),
            ("<user%host@relay.test>", "user%host@relay.test", ""),
            ("<host!user@relay.test>", "host!user@relay.test", ""),
        ] {
            assert_eq!(read(text), Some((path.to_owned(), rest)), "{text}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in [
            "",
            "<",
            ">",
            "<a@b.test",
            "a@b.test>",
            "<a@b.test>X",
            "<a b@c.test>",
            "<postmaster>",
            "<@one.test:>",
            "<@one.test a@b>",
            "<one.test:a@b>",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
