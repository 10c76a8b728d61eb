//! Daily budgets, shared by all engines: what is drawn here may be spent without asking again.

use crate::store::sql::{Sql, record, values};
use crate::store::{Store, StoreError};

/// So many days are kept, for those who look.
const KEPT_DAYS: i64 = 60;

static OPEN: Sql =
    Sql::new("INSERT INTO daily_budgets (account, day, drawn) VALUES ($1, $2, 0) ON CONFLICT (account, day) DO NOTHING");
static DRAWN: Sql = Sql::new("SELECT r.drawn AS drawn FROM daily_budgets r WHERE r.account = $1 AND r.day = $2 {lock}");
static SEEN: Sql = Sql::new("SELECT drawn FROM daily_budgets WHERE account = $1 AND day = $2");
static DRAW: Sql = Sql::new("UPDATE daily_budgets SET drawn = drawn + $3 WHERE account = $1 AND day = $2");
static FORGET: Sql = Sql::new("DELETE FROM daily_budgets WHERE account = $1 AND day < $2");

record!(DrawnRow { drawn: i64 });

impl Store {
    /// Draws up to `wanted` from the account's budget of that day (days since 1970 UTC). Returns how many it was given: all engines
    /// together are never given more than the budget.
    pub async fn draw_budget(&self, account: &str, day: i64, budget: u64, wanted: u64) -> Result<u64, StoreError> {
        let mut tx = self.db().begin().await?;
        if tx.run(&OPEN, &values![account, day], &[]).await? > 0 {
            tx.run(&FORGET, &values![account, day - KEPT_DAYS], &[]).await?;
        }
        let drawn = tx.fetch::<DrawnRow>(&DRAWN, &values![account, day], &[]).await?.pop().map_or(0, |row| row.drawn);
        let left = budget.saturating_sub(u64::try_from(drawn).unwrap_or(0));
        let given = wanted.min(left);
        if given > 0 {
            tx.run(&DRAW, &values![account, day, i64::try_from(given).unwrap_or(i64::MAX)], &[]).await?;
        }
        tx.commit().await?;
        Ok(given)
    }

    /// What all engines have drawn of the account on that day.
    pub async fn drawn_budget(&self, account: &str, day: i64) -> Result<u64, StoreError> {
        let row = self.db().fetch_one::<DrawnRow>(&SEEN, values![account, day]).await?;
        Ok(row.map_or(0, |row| u64::try_from(row.drawn).unwrap_or(0)))
    }
}
