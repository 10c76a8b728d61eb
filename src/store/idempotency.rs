//! Idempotency keys: claimed by a unique index inside the transaction that inserts the message, never by a look-up before.

use std::collections::HashMap;

use crate::clock::Timestamp;
use crate::id::Id;
use crate::store::accept::{Acceptance, Accepted, IDEMPOTENCY_WINDOW, Idempotency};
use crate::store::db::Tx;
use crate::store::sql::{Column, Kind, Sql, record, values};
use crate::store::{Store, StoreError, rows};

const COLUMNS: &[Column] = &[
    ("key", Kind::Bytes),
    ("fingerprint", Kind::Bytes),
    ("automatic", Kind::Int),
    ("message_id", Kind::Bytes),
    ("created_at", Kind::Int),
    ("expires_at", Kind::Int),
];

/// Sorted, so that two committers take the same locks in the same order. An expired key is taken over.
static CLAIM: Sql = Sql::rows(
    "INSERT {or fail} INTO idempotency_keys (key, fingerprint, automatic, message_id, created_at, expires_at)
     SELECT key, fingerprint, automatic, message_id, created_at, expires_at FROM {rows} WHERE TRUE ORDER BY key
     ON CONFLICT (key) DO UPDATE SET fingerprint = excluded.fingerprint, automatic = excluded.automatic,
         message_id = excluded.message_id, created_at = excluded.created_at, expires_at = excluded.expires_at
     WHERE idempotency_keys.expires_at <= excluded.created_at",
    COLUMNS,
);

/// For keys that are hoped to be new.
pub(super) static INSERT: Sql = Sql::rows(
    "INSERT {or fail} INTO idempotency_keys (key, fingerprint, automatic, message_id, created_at, expires_at)
     SELECT key, fingerprint, automatic, message_id, created_at, expires_at FROM {rows}",
    COLUMNS,
);

static HOLDERS: Sql = Sql::rows(
    "SELECT k.key AS key, k.message_id AS message_id, k.fingerprint AS fingerprint, k.created_at AS created_at
     FROM {rows} JOIN idempotency_keys k ON k.key = v.wanted",
    &[("wanted", Kind::Bytes)],
);

static HOLDER: Sql =
    Sql::new("SELECT key, message_id, fingerprint, created_at FROM idempotency_keys WHERE key = $1 AND expires_at > $2");

record!(Holder { key: Vec<u8>, message_id: Vec<u8>, fingerprint: Vec<u8>, created_at: i64 });

impl Store {
    /// What a submission under this claim would hear at `now` if its key is taken; a look, which claims nothing.
    pub async fn idempotent_holder(&self, wanted: &Idempotency, now: Timestamp) -> Result<Option<Accepted>, StoreError> {
        let found = self.db().fetch_one::<Holder>(&HOLDER, values![wanted.key, now]).await?;
        let held = found.map(read).transpose()?.map(|(_, _, held)| held);
        Ok(held.map(|held| held.answer(wanted)))
    }
}

/// How often a key that vanished between losing and reading is tried for again.
const ROUNDS: usize = 4;

/// Claims the keys of a batch: for each acceptance, whether it is new or whose repeat it is. Equal keys within the batch are folded:
/// the first decides, the others repeat it.
pub(super) async fn claim(tx: &mut Tx, batch: &[&Acceptance]) -> Result<Vec<Accepted>, StoreError> {
    let mut first: HashMap<[u8; 32], usize> = HashMap::with_capacity(batch.len());
    for (place, acceptance) in batch.iter().enumerate() {
        if let Some(wanted) = &acceptance.idempotency {
            first.entry(wanted.key).or_insert(place);
        }
    }
    let holders = claim_firsts(tx, batch, &first).await?;
    Ok(batch
        .iter()
        .enumerate()
        .map(|(place, acceptance)| match &acceptance.idempotency {
            None => Accepted::New,
            Some(wanted) => verdict(batch, wanted, place, first[&wanted.key], holders.get(&wanted.key)),
        })
        .collect())
}

/// Who holds a key already.
struct Held {
    fingerprint: Vec<u8>,
    replay: Accepted,
    reused: Accepted,
}

impl Held {
    fn answer(&self, wanted: &Idempotency) -> Accepted {
        if self.fingerprint == wanted.fingerprint { self.replay } else { self.reused }
    }
}

fn verdict(batch: &[&Acceptance], wanted: &Idempotency, place: usize, first: usize, held: Option<&Held>) -> Accepted {
    if let Some(held) = held {
        return held.answer(wanted);
    }
    if place == first {
        return Accepted::New;
    }
    let leader = batch[first];
    let equal = leader.idempotency.as_ref().is_some_and(|i| i.fingerprint == wanted.fingerprint);
    let (id, accepted_at) = (leader.message.id, leader.message.created_at);
    if equal { Accepted::Replay { id, accepted_at } } else { Accepted::KeyReused { id } }
}

/// Claims one key for each entry of `first`; returns who held those that were lost.
async fn claim_firsts(
    tx: &mut Tx,
    batch: &[&Acceptance],
    first: &HashMap<[u8; 32], usize>,
) -> Result<HashMap<[u8; 32], Held>, StoreError> {
    let mut held = HashMap::new();
    let mut open: Vec<usize> = first.values().copied().collect();
    for _ in 0..ROUNDS {
        if open.is_empty() {
            return Ok(held);
        }
        let claims: Vec<_> = open.iter().filter_map(|&place| row(batch[place])).collect();
        if tx.run(&CLAIM, &[], &claims).await? == claims.len() as u64 {
            return Ok(held);
        }
        // Some were lost: whoever holds them is read by a second statement.
        let wanted: Vec<_> = open.iter().filter_map(|&place| Some(values![batch[place].idempotency.as_ref()?.key])).collect();
        let mut unheld = open.clone();
        for holder in tx.fetch::<Holder>(&HOLDERS, &[], &wanted).await? {
            let (key, id, entry) = read(holder)?;
            unheld.retain(|&place| batch[place].idempotency.as_ref().is_none_or(|i| i.key != key));
            let ours = first.get(&key).is_some_and(|&place| batch[place].message.id == id);
            if !ours {
                held.insert(key, entry);
            }
        }
        // A key that nobody holds any more was given up by a settle in between: try again for it.
        open = unheld;
    }
    if open.is_empty() { Ok(held) } else { Err(StoreError::Repeat("idempotency keys keep changing hands".to_owned())) }
}

/// The row that claims an acceptance's key, if it has one.
pub(super) fn row(acceptance: &Acceptance) -> Option<Vec<crate::store::sql::Value>> {
    let wanted = acceptance.idempotency.as_ref()?;
    let message = &acceptance.message;
    let expires_at = message.created_at.plus(IDEMPOTENCY_WINDOW);
    Some(values![wanted.key, wanted.fingerprint, i64::from(wanted.automatic), message.id, message.created_at, expires_at])
}

/// The rows of a batch whose keys are hoped to be new; in the order of the keys, as in [`CLAIM`].
pub(super) fn rows_in_order(batch: &[&Acceptance]) -> Vec<Vec<crate::store::sql::Value>> {
    let mut keyed: Vec<_> =
        batch.iter().filter_map(|acceptance| Some((acceptance.idempotency.as_ref()?.key, acceptance))).collect();
    keyed.sort_unstable_by_key(|(key, _)| *key);
    keyed.into_iter().filter_map(|(_, acceptance)| row(acceptance)).collect()
}

fn read(holder: Holder) -> Result<([u8; 32], Id, Held), StoreError> {
    let key = <[u8; 32]>::try_from(holder.key.as_slice()).map_err(|e| rows::broken("idempotency_keys.key", &e))?;
    let id = rows::id(&holder.message_id)?;
    let replay = Accepted::Replay { id, accepted_at: Timestamp(holder.created_at) };
    Ok((key, id, Held { fingerprint: holder.fingerprint, replay, reused: Accepted::KeyReused { id } }))
}

/// Gives up the automatic keys of those messages that have ended badly, so that the same bytes may be sent again; a key that was given up
/// before may be another message's by now.
pub(super) static GIVE_UP: Sql = Sql::rows(
    "DELETE FROM idempotency_keys WHERE automatic = 1 AND (key, message_id) IN (
         SELECT m.idempotency_key, m.id FROM {rows} JOIN outbound_messages m ON m.id = v.message
         WHERE m.idempotency_key IS NOT NULL AND (v.badly = 1
           OR EXISTS (
               SELECT 1 FROM outbound_recipients r WHERE r.message_id = v.message AND r.state IN ('bounced', 'failed', 'cancelled'))
           AND NOT EXISTS (
               SELECT 1 FROM outbound_recipients r WHERE r.message_id = v.message AND r.state IN ('queued', 'held'))))",
    &[("message", Kind::Bytes), ("badly", Kind::Int)],
);
