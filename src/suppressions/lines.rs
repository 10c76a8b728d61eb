//! A list of addresses in JSON lines, as an export has it.

use std::io;
use std::iter;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::entry::Entry;
use super::rows::Row;

/// Octets of a line. An entry at its longest, every character escaped, is shorter.
const LINE_MAX: usize = 64 * 1024;
/// Characters of what is told about a line, which may name a field of any length.
const TOLD_MAX: usize = 200;

/// A line. What an export adds to it is passed over: the message is another list's, and who imports suppresses from now on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    address: String,
    reason: Option<String>,
    evidence: Option<String>,
    #[serde(default, rename = "email_id")]
    _email_id: IgnoredAny,
    #[serde(default, rename = "created_at")]
    _created_at: IgnoredAny,
}

/// The entries of a text of JSON lines; blank lines are none.
pub fn of_lines(mut text: Bytes) -> impl Iterator<Item = io::Result<Row>> {
    let mut lines = iter::from_fn(move || {
        let end = text.iter().position(|octet| *octet == b'\n').map_or(text.len(), |end| end + 1);
        (!text.is_empty()).then(|| text.split_to(end))
    })
    .zip(1..);
    iter::from_fn(move || {
        let (text, line) = lines.find(|(text, _)| !text.trim_ascii().is_empty())?;
        Some(Ok(Row { line, entry: entry(&text) }))
    })
}

fn entry(line: &[u8]) -> Result<Entry, String> {
    if line.len() > LINE_MAX {
        return Err(format!("the line is longer than {LINE_MAX} octets"));
    }
    let told = |error: serde_json::Error| error.to_string().chars().take(TOLD_MAX).collect::<String>();
    let read = serde_json::from_slice(line).map_err(|error| format!("is no JSON object of this form: {}", told(error)));
    read.map(|Line { address, reason, evidence, .. }| Entry { address, reason, evidence })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_an_entry_or_a_fault() {
        let long = format!("{{\"address\":\"{}\"}}", "x".repeat(LINE_MAX));
        let odd = format!("{{\"{}\":1}}", "x".repeat(LINE_MAX / 2));
        let text = [
            r#"{"address":"a@b.test","reason":null,"evidence":"550\nno","email_id":null,"created_at":"2026-11-21T00:00:00.000Z"}"#,
            "\r",
            r#"{"address":"c@d.test"}"#,
            r#"{"address":"e@f.test","more":1}"#,
            r#"{"address":7}"#,
            &long,
            "a@b.test",
            &odd,
            r#"{"address":"last@b.test"}"#,
        ];
        let rows: Vec<_> = of_lines(text.join("\n").into()).map(|row| row.expect("no failure")).collect();
        let told: Vec<_> =
            rows.iter().map(|row| (row.line, row.entry.as_ref().ok().map(|entry| entry.address.as_str()))).collect();
        let expected = [
            (1, Some("a@b.test")),
            (3, Some("c@d.test")),
            (4, None),
            (5, None),
            (6, None),
            (7, None),
            (8, None),
            (9, Some("last@b.test")),
        ];
        assert_eq!(told, expected);
        assert_eq!(rows[0].entry.as_ref().expect("an entry").evidence.as_deref(), Some("550\nno"));
        assert!(rows.iter().filter_map(|row| row.entry.as_ref().err()).all(|fault| fault.len() < 2 * TOLD_MAX));
        assert_eq!(of_lines(Bytes::new()).count(), 0);
    }
}
