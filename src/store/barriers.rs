//! What keeps mail from addresses. Read for each message, never cached; look-ups of many sessions share one read.

use std::collections::HashMap;

use tokio::sync::oneshot;

use crate::id::Id;
use crate::store::db::Db;
use crate::store::gather::{Bounds, Gather};
use crate::store::sql::{Kind, Sql, record, values};
use crate::store::{Store, StoreError};

/// One that is neither suppressed nor unsubscribed has no row.
pub(super) static LOOK_UP: Sql = Sql::rows(
    "SELECT v.asker AS asker, v.wanted AS address, s.reason AS reason, u.how AS how
     FROM {rows} LEFT JOIN suppressions s ON s.team_id = v.team AND s.address = v.wanted
         LEFT JOIN unsubscribes u ON u.team_id = v.team AND u.scope = 'broadcast' AND u.address = v.wanted
     WHERE s.reason IS NOT NULL OR u.how IS NOT NULL",
    &[("asker", Kind::Int), ("team", Kind::Bytes), ("wanted", Kind::Text)],
);

record!(Found { asker: i64, address: String, reason: Option<String>, how: Option<String> });

/// Look-ups that share one read.
const LOOK_UPS: Bounds = Bounds { items: 128, octets: 4096 };

/// What keeps mail from some of the addresses that were asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Barriers {
    /// Addresses and reasons.
    pub suppressed: Vec<(String, String)>,
    /// Those that wish no broadcast mail.
    pub unsubscribed: Vec<String>,
}

/// One session's question.
pub(super) struct LookUp {
    team: Id,
    addresses: Vec<String>,
    reply: oneshot::Sender<Result<Barriers, StoreError>>,
}

impl Store {
    /// What keeps a team's mail from these addresses, which are in their comparable form.
    pub async fn barriers(&self, team: Id, addresses: Vec<String>) -> Result<Barriers, StoreError> {
        let (reply, answer) = oneshot::channel();
        let size = addresses.len();
        if !self.look_ups().add(size, LookUp { team, addresses, reply }).await {
            return Err(StoreError::Unavailable("it is being closed".to_owned()));
        }
        answer.await.unwrap_or_else(|_| Err(StoreError::Unavailable("it is being closed".to_owned())))
    }
}

impl Barriers {
    fn add(&mut self, found: Found) {
        let Found { address, reason, how, .. } = found;
        if how.is_some() {
            self.unsubscribed.push(address.clone());
        }
        self.suppressed.extend(reason.map(|reason| (address, reason)));
    }
}

/// Starts the reader that answers look-ups; it ends when the queue is closed and empty. One: two would answer the same with more reads.
pub(super) fn start(db: &Db, look_ups: &Gather<LookUp>) -> tokio::task::JoinHandle<()> {
    let (db, mut worker) = (db.clone(), look_ups.worker());
    tokio::spawn(async move {
        while let Some(batch) = worker.batch(LOOK_UPS).await {
            answer(&db, batch).await;
        }
    })
}

async fn answer(db: &Db, batch: Vec<LookUp>) {
    let asked =
        batch.iter().zip(0i64..).flat_map(|(l, asker)| l.addresses.iter().map(move |a| values![asker, l.team, a.as_str()]));
    let asked: Vec<_> = asked.collect();
    let mut answers: HashMap<i64, Barriers> = HashMap::new();
    let outcome = db.ask::<Found>(&LOOK_UP, &asked).await;
    let outcome = outcome.map(|found| found.into_iter().for_each(|found| answers.entry(found.asker).or_default().add(found)));
    for (look_up, asker) in batch.into_iter().zip(0i64..) {
        let barriers = answers.remove(&asker).unwrap_or_default();
        let _ = look_up.reply.send(outcome.clone().map(|()| barriers));
    }
}
