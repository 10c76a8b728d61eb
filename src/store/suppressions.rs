//! Suppressions, as lists of them are kept; what each message asks is in [`super::barriers`].

use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::suppression::Suppression;
use crate::store::search::FOUND_MAX;
use crate::store::sql::{Kind, Sql, Value, record, values};
use crate::store::{Store, StoreError, rows};

pub(super) static SUPPRESS: Sql = Sql::rows(
    "INSERT INTO suppressions (team_id, address, reason, message_id, evidence, created_at)
     SELECT team_id, address, reason, message_id, evidence, created_at FROM {rows} WHERE TRUE ORDER BY team_id, address
     ON CONFLICT (team_id, address) DO NOTHING",
    &[
        ("team_id", Kind::Bytes),
        ("address", Kind::Text),
        ("reason", Kind::Text),
        ("message_id", Kind::Bytes),
        ("evidence", Kind::Text),
        ("created_at", Kind::Int),
    ],
);
static LIFT: Sql = Sql::new("DELETE FROM suppressions WHERE team_id = $1 AND address = $2");
/// Which suppressions, spliced into each text that reads some.
macro_rules! select {
    ($rest:literal) => {
        Sql::new(concat!(
            "SELECT team_id, address, reason, message_id, evidence, created_at FROM suppressions WHERE team_id = $1 ",
            $rest
        ))
    };
}

static ONE: Sql = select!("AND address = $2");
static PAGE: Sql = select!("AND address > $2 ORDER BY address LIMIT $3 OFFSET $4");
static PAGE_BY_REASON: Sql = select!("AND address > $2 AND reason = $5 ORDER BY address LIMIT $3 OFFSET $4");
static COUNT: Sql = Sql::new("SELECT COUNT(*) AS number FROM (SELECT 1 FROM suppressions WHERE team_id = $1 LIMIT $2) AS q");
static COUNT_BY_REASON: Sql =
    Sql::new("SELECT COUNT(*) AS number FROM (SELECT 1 FROM suppressions WHERE team_id = $1 AND reason = $3 LIMIT $2) AS q");

record!(SuppressionRow {
    team_id: Vec<u8>,
    address: String,
    reason: String,
    message_id: Option<Vec<u8>>,
    evidence: Option<String>,
    created_at: i64,
});
record!(NumberRow { number: i64 });

/// Rows written in one transaction, so that a long import does not keep others waiting.
pub const AT_ONCE: usize = 500;

/// Which suppressions of a team. The default is all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub reason: Option<String>,
    /// In its comparable form.
    pub address: Option<String>,
}

impl Store {
    /// Suppresses addresses; one that is suppressed already keeps its first evidence.
    pub async fn suppress(&self, suppressions: &[Suppression]) -> Result<u64, StoreError> {
        let mut added = 0;
        for chunk in suppressions.chunks(AT_ONCE) {
            let chunk: Vec<_> = chunk.iter().map(row).collect();
            let mut tx = self.db().begin().await?;
            added += tx.run(&SUPPRESS, &[], &chunk).await?;
            tx.commit().await?;
        }
        Ok(added)
    }

    /// Lifts a suppression. False: there was none.
    pub async fn unsuppress(&self, team: Id, address: &str) -> Result<bool, StoreError> {
        Ok(self.db().write(&LIFT, values![team, address]).await? == 1)
    }

    /// The suppression of an address in its comparable form.
    pub async fn suppression(&self, team: Id, address: &str) -> Result<Option<Suppression>, StoreError> {
        self.db().fetch_one::<SuppressionRow>(&ONE, values![team, address]).await?.map(suppression).transpose()
    }

    /// A page of a team's suppressions, by address: `limit` of those behind `after` (an address; empty: from the start), after the
    /// first `offset`.
    pub async fn suppressions(
        &self,
        team: Id,
        filter: &Filter,
        after: &str,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<Suppression>, StoreError> {
        if let Some(address) = &filter.address {
            let found = self.suppression(team, address).await?.filter(|found| filter.holds(found));
            return Ok(found.into_iter().filter(|found| found.address.as_str() > after).skip(offset).take(limit).collect());
        }
        let mut scalars = values![team, after, limit, offset];
        let sql = if filter.reason.is_some() { &PAGE_BY_REASON } else { &PAGE };
        scalars.extend(filter.reason.as_deref().map(Value::from));
        self.db().fetch::<SuppressionRow>(sql, scalars).await?.into_iter().map(suppression).collect()
    }

    /// How many suppressions the filter lets through; at most [`FOUND_MAX`].
    pub async fn count_suppressions(&self, team: Id, filter: &Filter) -> Result<u64, StoreError> {
        if let Some(address) = &filter.address {
            return Ok(self.suppression(team, address).await?.filter(|found| filter.holds(found)).map_or(0, |_| 1));
        }
        let mut scalars = values![team, FOUND_MAX];
        let sql = if filter.reason.is_some() { &COUNT_BY_REASON } else { &COUNT };
        scalars.extend(filter.reason.as_deref().map(Value::from));
        let found = self.db().fetch_one::<NumberRow>(sql, scalars).await?;
        Ok(found.map_or(0, |row| u64::try_from(row.number).unwrap_or(0)))
    }
}

impl Filter {
    /// Whether it lets one through that has its address.
    fn holds(&self, found: &Suppression) -> bool {
        self.reason.as_ref().is_none_or(|reason| *reason == found.reason)
    }
}

/// A row to be inserted.
pub(super) fn row(s: &Suppression) -> Vec<Value> {
    values![s.team, s.address.as_str(), s.reason.as_str(), s.message, s.evidence.clone(), s.created_at]
}

fn suppression(row: SuppressionRow) -> Result<Suppression, StoreError> {
    Ok(Suppression {
        team: rows::id(&row.team_id)?,
        address: row.address,
        reason: row.reason,
        message: row.message_id.as_deref().map(rows::id).transpose()?,
        evidence: row.evidence,
        created_at: Timestamp(row.created_at),
    })
}
