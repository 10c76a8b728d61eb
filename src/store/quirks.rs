//! What was odd about the mail of each key: counters like the others, named by quirk and key.

use crate::id::Id;
use crate::model::quirk::Quirk;
use crate::store::sql::{Sql, record, values};
use crate::store::{Store, StoreError};

static OF_TEAM: Sql = Sql::new(
    "SELECT name, CAST(SUM(value) AS BIGINT) AS total FROM counters WHERE team_id = $1 AND day = 0 AND substr(name, 1, 6) = 'quirk/'
     GROUP BY name ORDER BY name",
);

record!(Count { name: String, total: i64 });

/// How often messages of a key showed a quirk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    pub key: Id,
    pub quirk: Quirk,
    pub messages: u64,
}

/// The counter of a quirk of a key.
pub(super) fn counter(quirk: Quirk, key: Id) -> String {
    format!("quirk/{}/{key}", quirk.word())
}

impl Store {
    /// What was odd about the accepted mail of a team's keys.
    pub async fn quirks(&self, team: Id) -> Result<Vec<Seen>, StoreError> {
        let counts = self.db().fetch::<Count>(&OF_TEAM, values![team]).await?;
        Ok(counts.iter().filter_map(seen).collect())
    }
}

/// `None` for a word that a later version may have written.
fn seen(count: &Count) -> Option<Seen> {
    let (word, key) = count.name.strip_prefix("quirk/")?.split_once('/')?;
    Some(Seen { key: key.parse().ok()?, quirk: Quirk::from_word(word)?, messages: u64::try_from(count.total).ok()? })
}
