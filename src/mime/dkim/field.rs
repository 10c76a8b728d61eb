//! The DKIM-Signature field itself (RFC 6376 section 3.5), folded.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::key::SigningKey;
use super::{SignError, canonical};
use crate::clock::Timestamp;

const NAME: &str = "DKIM-Signature";
/// How long a signature may be trusted: longer than a message waits in queues, shorter than a replay pays.
const LASTS: Duration = Duration::from_secs(7 * 24 * 3600);
/// Octets of a line without its CRLF (RFC 5322 section 2.1.1 says 78 at most).
const WIDTH: usize = 76;

/// What the signatures of one message have in common.
pub(super) struct Unsigned<'a> {
    pub domain: &'a str,
    pub at: Timestamp,
    /// The names in `h=`.
    pub names: &'a [&'a str],
    /// In base64.
    pub body_hash: &'a str,
}

impl Unsigned<'_> {
    /// The field that `key` makes, line end included. `covered`: the canonical form of the fields that the names cover.
    pub fn signed_by(&self, key: &SigningKey, covered: &[u8]) -> Result<Vec<u8>, SignError> {
        let mut field = self.without_signature(key);
        let mut signed = covered.to_vec();
        // RFC 6376 section 3.7: the field itself comes last, with `b=` empty and no line end.
        canonical::field(NAME, &field.text.as_bytes()[NAME.len() + 1..], &mut signed);
        let signature = key.sign(&digest(&SHA256, &signed)).ok_or(SignError::Key)?;
        field.fill(&STANDARD.encode(signature));
        field.text.push_str("\r\n");
        Ok(field.text.into_bytes())
    }

    fn without_signature(&self, key: &SigningKey) -> Folded {
        let mut field = Folded::new();
        field.word("v=1;");
        field.word(&format!("a={};", key.algorithm().signature_name()));
        field.word("c=relaxed/relaxed;");
        field.word(&format!("d={};", self.domain));
        field.word(&format!("s={};", key.selector()));
        let began = self.at.0.div_euclid(1000);
        let ends = self.at.plus(LASTS).0.div_euclid(1000);
        field.word(&format!("t={began};"));
        field.word(&format!("x={ends};"));
        field.word("h=");
        for (place, name) in self.names.iter().enumerate() {
            let mark = if place + 1 == self.names.len() { ';' } else { ':' };
            field.piece(&format!("{name}{mark}"));
        }
        field.word(&format!("bh={};", self.body_hash));
        field.word("b=");
        field
    }
}

/// A field as it grows, broken into lines.
struct Folded {
    text: String,
    column: usize,
}

impl Folded {
    fn new() -> Self {
        Self { text: format!("{NAME}:"), column: NAME.len() + 1 }
    }

    /// Adds what stands apart from what was before.
    fn word(&mut self, word: &str) {
        if self.column + 1 + word.len() > WIDTH {
            self.fold();
        } else {
            self.put(" ");
        }
        self.put(word);
    }

    /// Adds what may stand close to what was before.
    fn piece(&mut self, piece: &str) {
        if self.column + piece.len() > WIDTH {
            self.fold();
        }
        self.put(piece);
    }

    /// Adds ASCII that may be broken anywhere.
    fn fill(&mut self, mut text: &str) {
        while !text.is_empty() {
            if self.column >= WIDTH {
                self.fold();
            }
            let (line, rest) = text.split_at(text.len().min(WIDTH - self.column));
            self.put(line);
            text = rest;
        }
    }

    fn fold(&mut self) {
        self.text.push_str("\r\n ");
        self.column = 1;
    }

    fn put(&mut self, text: &str) {
        self.text.push_str(text);
        self.column += text.len();
    }
}
