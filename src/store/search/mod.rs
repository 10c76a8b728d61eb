//! Finding mail by what it holds (docs/decisions/0008): each message has a set of terms, and is found by those that it must have. An
//! index of terms is written behind acceptance; what it does not hold yet is looked at itself.

pub(super) mod index;
pub(super) mod postings;
pub(super) mod terms;

use std::collections::{BTreeSet, HashMap};

use crate::id::Id;
use crate::model::message::Message;
use crate::model::status::MessageStatus;
use crate::store::rows::{FoundMessage, select_messages};
use crate::store::sql::{Kind, Sql, record, values};
use crate::store::{Store, StoreError, rows};

/// Messages found at most by one search.
pub const FOUND_MAX: usize = 10_000;
/// Messages that are not in the index and that one search looks at.
const TAIL_MAX: usize = 20_000;

/// What is looked for.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub team: Id,
    /// All of them.
    pub terms: Vec<String>,
    /// The status it stands at, where that counts.
    pub status: Option<MessageStatus>,
    /// Not older than this one.
    pub since: Id,
    /// Older than this one.
    pub before: Id,
}

/// Messages that are what is wanted, newest first.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub ids: Vec<Id>,
    /// There may be more, all of them older than this one.
    pub rest: Option<Id>,
}

pub(super) static TAIL: Sql = Sql::new(select_messages!(
    "outbound_messages m WHERE m.team_id = $1 AND m.id > $2 AND m.id >= $3 AND m.id < $4 ORDER BY m.id DESC LIMIT $5"
));

pub(super) static ADDRESSES: Sql = Sql::rows(
    "SELECT r.message_id AS message_id, r.address AS address
     FROM {rows} JOIN outbound_recipients r ON r.message_id = v.message ORDER BY r.message_id, r.idx",
    &[("message", Kind::Bytes)],
);

record!(AddressRow { message_id: Vec<u8>, address: String });

/// A message and its terms.
struct Termed {
    message: Message,
    terms: BTreeSet<String>,
}

impl Store {
    /// Up to [`FOUND_MAX`] messages, or a few more, that are what is wanted.
    pub(super) async fn find(&self, wanted: &Wanted) -> Result<Found, StoreError> {
        let indexed = self.indexed().await?.unwrap_or_default();
        let mut found = self.find_in_tail(wanted, indexed.clone()).await?;
        if found.rest.is_none() && found.ids.len() >= FOUND_MAX {
            found.rest = found.ids.last().copied();
        }
        if found.rest.is_some() {
            return Ok(found);
        }
        let room = FOUND_MAX - found.ids.len();
        let older = self.find_in_index(wanted, room).await?;
        // The index may have grown since, by what the tail had.
        found.ids.extend(older.ids.into_iter().filter(|id| id.0[..] <= indexed[..]));
        found.rest = older.rest;
        Ok(found)
    }

    /// Among what came after the last message that is in the index.
    async fn find_in_tail(&self, wanted: &Wanted, indexed: Vec<u8>) -> Result<Found, StoreError> {
        let limit = i64::try_from(TAIL_MAX).unwrap_or(i64::MAX);
        let scalars = values![wanted.team, indexed, wanted.since, wanted.before, limit];
        let mut rows = self.db().fetch::<FoundMessage>(&TAIL, scalars).await?;
        let rest = rows.last().filter(|_| rows.len() >= TAIL_MAX).and_then(|last| rows::id(&last.id).ok());
        rows.retain(|row| wanted.status.is_none() || row.status == wanted.status);
        let has_all = |termed: &Termed| wanted.terms.iter().all(|term| termed.terms.contains(term));
        let termed = self.with_terms(rows).await?;
        Ok(Found { ids: termed.iter().filter(|t| has_all(t)).map(|t| t.message.id).collect(), rest })
    }

    /// The messages that can be read, with their terms, in the same order.
    async fn with_terms(&self, found: Vec<FoundMessage>) -> Result<Vec<Termed>, StoreError> {
        let messages: Vec<Message> = found.into_iter().filter_map(|found| found.message.ok()).collect();
        let ids: Vec<_> = messages.iter().map(|message| values![message.id]).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut addresses: HashMap<Vec<u8>, Vec<String>> = HashMap::with_capacity(ids.len());
        for row in self.db().fetch_rows::<AddressRow>(&ADDRESSES, Vec::new(), &ids).await? {
            addresses.entry(row.message_id).or_default().push(row.address);
        }
        let termed = messages.into_iter().map(|message| {
            let to = addresses.remove(&message.id.0[..]).unwrap_or_default();
            Termed { terms: terms::of(&message, to.iter().map(String::as_str)), message }
        });
        Ok(termed.collect())
    }
}
