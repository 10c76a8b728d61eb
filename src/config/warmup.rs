//! `[[delivery.source]]` and `[[delivery.sender]]`: the addresses mail leaves from, and what addresses and domains send while new.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Delivery;
use super::pattern::{Pattern, one_or_many, texts};
use crate::clock::Timestamp;
use crate::model::stream::Stream;

/// An address of this machine that connections are made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    pub address: IpAddr,
    /// Whose mail it carries; empty: all.
    #[serde(default, deserialize_with = "one_or_many", serialize_with = "texts", skip_serializing_if = "Vec::is_empty")]
    pub streams: Vec<Stream>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warmup: Option<Ramp>,
}

/// A sending domain that warms up: that of the From field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sender {
    pub domain: Pattern,
    pub warmup: Ramp,
}

/// A daily budget of messages that grows until it is none.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ramp {
    /// The first day, `2026-11-21`; days are UTC.
    pub since: Day,
    /// The budget of the first day.
    pub start: u64,
    /// Each day's budget is this many times that of the day before.
    pub growth: f64,
    /// A day that would have this budget, and every later one, has none.
    pub until: u64,
}

/// A day, counted from 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Day(pub i64);

const DAY: i64 = 86_400_000;

impl Day {
    /// The day that `at` is in.
    pub fn of(at: Timestamp) -> Self {
        Self(at.0.div_euclid(DAY))
    }

    /// When it is over.
    pub fn end(self) -> Timestamp {
        Timestamp(self.0.saturating_add(1).saturating_mul(DAY))
    }
}

impl Ramp {
    /// Messages that may be sent on that day; `None`: any number. A day before the first counts as the first.
    #[expect(clippy::cast_sign_loss, reason = "a product of positive numbers")]
    pub fn budget(&self, day: Day) -> Option<u64> {
        let days = i32::try_from(day.0.saturating_sub(self.since.0).max(0)).unwrap_or(i32::MAX);
        let budget = self.start as f64 * self.growth.powi(days);
        // A float becomes the nearest number it can be.
        (budget < self.until as f64).then_some(budget as u64)
    }

    fn fault(&self) -> Option<&'static str> {
        if self.start == 0 || self.until < self.start {
            return Some("start is to be 1 or more, and until no less than start");
        }
        (!self.growth.is_finite() || self.growth <= 1.0).then_some("growth is to be more than 1, or it would never end")
    }
}

impl Delivery {
    /// What is wrong with a ramp, by the place of the bad one.
    pub(super) fn fault_of_ramps(&self) -> Option<String> {
        let sources =
            self.source.iter().zip(1..).map(|(source, n)| (format!("delivery.source {n} ({})", source.address), source.warmup));
        let senders = self
            .sender
            .iter()
            .zip(1..)
            .map(|(sender, n)| (format!("delivery.sender {n} ({})", sender.domain), Some(sender.warmup)));
        sources.chain(senders).find_map(|(place, ramp)| ramp?.fault().map(|fault| format!("{place}: warmup: {fault}")))
    }
}

impl FromStr for Day {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let epoch = jiff::civil::date(1970, 1, 1);
        let date: jiff::civil::Date = text.trim().parse().map_err(|_| format!("{text:?} is not a day such as 2026-11-21"))?;
        Ok(Self(i64::from(date.duration_since(epoch).as_hours() as i32 / 24)))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Timestamp(self.0.saturating_mul(DAY)).rfc3339().split('T').next().unwrap_or_default())
    }
}

impl TryFrom<String> for Day {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Day> for String {
    fn from(day: Day) -> String {
        day.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_read_and_write() {
        for (text, day) in [("1970-01-01", 0), ("2026-11-21", 20_778), ("1969-12-31", -1)] {
            assert_eq!((text.parse(), Day(day).to_string().as_str()), (Ok(Day(day)), text));
        }
        assert!("2026-02-30".parse::<Day>().is_err() && "today".parse::<Day>().is_err());
        let at = Timestamp(20_778 * DAY + 5);
        assert_eq!((Day::of(at), Day::of(at).end()), (Day(20_778), Timestamp(20_779 * DAY)));
    }

    #[test]
    fn a_budget_grows_until_it_is_none() {
        let ramp = Ramp { since: Day(100), start: 50, growth: 2.0, until: 1000 };
        let budgets: Vec<_> = (98..107).map(|day| ramp.budget(Day(day))).collect();
        let first = Some(50);
        assert_eq!(budgets, [first, first, first, Some(100), Some(200), Some(400), Some(800), None, None]);
        assert_eq!(ramp.budget(Day(i64::MAX)), None);
    }
}
