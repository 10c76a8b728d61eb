//! A message on its way in. Its beginning is kept, where a report says what it has to say; most of what it returns is only read.

use crate::wire::dot::{DotReader, Progress};

/// Octets that are kept of one message.
const KEPT: usize = 256 * 1024;

/// The content so far.
#[derive(Debug, Default)]
pub struct Data {
    reader: DotReader,
    kept: Vec<u8>,
    octets: u64,
}

impl Data {
    /// Takes what came, up to the end of the message.
    pub fn read(&mut self, input: &[u8]) -> Progress {
        let Self { reader, kept, octets } = self;
        reader.read(input, |piece| {
            *octets += piece.len() as u64;
            let room = KEPT.saturating_sub(kept.len());
            kept.extend_from_slice(&piece[..piece.len().min(room)]);
        })
    }

    /// Octets that came, kept or not.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// What was kept. The line that was cut is left out: half an address may be another's.
    pub fn into_kept(mut self) -> Vec<u8> {
        if self.octets > self.kept.len() as u64 {
            self.kept.truncate(memchr::memrchr(b'\n', &self.kept).map_or(0, |end| end + 1));
        }
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_is_kept_in_whole_lines_and_the_rest_is_counted() {
        let line = [b"x".repeat(998), b"\r\n".to_vec()].concat();
        for (lines, kept) in [(3, 3), (262, 262), (263, 262), (5000, 262)] {
            let mut data = Data::default();
            for _ in 0..lines {
                assert_eq!(data.read(&line), Progress { used: line.len(), ended: false });
            }
            assert!(data.read(b".\r\n").ended);
            assert_eq!(data.octets(), lines * 1000);
            assert!(data.into_kept() == line.repeat(kept), "{lines}");
        }
    }
}
