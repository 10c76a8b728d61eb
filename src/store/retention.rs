//! Deleting what is kept for so long only: the content of messages, and what happened to them. Each step is a short transaction, so that
//! nobody waits long behind it. Messages that are not finished keep everything.

use std::collections::HashSet;

use crate::clock::Timestamp;
use crate::id::Id;
use crate::store::db::{Db, repeated};
use crate::store::sql::{Kind, Sql, Value, record, values};
use crate::store::{Store, StoreError, engagement};

/// Rows of a step.
const AT_ONCE: usize = 500;
/// Octets of content that a step deletes, unless it is a single message's.
const OCTETS_AT_ONCE: i64 = 2 << 20;

/// By age; what is to stay is marked. `$3`: what was to leave later is younger than its acceptance says.
pub(super) static OLD_BODIES: Sql = Sql::new(
    "SELECT b.message_id AS message_id, COALESCE(m.size, 0) AS size, CAST(CASE WHEN m.send_at >= $3 OR EXISTS (
             SELECT 1 FROM outbound_recipients r WHERE r.message_id = b.message_id AND r.state IN ('queued', 'held'))
         THEN 1 ELSE 0 END AS BIGINT) AS stays
     FROM message_bodies b LEFT JOIN outbound_messages m ON m.id = b.message_id
     WHERE b.message_id > $1 AND b.message_id < $2 ORDER BY b.message_id LIMIT $4",
);
pub(super) static DELETE_PIECES: Sql =
    Sql::rows("DELETE FROM message_body_pieces WHERE message_id IN (SELECT v.message FROM {rows})", &[("message", Kind::Bytes)]);
pub(super) static DELETE_BODIES: Sql =
    Sql::rows("DELETE FROM message_bodies WHERE message_id IN (SELECT v.message FROM {rows})", &[("message", Kind::Bytes)]);

/// A complaint stays: the status of its message hangs on it, and a second report is known by it.
pub(super) static OLD_EVENTS: Sql = Sql::new(
    "SELECT e.message_id AS message_id, e.id AS id FROM events e
     WHERE (e.message_id, e.id) > ($1, $2) AND e.message_id < $3 AND e.at < $4 AND e.kind <> 'complained'
     ORDER BY e.message_id, e.id LIMIT $5",
);
pub(super) static UNFINISHED: Sql = Sql::rows(
    "SELECT DISTINCT r.message_id AS message_id FROM {rows} JOIN outbound_recipients r ON r.message_id = v.message
     WHERE r.state IN ('queued', 'held')",
    &[("message", Kind::Bytes)],
);
/// The times that a message shows of itself; those of opens and clicks are there from the first on.
pub(super) static KEEP_FIRST: Sql = Sql::rows(
    "INSERT INTO first_events (message_id, kind, at)
     SELECT e.message_id, e.kind, MIN(e.at) FROM {rows} JOIN events e ON e.message_id = v.message
     WHERE e.kind IN ('sent', 'delivered', 'bounced')
     GROUP BY e.message_id, e.kind ORDER BY e.message_id, e.kind
     ON CONFLICT (message_id, kind) DO NOTHING",
    &[("message", Kind::Bytes)],
);
pub(super) static DELETE_EVENTS: Sql = Sql::rows(
    "DELETE FROM events WHERE (message_id, id) IN (SELECT v.message, v.event FROM {rows})",
    &[("message", Kind::Bytes), ("event", Kind::Bytes)],
);

static PAGES: Sql = Sql::new("SELECT freelist_count AS free, page_count AS pages FROM pragma_freelist_count, pragma_page_count");
/// Pages given back at a time: what the writer does meanwhile is for nobody else.
const GIVE_BACK: &str = "PRAGMA incremental_vacuum(256)";
const GIVEN_BACK: usize = 256;
/// A part of the file that stays free: what mail needs that comes next is not taken from the file system again.
const STAYS_FREE: i64 = 32;

record!(OldBody { message_id: Vec<u8>, size: i64, stays: i64 });
record!(OldEvent { message_id: Vec<u8>, id: Vec<u8> });
record!(MessageKey { message_id: Vec<u8> });
record!(Pages { free: i64, pages: i64 });

/// Where a walk over what is kept stands; at first before everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    message: Vec<u8>,
    event: Vec<u8>,
}

impl Store {
    /// Deletes the content of some finished messages that are older than `before`. Returns where to go on, when there are more.
    pub async fn forget_bodies(&self, after: Place, before: Timestamp) -> Result<Option<Place>, StoreError> {
        let scalars = values![after.message, Id::earliest_at(before), before, AT_ONCE];
        let found = self.db().fetch::<OldBody>(&OLD_BODIES, scalars).await?;
        let step = within(&found, OCTETS_AT_ONCE);
        let more = step.len() < found.len() || found.len() == AT_ONCE;
        let gone: Vec<_> = step.iter().filter(|body| body.stays == 0).map(|body| values![body.message_id.clone()]).collect();
        if !gone.is_empty() {
            let statements = [(&DELETE_PIECES, &gone), (&DELETE_BODIES, &gone)];
            repeated(|| delete(self.db(), &statements)).await?;
        }
        let last = step.last().filter(|_| more);
        Ok(last.map(|last| Place { message: last.message_id.clone(), event: Vec::new() }))
    }

    /// Deletes some events of finished messages that are older than `before`. When a message was first sent, delivered, opened, clicked and
    /// bounced stays known. Returns where to go on, when there are more.
    pub async fn forget_events(&self, after: Place, before: Timestamp) -> Result<Option<Place>, StoreError> {
        let scalars = values![after.message, after.event, Id::earliest_at(before), before, AT_ONCE];
        let found = self.db().fetch::<OldEvent>(&OLD_EVENTS, scalars).await?;
        let unfinished = self.unfinished(&found).await?;
        let old = || found.iter().filter(|event| !unfinished.contains(&event.message_id));
        let messages = messages_of(old());
        let gone: Vec<_> = old().map(|event| values![event.message_id.clone(), event.id.clone()]).collect();
        if !gone.is_empty() {
            let statements = [(&KEEP_FIRST, &messages), (&DELETE_EVENTS, &gone), (&engagement::FORGET, &messages)];
            repeated(|| delete(self.db(), &statements)).await?;
        }
        let last = found.last().filter(|_| found.len() == AT_ONCE);
        Ok(last.map(|last| Place { message: last.message_id.clone(), event: last.id.clone() }))
    }

    /// Those of the events' messages that have a recipient yet open.
    async fn unfinished(&self, events: &[OldEvent]) -> Result<HashSet<Vec<u8>>, StoreError> {
        let found = self.db().fetch_rows::<MessageKey>(&UNFINISHED, Vec::new(), &messages_of(events.iter())).await?;
        Ok(found.into_iter().map(|row| row.message_id).collect())
    }

    /// Gives some of SQLite's free pages back to the file system, where a good part of the file is free; PostgreSQL does so by itself.
    /// True: there are more.
    pub async fn give_back_space(&self) -> Result<bool, StoreError> {
        let Db::Sqlite { writer, .. } = self.db() else { return Ok(false) };
        let Some(Pages { free, pages }) = self.db().fetch_one::<Pages>(&PAGES, Vec::new()).await? else { return Ok(false) };
        if free <= pages / STAYS_FREE {
            return Ok(false);
        }
        writer.take().await?.say(GIVE_BACK).await?;
        self.db().committed(GIVEN_BACK);
        Ok(true)
    }
}

/// A row for each message of these events, which stand in its order.
fn messages_of<'a>(events: impl Iterator<Item = &'a OldEvent>) -> Vec<Vec<Value>> {
    let mut messages: Vec<&[u8]> = events.map(|event| &event.message_id[..]).collect();
    messages.dedup();
    messages.into_iter().map(|message| values![message.to_vec()]).collect()
}

/// As many from the first as have so many octets together, and one at least.
fn within(bodies: &[OldBody], octets: i64) -> &[OldBody] {
    let mut sum = 0;
    let fits = bodies.iter().take_while(|body| {
        sum += if body.stays == 0 { body.size } else { 0 };
        sum <= octets
    });
    &bodies[..fits.count().max(1).min(bodies.len())]
}

/// Runs these statements, each with its rows, as one transaction.
async fn delete(db: &Db, statements: &[(&Sql, &Vec<Vec<Value>>)]) -> Result<(), StoreError> {
    let mut tx = db.begin().await?;
    for (sql, rows) in statements {
        tx.run(sql, &[], rows).await?;
    }
    tx.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_bounded_in_octets_and_goes_on() {
        let body = |size, stays| OldBody { message_id: vec![0; 16], size, stays };
        let sizes = |bodies: &[OldBody]| within(bodies, 10).len();
        assert_eq!(sizes(&[]), 0);
        assert_eq!(sizes(&[body(99, 0), body(1, 0)]), 1, "one at least");
        assert_eq!(sizes(&[body(5, 0), body(99, 1), body(5, 0), body(1, 0)]), 3, "what stays costs nothing");
    }
}
