//! Events that endpoints are to be told of: noted in the transaction that writes them.

use crate::model::event::Event;
use crate::model::webhook::WebhookKind;
use crate::store::sql::{Kind, Sql, Value, values};

/// Notes what somebody wants to be told of. Of a team without such an endpoint it writes nothing, after a look into a small index.
pub(in crate::store) static INSERT: Sql = Sql::rows(
    "INSERT {or fail} INTO webhook_outbox (event_id, message_id) SELECT event_id, message_id FROM {rows}
     WHERE EXISTS (SELECT 1 FROM webhooks w WHERE w.team_id = v.team AND w.enabled = 1 AND (w.kinds & v.kind) <> 0)",
    &[("event_id", Kind::Bytes), ("message_id", Kind::Bytes), ("team", Kind::Bytes), ("kind", Kind::Int)],
);

/// The row for an event that endpoints can be told of.
pub(in crate::store) fn row(event: &Event) -> Option<Vec<Value>> {
    WebhookKind::of(event).map(|kind| values![event.id, event.message, event.team, kind.bit()])
}
