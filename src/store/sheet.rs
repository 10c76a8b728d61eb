//! Everything a batch writes, table by table: filled while the batch is judged, written in one go before the commit.

use std::collections::BTreeSet;

use crate::id::Id;
use crate::model::event::Event;
use crate::store::bodies::Rest;
use crate::store::db::{Db, Tx};
use crate::store::script::Script;
use crate::store::sql::{Sql, Value, values};
use crate::store::{StoreError, accept, bodies, counters, events, idempotency, refusals, settle, status, suppressions, webhooks};

/// Every table that a batch writes. Keys stand first, since a batch that is judged row by row has claimed them before. Counters come last:
/// statements that are run one by one lock rows which several committers share for the shortest time.
static PARTS: [&Sql; 14] = [
    &idempotency::INSERT,
    &accept::INSERT_MESSAGES,
    &accept::INSERT_RECIPIENTS,
    &bodies::INSERT,
    &settle::UPDATE,
    &events::INSERT,
    &webhooks::outbox::INSERT,
    &suppressions::SUPPRESS,
    &status::SET,
    &status::RECOUNT,
    &status::UPDATE,
    &idempotency::GIVE_UP,
    &refusals::INSERT,
    &counters::APPLY,
];

/// The place of the outcomes in [`PARTS`].
const OUTCOMES: usize = 4;

static WRITE: Script = Script::new(&PARTS);

/// What a batch writes as one transaction when its messages are new and its claims stand, as nearly all do. It fails when a key is taken
/// or a claim does not stand.
static WRITE_WHOLE: Script = Script::checked(&PARTS, OUTCOMES);

/// The rows of a batch.
#[derive(Default)]
pub(super) struct Sheet {
    pub messages: Vec<Vec<Value>>,
    pub recipients: Vec<Vec<Value>>,
    pub bodies: Vec<Vec<Value>>,
    /// Of large bodies: written statement by statement, before all else.
    pub rests: Vec<Rest>,
    pub outcomes: Vec<Vec<Value>>,
    events: Vec<Vec<Value>>,
    /// Of these events, those that endpoints can be told of.
    outbox: Vec<Vec<Value>>,
    pub suppressions: Vec<Vec<Value>>,
    /// Messages whose status is known, with it.
    pub statuses: Vec<Vec<Value>>,
    /// Messages whose status follows from what this sheet and others wrote of their recipients. On PostgreSQL only where the parts run one
    /// by one, since none sees what another writes, and under [`settle::lock`].
    pub changed: BTreeSet<Id>,
    /// Messages that may have ended badly, and whether that is known.
    pub ended: Vec<(Id, bool)>,
    pub refusals: Vec<Vec<Value>>,
    pub counts: counters::Changes,
}

impl Sheet {
    /// Puts an event on it, and what has it told to the endpoints that want to know. The only way to write an event.
    pub fn tell(&mut self, event: &Event) {
        self.events.push(events::row(event));
        self.outbox.extend(webhooks::outbox::row(event));
    }

    /// Writes the rows and the `keys` of the new messages in a transaction of its own. There are no `rests`.
    pub async fn write_whole(self, keys: Vec<Vec<Value>>, db: &Db, committer: &str) -> Result<(), StoreError> {
        db.run_whole(&WRITE_WHOLE, &self.tables(keys, committer)).await
    }

    /// Writes the rows inside `tx`, under the committer's name.
    pub async fn write(mut self, tx: &mut Tx, committer: &str) -> Result<(), StoreError> {
        for rest in std::mem::take(&mut self.rests) {
            rest.write(tx).await?;
        }
        let tables = self.tables(Vec::new(), committer);
        if tables.iter().all(Vec::is_empty) {
            return Ok(());
        }
        tx.run_script(&WRITE, &tables).await
    }

    /// The rows of each of [`PARTS`].
    fn tables(self, keys: Vec<Vec<Value>>, committer: &str) -> [Vec<Vec<Value>>; PARTS.len()] {
        let ended = self.ended.iter().map(|(id, badly)| values![*id, i64::from(*badly)]).collect();
        let recounted = self.changed.iter().map(|id| values![*id, committer]).collect();
        let changed = self.changed.iter().map(|id| values![*id]).collect();
        let counts = self.counts.rows(committer);
        [
            keys,
            self.messages,
            self.recipients,
            self.bodies,
            self.outcomes,
            self.events,
            self.outbox,
            self.suppressions,
            self.statuses,
            recounted,
            changed,
            ended,
            self.refusals,
            counts,
        ]
    }
}
