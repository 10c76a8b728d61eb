//! `[[delivery.shape]]`: how much a destination is sent at a time.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::pattern::{Pattern, one_or_many};

/// The most recipients of one transaction (RFC 5321 section 4.5.3.1.8: so many every server takes).
pub const RECIPIENTS_AT_MOST: u32 = 100;

/// What one destination, or each of many, is sent at a time. What is not given is taken from the next wider shape that matches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    #[serde(rename = "match", deserialize_with = "one_or_many")]
    pub matches: Vec<Match>,
    /// Connections open at once, of all engines together.
    pub connections: Option<NonZeroU32>,
    /// Of these, how many broadcast mail leaves free while more than one is allowed.
    pub transactional_connections: Option<u32>,
    pub messages_per_connection: Option<NonZeroU32>,
    /// Messages in a time, of all engines together.
    pub rate: Option<Pace>,
    /// Recipients of one transaction, 100 at most.
    pub recipients_per_message: Option<NonZeroU32>,
}

/// What a shape is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Match {
    /// `*`: each destination.
    Every,
    /// `mx:PATTERN`: what lies behind mail hosts of these names, as one destination.
    Hosts(Pattern),
    /// `domain:PATTERN`: each recipient domain of these names, as a destination of its own.
    Domain(Pattern),
}

/// A number of messages in a time, or any number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Pace {
    Unlimited,
    Limited(Rate),
}

/// A number of messages in a time, spread evenly over it: `10/s`, `600/min`, `1000/h`, `5000/d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    messages: NonZeroU32,
    unit: &'static (&'static str, u32),
}

/// Units and their seconds.
const UNITS: [(&str, u32); 4] = [("s", 1), ("min", 60), ("h", 3600), ("d", 86400)];

impl Rate {
    /// Messages per second.
    pub fn per_second(self) -> f64 {
        f64::from(self.messages.get()) / f64::from(self.unit.1)
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (messages, unit) = text.split_once('/')?;
            let unit = UNITS.iter().find(|(name, _)| *name == unit.trim())?;
            Some(Self { messages: messages.trim().parse().ok()?, unit })
        };
        read().ok_or_else(|| format!("{text:?} is not a rate such as 10/s, 600/min, 1000/h or 5000/d"))
    }
}

impl FromStr for Pace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "unlimited" => Ok(Self::Unlimited),
            rate => rate.parse().map(Self::Limited).map_err(|error| format!("{error}, nor unlimited")),
        }
    }
}

impl FromStr for Match {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim().split_once(':') {
            Some(("mx", hosts)) => match hosts.parse()? {
                // All hosts there are would be one destination.
                Pattern::Any => Err(format!("{text:?}: write \"*\" for each destination")),
                hosts => Ok(Self::Hosts(hosts)),
            },
            Some(("domain", domain)) => domain.parse().map(Self::Domain),
            None if text.trim() == "*" => Ok(Self::Every),
            _ => Err(format!("{text:?} is not a match such as mx:*.example.net, domain:example.com or *")),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.messages, self.unit.0)
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlimited => f.write_str("unlimited"),
            Self::Limited(rate) => rate.fmt(f),
        }
    }
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every => f.write_str("*"),
            Self::Hosts(hosts) => write!(f, "mx:{hosts}"),
            Self::Domain(domain) => write!(f, "domain:{domain}"),
        }
    }
}

impl TryFrom<String> for Match {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Match> for String {
    fn from(value: Match) -> String {
        value.to_string()
    }
}

impl TryFrom<String> for Pace {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Pace> for String {
    fn from(pace: Pace) -> String {
        pace.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_matches_read_and_write() {
        for (text, per_second) in [("10/s", 10.0), ("600/min", 10.0), ("36/h", 0.01), ("86400/d", 1.0)] {
            let rate: Rate = text.parse().unwrap();
            assert!((rate.per_second() - per_second).abs() < 1e-9 && rate.to_string() == text, "{text}");
        }
        for text in ["*", "mx:*.google.com", "domain:example.com", "domain:*"] {
            assert_eq!(text.parse::<Match>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_neither_is_refused() {
        for bad in ["0/s", "10", "10/week", "-1/s", "x/s", ""] {
            assert!(bad.parse::<Pace>().is_err(), "{bad}");
        }
        for bad in ["google.com", "mx:*", "mx:", "host:x", ""] {
            assert!(bad.parse::<Match>().is_err(), "{bad}");
        }
    }
}
