//! What became of the mail of a day.

use crate::clock::Timestamp;
use crate::model::status::MessageStatus;

/// A day in UTC, counted from 1970-01-01. Mail is counted under the day it was accepted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub i64);

impl Day {
    /// What sandbox mail is counted under: no statistics show it.
    pub const NONE: Self = Self(0);

    const MILLISECONDS: i64 = 86_400_000;

    /// The day that `time` lies in.
    pub fn at(time: Timestamp) -> Self {
        Self(time.0.div_euclid(Self::MILLISECONDS))
    }

    /// Its first moment.
    pub fn begins(self) -> Timestamp {
        Timestamp(self.0.saturating_mul(Self::MILLISECONDS))
    }

    /// `2026-11-21`.
    pub fn date(self) -> String {
        self.begins().rfc3339().chars().take(10).collect()
    }
}

/// How many messages stand at each status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusCounts([u64; MessageStatus::ALL.len()]);

impl StatusCounts {
    /// The messages that stand at `status`.
    pub fn of(&self, status: MessageStatus) -> u64 {
        self.0[Self::place(status)]
    }

    /// All messages.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Each status with its messages, also where there are none.
    pub fn each(&self) -> impl Iterator<Item = (MessageStatus, u64)> {
        MessageStatus::ALL.into_iter().zip(self.0)
    }

    /// Counts more messages under `status`.
    pub fn add(&mut self, status: MessageStatus, messages: u64) {
        self.0[Self::place(status)] += messages;
    }

    fn place(status: MessageStatus) -> usize {
        MessageStatus::ALL.iter().position(|s| *s == status).unwrap_or(0)
    }
}

/// How many messages people opened, clicked in, and unsubscribed by; each message counts once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EngagementCounts {
    pub opened: u64,
    pub clicked: u64,
    pub unsubscribed: u64,
}

/// What became of some mail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub statuses: StatusCounts,
    pub engagement: EngagementCounts,
}

/// The mail accepted on one day, as it stands now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DailyCounts {
    pub day: Day,
    pub counts: Counts,
}

impl EngagementCounts {
    /// Counts more messages under an event's word; other events are none of these.
    pub fn add(&mut self, word: &str, messages: u64) {
        match word {
            "opened" => self.opened += messages,
            "clicked" => self.clicked += messages,
            "unsubscribed" => self.unsubscribed += messages,
            _ => {}
        }
    }
}

impl Counts {
    /// Counts the messages of other counts in.
    pub fn add(&mut self, other: &Self) {
        other.statuses.each().for_each(|(status, messages)| self.statuses.add(status, messages));
        let EngagementCounts { opened, clicked, unsubscribed } = other.engagement;
        self.engagement.opened += opened;
        self.engagement.clicked += clicked;
        self.engagement.unsubscribed += unsubscribed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_named_by_its_date() {
        let noon = Timestamp(1_795_219_200_000);
        assert_eq!(Day::at(noon).date(), "2026-11-21");
        assert_eq!(Day::at(Day::at(noon).begins()), Day::at(noon));
        assert_eq!(Day::at(Timestamp(-1)).date(), "1969-12-31");
    }
}
