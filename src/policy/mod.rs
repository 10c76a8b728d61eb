//! The rules by which a submission is judged: one file a rule, each a pure function of the draft and the facts.
//!
//! Reading a draft already refuses what can't be told apart (see [`draft`]); the rules then see typed values only.

pub mod barrier;
pub mod controls;
pub mod domain;
pub mod draft;
pub mod facts;
pub mod quota;
pub mod reserved;
pub mod sandbox;
pub mod scope;
pub mod sender;
pub mod size;
pub mod stream;

pub use barrier::Barrier;
pub use draft::Draft;
pub use facts::{Facts, Limits, Usage};

use crate::model::refusal::{Code, Refusal};
use crate::model::stream::Stream;

/// What one rule says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing against it.
    Pass,
    /// It travels on this stream.
    Travel(Stream),
    /// It goes, but without these recipients: their places in the envelope, each with what keeps it from them.
    Without(Vec<(usize, Barrier)>),
    Refuse(Refusal),
}

impl From<Refusal> for Verdict {
    fn from(refusal: Refusal) -> Self {
        Self::Refuse(refusal)
    }
}

/// What all rules together say of a submission that nothing speaks against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    pub stream: Stream,
    /// Places of recipients that are left out, each with what keeps the message from them.
    pub without: Vec<(usize, Barrier)>,
}

/// A rule: pure, so that it can be read and tested alone.
pub type Rule = fn(&Draft<'_>, &Facts<'_>) -> Verdict;

/// In the order they are asked: the first refusal is what the client is told.
const RULES: [Rule; 9] = [
    scope::judge,
    size::judge,
    reserved::judge,
    controls::judge,
    stream::judge,
    sandbox::judge,
    domain::judge,
    barrier::judge,
    quota::judge,
];

/// Folds the rules.
pub fn judge(draft: &Draft<'_>, facts: &Facts<'_>) -> Result<Ruling, Refusal> {
    let mut ruling = Ruling { stream: Stream::Transactional, without: Vec::new() };
    for rule in RULES {
        match rule(draft, facts) {
            Verdict::Pass => {}
            Verdict::Travel(stream) => ruling.stream = stream,
            Verdict::Without(recipients) => ruling.without = recipients,
            Verdict::Refuse(refusal) => return Err(refusal),
        }
    }
    Ok(ruling)
}

/// The most of a client's own words that a refusal repeats: its reply must fit in 200 octets.
const QUOTED: usize = 48;

/// What a client said, short and plain enough to be repeated in a reply.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    let mut said: String = text.chars().take(QUOTED).map(plain).collect();
    if text.chars().nth(QUOTED).is_some() {
        said.push_str("...");
    }
    said
}

/// A refusal for a field, by name.
pub(crate) fn invalid_header(name: &str, fault: &str) -> Refusal {
    Refusal::new(Code::InvalidHeader, format!("{} {fault}", quoted(name)))
}

#[cfg(test)]
pub(crate) mod testing;

#[cfg(test)]
mod tests;
