//! Reading the index: lists of messages, newest first, one for each condition, and what they have in common.

use super::{Found, Wanted};
use crate::id::Id;
use crate::model::status::MessageStatus;
use crate::store::sql::{Sql, record, values};
use crate::store::{Store, StoreError, rows};

/// Messages of one condition that are read at a time, or a block more.
const AT_ONCE: usize = 10_000;
/// Blocks that hold about so many, where all their messages have the term.
const BLOCKS: usize = 80;
/// How often lists are compared before the searcher is given what was found so far.
const ROUNDS: usize = 20;

pub(in crate::store) static OLDER: Sql = Sql::new(
    "SELECT messages FROM message_terms WHERE team_id = $1 AND term = $2 AND last_id < $3 ORDER BY last_id DESC LIMIT $4",
);
/// Blocks don't overlap: of those that end later only the first can hold anything older.
pub(in crate::store) static AROUND: Sql =
    Sql::new("SELECT messages FROM message_terms WHERE team_id = $1 AND term = $2 AND last_id >= $3 ORDER BY last_id LIMIT 1");

record!(Block { messages: Vec<u8> });

/// What one of the conditions holds for, newest first.
struct Postings {
    of: Condition,
    ids: Vec<Id>,
    /// There are more, older ones.
    cut: bool,
}

enum Condition {
    Term(String),
    Status(MessageStatus),
}

impl Store {
    /// At least `most` messages of the index that are what is wanted, if there are so many.
    pub(super) async fn find_in_index(&self, wanted: &Wanted, most: usize) -> Result<Found, StoreError> {
        let conditions = wanted.terms.iter().cloned().map(Condition::Term).chain(wanted.status.map(Condition::Status));
        let mut lists: Vec<_> = conditions.map(|of| Postings { of, ids: Vec::new(), cut: true }).collect();
        let (mut found, mut before) = (Found::default(), wanted.before);
        for _ in 0..ROUNDS {
            for list in lists.iter_mut().filter(|list| list.cut && list.ids.is_empty()) {
                (list.ids, list.cut) = self.read(wanted, &list.of, before).await?;
            }
            if lists.iter().any(|list| list.ids.is_empty()) {
                found.rest = None;
                break;
            }
            // Below it a list has more than was read of it.
            found.rest = lists.iter().filter(|list| list.cut).filter_map(|list| list.ids.last().copied()).max();
            found.ids.extend(common(&lists).filter(|id| found.rest.is_none_or(|horizon| *id >= horizon)));
            let Some(horizon) = found.rest.filter(|_| found.ids.len() < most) else { break };
            lists.iter_mut().for_each(|list| list.ids.retain(|id| *id < horizon));
            before = horizon;
        }
        Ok(found)
    }

    /// What a condition holds for, and whether there is more of it.
    async fn read(&self, wanted: &Wanted, condition: &Condition, before: Id) -> Result<(Vec<Id>, bool), StoreError> {
        match condition {
            Condition::Term(term) => self.postings(wanted, term, before).await,
            Condition::Status(status) => {
                let ids = self.ids_at(wanted.team, (wanted.since, before), Some(*status), (0, AT_ONCE)).await?;
                let cut = ids.len() >= AT_ONCE;
                Ok((ids, cut))
            }
        }
    }

    async fn postings(&self, wanted: &Wanted, term: &str, before: Id) -> Result<(Vec<Id>, bool), StoreError> {
        let mut ids = Vec::new();
        for block in self.db().fetch::<Block>(&AROUND, values![wanted.team, term, before]).await? {
            push(&mut ids, &block, |id| id < before)?;
        }
        let (mut last, mut limit) = (before, BLOCKS);
        loop {
            let scalars = values![wanted.team, term, last, i64::try_from(limit).unwrap_or(i64::MAX)];
            let blocks = self.db().fetch::<Block>(&OLDER, scalars).await?;
            for block in &blocks {
                push(&mut ids, block, |_| true)?;
            }
            last = ids.last().copied().unwrap_or(before);
            let ended = blocks.len() < limit || last < wanted.since;
            if ended || ids.len() >= AT_ONCE {
                ids.retain(|id| *id >= wanted.since);
                return Ok((ids, !ended));
            }
            // Where few messages of a block have the term, more blocks are read next.
            limit = (limit * AT_ONCE / ids.len().max(1)).min(AT_ONCE);
        }
    }
}

/// Adds a block's messages, newest first.
fn push(ids: &mut Vec<Id>, block: &Block, wanted: impl Fn(Id) -> bool) -> Result<(), StoreError> {
    for bytes in block.messages.chunks(16).rev() {
        ids.extend(Some(rows::id(bytes)?).filter(|id| wanted(*id)));
    }
    Ok(())
}

/// The messages of the shortest list that stand in all others.
fn common(lists: &[Postings]) -> impl Iterator<Item = Id> {
    let shortest = lists.iter().min_by_key(|list| list.ids.len());
    let in_all = |id: &Id| lists.iter().all(|list| list.ids.binary_search_by(|other| id.cmp(other)).is_ok());
    shortest.into_iter().flat_map(|list| list.ids.iter().copied()).filter(move |id| in_all(id))
}
