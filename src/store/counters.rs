//! Totals, kept in the transaction of the change: a row for each committer, so that none waits for another; summed when read. What is
//! counted of messages is counted by the day of their acceptance.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::id::Id;
use crate::model::statistics::Day;
use crate::store::sql::{Kind, Sql, Value, values};
use crate::store::{Store, StoreError, sql};

/// Messages accepted. Those at a status are counted under its word; but for `queued`, which is the rest. Those that a person opened, clicked in
/// or unsubscribed by are counted under the event's word.
pub(super) const MESSAGES: &str = "messages";
/// Recipients that are open, of no day.
pub(super) const OPEN: &str = "open";

pub(super) static APPLY: Sql = Sql::rows(
    "INSERT {or fail} INTO counters (team_id, name, day, committer, value) SELECT team_id, name, day, committer, value FROM {rows}
     WHERE TRUE ORDER BY team_id, name, day
     ON CONFLICT (team_id, name, day, committer) DO UPDATE SET value = counters.value + excluded.value",
    &[("team_id", Kind::Bytes), ("name", Kind::Text), ("day", Kind::Int), ("committer", Kind::Text), ("value", Kind::Int)],
);

pub(super) static SUM: Sql =
    Sql::new("SELECT CAST(COALESCE(SUM(value), 0) AS BIGINT) AS total FROM counters WHERE team_id = $1 AND name = $2");

sql::record!(Total { total: i64 });

/// What a batch changes.
#[derive(Default)]
pub(super) struct Changes(BTreeMap<(Id, Cow<'static, str>, Day), i64>);

impl Changes {
    /// Notes a change of a total of no day.
    pub fn add(&mut self, team: Id, name: impl Into<Cow<'static, str>>, by: i64) {
        self.add_on(Day::NONE, team, name, by);
    }

    /// Notes a change of a day's total.
    pub fn add_on(&mut self, day: Day, team: Id, name: impl Into<Cow<'static, str>>, by: i64) {
        *self.0.entry((team, name.into(), day)).or_default() += by;
    }

    /// The rows to be applied under the committer's name.
    pub fn rows(self, committer: &str) -> Vec<Vec<Value>> {
        let changed = self.0.into_iter().filter(|(_, by)| *by != 0);
        changed.map(|((team, name, day), by)| values![team, &*name, day.0, committer, by]).collect()
    }
}

impl Store {
    /// The sum of one counter of a team, over all days.
    pub(super) async fn counter(&self, team: Id, name: &'static str) -> Result<u64, StoreError> {
        let total = self.db().fetch_one::<Total>(&SUM, values![team, name]).await?;
        Ok(total.map_or(0, |t| u64::try_from(t.total).unwrap_or(0)))
    }
}
