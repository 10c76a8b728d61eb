//! The one way in: gathers the facts, folds the policies, commits once.

#[cfg(test)]
mod cost;
mod counts;
mod idempotency;
mod quirks;
mod room;
mod row;
mod trace;

use std::sync::Arc;

use tracing::{error, info};

use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::heavy;
use crate::id::{Id, Ids};
use crate::mime::fields::Fields;
use crate::mime::text::clipped;
use crate::model::address::Address;
use crate::model::envelope::Envelope;
use crate::model::key::ApiKey;
use crate::model::message::Source;
use crate::model::refusal::{Code, Refusal};
use crate::model::submission::{Receipt, Replay, Submission};
use crate::policy::{self, Draft, Facts, Limits, domain, quota, sandbox, scope, size, suppression};
use crate::store::accept::{Acceptance, Accepted, Idempotency};
use crate::store::refusals::RefusalRecord;
use crate::store::{Store, StoreError};
use counts::{Counts, Place};
use room::{Room, Taken};

/// Accepts submissions. Clones share everything.
#[derive(Clone, Debug)]
pub struct Intake {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    clock: Clock,
    ids: Ids,
    limits: Limits,
    /// The name in Received.
    hostname: String,
    /// Whether a repeated Message-ID with the same bytes is taken for a repeat.
    automatic_idempotency: bool,
    counts: Counts,
    room: Room,
}

/// What judging a submission came to, when it was not refused.
enum Judged<'a> {
    /// It was accepted before.
    Repeat(Receipt),
    Fit(Box<Fit<'a>>),
}

/// A submission as it will be kept, what its sender will hear, and its place in the key's allowance and on the disk.
struct Fit<'a> {
    acceptance: Acceptance,
    receipt: Receipt,
    place: Place<'a>,
    _room: Taken<'a>,
}

/// Octets of a subject that a refusal's record keeps.
const RECORDED_SUBJECT: usize = 200;
/// Recipients that it keeps.
const RECORDED_RECIPIENTS: usize = 10;

impl Intake {
    /// An intake that writes into `store` under the rules of `config`.
    pub fn new(store: Store, config: &Config, clock: Clock, ids: Ids) -> Self {
        let inner = Inner {
            store,
            clock,
            ids,
            limits: Limits::new(config),
            hostname: config.smtp.hostname.clone(),
            // What is captured stays here: whoever sends it twice wants to see it twice.
            automatic_idempotency: config.smtp.automatic_idempotency && !config.delivery.captures_all(),
            counts: Counts::default(),
            room: Room::new(config.data_dir.clone(), config.limits.min_free.0),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Judges the submission and, when nothing speaks against it, writes it durably.
    pub async fn accept(&self, submission: Submission) -> Result<Receipt, Refusal> {
        let fit = match self.inner.judge(&submission).await {
            Ok(Judged::Fit(fit)) => fit,
            Ok(Judged::Repeat(receipt)) => return Ok(receipt),
            Err(refusal) => {
                let subject = || Fields::split(&submission.mime, self.inner.limits.header).text("Subject");
                self.inner.record(&refusal, &submission.key, submission.source, &submission.envelope, subject);
                return Err(refusal);
            }
        };
        let Submission { key, source, envelope, mime, .. } = submission;
        // The form that is kept stands: a large message is not held twice while it is written.
        drop(mime);
        let message = fit.acceptance.message.clone();
        let verdict = self.inner.commit(*fit).await;
        if let Err(refusal) = &verdict {
            self.inner.record(refusal, &key, source, &envelope, || message.subject.clone());
        }
        verdict
    }

    /// What can be said at MAIL already: scope, null sender, size, rate, quota, room in queue and disk.
    pub async fn may_begin(&self, key: &ApiKey, declared_size: Option<u64>, null_sender: bool) -> Result<(), Refusal> {
        let verdict = self.inner.may_begin(key, declared_size, null_sender).await;
        if let Err(refusal) = &verdict {
            self.inner.record(refusal, key, Source::Smtp, &Envelope::default(), String::new);
        }
        verdict
    }

    /// What can be said at RCPT to a strict key: suppressed, or not on the sandbox list. Other keys hear of it at the dot.
    pub async fn may_address(&self, key: &ApiKey, recipient: &Address) -> Result<(), Refusal> {
        if !key.rights.strict {
            return Ok(());
        }
        let verdict = self.inner.may_address(key, recipient).await;
        if let Err(refusal) = &verdict {
            let envelope = Envelope { recipients: vec![recipient.clone().into()], ..Envelope::default() };
            self.inner.record(refusal, key, Source::Smtp, &envelope, String::new);
        }
        verdict
    }
}

impl Inner {
    async fn judge(&self, submission: &Submission) -> Result<Judged<'_>, Refusal> {
        let room = self.room.take(submission.mime.len(), &self.store)?;
        let now = self.clock.now();
        let draft = heavy::run(submission.mime.len(), || Draft::read(submission, &self.limits))?;
        self.learn_usage(&submission.key, now).await?;
        let place = self.counts.take(&submission.key, &self.limits, now);
        let facts = self.facts(&draft, &place, now).await?;
        let ruling = match policy::judge(&draft, &facts) {
            Ok(ruling) => ruling,
            Err(refusal) => return self.repeated(submission, &draft, &facts, refusal).await.map(Judged::Repeat),
        };
        let (acceptance, suppressed) = heavy::run(submission.mime.len(), || self.write_up(submission, &draft, ruling, now));
        let receipt = Receipt {
            id: acceptance.message.id,
            replay_of: None,
            suppressed,
            recipients: submission.envelope.recipients.len(),
            record: Some(acceptance.message.clone()),
        };
        Ok(Judged::Fit(Box::new(Fit { acceptance, receipt, place, _room: room })))
    }

    async fn may_begin(&self, key: &ApiKey, declared_size: Option<u64>, null_sender: bool) -> Result<(), Refusal> {
        scope::check(key, null_sender)?;
        let size = declared_size.unwrap_or(0);
        size::check(size, &self.limits)?;
        // Only asked for: it is taken at the dot.
        drop(self.room.take(usize::try_from(size).unwrap_or(usize::MAX), &self.store)?);
        let now = self.clock.now();
        self.learn_usage(key, now).await?;
        // The place is given back at once: it is taken for good at the dot.
        let usage = self.counts.take(key, &self.limits, now).usage;
        quota::check(key, usage, &self.limits, now)
    }

    async fn may_address(&self, key: &ApiKey, recipient: &Address) -> Result<(), Refusal> {
        sandbox::check(key, recipient, &self.limits)?;
        let found = self.store.suppressed(key.team, vec![recipient.key()]).await.map_err(|fault| unwell(&fault))?;
        found.first().map_or(Ok(()), |(_, reason)| Err(suppression::refusal(recipient, reason, 1)))
    }

    /// Reads from the store what counts can't know by themselves; nothing where no limit is set.
    async fn learn_usage(&self, key: &ApiKey, now: Timestamp) -> Result<(), Refusal> {
        if let Some(since) = self.counts.day_to_learn(key, &self.limits, now, self.store.is_shared()) {
            let count = self.store.accepted_since(key.id, since).await.map_err(|fault| unwell(&fault))?;
            self.counts.learn_day(key, since, now, count);
        }
        if self.counts.queue_to_learn(key, &self.limits, now) {
            let count = self.store.queued(key.team).await.map_err(|fault| unwell(&fault))?;
            self.counts.learn_queue(key, now, count);
        }
        Ok(())
    }

    async fn facts(&self, draft: &Draft<'_>, place: &Place<'_>, now: Timestamp) -> Result<Facts<'_>, Refusal> {
        let team = draft.key.team;
        let addresses = draft.envelope.recipients.iter().map(|path| path.address.key()).collect();
        let standing = async {
            match domain::is_asked(draft.key, &self.limits) {
                true => self.store.domain_standing(team, &draft.sender.address.ascii_domain()).await.map(Some),
                false => Ok(None),
            }
        };
        let (standing, suppressed) =
            tokio::try_join!(standing, self.store.suppressed(team, addresses)).map_err(|f| unwell(&f))?;
        Ok(Facts { now, limits: &self.limits, standing, suppressed, usage: place.usage })
    }

    /// Commits, and says what came of it.
    async fn commit(&self, fit: Fit<'_>) -> Result<Receipt, Refusal> {
        let Fit { acceptance, receipt, place, _room } = fit;
        let automatic = acceptance.idempotency.as_ref().is_some_and(|Idempotency { automatic, .. }| *automatic);
        match self.store.accept(acceptance).await.map_err(|fault| unwell(&fault))? {
            Accepted::New => {
                place.keep();
                Ok(receipt)
            }
            Accepted::Replay { id, accepted_at } => Ok(replay(id, Replay { accepted_at, automatic }, receipt.recipients)),
            Accepted::KeyReused { id } => {
                let text = format!("this key was used within 24 h for another message, {id}; use a new key");
                Err(Refusal::new(Code::IdempotencyKeyReused, text))
            }
        }
    }

    /// Puts a refusal on record for the owner of the key; what is wrong with the store or the disk is no news to that owner.
    fn record(&self, refusal: &Refusal, key: &ApiKey, source: Source, envelope: &Envelope, subject: impl FnOnce() -> String) {
        if matches!(refusal.code, Code::StoreUnavailable | Code::DiskFull) {
            return;
        }
        self.store.record_refusal(RefusalRecord {
            team: key.team,
            key: key.id,
            door: source.as_str().to_owned(),
            at: self.clock.now(),
            code: refusal.code.word().to_owned(),
            text: refusal.text.clone(),
            reverse_path: envelope.reverse_path.as_ref().map(ToString::to_string).unwrap_or_default(),
            recipients: envelope.recipients.iter().take(RECORDED_RECIPIENTS).map(|path| path.address.to_string()).collect(),
            subject: clipped(subject(), RECORDED_SUBJECT),
        });
    }
}

/// The answer to a repeat: the first one's id.
fn replay(id: Id, of: Replay, recipients: usize) -> Receipt {
    info!(message = %id, automatic = of.automatic, "a repeat of this message was not queued again");
    Receipt { id, replay_of: Some(of), suppressed: Vec::new(), recipients, record: None }
}

/// The refusal for a store that failed; what a retry can't mend by itself is logged for the operator.
fn unwell(fault: &StoreError) -> Refusal {
    match fault {
        StoreError::Full(_) => Refusal::new(Code::DiskFull, "there is no room to keep mail now; try again later"),
        StoreError::Unavailable(_) | StoreError::Repeat(_) => {
            Refusal::new(Code::StoreUnavailable, "mail can't be kept now; try again later")
        }
        StoreError::Conflict(_) | StoreError::Broken(_) => {
            error!(%fault, "the store failed while a message was offered");
            Refusal::new(Code::StoreUnavailable, "mail can't be kept now; try again later")
        }
    }
}
