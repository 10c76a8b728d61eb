//! The operator's hand on the queue: retry, hold, release, cancel.

use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::event::{Event, EventKind};
use crate::model::outcome::RecipientState;
use crate::store::db::{Tx, repeated};
use crate::store::sheet::Sheet;
use crate::store::sql::{Sql, record, values};
use crate::store::{Store, StoreError, cancel, rows, settle, suspects};

/// What an operator does to a message's open recipients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueAction {
    /// Due now.
    Retry,
    Hold,
    /// Ends a hold.
    Release,
    Cancel,
}

impl QueueAction {
    /// The states it applies to, as one or two words, and the state after it.
    fn change(self) -> (RecipientState, RecipientState, RecipientState) {
        use RecipientState::{Cancelled, Held, Queued};
        match self {
            Self::Retry => (Queued, Queued, Queued),
            Self::Hold => (Queued, Queued, Held),
            Self::Release => (Held, Held, Queued),
            Self::Cancel => (Queued, Held, Cancelled),
        }
    }
}

/// Only what no living engine holds: an attempt under way can't be called back.
pub(super) static CHANGE: Sql = Sql::new(
    "UPDATE outbound_recipients SET state = $4, epoch = 0, next_attempt_at = CASE WHEN $4 = 'queued' THEN $5 ELSE next_attempt_at END,
         waits_for = CASE WHEN $4 = 'held' THEN 'by an operator; `posthouse queue release` ends it' ELSE NULL END, updated_at = $5
     WHERE message_id = $1 AND state IN ($2, $3)
       AND (epoch = 0 OR EXISTS (SELECT 1 FROM engines e WHERE e.epoch = outbound_recipients.epoch AND e.state <> 'alive'))
     RETURNING idx",
);
static TEAM: Sql = Sql::new("SELECT team_id FROM outbound_messages WHERE id = $1");

record!(Changed { idx: i64 });
record!(TeamOf { team_id: Vec<u8> });

impl Store {
    /// Acts on the open recipients of a message that no engine is attempting now. Returns how many were changed.
    pub async fn queue_action(&self, id: Id, action: QueueAction) -> Result<u64, StoreError> {
        let Some(row) = self.db().fetch_one::<TeamOf>(&TEAM, values![id]).await? else {
            return Err(StoreError::Conflict(format!("there is no message {id}")));
        };
        let team = rows::id(&row.team_id)?;
        let changed = repeated(|| self.try_action(team, id, action)).await?;
        if action.change().2 == RecipientState::Queued && changed > 0 {
            self.rope().pull();
        }
        Ok(changed)
    }

    async fn try_action(&self, team: Id, id: Id, action: QueueAction) -> Result<u64, StoreError> {
        let now = self.desk().clock().now();
        let mut tx = self.db().begin().await?;
        settle::lock(&mut tx, std::iter::once(id)).await?;
        let changed = change(&mut tx, id, action, now).await?;
        let mut sheet = Sheet::default();
        match action {
            QueueAction::Cancel if changed.is_empty() => {}
            QueueAction::Cancel => cancel::tell(self.desk(), team, id, &changed, "operator", now, &mut sheet),
            QueueAction::Hold => self.tell(team, id, &changed, EventKind::Held, now, &mut sheet),
            QueueAction::Release => self.tell(team, id, &changed, EventKind::Released, now, &mut sheet),
            // It waits as before, for a shorter time.
            QueueAction::Retry => {}
        }
        sheet.write(&mut tx, self.desk().name()).await?;
        if action == QueueAction::Release {
            // Whatever it was suspected of, it begins anew.
            tx.run(&suspects::ACQUIT, &values![id], &[]).await?;
        }
        self.desk().commit(tx).await?;
        Ok(changed.len() as u64)
    }
}

impl Store {
    /// Puts on the sheet that an operator did this to these recipients of a message.
    fn tell(&self, team: Id, message: Id, places: &[i64], kind: EventKind, at: Timestamp, sheet: &mut Sheet) {
        for place in places {
            let (id, recipient, detail) = (self.desk().next_id(), Some(*place), serde_json::json!({ "by": "operator" }));
            sheet.tell(&Event { id, team, message, recipient, kind, at, detail });
        }
    }
}

/// Changes the recipients that the action applies to, and returns their places.
pub(super) async fn change(tx: &mut Tx, message: Id, action: QueueAction, now: Timestamp) -> Result<Vec<i64>, StoreError> {
    let (from, or_from, to) = action.change();
    let scalars = values![message, from.as_str(), or_from.as_str(), to.as_str(), now];
    let changed = tx.fetch::<Changed>(&CHANGE, &scalars, &[]).await?;
    Ok(changed.into_iter().map(|row| row.idx).collect())
}
