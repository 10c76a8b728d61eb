//! Command lines: ended by CRLF and by nothing else (RFC 5321 section 2.3.8).

use bytes::{Buf as _, BytesMut};

/// What stands at the beginning of a buffer.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// A line, without its CRLF; it may hold a CR or LF that stands alone.
    Whole(BytesMut),
    /// The end has not come yet.
    Partial,
    /// No CRLF within the limit.
    TooLong,
}

/// Takes the first line off `buffer`, if it is there. `limit` is in octets and counts the CRLF.
pub fn take(buffer: &mut BytesMut, limit: usize) -> Line {
    let head = &buffer[..buffer.len().min(limit)];
    match end(head) {
        Some(end) => {
            let mut line = buffer.split_to(end);
            line.truncate(end - 2);
            Line::Whole(line)
        }
        None if buffer.len() >= limit => Line::TooLong,
        None => Line::Partial,
    }
}

/// Drops octets up to and with the first CRLF. Returns whether it was there, and how many were dropped; a last CR is left,
/// since its LF may follow.
pub fn skip(buffer: &mut BytesMut) -> (bool, usize) {
    let dropped = end(buffer).unwrap_or(buffer.len() - usize::from(buffer.ends_with(b"\r")));
    let ended = dropped >= 2 && buffer[..dropped].ends_with(b"\r\n");
    buffer.advance(dropped);
    (ended, dropped)
}

/// The place after the first CRLF.
fn end(bytes: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'\n', bytes).find(|&lf| lf > 0 && bytes[lf - 1] == b'\r').map(|lf| lf + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(bytes: &[u8], limit: usize) -> (Line, Vec<u8>) {
        let mut buffer = BytesMut::from(bytes);
        let line = take(&mut buffer, limit);
        (line, buffer.to_vec())
    }

    #[test]
    fn only_crlf_ends_a_line() {
        assert_eq!(taken(b"NOOP\r\nRSET", 10), (Line::Whole(b"NOOP"[..].into()), b"RSET".to_vec()));
        assert_eq!(taken(b"A\nB\rC\r\n", 10), (Line::Whole(b"A\nB\rC"[..].into()), vec![]));
        assert_eq!(taken(b"\r\n", 10), (Line::Whole(b""[..].into()), vec![]));
        assert_eq!(taken(b"NOOP\n", 10).0, Line::Partial);
        assert_eq!(taken(b"NOOP\r", 10).0, Line::Partial);
    }

    #[test]
    fn the_limit_counts_the_crlf() {
        assert_eq!(taken(b"12345678\r\n", 10).0, Line::Whole(b"12345678"[..].into()));
        assert_eq!(taken(b"123456789\r\n", 10).0, Line::TooLong);
        assert_eq!(taken(b"123456789", 10).0, Line::Partial);
        assert_eq!(taken(b"123456789\r", 10).0, Line::TooLong);
    }

    #[test]
    fn skipping_stops_at_the_genuine_end() {
        let mut buffer = BytesMut::from(&b"aa\nb\r"[..]);
        assert_eq!(skip(&mut buffer), (false, 4));
        buffer.extend_from_slice(b"\nNOOP\r\n");
        assert_eq!(skip(&mut buffer), (true, 2));
        assert_eq!(buffer, b"NOOP\r\n"[..]);
    }
}
