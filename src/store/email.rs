//! One message as its owner looks at it: what was accepted, what became of it, and when.

use std::collections::HashMap;

use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::email::{Email, Times};
use crate::model::event::{Event, EventKind};
use crate::model::message::{Message, Recipient};
use crate::store::events::{AT_ONCE, EventPage};
use crate::store::read::Listed;
use crate::store::rows::{FoundMessage, select_messages};
use crate::store::sql::{Kind, Sql, record, values};
use crate::store::{Store, StoreError};

pub(super) static ROWS: Sql = Sql::rows(
    select_messages!("{rows} JOIN outbound_messages m ON m.id = v.message WHERE m.team_id = $1"),
    &[("message", Kind::Bytes)],
);
/// The first event of each kind, be it that the event itself is no longer kept; of opens and clicks the first of a person.
pub(super) static TIMES: Sql = Sql::rows(
    "SELECT q.message_id AS message_id, q.kind AS kind, MIN(q.at) AS at FROM (
         SELECT e.message_id, e.kind, e.at FROM {rows} JOIN events e ON e.message_id = v.message
             WHERE e.kind NOT IN ('opened', 'clicked')
         UNION ALL SELECT f.message_id, f.kind, f.at FROM {rows} JOIN first_events f ON f.message_id = v.message) AS q
     GROUP BY q.message_id, q.kind",
    &[("message", Kind::Bytes)],
);

record!(TimeRow { message_id: Vec<u8>, kind: String, at: i64 });

impl Store {
    /// One message of a team; none when it is another's, or can't be read.
    pub async fn email(&self, team: Id, id: Id) -> Result<Option<Email>, StoreError> {
        Ok(self.emails_of(team, vec![id]).await?.pop())
    }

    /// A page of a message's events, oldest first: the first of all is the `queued` that the message itself is. With it the recipients that
    /// they are about. None when it is no message of the team.
    pub async fn email_events(
        &self,
        team: Id,
        id: Id,
        behind: Option<Id>,
    ) -> Result<Option<(EventPage, Vec<Recipient>)>, StoreError> {
        let Some(listed) = self.message(Some(team), id).await? else { return Ok(None) };
        let mut page = self.events_behind(id, behind, AT_ONCE).await?;
        if behind.is_none() {
            page.events.insert(0, queued(&listed.message));
        }
        Ok(Some((page, listed.recipients)))
    }

    /// When things first happened to a message, be it that the events themselves are no longer kept.
    pub async fn times(&self, message: Id) -> Result<Times, StoreError> {
        let rows = self.db().fetch_rows::<TimeRow>(&TIMES, Vec::new(), &[values![message]]).await?;
        Ok(by_message(rows).remove(&message.0[..]).unwrap_or_default())
    }

    /// These messages of a team, in their order, as far as they are there and can be read.
    pub async fn emails_of(&self, team: Id, ids: Vec<Id>) -> Result<Vec<Email>, StoreError> {
        let asked: Vec<_> = ids.iter().map(|id| values![*id]).collect();
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let rows = async {
            let found = self.db().fetch_rows::<FoundMessage>(&ROWS, values![team], &asked).await?;
            self.with_recipients(found).await
        };
        let times = self.db().fetch_rows::<TimeRow>(&TIMES, Vec::new(), &asked);
        let (listed, times) = tokio::try_join!(rows, times)?;
        let mut times = by_message(times);
        let mut emails: HashMap<Id, Email> = HashMap::with_capacity(listed.len());
        for listed in listed {
            let times = times.remove(&listed.message.id.0[..]).unwrap_or_default();
            emails.extend(email(listed, times).map(|email| (email.message.id, email)));
        }
        Ok(ids.iter().filter_map(|id| emails.remove(id)).collect())
    }
}

/// The event that a message is by itself.
fn queued(message: &Message) -> Event {
    Event {
        id: message.id,
        team: message.team,
        message: message.id,
        recipient: None,
        kind: EventKind::Queued,
        at: message.created_at,
        detail: serde_json::json!({}),
    }
}

fn by_message(rows: Vec<TimeRow>) -> HashMap<Vec<u8>, Times> {
    let mut times: HashMap<Vec<u8>, Times> = HashMap::new();
    for row in rows {
        let of = times.entry(row.message_id).or_default();
        let at = Some(Timestamp(row.at));
        match EventKind::from_word(&row.kind) {
            Some(EventKind::Sent) => of.sent = [of.sent, at].into_iter().flatten().min(),
            Some(EventKind::Delivered) => {
                of.delivered = at;
                // Who takes it for good was sent it, too.
                of.sent = [of.sent, at].into_iter().flatten().min();
            }
            Some(EventKind::Opened) => of.opened = at,
            Some(EventKind::Clicked) => of.clicked = at,
            Some(EventKind::Bounced) => of.bounced = at,
            Some(EventKind::Complained) => of.complained = at,
            _ => {}
        }
    }
    times
}

/// `None` when the message's row can't be read; of its recipients those that can be are shown.
fn email(listed: Listed, times: Times) -> Option<Email> {
    if listed.damage.iter().any(|damage| damage.recipient.is_none()) {
        tracing::error!(message = %listed.message.id, "a message can't be read, and is left out");
        return None;
    }
    let Some(status) = listed.status else {
        tracing::error!(message = %listed.message.id, "a message's status is no word of ours: it is left out");
        return None;
    };
    let error_reason = Email::reason(&listed.recipients);
    Some(Email { message: listed.message, status, recipients: listed.recipients, times, error_reason })
}
