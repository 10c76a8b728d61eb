//! Standard output: lines, records as JSON, records as a table. A closed pipe is an error here, not a panic.

use std::io::{self, Write as _};

use serde::Serialize;

/// One line of the answer.
pub fn line(text: &str) -> anyhow::Result<()> {
    Ok(writeln!(io::stdout().lock(), "{text}")?)
}

/// One record as JSON, on one line.
pub fn json(record: &impl Serialize) -> anyhow::Result<()> {
    line(&serde_json::to_string(record)?)
}

/// Text that stands as it is: no line end is added.
pub fn text(text: &str) -> anyhow::Result<()> {
    bytes(text.as_bytes())
}

/// Bytes that stand as they are.
pub fn bytes(bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    Ok(out.flush()?)
}

/// A word beside the answer, on standard error.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// What went wrong, on standard error.
pub fn complain(text: &str) {
    note(&format!("posthouse: {text}"));
}

/// Rows under a header, in columns; the last column is not padded. Control characters become `?`.
pub fn table<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> anyhow::Result<()> {
    let rows: Vec<[String; N]> = rows.iter().map(|row| row.each_ref().map(|cell| clean(cell))).collect();
    let header = header.map(str::to_owned);
    let width = |column: usize| rows.iter().chain([&header]).filter_map(|row| row.get(column)).map(|c| c.chars().count()).max();
    let widths: Vec<usize> = (0..N).map(|column| width(column).unwrap_or(0)).collect();
    for row in [&header].into_iter().chain(&rows) {
        let padded: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        line(padded.join("  ").trim_end())?;
    }
    Ok(())
}

/// What came from outside, fit for a terminal.
pub fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}
