//! How values are shown. Templates escape them for HTML; here what is not HTML's business is made harmless and readable.

use crate::clock::Timestamp;

/// A text from outside, with U+FFFD in place of control characters (but for line ends and tabs), at most `limit` characters.
pub fn visible(text: &str, limit: usize) -> String {
    let shown = |c: char| if c.is_control() && c != '\n' && c != '\t' { char::REPLACEMENT_CHARACTER } else { c };
    let mut visible: String = text.replace("\r\n", "\n").chars().take(limit).map(shown).collect();
    if text.chars().nth(limit).is_some() {
        visible.push('…');
    }
    visible
}

/// `3.4 KiB`, to one decimal.
pub fn octets(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1024.0;
    let mut unit = UNITS[0];
    for larger in &UNITS[1..] {
        if value < 1023.95 {
            break;
        }
        (value, unit) = (value / 1024.0, larger);
    }
    format!("{value:.1} {unit}")
}

/// A time as it is read, beside the form that machines read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// RFC 3339.
    pub exact: String,
    /// `2026-11-21 12:01:07`, UTC.
    pub shown: String,
}

impl From<Timestamp> for Moment {
    fn from(time: Timestamp) -> Self {
        let exact = time.rfc3339();
        let shown = exact.split('.').next().unwrap_or_default().replace('T', " ");
        Self { exact, shown }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_are_replaced_and_long_texts_end() {
        assert_eq!(visible("a\r\nb\tc\u{1b}[31m\u{0}\u{85}", 99), "a\nb\tc\u{fffd}[31m\u{fffd}\u{fffd}");
        assert_eq!(visible("äöü", 3), "äöü");
        assert_eq!(visible("äöü", 2), "äö…");
    }

    #[test]
    fn sizes_and_times_are_readable() {
        for (count, text) in [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1_048_575, "1.0 MiB"), (26_214_400, "25.0 MiB")] {
            assert_eq!(octets(count), text);
        }
        let moment = Moment::from(Timestamp(1_795_262_467_250));
        assert_eq!((moment.exact.as_str(), moment.shown.as_str()), ("2026-11-21T12:01:07.250Z", "2026-11-21 12:01:07"));
    }
}
