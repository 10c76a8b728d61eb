//! The end of message data: CRLF "." CRLF, and nothing else (RFC 5321 section 4.1.1.4), with the stuffed dots taken out
//! (section 4.5.2). It looks at the raw octets, before any line end is mended: what merely resembles an end is content.

use std::sync::LazyLock;

use memchr::memmem::Finder;

/// Where in the search for the end the last octet left us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// After CRLF, or at the very beginning: the CRLF of the DATA line counts.
    LineStart,
    /// Inside a line.
    Text,
    /// After a CR that is content.
    Cr,
    /// After CRLF "."; the dot is held back.
    Dot,
    /// After CRLF "." CR; both are held back.
    DotCr,
}

/// Reads message data up to its end.
#[derive(Debug)]
pub struct DotReader {
    state: State,
}

/// How far one call came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Octets consumed; all, unless the end was found.
    pub used: usize,
    pub ended: bool,
}

static LINE_WITH_DOT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\r\n."));

impl Default for DotReader {
    fn default() -> Self {
        Self { state: State::LineStart }
    }
}

impl DotReader {
    /// Consumes `input` and gives its content to `keep`, in pieces. After the end nothing more may be read.
    pub fn read(&mut self, input: &[u8], mut keep: impl FnMut(&[u8])) -> Progress {
        let mut at = 0;
        while let Some(&byte) = input.get(at) {
            match (self.state, byte) {
                (State::LineStart, b'.') => self.hold(State::Dot, &mut at),
                (State::Dot, b'\r') => self.hold(State::DotCr, &mut at),
                (State::DotCr, b'\n') => return Progress { used: at + 1, ended: true },
                (State::DotCr, _) => {
                    // The dot was stuffed, the CR after it is content.
                    keep(b"\r");
                    self.state = State::Cr;
                }
                (State::Cr, b'\n') => {
                    keep(b"\n");
                    self.hold(State::LineStart, &mut at);
                }
                (State::Cr, b'\r') => {
                    keep(b"\r");
                    at += 1;
                }
                _ => at += self.text(&input[at..], &mut keep),
            }
        }
        Progress { used: at, ended: false }
    }

    fn hold(&mut self, state: State, at: &mut usize) {
        self.state = state;
        *at += 1;
    }

    /// Content up to the next line that begins with a dot. Returns the octets consumed.
    fn text(&mut self, rest: &[u8], keep: &mut impl FnMut(&[u8])) -> usize {
        if let Some(found) = LINE_WITH_DOT.find(rest) {
            keep(&rest[..found + 2]);
            self.state = State::Dot;
            return found + 3;
        }
        keep(rest);
        self.state = match rest {
            [.., b'\r', b'\n'] => State::LineStart,
            [.., b'\r'] => State::Cr,
            _ => State::Text,
        };
        rest.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Content, octets used and whether the end came, with `input` in pieces of `size`.
    fn read(input: &[u8], size: usize) -> (Vec<u8>, usize, bool) {
        let (mut reader, mut content, mut used) = (DotReader::default(), Vec::new(), 0);
        for piece in input.chunks(size.max(1)) {
            let progress = reader.read(piece, |octets| content.extend_from_slice(octets));
            used += progress.used;
            if progress.ended {
                return (content, used, true);
            }
        }
        (content, used, false)
    }

    #[test]
    fn the_end_is_crlf_dot_crlf() {
        for (input, content) in [
            (&b".\r\n"[..], &b""[..]),
            (b"a\r\n.\r\n", b"a\r\n"),
            (b"\r\n.\r\n", b"\r\n"),
            (b"a\r\r\n.\r\n", b"a\r\r\n"),
            (b"a\r\n..\r\n...\r\n.x\r\n.\r\n", b"a\r\n.\r\n..\r\nx\r\n"),
            (b"..\r\n.\r\n", b".\r\n"),
            (b".\rx\r\n.\r\n", b"\rx\r\n"),
        ] {
            for size in 1..=input.len() {
                assert_eq!(read(input, size), (content.to_vec(), input.len(), true), "{} by {size}", input.escape_ascii());
            }
        }
    }

    /// What sending systems were found to take for an end, though it is none.
    const FAKES: [&[u8]; 12] = [
        b"\n.\n",
        b"\n.\r",
        b"\r.\n",
        b"\r.\r",
        b"\n.\r\n",
        b"\r.\r\n",
        b"\r\n\0.\r\n",
        b"\r\n.\r\r\n",
        b"\r\r\n.\r\r\n",
        b"\r\n.\n",
        b"\r\n.\r",
        b"\r\n.\0\r\n",
    ];

    #[test]
    fn no_fake_end_ends() {
        for fake in FAKES {
            let input = [b"text", fake, b"MAIL FROM:<s@x>\r\n", b"\r\n.\r\nrest"].concat();
            for size in [1, 2, 3, input.len()] {
                let (_, used, ended) = read(&input, size);
                assert_eq!((used, ended), (input.len() - 4, true), "{}", fake.escape_ascii());
            }
        }
    }

    proptest! {
        #[test]
        fn stuffed_content_reads_back(lines in proptest::collection::vec("[.\r\na]{0,6}", 0..20), size in 1usize..9) {
            let content: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
            let stuffed = format!("\r\n{content}").replace("\r\n.", "\r\n..");
            let wire = format!("{}.\r\n", &stuffed[2..]);
            prop_assert_eq!(read(wire.as_bytes(), size), (content.into_bytes(), wire.len(), true));
        }

        /// Against the plainest statement of the rule, over the octets that matter.
        #[test]
        fn the_end_is_where_the_five_octets_first_stand(input in "[.\r\na\0]{0,40}", size in 1usize..9) {
            let framed = [b"\r\n", input.as_bytes()].concat();
            let end = framed.windows(5).position(|w| w == b"\r\n.\r\n").map(|place| place + 3);
            let (_, used, ended) = read(input.as_bytes(), size);
            prop_assert_eq!(ended.then_some(used), end);
        }
    }
}
