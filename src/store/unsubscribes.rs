//! Unsubscribes, as lists of them are kept; what each message asks is in [`super::barriers`].

use serde_json::{Value as JsonValue, json};

use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::address::Address;
use crate::model::event::{Event, EventKind};
use crate::model::statistics::Day;
use crate::model::unsubscribe::{Evidence, How, SCOPE, Unsubscribe};
use crate::store::db::{Tx, repeated};
use crate::store::search::FOUND_MAX;
use crate::store::sheet::Sheet;
use crate::store::sql::{Kind, Sql, Value, record, values};
use crate::store::{Store, StoreError, engagement, rows};

/// The columns of a wish, by which each text that writes one is made.
const COLUMNS: &[(&str, Kind)] = &[
    ("team_id", Kind::Bytes),
    ("scope", Kind::Text),
    ("address", Kind::Text),
    ("how", Kind::Text),
    ("message_id", Kind::Bytes),
    ("evidence", Kind::Text),
    ("created_at", Kind::Int),
];
pub(super) static INSERT: Sql = Sql::rows(
    "INSERT INTO unsubscribes (team_id, scope, address, how, message_id, evidence, created_at)
     SELECT team_id, scope, address, how, message_id, evidence, created_at FROM {rows} WHERE TRUE ORDER BY team_id, scope, address
     ON CONFLICT (team_id, scope, address) DO NOTHING",
    COLUMNS,
);
/// What a reader says goes before what somebody noted for them.
static INSERT_TOLD: Sql = Sql::rows(
    "INSERT INTO unsubscribes (team_id, scope, address, how, message_id, evidence, created_at)
     SELECT team_id, scope, address, how, message_id, evidence, created_at FROM {rows} WHERE TRUE
     ON CONFLICT (team_id, scope, address) DO UPDATE SET
         how = excluded.how, message_id = excluded.message_id, evidence = excluded.evidence, created_at = excluded.created_at
         WHERE unsubscribes.how NOT IN ('one_click', 'page')",
    COLUMNS,
);
static DELETE: Sql = Sql::new("DELETE FROM unsubscribes WHERE team_id = $1 AND scope = $2 AND address = $3 RETURNING message_id");
/// What was told by a link.
static DELETE_TOLD: Sql =
    Sql::new("DELETE FROM unsubscribes WHERE team_id = $1 AND scope = $2 AND address = $3 AND how IN ('one_click', 'page')");
static ONE: Sql = Sql::new(
    "SELECT team_id, address, how, message_id, evidence, created_at FROM unsubscribes
     WHERE team_id = $1 AND scope = $2 AND address = $3",
);
pub(super) static PAGE: Sql = Sql::new(
    "SELECT team_id, address, how, message_id, evidence, created_at FROM unsubscribes
     WHERE team_id = $1 AND scope = $2 AND address > $3 ORDER BY address LIMIT $4 OFFSET $5",
);
pub(super) static COUNT: Sql =
    Sql::new("SELECT COUNT(*) AS number FROM (SELECT 1 FROM unsubscribes WHERE team_id = $1 AND scope = $2 LIMIT $3) AS q");

static READER: Sql = Sql::new(
    "SELECT m.team_id AS team_id, m.from_address AS sender, m.created_at AS accepted_at, r.address AS address
     FROM outbound_messages m JOIN outbound_recipients r ON r.message_id = m.id
     WHERE m.id = $1 AND r.idx = $2 AND m.sandbox = 0",
);

static PLACES: Sql = Sql::new("SELECT idx, address FROM outbound_recipients WHERE message_id = $1 ORDER BY idx");

record!(CauseRow { message_id: Option<Vec<u8>> });
record!(PlaceRow { idx: i64, address: String });
record!(ReaderRow { team_id: Vec<u8>, sender: String, accepted_at: i64, address: String });
record!(UnsubscribeRow {
    team_id: Vec<u8>,
    address: String,
    how: String,
    message_id: Option<Vec<u8>>,
    evidence: String,
    created_at: i64,
});
record!(NumberRow { number: i64 });

/// Who holds a link of a message: one of its recipients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    pub team: Id,
    pub message: Id,
    /// The recipient's place in the message.
    pub place: i64,
    /// In its comparable form.
    pub address: String,
    /// The address in the message's From.
    pub sender: String,
    /// That statistics count the message under.
    pub day: Day,
}

impl Store {
    /// The recipient at this place of a message.
    pub async fn reader(&self, message: Id, place: i64) -> Result<Option<Reader>, StoreError> {
        let Some(row) = self.db().fetch_one::<ReaderRow>(&READER, values![message, place]).await? else { return Ok(None) };
        let address = Address::parse(&row.address).map_err(|e| rows::broken("outbound_recipients.address", &e))?;
        let team = rows::id(&row.team_id)?;
        let day = Day::at(Timestamp(row.accepted_at));
        Ok(Some(Reader { team, message, place, address: address.key(), sender: row.sender, day }))
    }

    /// Notes what a reader told by the link of a message, in the place of what was noted for them, with an event of that message, which is
    /// counted once. False: they told it by a link before, and nothing is written.
    pub async fn unsubscribe_reader(&self, reader: &Reader, how: How, evidence: Evidence) -> Result<bool, StoreError> {
        // Whoever says it again and again takes no turn of those who write.
        let known = self.unsubscribed(reader.team, &reader.address).await?;
        if known.is_some_and(|wish| wish.how.is_by_link()) {
            return Ok(false);
        }
        let (address, created_at) = (reader.address.clone(), self.desk().clock().now());
        let wish = Unsubscribe { team: reader.team, address, how, message: Some(reader.message), evidence, created_at };
        repeated(|| self.try_unsubscribe(&wish, reader)).await
    }

    async fn try_unsubscribe(&self, wish: &Unsubscribe, reader: &Reader) -> Result<bool, StoreError> {
        let Reader { team, message, place, day, .. } = *reader;
        let mut tx = self.db().begin().await?;
        if tx.run(&INSERT_TOLD, &[], &[row(wish)]).await? == 0 {
            return Ok(false);
        }
        let Evidence { ip, user_agent, .. } = &wish.evidence;
        let detail = json!({ "how": wish.how.as_str(), "ip": ip, "user_agent": user_agent });
        let (id, kind, at) = (self.desk().next_id(), EventKind::Unsubscribed, wish.created_at);
        let mut sheet = Sheet::default();
        if engagement::wishes(&mut tx, message, place, kind).await? {
            sheet.tell(&Event { id, team, message, recipient: Some(place), kind, at, detail });
        }
        if tx.run(&engagement::FIRST, &[], &[values![message, kind.as_str(), at]]).await? == 1 {
            sheet.counts.add_on(day, team, kind.as_str(), 1);
        }
        sheet.write(&mut tx, self.desk().name()).await?;
        self.desk().commit(tx).await?;
        Ok(true)
    }

    /// Notes that a reader wishes no more broadcast mail. False: it is known, and the first evidence stays.
    pub async fn unsubscribe(&self, wish: &Unsubscribe) -> Result<bool, StoreError> {
        let mut tx = self.db().begin().await?;
        let added = tx.run(&INSERT, &[], &[row(wish)]).await?;
        tx.commit().await?;
        Ok(added == 1)
    }

    /// Takes back what was told by a link, with an event of the message whose link was followed for it. False: there is no such wish, or it
    /// was told otherwise, and nothing is written.
    pub async fn resubscribe_reader(&self, reader: &Reader, evidence: &Evidence) -> Result<bool, StoreError> {
        let known = self.unsubscribed(reader.team, &reader.address).await?;
        if !known.is_some_and(|wish| wish.how.is_by_link()) {
            return Ok(false);
        }
        repeated(|| self.try_resubscribe(reader, evidence)).await
    }

    async fn try_resubscribe(&self, reader: &Reader, evidence: &Evidence) -> Result<bool, StoreError> {
        let mut tx = self.db().begin().await?;
        if tx.run(&DELETE_TOLD, &values![reader.team, SCOPE.as_str(), reader.address.as_str()], &[]).await? == 0 {
            return Ok(false);
        }
        if !engagement::wishes(&mut tx, reader.message, reader.place, EventKind::Resubscribed).await? {
            tx.commit().await?;
            return Ok(true);
        }
        let detail = json!({ "how": How::Page.as_str(), "ip": evidence.ip, "user_agent": evidence.user_agent });
        self.tell_resubscribed(tx, reader.team, reader.message, Some(reader.place), detail).await?;
        Ok(true)
    }

    /// Takes a wish back, in a way that is no link, with an event of the message whose link it was told by, if it was. False: there was none.
    pub async fn resubscribe(&self, team: Id, address: &str, how: How) -> Result<bool, StoreError> {
        repeated(|| self.try_take_back(team, address, how)).await
    }

    async fn try_take_back(&self, team: Id, address: &str, how: How) -> Result<bool, StoreError> {
        let mut tx = self.db().begin().await?;
        let wish = tx.fetch::<CauseRow>(&DELETE, &values![team, SCOPE.as_str(), address], &[]).await?.pop();
        let Some(CauseRow { message_id }) = wish else { return Ok(false) };
        let Some(message) = message_id.as_deref().map(rows::id).transpose()? else {
            tx.commit().await?;
            return Ok(true);
        };
        let places = tx.fetch::<PlaceRow>(&PLACES, &values![message], &[]).await?;
        let is_theirs = |row: &&PlaceRow| Address::parse(&row.address).is_ok_and(|written| written.key() == address);
        let place = places.iter().find(is_theirs).map(|row| row.idx);
        self.tell_resubscribed(tx, team, message, place, json!({ "how": how.as_str() })).await?;
        Ok(true)
    }

    /// The last of a transaction that takes a wish back: whose link told it has an event of it.
    async fn tell_resubscribed(
        &self,
        mut tx: Tx,
        team: Id,
        message: Id,
        recipient: Option<i64>,
        detail: JsonValue,
    ) -> Result<(), StoreError> {
        let (id, kind, at) = (self.desk().next_id(), EventKind::Resubscribed, self.desk().clock().now());
        let mut sheet = Sheet::default();
        sheet.tell(&Event { id, team, message, recipient, kind, at, detail });
        sheet.write(&mut tx, self.desk().name()).await?;
        self.desk().commit(tx).await
    }

    /// What an address (comparable form) wished.
    pub async fn unsubscribed(&self, team: Id, address: &str) -> Result<Option<Unsubscribe>, StoreError> {
        let found = self.db().fetch_one::<UnsubscribeRow>(&ONE, values![team, SCOPE.as_str(), address]).await?;
        found.map(unsubscribe).transpose()
    }

    /// A page of a team's unsubscribes, by address: `limit` of those behind `after` (an address; empty: from the start), after the
    /// first `offset`.
    pub async fn unsubscribes(&self, team: Id, after: &str, offset: usize, limit: usize) -> Result<Vec<Unsubscribe>, StoreError> {
        let scalars = values![team, SCOPE.as_str(), after, limit, offset];
        self.db().fetch::<UnsubscribeRow>(&PAGE, scalars).await?.into_iter().map(unsubscribe).collect()
    }

    /// How many there are; at most [`FOUND_MAX`].
    pub async fn count_unsubscribes(&self, team: Id) -> Result<u64, StoreError> {
        let found = self.db().fetch_one::<NumberRow>(&COUNT, values![team, SCOPE.as_str(), FOUND_MAX]).await?;
        Ok(found.map_or(0, |row| u64::try_from(row.number).unwrap_or(0)))
    }
}

/// A row to be inserted.
pub(super) fn row(wish: &Unsubscribe) -> Vec<Value> {
    // Texts alone: there is nothing that could fail to be JSON.
    let evidence = serde_json::to_string(&wish.evidence).unwrap_or_else(|_| "{}".to_owned());
    values![wish.team, SCOPE.as_str(), wish.address.as_str(), wish.how.as_str(), wish.message, evidence, wish.created_at]
}

fn unsubscribe(row: UnsubscribeRow) -> Result<Unsubscribe, StoreError> {
    Ok(Unsubscribe {
        team: rows::id(&row.team_id)?,
        address: row.address,
        how: How::from_word(&row.how).ok_or_else(|| rows::broken("unsubscribes.how", &row.how))?,
        message: row.message_id.as_deref().map(rows::id).transpose()?,
        evidence: serde_json::from_str(&row.evidence).map_err(|e| rows::broken("unsubscribes.evidence", &e))?,
        created_at: Timestamp(row.created_at),
    })
}
