//! A reply as rules look at it.

use crate::model::outcome::Reply;

/// What a peer said, made comparable.
#[derive(Debug)]
pub struct Said {
    /// 0 when none was given.
    pub code: u16,
    /// The three numbers of the enhanced code: given as such, or found in the text (`#5.1.1`, `(5.1.1)`).
    pub status: Option<[u16; 3]>,
    /// In lower case, with single blanks, without the addresses: `spam@example.com` says nothing of spam.
    pub text: String,
}

impl Said {
    /// Of a reply.
    pub fn new(reply: &Reply) -> Self {
        let words = reply.text.split_whitespace().filter(|word| !word.contains('@'));
        let text = words.map(str::to_lowercase).collect::<Vec<_>>().join(" ");
        let given = reply.enhanced.as_deref().and_then(status);
        let found = || text.split(|c: char| !c.is_ascii_digit() && c != '.').find_map(|word| status(word.trim_end_matches('.')));
        Self { code: reply.code, status: given.or_else(found), text }
    }

    /// Whether it is said for good, by everything that is said.
    pub fn is_permanent(&self) -> bool {
        match (self.code / 100, self.status) {
            (0 | 5, Some([class, ..])) => class == 5,
            (class, None) => class == 5,
            _ => false,
        }
    }

    /// Whether a phrase occurs: its parts, in their order, each at the beginning of a word.
    pub fn contains(&self, parts: &[String]) -> bool {
        let mut rest = self.text.as_str();
        parts.iter().all(|part| match after(rest, part) {
            Some(behind) => {
                rest = behind;
                true
            }
            None => false,
        })
    }
}

/// What follows the first occurrence of `part` at the beginning of a word.
fn after<'a>(text: &'a str, part: &str) -> Option<&'a str> {
    let begins_word = |at: usize| !text[..at].ends_with(|c: char| c.is_alphanumeric());
    text.match_indices(part).find(|(at, _)| begins_word(*at)).map(|(at, _)| &text[at + part.len()..])
}

/// `class "." subject "." detail` (RFC 3463 section 2).
fn status(word: &str) -> Option<[u16; 3]> {
    let mut numbers = word.split('.').map(|n| n.parse().ok().filter(|_| n.len() <= 3));
    let status = [numbers.next()??, numbers.next()??, numbers.next()??];
    (numbers.next().is_none() && matches!(status[0], 2 | 4 | 5)).then_some(status)
}
