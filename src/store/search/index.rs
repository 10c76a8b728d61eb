//! Writing the index: behind acceptance, in the order of ids, a block of messages at a time.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::id::Id;
use crate::store::rows::{FoundMessage, select_messages};
use crate::store::sql::{Kind, Sql, Value, record, values};
use crate::store::{Store, StoreError};

/// Messages that are entered in one transaction, so that no commit waits for it for long.
const BLOCK: usize = 128;
/// A message of this age is committed if it ever is: acceptance is given up after 12 seconds, and a statement after 30.
const SETTLED: Duration = Duration::from_secs(60);

pub(in crate::store) static NEXT: Sql =
    Sql::new(select_messages!("outbound_messages m WHERE m.id > $1 AND m.id < $2 ORDER BY m.id LIMIT $3"));
pub(in crate::store) static INDEXED: Sql = Sql::new("SELECT message_id FROM progress WHERE work = 'search'");
/// Whoever was faster has entered the same messages.
pub(in crate::store) static ADVANCE: Sql =
    Sql::new("UPDATE progress SET message_id = $1 WHERE work = 'search' AND message_id IS NOT DISTINCT FROM $2");
static ENTER: Sql = Sql::rows(
    "INSERT INTO message_terms (team_id, term, last_id, messages) SELECT team_id, term, last_id, messages FROM {rows}",
    &[("team_id", Kind::Bytes), ("term", Kind::Text), ("last_id", Kind::Bytes), ("messages", Kind::Bytes)],
);

record!(Progress { message_id: Option<Vec<u8>> });

impl Store {
    /// Enters the next block of messages in the index that searches use. False: there is none yet, and searches look at those few
    /// themselves.
    pub async fn index_messages(&self) -> Result<bool, StoreError> {
        let before = self.indexed().await?;
        let settled = Id::earliest_at(self.desk().clock().now().minus(SETTLED));
        let limit = i64::try_from(BLOCK).unwrap_or(i64::MAX);
        let found = self.db().fetch::<FoundMessage>(&NEXT, values![before.clone().unwrap_or_default(), settled, limit]).await?;
        let Some(last) = found.last().filter(|_| found.len() == BLOCK).map(|found| found.id.clone()) else { return Ok(false) };
        let rows = self.block(found).await?;
        let mut tx = self.db().begin().await?;
        if tx.run(&ADVANCE, &[last.into(), Value::Bytes(before)], &[]).await? == 1 {
            tx.run(&ENTER, &[], &rows).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// The last message that is in the index.
    pub(super) async fn indexed(&self) -> Result<Option<Vec<u8>>, StoreError> {
        let progress = self.db().fetch_one::<Progress>(&INDEXED, Vec::new()).await?;
        Ok(progress.and_then(|row| row.message_id))
    }

    /// The rows of the index that these messages make, in the order of its key.
    async fn block(&self, found: Vec<FoundMessage>) -> Result<Vec<Vec<Value>>, StoreError> {
        let mut block: BTreeMap<(Id, String), Vec<Id>> = BTreeMap::new();
        for termed in self.with_terms(found).await? {
            for term in termed.terms {
                block.entry((termed.message.team, term)).or_default().push(termed.message.id);
            }
        }
        let row = |((team, term), ids): ((Id, String), Vec<Id>)| {
            let messages: Vec<u8> = ids.iter().flat_map(|id| id.0).collect();
            values![team, term, ids.last().copied(), messages]
        };
        Ok(block.into_iter().map(row).collect())
    }
}
