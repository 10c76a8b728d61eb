//! Acceptance: a message, its recipients, its bytes and its idempotency key in one shared, fsynced commit.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::envelope::ForwardPath;
use crate::model::event::{Event, EventKind};
use crate::model::message::{Body, Message, Recipient};
use crate::model::outcome::RecipientState;
use crate::model::quirk::Quirk;
use crate::model::status::MessageStatus;
use crate::store::commit::{Desk, Work};
use crate::store::db::{Tx, within};
use crate::store::handover::{Claim, Epoch, Offer, Slot};
use crate::store::sheet::Sheet;
use crate::store::sql::{Kind, Sql, Value, values};
use crate::store::{Store, StoreError, bodies, counters, idempotency, lanes, quirks, rows};

/// A judged message, ready to be written.
#[derive(Clone, Debug)]
pub struct Acceptance {
    pub message: Arc<Message>,
    pub body: Body,
    pub recipients: Vec<NewRecipient>,
    pub idempotency: Option<Idempotency>,
    /// Counted for the owner of the key.
    pub quirks: Vec<Quirk>,
}

impl Acceptance {
    /// What it adds to a batch. What may be long in its row counts, and a recipient's rows, too: a batch is bounded in all that it
    /// writes.
    fn octets(&self) -> usize {
        let Message { to_header, cc_header, variables, .. } = &*self.message;
        let details = to_header.len() + cc_header.len() + variables.as_ref().map_or(0, String::len);
        self.body.len() + details + self.recipients.len() * 256
    }

    /// Whether it is to be attempted as soon as it is written.
    pub(super) fn is_due(&self) -> bool {
        let message = &self.message;
        message.send_at.is_none_or(|at| at <= message.created_at) && self.recipients.iter().any(|r| r.rejected.is_none())
    }
}

/// One recipient row to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecipient {
    pub path: ForwardPath,
    /// Why it is left out, when it is: it is written as rejected, with an event that says so.
    pub rejected: Option<String>,
}

/// The claim that makes a repeat of a submission known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// SHA-256 over team, sandbox or live, and the key; automatic keys are in the same space.
    pub key: [u8; 32],
    /// What the sender meant; two submissions of one key must agree in it.
    pub fingerprint: [u8; 32],
    /// Made from Message-ID and bytes: given up when the message ends badly.
    pub automatic: bool,
}

/// How long a key is kept.
pub const IDEMPOTENCY_WINDOW: Duration = Duration::from_secs(24 * 3600);

/// How long a caller waits: the client behind it must hear something well before it runs out of patience, whatever the store does.
const ACCEPT_WITHIN: Duration = Duration::from_secs(12);

/// What became of an acceptance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// Written, and durable.
    New,
    /// The key is taken by an equal submission.
    Replay { id: Id, accepted_at: Timestamp },
    /// The key is taken by another submission.
    KeyReused { id: Id },
}

/// An acceptance as it stands inside a transaction that is not committed yet.
pub(super) struct Placed {
    pub verdict: Accepted,
    /// The place in the engine, and the epoch the rows were claimed under.
    pub slot: Option<(Epoch, Slot)>,
}

impl Store {
    /// Writes the message in the next shared commit, and returns when that is durable. When the store does not answer in time, or the
    /// caller goes away, it may be written or not: what no committer has taken up by then is not, and offered again with the same
    /// idempotency key it is found if it was.
    pub async fn accept(&self, acceptance: Acceptance) -> Result<Accepted, StoreError> {
        let octets = acceptance.octets();
        let written = self.submit(octets, |reply| Work::Accept { acceptance: Box::new(acceptance), reply });
        within(ACCEPT_WITHIN, written).await
    }

    /// The same for messages that came together: they share a commit as far as a batch has room for them, and each has its own answer, in
    /// their order.
    pub async fn accept_all(&self, acceptances: Vec<Acceptance>) -> Vec<Result<Accepted, StoreError>> {
        let items = acceptances.into_iter().map(|acceptance| {
            let octets = acceptance.octets();
            (octets, |reply| Work::Accept { acceptance: Box::new(acceptance), reply })
        });
        self.submit_all(items.collect(), ACCEPT_WITHIN).await
    }
}

pub(super) static INSERT_MESSAGES: Sql = Sql::rows(
    "INSERT {or fail} INTO outbound_messages (id, team_id, key_id, stream, source, sandbox, reverse_path, from_address, subject, size, send_at,
         idempotency_key, details, status, recipients, created_at)
     SELECT id, team_id, key_id, stream, source, sandbox, reverse_path, from_address, subject, size, send_at,
         idempotency_key, details, status, recipients, created_at FROM {rows}",
    &[
        ("id", Kind::Bytes),
        ("team_id", Kind::Bytes),
        ("key_id", Kind::Bytes),
        ("stream", Kind::Text),
        ("source", Kind::Text),
        ("sandbox", Kind::Int),
        ("reverse_path", Kind::Text),
        ("from_address", Kind::Text),
        ("subject", Kind::Text),
        ("size", Kind::Int),
        ("send_at", Kind::Int),
        ("idempotency_key", Kind::Bytes),
        ("details", Kind::Text),
        ("status", Kind::Text),
        ("recipients", Kind::Int),
        ("created_at", Kind::Int),
    ],
);

pub(super) static INSERT_RECIPIENTS: Sql = Sql::rows(
    "INSERT {or fail} INTO outbound_recipients (message_id, idx, address, notify, orcpt, state, lane, epoch, attempts, next_attempt_at,
         last_reply, updated_at)
     SELECT message_id, idx, address, notify, orcpt, state, lane, epoch, 0, next_attempt_at, last_reply, updated_at FROM {rows}",
    &[
        ("message_id", Kind::Bytes),
        ("idx", Kind::Int),
        ("address", Kind::Text),
        ("notify", Kind::Text),
        ("orcpt", Kind::Text),
        ("state", Kind::Text),
        ("lane", Kind::Int),
        ("epoch", Kind::Int),
        ("next_attempt_at", Kind::Int),
        ("last_reply", Kind::Text),
        ("updated_at", Kind::Int),
    ],
);

/// Puts a batch of acceptances on the sheet, their keys claimed inside `tx`; the answers stand in the order of the batch, and hold once
/// the sheet is written and `tx` committed.
pub(super) async fn fill(tx: &mut Tx, batch: &[&Acceptance], desk: &Desk, sheet: &mut Sheet) -> Result<Vec<Placed>, StoreError> {
    let verdicts = idempotency::claim(tx, batch).await?;
    let place = |(acceptance, verdict): (&&Acceptance, Accepted)| {
        let slot = if verdict == Accepted::New { add(acceptance, desk, sheet) } else { None };
        Placed { verdict, slot }
    };
    Ok(batch.iter().zip(verdicts).map(place).collect())
}

/// Puts a batch of acceptances on the sheet as if all were new. Returns what they get when that is so, and the rows of their keys.
pub(super) fn fill_as_new(batch: &[&Acceptance], desk: &Desk, sheet: &mut Sheet) -> (Vec<Placed>, Vec<Vec<Value>>) {
    let keys = idempotency::rows_in_order(batch);
    let placed = batch.iter().map(|acceptance| Placed { verdict: Accepted::New, slot: add(acceptance, desk, sheet) });
    (placed.collect(), keys)
}

/// The claim that is handed over once the acceptance is durable.
pub(super) fn claim_of(acceptance: &Acceptance, epoch: Epoch) -> Claim {
    let message = &acceptance.message;
    let recipients =
        acceptance.recipients.iter().zip(0..).filter(|(new, _)| new.rejected.is_none()).map(|(new, index)| Recipient {
            index,
            path: new.path.clone(),
            state: RecipientState::Queued,
            attempts: 0,
            next_attempt_at: message.created_at,
            last_reply: String::new(),
            updated_at: message.created_at,
        });
    Claim { epoch, recipients: recipients.collect(), message: message.clone(), body: acceptance.body.clone() }
}

/// Adds the rows of one message that nobody holds yet.
pub(super) fn add_ready(acceptance: &Acceptance, desk: &Desk, sheet: &mut Sheet) {
    add_claimed(acceptance, 0, desk, sheet);
}

/// Adds the rows of one message, claimed when the scheduler has a place for it.
fn add(acceptance: &Acceptance, desk: &Desk, sheet: &mut Sheet) -> Option<(Epoch, Slot)> {
    let message = &*acceptance.message;
    let open = acceptance.recipients.iter().filter(|r| r.rejected.is_none()).count();
    let due = message.send_at.is_none_or(|at| at <= message.created_at);
    let offer = Offer { message, octets: acceptance.body.len(), recipients: open };
    let slot = if due && open > 0 { desk.scheduler().and_then(|s| s.reserve(offer)) } else { None };
    add_claimed(acceptance, slot.as_ref().map_or(0, |(epoch, _)| *epoch), desk, sheet);
    slot
}

/// Adds the rows of one message, claimed under `epoch`; 0: ready.
fn add_claimed(acceptance: &Acceptance, epoch: Epoch, desk: &Desk, sheet: &mut Sheet) {
    let message = &*acceptance.message;
    let open = acceptance.recipients.iter().filter(|r| r.rejected.is_none()).count();
    // An engine that is handed the message takes its word for what stands in the row.
    debug_assert_eq!(message.recipients, acceptance.recipients.len());
    let status = if open > 0 { MessageStatus::Queued } else { MessageStatus::Rejected };
    let automatic_key = acceptance.idempotency.as_ref().filter(|i| i.automatic).map(|i| i.key);
    sheet.messages.push(values![
        message.id,
        message.team,
        message.key,
        message.stream.as_str(),
        message.source.as_str(),
        i64::from(message.sandbox),
        message.reverse_path.clone(),
        message.from.as_str(),
        message.subject.as_str(),
        i64::try_from(message.size).unwrap_or(i64::MAX),
        message.send_at,
        automatic_key,
        rows::details(message),
        status.as_str(),
        i64::try_from(acceptance.recipients.len()).unwrap_or(i64::MAX),
        message.created_at,
    ]);
    bodies::add(message.id, acceptance.body.bytes(), sheet);
    for (new, index) in acceptance.recipients.iter().zip(0..) {
        add_recipient(message, new, index, epoch, desk, sheet);
    }
    sheet.counts.add_on(message.day(), message.team, counters::MESSAGES, 1);
    if status != MessageStatus::Queued {
        sheet.counts.add_on(message.day(), message.team, status.as_str(), 1);
    }
    if let Some(key) = message.key {
        acceptance.quirks.iter().for_each(|quirk| sheet.counts.add(message.team, quirks::counter(*quirk, key), 1));
    }
    sheet.counts.add(message.team, counters::OPEN, i64::try_from(open).unwrap_or(0));
}

fn add_recipient(message: &Message, new: &NewRecipient, index: i64, epoch: Epoch, desk: &Desk, sheet: &mut Sheet) {
    let (mut state, mut epoch) = (RecipientState::Queued, epoch);
    if let Some(reason) = &new.rejected {
        (state, epoch) = (RecipientState::Rejected, 0);
        let detail = serde_json::json!({ "recipient": new.path.address.as_str(), "reason": reason });
        sheet.tell(&Event {
            id: desk.next_id(),
            team: message.team,
            message: message.id,
            recipient: Some(index),
            kind: EventKind::Rejected,
            at: message.created_at,
            detail,
        });
    }
    sheet.recipients.push(values![
        message.id,
        index,
        new.path.address.as_str(),
        new.path.notify.map(|n| n.text()),
        new.path.orcpt.clone(),
        state.as_str(),
        lanes::fresh(message.stream, message.team),
        epoch,
        message.send_at.unwrap_or(message.created_at).max(message.created_at),
        new.rejected.as_deref().unwrap_or(""),
        message.created_at,
    ]);
}
