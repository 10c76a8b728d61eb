//! Writing message content: lines ended by CRLF and by nothing else, and its end told by a final dot or by its length.

use memchr::memchr2;

/// How the next hop knows where content ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By a dot alone on its line; other lines that begin with one get another (RFC 5321 section 4.5.2).
    Dot,
    /// By its length, said before (RFC 3030 section 2): a dot is a dot.
    Length,
}

/// Turns content into what follows 354 or BDAT, in pieces of any size.
#[derive(Debug)]
pub struct Stuffer {
    ending: Ending,
    at_line_start: bool,
    /// A CR was written whose LF has not come yet.
    after_cr: bool,
}

impl Stuffer {
    /// At the beginning of the content.
    pub fn new(ending: Ending) -> Self {
        Self { ending, at_line_start: true, after_cr: false }
    }

    /// Appends a piece to `out`. A CR or LF that stands alone leaves as CRLF: no next hop may read it as a line end that we
    /// did not mean (RFC 5321 section 2.3.8).
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let mut rest = piece;
        while let Some(&first) = rest.first() {
            if self.after_cr {
                self.end_line(out);
                rest = if first == b'\n' { &rest[1..] } else { rest };
                continue;
            }
            if self.at_line_start && first == b'.' && self.ending == Ending::Dot {
                out.push(b'.');
            }
            let Some(end) = memchr2(b'\r', b'\n', rest) else {
                out.extend_from_slice(rest);
                self.at_line_start = false;
                return;
            };
            out.extend_from_slice(&rest[..end]);
            out.push(b'\r');
            self.after_cr = true;
            // A bare LF is left in place, to be taken for the one that follows its CR.
            rest = if rest[end] == b'\r' { &rest[end + 1..] } else { &rest[end..] };
        }
    }

    /// Appends the end: the last line is closed when it was not, then comes the final dot where that ends it.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        if self.after_cr {
            self.end_line(out);
        }
        if !self.at_line_start {
            out.extend_from_slice(b"\r\n");
        }
        if self.ending == Ending::Dot {
            out.extend_from_slice(b".\r\n");
        }
    }

    fn end_line(&mut self, out: &mut Vec<u8>) {
        out.push(b'\n');
        self.after_cr = false;
        self.at_line_start = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(ending: Ending, pieces: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut stuffer = Stuffer::new(ending);
        for piece in pieces {
            stuffer.push(piece, &mut out);
        }
        stuffer.finish(&mut out);
        out
    }

    fn stuffed(pieces: &[&[u8]]) -> Vec<u8> {
        written(Ending::Dot, pieces)
    }

    const CASES: [(&[u8], &[u8]); 14] = [
        (b"", b".\r\n"),
        (b".", b"..\r\n.\r\n"),
        (b".\r\n", b"..\r\n.\r\n"),
        (b"..\r\n", b"...\r\n.\r\n"),
        (b"a\r\n.b\r\n", b"a\r\n..b\r\n.\r\n"),
        (b"a\r\n\r\n.\r\nb\r\n", b"a\r\n\r\n..\r\nb\r\n.\r\n"),
        (b"no end", b"no end\r\n.\r\n"),
        (b"a\n.\nb", b"a\r\n..\r\nb\r\n.\r\n"),
        (b"a\r.\rb\r", b"a\r\n..\r\nb\r\n.\r\n"),
        (b"a\r\n.\n", b"a\r\n..\r\n.\r\n"),
        (b"a\n.\r\n", b"a\r\n..\r\n.\r\n"),
        (b"a\r\r\nb\r\n", b"a\r\n\r\nb\r\n.\r\n"),
        (b"\r\n.\r\nMAIL FROM:<x@y>\r\n", b"\r\n..\r\nMAIL FROM:<x@y>\r\n.\r\n"),
        (b"x.\r\n.x.\r\n", b"x.\r\n..x.\r\n.\r\n"),
    ];

    #[test]
    fn dots_are_stuffed_and_line_ends_made_whole_at_every_cut() {
        for (content, wire) in CASES {
            for cut in 0..=content.len() {
                let (front, back) = content.split_at(cut);
                assert_eq!(stuffed(&[front, back]), wire, "{} cut at {cut}", content.escape_ascii());
            }
            let single: Vec<&[u8]> = content.chunks(1).collect();
            assert_eq!(stuffed(&single), wire, "{} octet by octet", content.escape_ascii());
        }
    }

    proptest::proptest! {
        #[test]
        fn one_terminator_and_no_bare_line_end_leave(
            content in proptest::collection::vec(proptest::sample::select(b"\r\n.ab\0".to_vec()), 0..64),
            cut in 0usize..64,
        ) {
            let (front, back) = content.split_at(cut.min(content.len()));
            let wire = stuffed(&[front, back]);
            let text = wire.escape_ascii().to_string();
            let lines: Vec<&[u8]> = wire.strip_suffix(b"\r\n").unwrap().split(|&b| b == b'\n').collect();
            for (place, line) in lines.iter().enumerate() {
                let last = place + 1 == lines.len();
                let line = if last { line } else { line.strip_suffix(b"\r").expect(&text) };
                assert!(!line.contains(&b'\r'), "{text}");
                assert_eq!(line == b".", last, "{text}");
            }
            // Where its length is told, the same content leaves as it is.
            let mut plain = Vec::new();
            for line in wire.strip_suffix(b".\r\n").unwrap().split_inclusive(|&b| b == b'\n') {
                plain.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
            }
            assert_eq!(written(Ending::Length, &[front, back]), plain, "{text}");
        }
    }
}
