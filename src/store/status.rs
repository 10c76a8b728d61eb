//! The status of a message in its row. One that has a single recipient gets it from that recipient's end; where there are several,
//! the database looks at all of them.

use crate::id::Id;
use crate::model::outcome::RecipientState;
use crate::model::status::MessageStatus;
use crate::store::sql::{Kind, Sql, Value, values};

/// For messages whose status is known.
pub(super) static SET: Sql = Sql::rows(
    "UPDATE {or fail} outbound_messages SET status = v.after FROM {rows} WHERE id = v.message",
    &[("message", Kind::Bytes), ("after", Kind::Text)],
);

/// [`MessageStatus::of`] for the message `m`, as the tables stand; the migration that began to keep it has the same text.
macro_rules! rule {
    () => {
        "(SELECT CASE
        WHEN SUM(CASE WHEN r.state IN ('queued', 'held') THEN 1 ELSE 0 END) > 0
            THEN CASE WHEN SUM(CASE WHEN r.state IN ('sent', 'delivered') THEN 1 ELSE 0 END) > 0 THEN 'sent' ELSE 'queued' END
        WHEN EXISTS (SELECT 1 FROM events e WHERE e.message_id = m.id AND e.kind = 'complained') THEN 'complained'
        WHEN SUM(CASE WHEN r.state = 'bounced' THEN 1 ELSE 0 END) > 0 THEN 'bounced'
        WHEN SUM(CASE WHEN r.state = 'failed' THEN 1 ELSE 0 END) > 0 THEN 'failed'
        WHEN SUM(CASE WHEN r.state = 'sent' THEN 1 ELSE 0 END) > 0 THEN 'sent'
        WHEN SUM(CASE WHEN r.state = 'delivered' THEN 1 ELSE 0 END) > 0 THEN 'delivered'
        WHEN SUM(CASE WHEN r.state = 'cancelled' THEN 1 ELSE 0 END) > 0 THEN 'cancelled'
        ELSE 'rejected'
    END FROM outbound_recipients r WHERE r.message_id = m.id)"
    };
}

/// Moves the counters of messages whose recipients have changed; runs before [`UPDATE`]. `queued` is counted by nobody: it is the rest.
pub(super) static RECOUNT: Sql = Sql::rows(
    concat!(
        "INSERT {or fail} INTO counters (team_id, name, day, committer, value)
     SELECT q.team_id, q.name, q.day, q.committer, CAST(SUM(q.step) AS BIGINT) FROM (
         SELECT c.team_id AS team_id, c.day AS day, c.committer AS committer,
             CASE WHEN w.step = 1 THEN c.after ELSE c.status END AS name, w.step AS step
         FROM (SELECT m.team_id AS team_id, m.status AS status, v.committer AS committer,
                   CASE WHEN m.sandbox = 1 THEN 0 ELSE m.created_at / 86400000 END AS day, ",
        rule!(),
        " AS after FROM {rows} JOIN outbound_messages m ON m.id = v.message) AS c
             CROSS JOIN (SELECT 1 AS step UNION ALL SELECT -1) AS w
         WHERE c.after <> c.status) AS q
     WHERE q.name <> 'queued' GROUP BY q.team_id, q.name, q.day, q.committer ORDER BY q.team_id, q.name, q.day
     ON CONFLICT (team_id, name, day, committer) DO UPDATE SET value = counters.value + excluded.value"
    ),
    &[("message", Kind::Bytes), ("committer", Kind::Text)],
);

/// Writes the status of messages whose recipients have changed.
pub(super) static UPDATE: Sql = Sql::rows(
    concat!(
        "UPDATE {or fail} outbound_messages AS m SET status = ",
        rule!(),
        " FROM {rows} WHERE m.id = v.message AND m.status <> ",
        rule!()
    ),
    &[("message", Kind::Bytes)],
);

/// The status of a message whose only recipient is in this state, of which nobody has complained.
pub(super) fn of_lone(state: RecipientState) -> MessageStatus {
    MessageStatus::of([state], false)
}

/// A row of [`SET`].
pub(super) fn row(message: Id, status: MessageStatus) -> Vec<Value> {
    values![message, status.as_str()]
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_migration_has_the_same_rule() {
        assert!(include_str!("../../migrations/0009_status.sql").contains(rule!()));
    }
}
