//! Line ends of message data: a run of CR before LF, a lone LF and a lone CR each become one CRLF (RFC 5321 section 2.3.8 knows
//! no other line end). This runs after the end of data is found, so it can't make one.

const CR: u8 = b'\r';
const LF: u8 = b'\n';

/// Octets looked at together. A block that needs no mending is copied whole.
const BLOCK: usize = 2048;

/// A run of CR before LF is one line end up to this length; of a longer run the first ones each stand alone, so that what waits to
/// be written is bounded.
const RUN: usize = 64;

/// Mends line ends while octets stream through, whatever pieces they come in.
#[derive(Debug, Default)]
pub struct Newlines {
    /// CRs at the end of what was read, not yet known to stand before LF.
    waiting: usize,
    found: Found,
}

/// What was met on the way: how many octets were written when the first of each kind was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// NUL, which no message may hold (RFC 5322 section 2.2 and 4.1).
    pub nul: Option<usize>,
    /// A line end that was mended.
    pub bare: Option<usize>,
}

impl Newlines {
    /// Appends `input` to `into` with its line ends mended. NULs pass; see [`Newlines::found`].
    pub fn read(&mut self, mut input: &[u8], into: &mut Vec<u8>) {
        while !input.is_empty() {
            let block = self.block(input);
            if self.waiting == 0 && is_clean(block) {
                into.extend_from_slice(block);
            } else {
                self.mend(block, into);
            }
            input = &input[block.len()..];
        }
    }

    /// Ends the last line: the data is over.
    pub fn finish(&mut self, into: &mut Vec<u8>) {
        self.let_go(into);
        if !into.is_empty() && !into.ends_with(b"\r\n") {
            into.extend_from_slice(b"\r\n");
        }
    }

    /// What was met so far.
    pub fn found(&self) -> Found {
        self.found
    }

    /// Octets that will be written at least for what waits.
    pub fn pending(&self) -> usize {
        if self.waiting == 0 { 0 } else { 2 }
    }

    /// The next octets to look at together. A CR at the end is left to the next block, with its LF.
    fn block<'a>(&self, input: &'a [u8]) -> &'a [u8] {
        let block = &input[..input.len().min(BLOCK)];
        match block {
            [head @ .., CR] if !head.is_empty() => head,
            _ => block,
        }
    }

    fn mend(&mut self, block: &[u8], into: &mut Vec<u8>) {
        let mut from = 0;
        for at in memchr::memchr3_iter(CR, LF, 0, block) {
            if at > from {
                self.text(&block[from..at], into);
            }
            from = at + 1;
            match block[at] {
                CR => self.carriage_return(into),
                LF => self.line_end(into),
                _ => {
                    self.text(&[0], into);
                    self.found.nul.get_or_insert(into.len());
                }
            }
        }
        if from < block.len() {
            self.text(&block[from..], into);
        }
    }

    fn carriage_return(&mut self, into: &mut Vec<u8>) {
        if self.waiting < RUN {
            self.waiting += 1;
        } else {
            self.bare(into);
        }
    }

    fn line_end(&mut self, into: &mut Vec<u8>) {
        into.extend_from_slice(b"\r\n");
        if self.waiting != 1 {
            self.found.bare.get_or_insert(into.len());
        }
        self.waiting = 0;
    }

    fn text(&mut self, octets: &[u8], into: &mut Vec<u8>) {
        self.let_go(into);
        into.extend_from_slice(octets);
    }

    /// CRs that no LF followed: each stood alone.
    fn let_go(&mut self, into: &mut Vec<u8>) {
        for _ in 0..std::mem::take(&mut self.waiting) {
            self.bare(into);
        }
    }

    /// Writes CRLF for a CR that stood alone.
    fn bare(&mut self, into: &mut Vec<u8>) {
        into.extend_from_slice(b"\r\n");
        self.found.bare.get_or_insert(into.len());
    }
}

/// Whether CR and LF stand only as CRLF, and no NUL stands at all. One pass without branches, which the compiler turns into
/// vector instructions.
fn is_clean(block: &[u8]) -> bool {
    let (Some(&first), Some(&last)) = (block.first(), block.last()) else { return true };
    let mut dirty = (first == LF) | (first == 0) | (last == CR);
    for (&before, &byte) in block.iter().zip(&block[1..]) {
        dirty |= ((before == CR) != (byte == LF)) | (byte == 0);
    }
    !dirty
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mended(input: &[u8], size: usize) -> (Vec<u8>, Found) {
        let (mut newlines, mut out) = (Newlines::default(), Vec::new());
        for piece in input.chunks(size.max(1)) {
            newlines.read(piece, &mut out);
        }
        newlines.finish(&mut out);
        (out, newlines.found())
    }

    #[test]
    fn each_kind_of_line_end_becomes_crlf() {
        for (input, output) in [
            ("a\r\nb\r\n", "a\r\nb\r\n"),
            ("a\nb\n", "a\r\nb\r\n"),
            ("a\rb\r", "a\r\nb\r\n"),
            ("a\r\r\nb\r\r\r\n", "a\r\nb\r\n"),
            ("a\r\rb", "a\r\n\r\nb\r\n"),
            ("\n\n\r", "\r\n\r\n\r\n"),
            ("\r\n.\r", "\r\n.\r\n"),
            ("", ""),
        ] {
            for size in 1..=input.len() {
                assert_eq!(mended(input.as_bytes(), size).0, output.as_bytes(), "{input:?} by {size}");
            }
            assert_eq!(mended(input.as_bytes(), 64).1.bare.is_some(), input != output, "{input:?}");
        }
    }

    #[test]
    fn nul_is_seen_wherever_it_stands() {
        for input in [&b"\0"[..], b"a\0", b"\0\r\n", b"a\r\0\n"] {
            for size in 1..=input.len() {
                assert!(mended(input, size).1.nul.is_some(), "{}", input.escape_ascii());
            }
        }
    }

    #[test]
    fn a_long_run_of_cr_does_not_wait_for_ever() {
        let input = [vec![CR; 100], b"\nx".to_vec()].concat();
        for size in [1, 7, 200] {
            let (out, found) = mended(&input, size);
            assert_eq!(out, [b"\r\n".repeat(100 - RUN + 1), b"x\r\n".to_vec()].concat());
            assert_eq!(found.bare, Some(2));
        }
    }

    /// The rule, said in the slowest way.
    fn plainly(input: &str) -> String {
        let mut lf = input.to_owned();
        while lf.contains("\r\r\n") {
            lf = lf.replace("\r\r\n", "\r\n");
        }
        let mut out = lf.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n");
        if !out.is_empty() && !out.ends_with("\r\n") {
            out.push_str("\r\n");
        }
        out
    }

    proptest! {
        #[test]
        fn any_pieces_give_what_the_rule_says(input in "[\r\na\0]{0,60}", size in 1usize..9) {
            let (out, found) = mended(input.as_bytes(), size);
            prop_assert_eq!(out, plainly(&input).into_bytes());
            prop_assert_eq!(found.nul.is_some(), input.contains('\0'));
            prop_assert_eq!(found, mended(input.as_bytes(), 64).1);
        }

        #[test]
        fn long_input_is_mended_across_blocks(lines in proptest::collection::vec(("[a-z]{0,90}", 0..6usize), 0..200)) {
            let ends = ["\r\n", "\r\n", "\r\n", "\n", "\r", "\r\r\n"];
            let input: String = lines.iter().map(|(text, end)| format!("{text}{}", ends[*end])).collect();
            prop_assert_eq!(mended(input.as_bytes(), 4096).0, plainly(&input).into_bytes());
        }
    }
}
