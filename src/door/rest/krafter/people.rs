//! Whom a message names, told from what its row keeps: the values of To and Cc as a reader sees them, and the envelope's recipients.

use std::collections::HashSet;

use crate::model::address::Address;
use crate::model::message::Message;

/// The mailboxes of To and Cc as their sender wrote them, and whom the envelope alone names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct People {
    pub to: Vec<String>,
    pub cc: Vec<String>,
    pub bcc: Vec<String>,
}

impl People {
    /// Those of a message with these forward-paths.
    pub fn of<'a>(message: &Message, recipients: impl Iterator<Item = &'a Address>) -> Self {
        let (to, cc) = (mailboxes(&message.to_header), mailboxes(&message.cc_header));
        let named: HashSet<String> = to.iter().chain(&cc).filter_map(|mailbox| key(mailbox)).collect();
        let bcc = recipients.filter(|address| !named.contains(&address.key())).map(ToString::to_string).collect();
        Self { to, cc, bcc }
    }
}

/// Whether a mailbox of a field is at this address.
pub fn is_at(mailbox: &str, address: &Address) -> bool {
    key(mailbox).is_some_and(|key| key == address.key())
}

/// A field's mailboxes, split at the commas between them. A decoded name may hold a comma without quotes: what has no address yet
/// goes with what follows.
fn mailboxes(value: &str) -> Vec<String> {
    let mut mailboxes = Vec::new();
    let mut begun = String::new();
    let (mut quoted, mut escaped) = (false, false);
    for c in value.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted && begun.contains('@') => {
                mailboxes.push(begun.trim().to_owned());
                begun.clear();
                continue;
            }
            _ => {}
        }
        begun.push(c);
    }
    if begun.contains('@') {
        mailboxes.push(begun.trim().to_owned());
    }
    mailboxes
}

/// The comparable form of a mailbox's address.
fn key(mailbox: &str) -> Option<String> {
    let bare = mailbox.rsplit_once('<').map_or(mailbox, |(_, rest)| rest.split('>').next().unwrap_or(rest));
    Address::parse(bare.trim()).ok().map(|address| address.key())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_between_mailboxes_split_and_commas_in_names_do_not() {
        for (value, expected) in [
            ("", &[][..]),
            ("a@b.test", &["a@b.test"]),
            ("Ann <a@b.test>, c@d.test", &["Ann <a@b.test>", "c@d.test"]),
            ("\"Last, First\" <a@b.test>,\t<c@d.test>", &["\"Last, First\" <a@b.test>", "<c@d.test>"]),
            ("J\u{f6}rg, Dr. <a@b.test>, c@d.test", &["J\u{f6}rg, Dr. <a@b.test>", "c@d.test"]),
            ("\"a\\\", @\" <a@b.test>", &["\"a\\\", @\" <a@b.test>"]),
            ("undisclosed-recipients:;", &[]),
        ] {
            assert_eq!(mailboxes(value), expected, "{value}");
        }
    }

    #[test]
    fn an_address_is_known_in_any_spelling() {
        for mailbox in ["A@B.Test", "Ann <a@b.test>", "\"x <y\" <a@b.test>", "<\"a\"@b.test>"] {
            assert_eq!(key(mailbox).as_deref(), Some("a@b.test"), "{mailbox}");
        }
    }
}
