//! Totals of a team's mail, by status and by what people did with it, from counters that move in the transaction of the change.

use std::collections::BTreeMap;

use crate::id::Id;
use crate::model::statistics::{Counts, DailyCounts, Day};
use crate::model::status::MessageStatus;
use crate::store::sql::{Sql, record, values};
use crate::store::{Store, StoreError, counters};

pub(super) static BY_DAY: Sql = Sql::new(
    "SELECT name, day, CAST(SUM(value) AS BIGINT) AS total FROM counters
     WHERE team_id = $1 AND day >= $2
       AND name IN ('messages', 'complained', 'bounced', 'failed', 'sent', 'delivered', 'cancelled', 'rejected',
           'opened', 'clicked', 'unsubscribed')
     GROUP BY name, day",
);

record!(Row { name: String, day: i64, total: i64 });

impl Store {
    /// How the mail that a team had accepted on `since` and later stands now. Sandbox mail is left out.
    pub async fn statistics(&self, team: Id, since: Day) -> Result<Counts, StoreError> {
        let mut sum = Counts::default();
        self.counts_by_day(team, since).await?.values().for_each(|counts| sum.add(counts));
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
                Ok(days.values().map(|counts| counts.statuses.of(MessageStatus::Queued)).sum())
            }
            Some(status) => self.counter(team, status.as_str()).await,
        }
    }

    async fn counts_by_day(&self, team: Id, since: Day) -> Result<BTreeMap<Day, Counts>, StoreError> {
        self.all_counts(team, since.max(Day(Day::NONE.0 + 1))).await
    }

    async fn all_counts(&self, team: Id, since: Day) -> Result<BTreeMap<Day, Counts>, StoreError> {
        let (mut days, mut queued) = (BTreeMap::<Day, Counts>::new(), BTreeMap::<Day, i64>::new());
        for row in self.db().fetch::<Row>(&BY_DAY, values![team, since.0]).await? {
            let (counts, total) = (days.entry(Day(row.day)).or_default(), u64::try_from(row.total).unwrap_or(0));
            if row.name == counters::MESSAGES {
                *queued.entry(Day(row.day)).or_default() += row.total;
            } else if let Some(status) = MessageStatus::from_word(&row.name) {
                *queued.entry(Day(row.day)).or_default() -= row.total;
                counts.statuses.add(status, total);
            } else {
                counts.engagement.add(&row.name, total);
            }
        }
        for (day, messages) in queued {
            let counts = days.entry(day).or_default();
            counts.statuses.add(MessageStatus::Queued, u64::try_from(messages).unwrap_or(0));
        }
        Ok(days)
    }
}
