//! The lines of a CSV list of addresses: with a line of column names, as ours and other houses' lists have it, or without.

use std::io::{self, BufRead};

use super::entry::Entry;
use crate::tables::read::{Record, Records};

/// What an import reads: where it stands, and what it says or why it can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Counted from 1.
    pub line: u64,
    pub entry: Result<Entry, String>,
}

/// Which cell holds what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Columns {
    address: usize,
    reason: Option<usize>,
    evidence: Option<usize>,
}

/// Without names the columns are address, reason and evidence, as far as there are any.
const UNNAMED: Columns = Columns { address: 0, reason: Some(1), evidence: Some(2) };

/// The entries of a CSV text. Columns of other names are passed over.
pub fn of_csv(source: impl BufRead) -> impl Iterator<Item = io::Result<Row>> {
    let mut known = None;
    Records::new(source).filter_map(move |record| {
        let record = match record {
            Ok(record) => record,
            Err(error) => return Some(Err(error)),
        };
        if known.is_none() {
            known = Some(named(&record).unwrap_or(UNNAMED));
            if named(&record).is_some() {
                return None;
            }
        }
        let columns = known.unwrap_or(UNNAMED);
        let entry = record.cells.map(|cells| columns.entry(cells)).map_err(str::to_owned);
        Some(Ok(Row { line: record.line, entry }))
    })
}

/// The columns, when the record is one of names.
fn named(record: &Record) -> Option<Columns> {
    let cells = record.cells.as_ref().ok()?;
    let place = |names: &[&str]| cells.iter().position(|cell| names.iter().any(|name| cell.eq_ignore_ascii_case(name)));
    Some(Columns { address: place(&["address", "email"])?, reason: place(&["reason"]), evidence: place(&["evidence"]) })
}

impl Columns {
    fn entry(self, mut cells: Vec<String>) -> Entry {
        let mut cell = |place: usize| cells.get_mut(place).map(std::mem::take);
        Entry {
            address: cell(self.address).unwrap_or_default(),
            reason: self.reason.and_then(&mut cell),
            evidence: self.evidence.and_then(&mut cell),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(u64, String)> {
        let rows = of_csv(text.as_bytes()).map(|row| row.expect("no failure"));
        rows.map(|row| {
            let Entry { address, reason, evidence } = row.entry.expect("an entry");
            (row.line, [address, reason.unwrap_or_default(), evidence.unwrap_or_default()].join("|"))
        })
        .collect()
    }

    #[test]
    fn columns_are_found_by_name_or_by_place() {
        for (text, expected) in [
            ("a@b.test\nc@d.test,bounce,550 no\n", vec![(1, "a@b.test||"), (2, "c@d.test|bounce|550 no")]),
            ("created,Email,status\r\n2026,a@b.test,5.1.1\r\n", vec![(2, "a@b.test||")]),
            ("evidence,reason,address\n550 no,bounce,a@b.test\nshort\n", vec![(2, "a@b.test|bounce|550 no"), (3, "||short")]),
            ("address\naddress\n", vec![(2, "address||")]),
            ("", vec![]),
        ] {
            let expected: Vec<_> = expected.into_iter().map(|(line, row)| (line, row.to_owned())).collect();
            assert_eq!(read(text), expected, "{text:?}");
        }
    }
}
