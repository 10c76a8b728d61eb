//! What comes back about mail that has left: later bounces, word of delivery, complaints. Each report is one transaction, and what was
//! written already is not written again.

use serde_json::json;

use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::address::Address;
use crate::model::event::{Event, EventKind};
use crate::model::outcome::{Bounce, RecipientState, Reply};
use crate::model::suppression::Suppression;
use crate::store::accept::{self, Acceptance};
use crate::store::db::{Tx, repeated};
use crate::store::sheet::Sheet;
use crate::store::sql::{Kind, Sql, Value, record, values};
use crate::store::{Store, StoreError, rows, settle, suppressions};

/// Locks the recipients on PostgreSQL: of two reports at once the second must see what the first wrote. A statement of its own, so that
/// what follows looks anew.
static LOCK: Sql =
    Sql::new("SELECT COUNT(*) FROM (SELECT r.idx FROM outbound_recipients r WHERE r.message_id = $1 ORDER BY r.idx {lock}) AS q");

/// The recipients, and whether each complained.
static STANDING: Sql = Sql::new(
    "SELECT r.idx AS idx, r.state AS state, r.address AS address, m.team_id AS team_id, m.sandbox AS sandbox,
         CAST(CASE WHEN EXISTS (SELECT 1 FROM events e WHERE e.message_id = m.id AND e.kind = 'complained' AND e.recipient = r.idx)
             THEN 1 ELSE 0 END AS BIGINT) AS complained
     FROM outbound_recipients r JOIN outbound_messages m ON m.id = r.message_id WHERE r.message_id = $1 ORDER BY r.idx",
);

/// A recipient whose attempts are over has no claim to be fenced by; its row is locked.
static CHANGE: Sql = Sql::rows(
    "UPDATE outbound_recipients SET state = v.after, last_reply = v.reply, updated_at = v.at
     FROM {rows} WHERE message_id = v.message AND idx = v.place",
    &[("message", Kind::Bytes), ("place", Kind::Int), ("after", Kind::Text), ("reply", Kind::Text), ("at", Kind::Int)],
);

record!(StandingRow { idx: i64, state: String, address: String, team_id: Vec<u8>, sandbox: i64, complained: i64 });

/// What a report says of one recipient.
#[derive(Clone, Debug)]
pub struct Returned {
    /// The recipient's place in the message.
    pub index: i64,
    pub news: News,
    /// The system or program that reports, where it says.
    pub by: Option<String>,
    /// What the sender is told by mail: accepted in the transaction that writes the news, and not at all when it is none.
    pub notice: Option<Acceptance>,
}

/// What became of mail after it had left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    Delivered(Reply),
    Bounced(Bounce),
    /// The reader complained; the kind of complaint.
    Complained(String),
}

/// What was made of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// So many recipients have news; of the others it was known, or they are beyond it.
    Written(usize),
    /// A recipient is still on its way as far as the store knows: the report overtook its settle. Nothing was written.
    TooEarly,
}

impl Store {
    /// Writes what a report says about recipients of `message`, with events and suppressions; durable when it returns.
    pub async fn record_returns(&self, message: Id, returned: &[Returned]) -> Result<Recorded, StoreError> {
        repeated(|| self.try_record(message, returned)).await
    }

    async fn try_record(&self, message: Id, returned: &[Returned]) -> Result<Recorded, StoreError> {
        let mut tx = self.db().begin().await?;
        settle::lock(&mut tx, std::iter::once(message)).await?;
        let standing = standing(&mut tx, message).await?;
        let (mut sheet, mut written, now) = (Sheet::default(), 0, self.desk().clock().now());
        let (mut changes, mut notices) = (Vec::new(), Vec::new());
        for (place, told) in returned.iter().enumerate() {
            let Some(recipient) = standing.iter().find(|r| r.index == told.index) else { continue };
            if recipient.state.is_open() {
                return Ok(Recorded::TooEarly);
            }
            // Of two reports about one recipient the first counts.
            let first = returned[..place].iter().all(|earlier| earlier.index != told.index);
            if first && recipient.takes(&told.news) {
                sheet.changed.insert(message);
                recipient.write(message, told, self.desk().next_id(), now, &mut sheet);
                changes.extend(recipient.change(message, &told.news, now));
                notices.extend(&told.notice);
                written += 1;
            }
        }
        tx.run(&CHANGE, &[], &changes).await?;
        notices.iter().for_each(|notice| accept::add_ready(notice, self.desk(), &mut sheet));
        sheet.write(&mut tx, self.desk().name()).await?;
        self.desk().commit(tx).await?;
        self.wake_for(&notices);
        Ok(Recorded::Written(written))
    }
}

impl Store {
    /// Wakes the engines, here and elsewhere, for what was left ready.
    fn wake_for(&self, ready: &[&Acceptance]) {
        let Some(first) = ready.first() else { return };
        if let Some(scheduler) = self.desk().scheduler() {
            scheduler.wake(first.message.stream);
        }
        self.rope().pull();
    }
}

/// A recipient as it stands.
struct Standing {
    index: i64,
    state: RecipientState,
    address: String,
    team: Id,
    sandbox: bool,
    complained: bool,
}

async fn standing(tx: &mut Tx, message: Id) -> Result<Vec<Standing>, StoreError> {
    let read = |row: StandingRow| {
        Ok(Standing {
            index: row.idx,
            state: RecipientState::from_word(&row.state).ok_or_else(|| rows::broken("outbound_recipients.state", &row.state))?,
            address: row.address,
            team: rows::id(&row.team_id)?,
            sandbox: row.sandbox != 0,
            complained: row.complained != 0,
        })
    };
    tx.run(&LOCK, &values![message], &[]).await?;
    tx.fetch::<StandingRow>(&STANDING, &values![message], &[]).await?.into_iter().map(read).collect()
}

impl Standing {
    /// Whether the news is any: a bounce may follow what looked delivered, but nothing follows a bounce but a complaint.
    fn takes(&self, news: &News) -> bool {
        use RecipientState::{Bounced, Delivered, Sent};
        match news {
            News::Delivered(_) => self.state == Sent,
            News::Bounced(_) => matches!(self.state, Sent | Delivered),
            News::Complained(_) => matches!(self.state, Sent | Delivered | Bounced) && !self.complained,
        }
    }

    /// Puts what follows on the sheet.
    fn write(&self, message: Id, told: &Returned, id: Id, now: Timestamp, sheet: &mut Sheet) {
        let (kind, mut detail) = match &told.news {
            News::Delivered(_) => (EventKind::Delivered, json!({})),
            News::Bounced(bounce) => {
                sheet.ended.push((message, false));
                let suppression = settle::bad_address(self.team, message, bounce, now).filter(|_| !self.sandbox);
                sheet.suppressions.extend(suppression);
                let mut detail = json!({});
                bounce.class.tell(&mut detail);
                (EventKind::Bounced, detail)
            }
            News::Complained(kind) => {
                sheet.suppressions.extend(self.complaint(message, kind, now).as_ref().map(suppressions::row));
                (EventKind::Complained, json!({ "complaint": kind }))
            }
        };
        match &told.news {
            News::Delivered(reply) | News::Bounced(Bounce { reply, .. }) => reply.tell(&mut detail),
            News::Complained(_) => {}
        }
        if let Some(by) = &told.by {
            detail["reported_by"] = by.as_str().into();
        }
        sheet.tell(&Event { id, team: self.team, message, recipient: Some(self.index), kind, at: now, detail });
    }

    /// The recipient's row, where the news changes it.
    fn change(&self, message: Id, news: &News, now: Timestamp) -> Option<Vec<Value>> {
        let (state, reply) = match news {
            News::Delivered(reply) => (RecipientState::Delivered, reply),
            News::Bounced(bounce) => (RecipientState::Bounced, &bounce.reply),
            News::Complained(_) => return None,
        };
        Some(values![message, self.index, state.as_str(), reply.line(), now])
    }

    /// The suppression of who complained.
    fn complaint(&self, message: Id, kind: &str, now: Timestamp) -> Option<Suppression> {
        let address = Address::parse(&self.address).ok().filter(|_| !self.sandbox)?.key();
        let (reason, evidence) = ("complaint".to_owned(), Some(kind.to_owned()));
        Some(Suppression { team: self.team, address, reason, message: Some(message), evidence, created_at: now })
    }
}
