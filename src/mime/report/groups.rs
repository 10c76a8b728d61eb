//! Groups of fields with empty lines between them (RFC 3464 section 2.1).

use crate::mime::fields::{Bounds, Field, Fields, line_len};

/// One group.
const GROUP: Bounds = Bounds { bytes: 16 * 1024, fields: 100 };
/// Groups of one report.
const GROUPS: usize = 1001;
/// Characters of a value.
const VALUE: usize = 2000;

/// The groups of `bytes`, as far as they are looked at. Lines that are no fields are passed over.
pub fn of(bytes: &[u8]) -> Vec<Group<'_>> {
    let (mut groups, mut at) = (Vec::new(), 0);
    while at < bytes.len() && groups.len() < GROUPS {
        let fields = Fields::split(&bytes[at..], GROUP);
        let used = fields.body();
        if !fields.list.is_empty() {
            groups.push(Group { fields: fields.list });
        }
        at += if used == 0 { line_len(&bytes[at..]) } else { used };
    }
    groups
}

/// One group of fields.
#[derive(Debug)]
pub struct Group<'a> {
    fields: Vec<Field<'a>>,
}

impl Group<'_> {
    /// The value of the first field of this name; `None` when there is none, or nothing in it.
    pub fn value(&self, name: &str) -> Option<String> {
        self.values(name).next()
    }

    /// The values of all fields of this name.
    pub fn values(&self, name: &str) -> impl Iterator<Item = String> {
        let named = self.fields.iter().filter(move |field| field.is(name));
        named.map(|field| plain(&field.text())).filter(|value| !value.is_empty())
    }

    /// The address of a field such as `Final-Recipient`, without its type (RFC 3464 section 2.3.2); the type is often left out.
    pub fn address(&self, name: &str) -> Option<String> {
        let value = self.value(name)?;
        let address = value.split_once(';').map_or(value.as_str(), |(_, address)| address).trim();
        let address = address.strip_prefix('<').and_then(|a| a.split_once('>')).map_or(address, |(a, _)| a);
        let address = address.split_whitespace().next()?;
        Some(address.to_owned())
    }
}

/// With single blanks, since folding leaves many, and bounded.
fn plain(value: &str) -> String {
    let words: Vec<&str> = value.split_whitespace().collect();
    words.join(" ").chars().take(VALUE).collect()
}
