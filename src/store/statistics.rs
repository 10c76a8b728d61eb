//! Totals of a team's mail by status, from counters that move in the transaction of the change.

use std::collections::BTreeMap;

use crate::id::Id;
use crate::model::statistics::{DailyCounts, Day, StatusCounts};
use crate::model::status::MessageStatus;
use crate::store::sql::{Sql, record, values};
use crate::store::{Store, StoreError, counters};

pub(super) static BY_DAY: Sql = Sql::new(
    "SELECT name, day, CAST(SUM(value) AS BIGINT) AS total FROM counters
     WHERE team_id = $1 AND day >= $2
       AND name IN ('messages', 'complained', 'bounced', 'failed', 'sent', 'delivered', 'cancelled', 'rejected')
     GROUP BY name, day",
);

record!(Row { name: String, day: i64, total: i64 });

impl Store {
    /// How the mail that a team had accepted on `since` and later stands now. Sandbox mail is left out.
    pub async fn statistics(&self, team: Id, since: Day) -> Result<StatusCounts, StoreError> {
        let mut sum = StatusCounts::default();
        for counts in self.counts_by_day(team, since).await?.values() {
            counts.each().for_each(|(status, messages)| sum.add(status, messages));
        }
        Ok(sum)
    }

    /// The same day by day for the last `days`, today included, oldest first.
    pub async fn daily_statistics(&self, team: Id, days: u32) -> Result<Vec<DailyCounts>, StoreError> {
        let today = Day::at(self.desk().clock().now()).0;
        let first = today + 1 - i64::from(days);
        let mut counts = self.counts_by_day(team, Day(first)).await?;
        let of = |day| DailyCounts { day: Day(day), counts: counts.remove(&Day(day)).unwrap_or_default() };
        Ok((first..=today).map(of).collect())
    }

    /// All messages of a team, or all at a status; sandbox mail included.
    pub(super) async fn total(&self, team: Id, status: Option<MessageStatus>) -> Result<u64, StoreError> {
        match status {
            None => self.counter(team, counters::MESSAGES).await,
            Some(MessageStatus::Queued) => {
                let days = self.all_counts(team, Day::NONE).await?;
                Ok(days.values().map(|counts| counts.of(MessageStatus::Queued)).sum())
            }
            Some(status) => self.counter(team, status.as_str()).await,
        }
    }

    async fn counts_by_day(&self, team: Id, since: Day) -> Result<BTreeMap<Day, StatusCounts>, StoreError> {
        self.all_counts(team, since.max(Day(Day::NONE.0 + 1))).await
    }

    async fn all_counts(&self, team: Id, since: Day) -> Result<BTreeMap<Day, StatusCounts>, StoreError> {
        let (mut days, mut queued) = (BTreeMap::<Day, StatusCounts>::new(), BTreeMap::<Day, i64>::new());
        for row in self.db().fetch::<Row>(&BY_DAY, values![team, since.0]).await? {
            let rest = queued.entry(Day(row.day)).or_default();
            if row.name == counters::MESSAGES {
                *rest += row.total;
            } else if let Some(status) = MessageStatus::from_word(&row.name) {
                *rest -= row.total;
                days.entry(Day(row.day)).or_default().add(status, u64::try_from(row.total).unwrap_or(0));
            }
        }
        for (day, messages) in queued {
            days.entry(day).or_default().add(MessageStatus::Queued, u64::try_from(messages).unwrap_or(0));
        }
        Ok(days)
    }
}
