//! Reading what was claimed: messages and their bytes. What can't be read is ended, so that it holds up nobody at the next claim.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::id::Id;
use crate::model::message::{Body, Message, Recipient};
use crate::model::outcome::{Outcome, Reply};
use crate::store::claim::ClaimedRows;
use crate::store::handover::{Claim, Epoch};
use crate::store::rows::{ClaimedRow, FoundMessage, select_messages};
use crate::store::settle::{Settled, Settlement};
use crate::store::sql::{Kind, Sql, values};
use crate::store::sweep::Stray;
use crate::store::{Store, StoreError, rows};

static MESSAGES: Sql =
    Sql::rows(select_messages!("{rows} JOIN outbound_messages m ON m.id = v.message"), &[("message", Kind::Bytes)]);

/// What was claimed of one message.
#[derive(Default)]
struct Group {
    recipients: Vec<Recipient>,
    /// Place and attempts of those whose rows can't be read.
    unreadable: Vec<(i64, i64)>,
}

impl Group {
    fn push(&mut self, row: ClaimedRow) {
        match row.recipient {
            Ok(recipient) => self.recipients.push(recipient),
            Err(failure) => {
                tracing::error!(%failure, "a recipient can't be read");
                self.unreadable.push((row.index, row.attempts));
            }
        }
    }

    fn strays(&self, message: Id) -> impl Iterator<Item = Stray> {
        let places = places(&self.recipients).into_iter().chain(self.unreadable.clone());
        places.map(move |(index, _)| Stray { message: message.0.to_vec(), index, attempts: None })
    }
}

impl Store {
    /// Reads what was claimed, one message and what else `room` octets hold; the rest goes back into the queue. What can't be read at all is
    /// given up.
    pub(super) async fn read_back(&self, epoch: Epoch, claimed: ClaimedRows, room: usize) -> Result<Vec<Claim>, StoreError> {
        let (mut by_message, mut nameless) = (BTreeMap::<Id, Group>::new(), Vec::new());
        for row in claimed {
            match rows::id(&row.message) {
                Ok(id) => by_message.entry(id).or_default().push(row),
                Err(_) => nameless.push(Stray { message: row.message, index: row.index, attempts: None }),
            }
        }
        self.set_aside(epoch, nameless, "its message's id is none").await;
        if by_message.is_empty() {
            return Ok(Vec::new());
        }
        let read = self.with_messages(epoch, by_message).await?;
        let (mut left, mut now, mut later) = (room as u64, Vec::new(), Vec::new());
        for (message, recipients) in read {
            if now.is_empty() || message.size <= left {
                left = left.saturating_sub(message.size);
                now.push((message, recipients));
            } else {
                later.push((message, recipients));
            }
        }
        self.let_go(epoch, later.iter().flat_map(|(message, recipients)| strays(message.id, recipients))).await?;
        self.with_bodies(epoch, now).await
    }

    /// The messages of what was claimed; those that can't be read are given up.
    async fn with_messages(
        &self,
        epoch: Epoch,
        by_message: BTreeMap<Id, Group>,
    ) -> Result<Vec<(Arc<Message>, Vec<Recipient>)>, StoreError> {
        let mut messages = self.claimed_messages(by_message.keys()).await?;
        let (mut read, mut orphans) = (Vec::with_capacity(by_message.len()), Vec::new());
        for (id, group) in by_message {
            let Some((team, message)) = messages.remove(&id) else {
                orphans.extend(group.strays(id));
                continue;
            };
            self.give_up(epoch, team, id, &group.unreadable, "the stored recipient can't be read").await;
            match message {
                Some(message) if !group.recipients.is_empty() => read.push((message, group.recipients)),
                Some(_) => {}
                None => self.give_up(epoch, team, id, &places(&group.recipients), "the stored message can't be read").await,
            }
        }
        self.set_aside(epoch, orphans, "the stored message is missing, or nobody's").await;
        Ok(read)
    }

    /// The claims of what was read, with its bytes.
    async fn with_bodies(&self, epoch: Epoch, read: Vec<(Arc<Message>, Vec<Recipient>)>) -> Result<Vec<Claim>, StoreError> {
        let mut bodies = self.bodies(read.iter().map(|(message, _)| message.id)).await?;
        let mut claims = Vec::with_capacity(read.len());
        for (message, mut recipients) in read {
            recipients.sort_unstable_by_key(|r| r.index);
            match bodies.remove(&message.id).map(Body::free) {
                Some(body) => claims.push(Claim { epoch, message, body, recipients }),
                None => {
                    self.give_up(epoch, message.team, message.id, &places(&recipients), "the stored content is missing").await;
                }
            }
        }
        Ok(claims)
    }

    /// The teams of these messages, and the messages themselves as far as they can be read. What has no team is not among them.
    async fn claimed_messages(
        &self,
        ids: impl Iterator<Item = &Id>,
    ) -> Result<HashMap<Id, (Id, Option<Arc<Message>>)>, StoreError> {
        let ids: Vec<_> = ids.map(|id| values![*id]).collect();
        let found = self.db().fetch_rows::<FoundMessage>(&MESSAGES, Vec::new(), &ids).await?;
        let read = found.into_iter().filter_map(|found| {
            let (id, team) = (rows::id(&found.id).ok()?, rows::id(&found.team).ok()?);
            let message =
                found.message.inspect_err(|failure| tracing::error!(message = %id, %failure, "a message can't be read"));
            Some((id, (team, message.ok().map(Arc::new))))
        });
        Ok(read.collect())
    }

    /// Ends recipients that can't be attempted, ever, so that they don't hold up the others at each claim.
    async fn give_up(&self, epoch: Epoch, team: Id, message: Id, places: &[(i64, i64)], why: &str) {
        if places.is_empty() {
            return;
        }
        tracing::error!(%message, recipients = places.len(), why, "given up");
        let outcome = Outcome::Failed(Reply::fault(why));
        let outcomes = places.iter().map(|&(index, attempt)| Settled { index, attempt, outcome: outcome.clone() });
        let settlement =
            Settlement { epoch, team, message, lone: None, hop: None, outcomes: outcomes.collect(), notices: Vec::new() };
        if let Err(failure) = self.settle(settlement).await {
            tracing::warn!(%message, %failure, "what can't be read can't be given up, either; it is claimed again");
        }
    }
}

/// Each recipient's place in the message, and its attempts.
fn places(recipients: &[Recipient]) -> Vec<(i64, i64)> {
    recipients.iter().map(|r| (r.index, r.attempts)).collect()
}

fn strays(message: Id, recipients: &[Recipient]) -> impl Iterator<Item = Stray> {
    recipients.iter().map(move |r| Stray { message: message.0.to_vec(), index: r.index, attempts: Some(r.attempts) })
}
