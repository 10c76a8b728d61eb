//! Sizes and spans as people write them: `25MiB`, `30s`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A number of octets: `4096`, `256KiB`, `25MiB`, `1GiB`, `10MB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ByteSize(pub u64);

/// A span of time: `250ms`, `30s`, `10m`, `4h`, `3d`, `0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(pub Duration);

const SIZES: [(&str, u64); 7] =
    [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1000), ("B", 1)];
const SPANS: [(&str, u64); 5] = [("ms", 1), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)];

impl ByteSize {
    /// As an index into memory.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// A number and one of the units, or a bare number of the smallest one where `bare` allows it.
fn scaled(text: &str, units: &[(&str, u64)], bare: bool) -> Option<u64> {
    let text = text.trim();
    let (number, factor) = units
        .iter()
        .find_map(|(unit, factor)| text.strip_suffix(unit).map(|number| (number, *factor)))
        .or(bare.then_some((text, 1)))?;
    number.trim_end().parse::<u64>().ok()?.checked_mul(factor)
}

/// The largest unit that divides `value`.
fn unscaled(value: u64, units: &[(&str, u64)]) -> String {
    let mut units: Vec<_> = units.iter().filter(|(unit, _)| !matches!(*unit, "GB" | "MB" | "KB")).collect();
    units.sort_by_key(|(_, factor)| std::cmp::Reverse(*factor));
    units
        .iter()
        .find(|(_, factor)| value != 0 && value.is_multiple_of(*factor))
        .or(units.last())
        .map_or_else(|| value.to_string(), |(unit, factor)| format!("{}{unit}", value / factor))
}

impl FromStr for ByteSize {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        scaled(text, &SIZES, true).map(Self).ok_or_else(|| format!("{text:?} is not a size such as 25MiB"))
    }
}

impl FromStr for Span {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        // Nothing is nothing in every unit.
        scaled(text, &SPANS, text.trim() == "0")
            .map(|ms| Self(Duration::from_millis(ms)))
            .ok_or_else(|| format!("{text:?} is not a span such as 30s or 10m"))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&unscaled(self.0, &SIZES))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&unscaled(u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX), &SPANS))
    }
}

impl TryFrom<String> for ByteSize {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl TryFrom<String> for Span {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ByteSize> for String {
    fn from(size: ByteSize) -> String {
        size.to_string()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> String {
        span.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_spans_read_and_write() {
        for (text, octets) in [("25MiB", 25 << 20), ("4096", 4096), ("500B", 500), ("10MB", 10_000_000), ("0", 0)] {
            assert_eq!(text.parse::<ByteSize>(), Ok(ByteSize(octets)));
        }
        for (text, ms) in [("250ms", 250), ("30s", 30_000), ("10m", 600_000), ("72h", 259_200_000), ("0", 0)] {
            assert_eq!(text.parse::<Span>().map(|s| s.0), Ok(Duration::from_millis(ms)));
        }
        assert_eq!(ByteSize(25 << 20).to_string(), "25MiB");
        assert_eq!("72h".parse::<Span>().unwrap().to_string(), "3d");
        for bad in ["", "MiB", "-1s", "1.5h", "99999999999999999999GiB"] {
            assert!(bad.parse::<ByteSize>().is_err() && bad.parse::<Span>().is_err(), "{bad}");
        }
    }
}
