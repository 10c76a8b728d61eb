//! One look over the bytes, which finds whether anything must be done at all.

use memchr::{memchr_iter, memchr2};

use super::LINE_MAX;

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    pub eight_bit: bool,
    pub long_line: bool,
    /// A CR or an LF stands alone.
    pub bare_line_end: bool,
}

impl Scan {
    pub fn of(bytes: &[u8]) -> Self {
        let mut scan = Self { eight_bit: !bytes.is_ascii(), ..Self::default() };
        let mut from = 0;
        for end in memchr_iter(b'\n', bytes) {
            let line = &bytes[from..end];
            scan.bare_line_end |= line.last() != Some(&b'\r');
            scan.long_line |= line.len() > LINE_MAX + 1;
            from = end + 1;
        }
        scan.long_line |= bytes.len() - from > LINE_MAX;
        let pairs = memchr_iter(b'\n', bytes).count();
        scan.bare_line_end |= memchr_iter(b'\r', bytes).count() != pairs;
        scan
    }

    /// Whether any hop takes it.
    pub fn is_plain(self) -> bool {
        self == Self::default()
    }
}

/// The bytes with every line end as CRLF: the doors let nothing else in, and nothing else may ever go out.
pub fn with_crlf(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 64);
    let mut rest = bytes;
    while let Some(end) = memchr2(b'\r', b'\n', rest) {
        out.extend_from_slice(&rest[..end]);
        out.extend_from_slice(b"\r\n");
        // A run of CR before an LF is one line end.
        let run = rest[end..].iter().take_while(|&&byte| byte == b'\r').count();
        let is_one = rest.get(end + run) == Some(&b'\n');
        rest = &rest[if is_one { end + run + 1 } else { end + 1 }..];
    }
    out.extend_from_slice(rest);
    out
}
