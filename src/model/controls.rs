//! What a sender asks of the house besides the message itself: by fields of its header section, or apart from it. The bounds of
//! what may be asked are the same either way.

use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::model::message::{Tag, Tracking};
use crate::model::stream::Stream;

/// Octets of an idempotency key.
pub const KEY_MAX: usize = 255;
/// Octets of a template's variables, as JSON.
pub const VARIABLES_MAX: usize = 256 * 1024;
/// Tags of one message.
pub const TAGS_MAX: usize = 50;
/// Characters of a tag's name.
pub const TAG_NAME_MAX: usize = 64;
/// Characters of a tag's value.
pub const TAG_VALUE_MAX: usize = 256;

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Controls {
    pub stream: Option<Stream>,
    pub tracking: Tracking,
    pub tags: Vec<Tag>,
    /// The id of a template, in any form that an id is written in.
    pub template: Option<String>,
    /// What the template is filled with.
    pub variables: Option<Map<String, Value>>,
    /// As it was asked for; a moment already past means now over SMTP, and is refused over HTTP.
    pub send_at: Option<Timestamp>,
    pub idempotency_key: Option<String>,
    pub ignore_unsubscribe: bool,
}

/// What is wrong with a control, in words that follow its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("has {0} octets; it must have 1 to {KEY_MAX}")]
    KeyLength(usize),
    #[error("may hold a name of 1 to {TAG_NAME_MAX} and a value of at most {TAG_VALUE_MAX} characters")]
    TagLength,
    #[error("holds control characters; remove them")]
    ControlCharacters,
    #[error("may be {TAGS_MAX} at most; send fewer")]
    TagCount,
}

impl Controls {
    /// Attaches a tag. A later one of the same name wins.
    pub fn tag(&mut self, name: &str, value: &str) -> Result<(), Fault> {
        if name.is_empty() || name.chars().count() > TAG_NAME_MAX || value.chars().count() > TAG_VALUE_MAX {
            return Err(Fault::TagLength);
        }
        if name.chars().chain(value.chars()).any(ends_a_line_or_hides) {
            return Err(Fault::ControlCharacters);
        }
        if let Some(tag) = self.tags.iter_mut().find(|(other, _)| other == name) {
            tag.1 = value.to_owned();
        } else if self.tags.len() == TAGS_MAX {
            return Err(Fault::TagCount);
        } else {
            self.tags.push((name.to_owned(), value.to_owned()));
        }
        Ok(())
    }

    /// Names the key under which this is accepted once.
    pub fn idempotency_key(&mut self, key: &str) -> Result<(), Fault> {
        if key.is_empty() || key.len() > KEY_MAX {
            return Err(Fault::KeyLength(key.len()));
        }
        if key.chars().any(char::is_control) {
            return Err(Fault::ControlCharacters);
        }
        self.idempotency_key = Some(key.to_owned());
        Ok(())
    }
}

/// Controls, and the line ends beyond ASCII.
fn ends_a_line_or_hides(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_bounded_and_a_later_name_wins() {
        let mut controls = Controls::default();
        let (name, value) = ("\u{e4}".repeat(TAG_NAME_MAX), "\u{e4}".repeat(TAG_VALUE_MAX));
        assert_eq!(controls.tag(&name, &value), Ok(()));
        assert_eq!(controls.tag(&name, ""), Ok(()));
        assert_eq!(controls.tags, [(name.clone(), String::new())]);
        assert_eq!(controls.tag(&format!("{name}x"), "v"), Err(Fault::TagLength));
        assert_eq!(controls.tag("", "v"), Err(Fault::TagLength));
        assert_eq!(controls.tag("n", &format!("{value}x")), Err(Fault::TagLength));
        for hostile in ["\0", "\r\nBcc: v@x.test", "\u{2028}", "\u{85}"] {
            assert_eq!(controls.tag("n", hostile), Err(Fault::ControlCharacters), "{hostile:?}");
            assert_eq!(controls.tag(hostile, "v"), Err(Fault::ControlCharacters), "{hostile:?}");
        }
        (1..TAGS_MAX).for_each(|n| assert_eq!(controls.tag(&n.to_string(), "v"), Ok(())));
        assert_eq!(controls.tag("more", "v"), Err(Fault::TagCount));
        assert_eq!(controls.tag("1", "again"), Ok(()));
    }

    #[test]
    fn an_idempotency_key_is_counted_in_octets() {
        let mut controls = Controls::default();
        assert_eq!(controls.idempotency_key(&"x".repeat(KEY_MAX)), Ok(()));
        assert_eq!(controls.idempotency_key(&"\u{e4}".repeat(128)), Err(Fault::KeyLength(256)));
        assert_eq!(controls.idempotency_key(""), Err(Fault::KeyLength(0)));
        for hostile in ["a\0b", "a\n", "\u{85}"] {
            assert_eq!(controls.idempotency_key(hostile), Err(Fault::ControlCharacters), "{hostile:?}");
        }
    }
}
