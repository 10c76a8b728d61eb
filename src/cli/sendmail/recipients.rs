//! The addresses of a field that names many (RFC 5322 section 3.4): lists, display names, comments and groups.

use crate::mime::mailbox::{Fault, Mailbox};

/// The addresses of an address-list, as they are written. An empty list and the empty parts of one are no fault.
pub fn addresses(value: &[u8]) -> Result<Vec<String>, Fault> {
    let mut found = Vec::new();
    for part in parts(value) {
        match Mailbox::parse(part) {
            Ok(mailbox) => found.push(String::from_utf8_lossy(&part[mailbox.address]).into_owned()),
            Err(Fault::Empty) => {}
            Err(fault) => return Err(fault),
        }
    }
    Ok(found)
}

/// The value cut at the commas and semicolons, and behind the colons of group names, that stand in the open.
fn parts(value: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let (mut start, mut quoted, mut comments, mut angle, mut escaped) = (0, false, 0usize, false, false);
    for (place, &byte) in value.iter().enumerate() {
        let open = !quoted && comments == 0;
        match byte {
            _ if escaped => escaped = false,
            b'\\' if !open => escaped = true,
            b'"' if comments == 0 => quoted = !quoted,
            b'(' if !quoted => comments += 1,
            b')' if comments > 0 && !quoted => comments -= 1,
            b'<' if open => angle = true,
            b'>' if open => angle = false,
            b',' | b';' if open && !angle => {
                parts.push(&value[start..place]);
                start = place + 1;
            }
            b':' if open && !angle => start = place + 1,
            _ => {}
        }
    }
    parts.push(&value[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_list_is_read() {
        for (value, wanted) in [
            (" a@x.test", &["a@x.test"][..]),
            ("A <a@x.test>,\r\n \"B, C; D:\" <b@x.test>", &["a@x.test", "b@x.test"]),
            ("root (Cron, Daemon)", &["root"]),
            ("team: a@x.test, B <b@x.test>;, c@x.test", &["a@x.test", "b@x.test", "c@x.test"]),
            ("undisclosed-recipients:;", &[]),
            ("", &[]),
            ("a@x.test,,", &["a@x.test"]),
        ] {
            assert_eq!(addresses(value.as_bytes()), Ok(wanted.iter().map(|a| (*a).to_owned()).collect()), "{value}");
        }
        assert!(addresses(b"A <a@x.test").is_err());
    }
}
