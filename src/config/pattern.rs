//! Names with a wildcard, as rules of the configuration give them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::address::ascii_domain;

/// `example.com`: that name. `*.example.com`: every name below it, however deep, but not itself. `*`: every name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Pattern {
    Any,
    /// With the dot that it begins with: `.example.com`.
    Below(String),
    Exactly(String),
}

impl Pattern {
    /// Whether it covers `name`, given in A-labels, lower case, without trailing dot.
    pub fn covers(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Below(end) => name.len() > end.len() && name.ends_with(end.as_str()),
            Self::Exactly(one) => name == one,
        }
    }

    /// Orders patterns that cover the same name: the narrower has the greater number.
    pub fn narrowness(&self) -> usize {
        match self {
            Self::Any => 0,
            Self::Below(end) => end.len(),
            Self::Exactly(_) => usize::MAX,
        }
    }
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = |name: &str| match ascii_domain(name) {
            Some(name) if !name.contains(|c: char| c == '*' || c.is_whitespace() || c.is_control()) => Ok(name),
            _ => Err(format!("{text:?} is not a name such as example.com, *.example.com or *")),
        };
        match text.trim().strip_prefix('*') {
            Some("") => Ok(Self::Any),
            Some(below) => match below.strip_prefix('.') {
                Some(rest) => Ok(Self::Below(format!(".{}", name(rest)?))),
                None => Err(format!("{text:?}: a * stands alone, or for whole labels at the beginning: *.example.com")),
            },
            None => Ok(Self::Exactly(name(text.trim())?)),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Below(end) => write!(f, "*{end}"),
            Self::Exactly(one) => f.write_str(one),
        }
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> String {
        pattern.to_string()
    }
}

/// For a key that takes one text or a list of them.
pub fn one_or_many<'de, D: Deserializer<'de>, T: FromStr<Err = String>>(from: D) -> Result<Vec<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a text or a list of texts")]
    enum Form {
        One(String),
        Many(Vec<String>),
    }
    let texts = match Form::deserialize(from)? {
        Form::One(text) => vec![text],
        Form::Many(texts) => texts,
    };
    texts.iter().map(|text| text.parse()).collect::<Result<_, _>>().map_err(serde::de::Error::custom)
}

/// The list written as texts.
pub fn texts<T: fmt::Display, S: Serializer>(list: &[T], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(list.iter().map(ToString::to_string))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(pattern: &str, name: &str) -> bool {
        pattern.parse::<Pattern>().unwrap().covers(name)
    }

    #[test]
    fn a_star_stands_for_one_label_or_more() {
        assert!(covers("*.google.com", "aspmx.l.google.com") && covers("*.google.com", "a.google.com"));
        assert!(!covers("*.google.com", "google.com") && !covers("*.google.com", ".google.com"));
        assert!(!covers("*.google.com", "evilgoogle.com") && !covers("*.google.com", "a.google.com.example"));
        assert!(covers("Example.COM.", "example.com") && !covers("example.com", "a.example.com"));
        assert!(covers("*", "anything") && covers("*.bücher.example", "a.xn--bcher-kva.example"));
    }

    #[test]
    fn the_narrower_comes_first() {
        let number = |text: &str| text.parse::<Pattern>().unwrap().narrowness();
        assert!(number("a.example") > number("*.b.example") && number("*.b.example") > number("*.example"));
        assert!(number("*.example") > number("*"));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for bad in ["", "*.", "*example.com", "a.*.example", "a b", "**", "mx*"] {
            assert!(bad.parse::<Pattern>().is_err(), "{bad}");
        }
        for good in ["*", "*.a.example", "a.example"] {
            assert_eq!(good.parse::<Pattern>().unwrap().to_string(), good);
        }
    }
}
