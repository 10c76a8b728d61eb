//! CSV as others write it: any line ends, quoted or not, with a byte order mark or without.

use std::io::{self, BufRead};

use csv_core::{ReadRecordResult, Reader};

use super::cell;

/// Octets of a record, without its quotes.
const OCTETS_MAX: usize = 16 * 1024;
/// Cells of a record.
const CELLS_MAX: usize = 64;

/// The byte order mark in UTF-8, with which spreadsheets begin.
const MARK: &[u8] = "\u{feff}".as_bytes();

/// One record, and the line on which it begins, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub line: u64,
    /// The cells without blanks around them, or why they can't be read.
    pub cells: Result<Vec<String>, &'static str>,
}

/// The records of a source, one after another, within a bounded memory. Blank lines are passed over.
#[derive(Debug)]
pub struct Records<R> {
    source: R,
    reader: Reader,
    has_begun: bool,
    /// The line that is read next.
    line: u64,
    octets: Box<[u8]>,
    ends: [usize; CELLS_MAX],
}

impl<R: BufRead> Records<R> {
    /// Those of `source`, from where it stands.
    pub fn new(source: R) -> Self {
        Self {
            source,
            reader: Reader::new(),
            has_begun: false,
            line: 1,
            octets: vec![0; OCTETS_MAX].into(),
            ends: [0; CELLS_MAX],
        }
    }

    fn record(&mut self) -> io::Result<Option<Record>> {
        if !std::mem::replace(&mut self.has_begun, true) && self.source.fill_buf()?.starts_with(MARK) {
            self.source.consume(MARK.len());
        }
        self.pass_blank_lines()?;
        let line = self.line;
        let (mut octets, mut cells, mut is_too_long) = (0, 0, false);
        loop {
            let input = self.source.fill_buf()?;
            let room = (&mut self.octets[octets..], &mut self.ends[cells..]);
            let (result, read, written, ended) = self.reader.read_record(input, room.0, room.1);
            self.line += memchr::memchr_iter(b'\n', &input[..read]).count() as u64;
            self.source.consume(read);
            (octets, cells) = (octets + written, cells + ended);
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    // The rest is read to its end, and thrown away.
                    (octets, cells, is_too_long) = (0, 0, true);
                }
                ReadRecordResult::Record if is_too_long => {
                    let cells = Err("it has over 16 KiB, or more than 64 cells");
                    return Ok(Some(Record { line, cells }));
                }
                ReadRecordResult::Record => return Ok(Some(Record { line, cells: self.cells(cells) })),
                ReadRecordResult::End => return Ok(None),
            }
        }
    }

    fn pass_blank_lines(&mut self) -> io::Result<()> {
        loop {
            let input = self.source.fill_buf()?;
            let blank = input.iter().take_while(|octet| matches!(octet, b'\r' | b'\n')).count();
            if blank == 0 {
                return Ok(());
            }
            self.line += memchr::memchr_iter(b'\n', &input[..blank]).count() as u64;
            self.source.consume(blank);
        }
    }

    /// The first so many cells of what was read.
    fn cells(&self, count: usize) -> Result<Vec<String>, &'static str> {
        let mut begin = 0;
        let cell = |end: &usize| {
            let octets = &self.octets[begin..*end];
            begin = *end;
            std::str::from_utf8(octets).map(|text| cell::bare(text.trim()).to_owned()).map_err(|_| "it is not UTF-8")
        };
        self.ends[..count].iter().map(cell).collect()
    }
}

impl<R: BufRead> Iterator for Records<R> {
    type Item = io::Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        self.record().transpose()
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn read(source: &[u8]) -> Vec<Record> {
        let whole: Vec<_> = Records::new(source).map(|record| record.expect("no failure")).collect();
        // However the octets come.
        let dripping: Vec<_> =
            Records::new(BufReader::with_capacity(3, source)).map(|record| record.expect("no failure")).collect();
        assert_eq!(whole, dripping, "{:?}", String::from_utf8_lossy(source));
        whole
    }

    fn cells(line: u64, cells: &[&str]) -> Record {
        Record { line, cells: Ok(cells.iter().map(|&cell| cell.to_owned()).collect()) }
    }

    #[test]
    fn records_are_read_however_they_are_written() {
        for (source, expected) in [
            ("", vec![]),
            ("\n\r\n", vec![]),
            ("a,b\nc,d", vec![cells(1, &["a", "b"]), cells(2, &["c", "d"])]),
            ("a,b\r\nc,d\r\n", vec![cells(1, &["a", "b"]), cells(2, &["c", "d"])]),
            ("a\r\n\r\n\nb\r\n", vec![cells(1, &["a"]), cells(4, &["b"])]),
            ("\u{feff}a, b \n", vec![cells(1, &["a", "b"])]),
            ("\"a,\"\"b\"\"\",\"c\nd\"\ne\n", vec![cells(1, &["a,\"b\"", "c\nd"]), cells(3, &["e"])]),
            ("'=1,'a\n", vec![cells(1, &["=1", "'a"])]),
            ("a,\n,\n", vec![cells(1, &["a", ""]), cells(2, &["", ""])]),
            ("\"open, and never closed\nb", vec![cells(1, &["open, and never closed\nb"])]),
        ] {
            assert_eq!(read(source.as_bytes()), expected, "{source:?}");
        }
    }

    #[test]
    fn what_is_too_long_or_no_text_is_told_and_passed_over() {
        let commas = [&[b','; 100_000][..], b"\nb\n"].concat();
        let long = [&[b'x'; 100_000][..], b"\nb\n"].concat();
        let garbled = b"a\xff\nb\n";
        for source in [&commas, &long, &garbled.to_vec()] {
            let records = read(source);
            assert_eq!((records.len(), records[0].line, records[0].cells.is_err()), (2, 1, true), "{records:?}");
            assert_eq!(records[1], cells(2, &["b"]));
        }
        let most = [&[b','; CELLS_MAX - 2][..], b"\nb\n"].concat();
        assert_eq!(read(&most)[0].cells.as_ref().map(Vec::len), Ok(CELLS_MAX - 1));
    }
}
