//! Records as lines of CSV or of JSON, in pieces.

use serde::Serialize;
use utoipa::ToSchema;

use super::cell;

/// A record that can stand in a line.
pub trait Row: Serialize {
    /// What the cells are called.
    const COLUMNS: &'static [&'static str];

    /// One text for each column.
    fn cells(&self) -> Vec<String>;
}

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ToSchema)]
pub enum Format {
    /// Under a line of column names; lines end in CRLF (RFC 4180 section 2).
    #[schema(rename = "csv")]
    Csv,
    /// A JSON object a line.
    #[schema(rename = "jsonl")]
    JsonLines,
}

impl Format {
    /// What stands before the first record.
    pub fn head<R: Row>(self) -> Vec<u8> {
        match self {
            Self::Csv => csv([R::COLUMNS]),
            Self::JsonLines => Vec::new(),
        }
    }

    /// A line for each record.
    pub fn lines<R: Row>(self, records: &[R]) -> Vec<u8> {
        match self {
            Self::Csv => csv(records.iter().map(Row::cells)),
            Self::JsonLines => records.iter().fold(Vec::new(), |mut lines, record| {
                serde_json::to_writer(&mut lines, record).expect("a record is JSON");
                lines.push(b'\n');
                lines
            }),
        }
    }

    /// The media type of what is written.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::JsonLines => "application/x-ndjson",
        }
    }

    /// Its word, which is also the usual end of a file's name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::JsonLines => "jsonl",
        }
    }

    /// The format of this word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Csv, Self::JsonLines].into_iter().find(|format| format.word() == word)
    }
}

fn csv<C: AsRef<str>>(records: impl IntoIterator<Item = impl AsRef<[C]>>) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    for record in records {
        let cells = record.as_ref().iter().map(|text| cell::guarded(text.as_ref()).into_owned().into_bytes());
        writer.write_record(cells).expect("a Vec takes all that is written, and all records have the same columns");
    }
    writer.into_inner().expect("a Vec takes all that is written")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Pair(&'static str, &'static str);

    impl Row for Pair {
        const COLUMNS: &'static [&'static str] = &["one", "two"];

        fn cells(&self) -> Vec<String> {
            vec![self.0.to_owned(), self.1.to_owned()]
        }
    }

    #[test]
    fn cells_are_quoted_where_they_must_be_and_never_formulas() {
        let pairs = [Pair("a,b", "=HYPERLINK(\"http://x\")"), Pair("two\r\nlines", "")];
        let text = [Format::Csv.head::<Pair>(), Format::Csv.lines(&pairs)].concat();
        assert_eq!(
            String::from_utf8_lossy(&text),
            "one,two\r\n\"a,b\",\"'=HYPERLINK(\"\"http://x\"\")\"\r\n\"two\r\nlines\",\r\n"
        );
        assert_eq!(Format::JsonLines.lines(&pairs[1..]), b"[\"two\\r\\nlines\",\"\"]\n");
        assert!(Format::Csv.lines::<Pair>(&[]).is_empty() && Format::JsonLines.head::<Pair>().is_empty());
    }
}
