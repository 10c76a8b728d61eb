//! Whoever makes deliveries of a team's events, and whoever has one of its endpoints catch up, wait for each other, and so
//! does who counts its endpoints to make another. On SQLite there is one writer, and nothing to wait for.

use crate::id::Id;
use crate::store::StoreError;
use crate::store::db::Tx;
use crate::store::sql::{Kind, Sql, values};

/// In one order, so that two processes can't wait for each other.
static SHARE: Sql = Sql::rows("SELECT pg_advisory_xact_lock_shared(v.team) FROM {rows}", &[("team", Kind::Int)]);
static TAKE: Sql = Sql::new("SELECT pg_advisory_xact_lock($1)");

/// Until this transaction ends nobody has an endpoint of these teams catch up. Before it writes anything.
pub(super) async fn among_others(tx: &mut Tx, teams: impl Iterator<Item = Id>) -> Result<(), StoreError> {
    let mut keys: Vec<i64> = teams.map(key).collect();
    keys.sort_unstable();
    keys.dedup();
    if matches!(tx, Tx::Sqlite(_)) || keys.is_empty() {
        return Ok(());
    }
    let keys: Vec<_> = keys.into_iter().map(|key| values![key]).collect();
    tx.run(&SHARE, &[], &keys).await.map(|_| ())
}

/// Until this transaction ends nobody makes deliveries of this team's events, and all that were made before are seen. Before it reads
/// anything.
pub(super) async fn alone(tx: &mut Tx, team: Id) -> Result<(), StoreError> {
    match tx {
        Tx::Sqlite(_) => Ok(()),
        Tx::Postgres(_) => tx.run(&TAKE, &values![key(team)], &[]).await.map(|_| ()),
    }
}

/// Of the part of an id that is drawn by lot: two teams that share one wait for each other, too.
fn key(team: Id) -> i64 {
    i64::from_be_bytes(std::array::from_fn(|place| team.0[place + 8]))
}
