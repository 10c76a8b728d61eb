//! Cells that a spreadsheet would take for formulas stand behind an apostrophe, which spreadsheets do not show.

use std::borrow::Cow;

/// What a formula may begin with; some spreadsheets take the wide forms, too, and pass over what is not seen.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];

/// The cell as it is written.
pub fn guarded(text: &str) -> Cow<'_, str> {
    if is_formula(text) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// The cell as it was before [`guarded`].
pub fn bare(text: &str) -> &str {
    text.strip_prefix('\'').filter(|rest| is_formula(rest)).unwrap_or(text)
}

/// Whether it is one, or what was guarded once already: so each guard is one that can be taken away.
fn is_formula(text: &str) -> bool {
    text.trim_start_matches('\'').starts_with(FORMULA)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_like_a_formula_is_guarded_and_bared_again() {
        for (text, written) in [
            ("=1+1", "'=1+1"),
            ("+49", "'+49"),
            ("-tag@a.test", "'-tag@a.test"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("\r=1", "'\r=1"),
            ("\u{ff1d}1", "'\u{ff1d}1"),
            ("'=1", "''=1"),
        ] {
            assert_eq!(guarded(text), written);
            assert_eq!(bare(written), text);
        }
        for plain in ["", "a@b.test", "a=b", "o'neill@a.test", "'quoted'", "550 5.1.1 =no"] {
            assert_eq!((guarded(plain).as_ref(), bare(plain)), (plain, plain));
        }
    }
}
