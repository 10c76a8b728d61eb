//! What the fields of any dialect are checked for; each fault is told by its field's path.

use super::problem::Details;
use crate::mime::compose::Mailbox;

/// Said of what is missing, null, empty or nothing but blanks.
pub const BLANK: &str = "can't be blank";

/// A text that says something.
pub fn required(faults: &mut Details, path: &str, text: Option<String>) -> Option<String> {
    let said = text.filter(|text| !text.trim().is_empty());
    if said.is_none() {
        faults.add(path, BLANK);
    }
    said
}

/// Whether a text can stand in a header field: nothing in it ends a line, or is seen by nobody.
pub fn is_line(faults: &mut Details, path: &str, text: &str) -> bool {
    let sound = !text.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'));
    if !sound {
        faults.add(path, "must not hold line ends or other control characters");
    }
    sound
}

/// Whether a text has at most so many characters.
pub fn is_within(faults: &mut Details, path: &str, text: &str, longest: usize) -> bool {
    let within = text.chars().nth(longest).is_none();
    if !within {
        faults.add(path, format!("must not be longer than {longest} characters"));
    }
    within
}

/// Exactly one mailbox, `local@domain` or `Name <local@domain>`.
pub fn mailbox(faults: &mut Details, path: &str, text: &str) -> Option<Mailbox> {
    if text.trim().is_empty() {
        faults.add(path, BLANK);
        return None;
    }
    if !is_line(faults, path, text) {
        return None;
    }
    text.parse().map_err(|fault: crate::mime::compose::MailboxError| faults.add(path, fault.to_string())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_a_line_is_seen() {
        for hostile in ["a\r\nBcc: v@x.test", "a\nb", "a\rb", "a\0b", "a\tb", "a\u{85}b", "a\u{2028}b", "a\u{2029}b", "a\u{7f}b"]
        {
            let mut faults = Details::default();
            assert!(!is_line(&mut faults, "subject", hostile) && !faults.is_empty(), "{hostile:?}");
            assert_eq!(mailbox(&mut Details::default(), "from", &format!("{hostile} <a@b.test>")), None, "{hostile:?}");
        }
        assert!(is_line(&mut Details::default(), "subject", "Gr\u{fc}\u{df}e \u{1F40E}"));
    }

    #[test]
    fn length_is_counted_in_characters() {
        assert!(is_within(&mut Details::default(), "subject", "\u{e4}\u{e4}", 2));
        assert!(!is_within(&mut Details::default(), "subject", "\u{e4}\u{e4}\u{e4}", 2));
    }

    #[test]
    fn a_mailbox_is_one_mailbox() {
        let mut faults = Details::default();
        assert!(mailbox(&mut faults, "from", "Ann <a@b.test>").is_some() && faults.is_empty());
        for bad in ["", " ", "a@b.test, c@d.test", "no address", "a@b..test", "<a@b.test"] {
            assert_eq!(mailbox(&mut Details::default(), "from", bad), None, "{bad}");
        }
    }
}
