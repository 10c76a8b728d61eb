//! Cancelling: what has not begun is called off, with its event, its status and its counters, in one transaction.

use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::email::Email;
use crate::model::event::{Event, EventKind};
use crate::store::commit::Desk;
use crate::store::db::repeated;
use crate::store::operate::{self, QueueAction};
use crate::store::sheet::Sheet;
use crate::store::sql::{Sql, record, values};
use crate::store::{Store, StoreError, counters, settle};

/// What became of the wish to cancel a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cancel {
    /// No recipient gets it.
    Done(Box<Email>),
    /// It is no longer waiting for the time that its sender chose; nothing was changed.
    TooLate,
    /// The team has no such message, or has it on the other side of the sandbox.
    Unknown,
}

pub(super) static CHOSEN: Sql =
    Sql::new("SELECT send_at, status FROM outbound_messages WHERE id = $1 AND team_id = $2 AND sandbox = $3");
pub(super) static STILL_OPEN: Sql =
    Sql::new("SELECT COUNT(*) AS recipients FROM outbound_recipients WHERE message_id = $1 AND state IN ('queued', 'held')");

record!(ChosenRow { send_at: Option<i64>, status: String });
record!(OpenRow { recipients: i64 });

impl Store {
    /// Cancels a message that is queued for a time to come, unless an engine has any of its recipients. Mail of the sandbox and live
    /// mail are each unknown to the other.
    pub async fn cancel_email(&self, team: Id, sandbox: bool, id: Id) -> Result<Cancel, StoreError> {
        let chosen = self.db().fetch_one::<ChosenRow>(&CHOSEN, values![id, team, i64::from(sandbox)]).await?;
        let Some(chosen) = chosen else { return Ok(Cancel::Unknown) };
        let now = self.desk().clock().now();
        let waits = chosen.status == "queued" && chosen.send_at.is_some_and(|at| Timestamp(at) > now);
        if !waits || !repeated(|| self.cancel_all(team, id, now)).await? {
            return Ok(Cancel::TooLate);
        }
        let email = self.email(team, id).await?;
        Ok(email.map_or(Cancel::Unknown, |email| Cancel::Done(Box::new(email))))
    }

    /// Ends all open recipients, or none. False: there was none, or an engine has one.
    async fn cancel_all(&self, team: Id, id: Id, now: Timestamp) -> Result<bool, StoreError> {
        let mut tx = self.db().begin().await?;
        settle::lock(&mut tx, std::iter::once(id)).await?;
        let changed = operate::change(&mut tx, id, QueueAction::Cancel, now).await?;
        let open = tx.fetch::<OpenRow>(&STILL_OPEN, &values![id], &[]).await?;
        if changed.is_empty() || open.iter().any(|row| row.recipients > 0) {
            return Ok(false);
        }
        let mut sheet = Sheet::default();
        tell(self.desk(), team, id, &changed, "sender", now, &mut sheet);
        sheet.write(&mut tx, self.desk().name()).await?;
        self.desk().commit(tx).await?;
        Ok(true)
    }
}

/// Puts on the sheet what follows when these recipients of a message were cancelled.
pub(super) fn tell(desk: &Desk, team: Id, message: Id, places: &[i64], by: &str, now: Timestamp, sheet: &mut Sheet) {
    for place in places {
        let (id, recipient, detail) = (desk.next_id(), Some(*place), serde_json::json!({ "by": by }));
        sheet.tell(&Event { id, team, message, recipient, kind: EventKind::Cancelled, at: now, detail });
        sheet.counts.add(team, counters::OPEN, -1);
    }
    sheet.changed.insert(message);
    sheet.ended.push((message, false));
}
