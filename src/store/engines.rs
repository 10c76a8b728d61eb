//! Engines and their epochs: who may hold claims, and whose claims are void.

use std::sync::Arc;
use std::time::Duration;

use crate::store::handover::{Epoch, Scheduler};
use crate::store::sql::{Sql, record, values};
use crate::store::{Store, StoreError};

/// How often an epoch is renewed.
pub const RENEW_EVERY: Duration = Duration::from_secs(5);
/// Counted from when the last renewal was sent: past it no attempt starts.
pub const START_WITHIN: Duration = Duration::from_secs(15);
/// Without renewal for this long, by the database's clock, an epoch is dead.
pub const DEAD_AFTER: Duration = Duration::from_secs(20);

/// Rows are kept, so that no number is used twice.
static OPEN: Sql = Sql::new(
    "INSERT INTO engines (epoch, name, state, renewed_at) SELECT COALESCE(MAX(epoch), 0) + 1, $1, 'alive', {now} FROM engines
     RETURNING epoch",
);
/// For a dead epoch `renewed_at` is when it was buried.
static BURY_ALL: Sql = Sql::new("UPDATE engines SET state = 'dead', renewed_at = {now} WHERE state = 'alive'");
/// Who was not renewed lately itself can't tell the silence of others from its own.
static BURY_SILENT: Sql = Sql::new(
    "UPDATE engines SET state = 'dead', renewed_at = {now} WHERE state = 'alive' AND renewed_at < {now} - $1
         AND EXISTS (SELECT 1 FROM engines own WHERE own.epoch = $2 AND own.state = 'alive' AND own.renewed_at >= {now} - $3)",
);
/// A dead epoch stays dead, whatever its engine believes.
static RENEW: Sql = Sql::new("UPDATE engines SET renewed_at = {now} WHERE epoch = $1 AND state = 'alive'");
/// Has it looked through once more.
static LOOK_AGAIN: Sql = Sql::new("UPDATE engines SET state = 'dead', renewed_at = {now} WHERE epoch = $1 AND state = 'empty'");
static BURY_NAMESAKES: Sql =
    Sql::new("UPDATE engines SET state = 'dead', renewed_at = {now} WHERE state = 'alive' AND name = $1");
static CLOSE: Sql = Sql::new("UPDATE engines SET state = 'dead', renewed_at = {now} WHERE epoch = $1 AND state = 'alive'");
static DEAD: Sql = Sql::new(
    "SELECT e.epoch AS epoch,
         CAST(CASE WHEN EXISTS (SELECT 1 FROM outbound_recipients r WHERE r.state = 'queued' AND r.epoch = e.epoch) THEN 1 ELSE 0 END AS BIGINT) AS holds,
         CAST(CASE WHEN e.renewed_at < {now} - $1 THEN 1 ELSE 0 END AS BIGINT) AS cold
     FROM engines e WHERE e.state = 'dead' ORDER BY e.epoch",
);
static EMPTY: Sql = Sql::new("UPDATE engines SET state = 'empty' WHERE epoch = $1 AND state = 'dead'");

static LIVE: Sql = Sql::new("SELECT epoch FROM engines WHERE state = 'alive' ORDER BY epoch");

record!(EpochRow { epoch: i64 });
record!(DeadRow { epoch: i64, holds: i64, cold: i64 });

/// How many engines may begin at the very same moment.
const OPEN_TRIES: usize = 8;

impl Store {
    /// Begins a new epoch under a name that tells the machine and process. On SQLite every other epoch is dead from here on,
    /// since the lock file proves that no other engine runs.
    pub async fn open_epoch(&self, name: &str) -> Result<Epoch, StoreError> {
        if self.db().is_sqlite() {
            self.db().write(&BURY_ALL, Vec::new()).await?;
        }
        let mut last = StoreError::Broken("no epoch was given".to_owned());
        for _ in 0..OPEN_TRIES {
            match self.try_open_epoch(name).await {
                // Two engines drew the same number: the other one has it.
                Err(error @ (StoreError::Conflict(_) | StoreError::Repeat(_))) => last = error,
                other => return other,
            }
        }
        Err(last)
    }

    async fn try_open_epoch(&self, name: &str) -> Result<Epoch, StoreError> {
        let mut tx = self.db().begin().await?;
        let row = tx.fetch::<EpochRow>(&OPEN, &values![name], &[]).await?.pop();
        tx.commit().await?;
        row.map(|r| r.epoch).ok_or_else(|| StoreError::Broken("no epoch was given".to_owned()))
    }

    /// Marks epochs of this name dead, whose bearers the caller knows to be. Returns how many.
    pub async fn bury_namesakes(&self, name: &str) -> Result<u64, StoreError> {
        self.db().write(&BURY_NAMESAKES, values![name]).await
    }

    /// Renews the epoch. False: it is dead, and what was claimed under it is no longer ours.
    pub async fn renew_epoch(&self, epoch: Epoch) -> Result<bool, StoreError> {
        if self.db().write(&RENEW, values![epoch]).await? == 1 {
            return Ok(true);
        }
        // A process that was suspended may have had a commit on its way, which wrote rows of an epoch that had been found empty.
        self.db().write(&LOOK_AGAIN, values![epoch]).await?;
        Ok(false)
    }

    /// Ends the epoch in order: what it still holds becomes free at once.
    pub async fn close_epoch(&self, epoch: Epoch) -> Result<(), StoreError> {
        self.db().write(&CLOSE, values![epoch]).await.map(|_| ())
    }

    /// Marks epochs dead that were not renewed in time, provided that `own` was. Returns how many. On SQLite none: they are dead
    /// since our epoch began.
    pub async fn bury_epochs(&self, own: Epoch) -> Result<u64, StoreError> {
        if self.db().is_sqlite() {
            return Ok(0);
        }
        self.db().write(&BURY_SILENT, values![millis(DEAD_AFTER), own, millis(START_WITHIN)]).await
    }

    /// Every epoch that is not dead, its engine's silence notwithstanding.
    pub async fn live_epochs(&self) -> Result<Vec<Epoch>, StoreError> {
        Ok(self.db().fetch::<EpochRow>(&LIVE, Vec::new()).await?.into_iter().map(|row| row.epoch).collect())
    }

    /// Every dead epoch whose rows are not all taken over yet.
    pub async fn dead_epochs(&self) -> Result<Vec<Epoch>, StoreError> {
        let mut holding = Vec::new();
        for row in self.db().fetch::<DeadRow>(&DEAD, values![2 * millis(DEAD_AFTER)]).await? {
            if row.holds == 1 {
                holding.push(row.epoch);
            } else if row.cold == 1 {
                // Cold: a commit that was on its way when the epoch died can't come any more (statements and idle transactions end after 30 s).
                self.db().write(&EMPTY, values![row.epoch]).await?;
            }
        }
        Ok(holding)
    }

    /// Connects the engine of this process with the committers, and with what other processes leave ready. Called within the runtime.
    pub fn attach(&self, scheduler: Arc<dyn Scheduler>) {
        self.desk().attach(scheduler);
        self.listen();
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
