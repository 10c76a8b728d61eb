//! The two streams mail travels on, each with its own share of the queue and its own reputation.

use std::fmt;
use std::str::FromStr;

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stream {
    /// Mail that one person caused and waits for: no tracking, no List-Unsubscribe.
    Transactional,
    /// Mail that one sender sends to many: tracking, List-Unsubscribe.
    Broadcast,
}

impl Stream {
    /// Both, in the order of their claim on the engine.
    pub const ALL: [Stream; 2] = [Stream::Transactional, Stream::Broadcast];

    /// The word used on every interface and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Stream::Transactional => "transactional",
            Stream::Broadcast => "broadcast",
        }
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Stream {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Stream::ALL
            .into_iter()
            .find(|s| s.as_str().eq_ignore_ascii_case(text.trim()))
            .ok_or_else(|| format!("{text:?} is not a stream: transactional or broadcast"))
    }
}
