//! The one way in: gathers the facts, folds the policies, commits once.

mod commit;
#[cfg(test)]
mod cost;
mod counts;
mod fill;
mod idempotency;
mod quirks;
mod room;
mod row;
mod trace;

use std::sync::Arc;

use tracing::error;

use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::heavy;
use crate::id::{Id, Ids};
use crate::mime::fields::Fields;
use crate::mime::text::clipped;
use crate::model::address::Address;
use crate::model::envelope::Envelope;
use crate::model::key::ApiKey;
use crate::model::message::{Message, Source};
use crate::model::refusal::{Code, Refusal};
use crate::model::submission::{Receipt, Submission};
use crate::model::template::StoredTemplate;
use crate::model::unsubscribe::SCOPE;
use crate::policy::{self, Barrier, Draft, Facts, Limits, barrier, domain, quota, sandbox, scope, size};
use crate::store::barriers::Barriers;
use crate::store::refusals::RefusalRecord;
use crate::store::{Store, StoreError};
use commit::{Fit, Promise};
use counts::{Counts, Place};
use room::Room;

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
    /// Whether broadcast leaves with a way out of ours.
    has_links: bool,
    counts: Counts,
    room: Room,
}

/// What judging a submission came to, when it was not refused.
enum Judged<'a> {
    /// It was accepted before.
    Repeat(Receipt),
    Fit(Box<Fit<'a>>),
}

/// A batch that was turned away as a whole: nothing of it was accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("message {place} of the batch: {refusal}")]
pub struct BatchRefusal {
    /// Of the first message that it was refused for, from 0.
    pub place: usize,
    pub refusal: Refusal,
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
            has_links: config.links_below().is_some() || config.delivery.captures_all(),
            counts: Counts::default(),
            room: Room::new(config.data_dir.clone(), config.limits.min_free.0),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Judges the submission and, when nothing speaks against it, writes it durably.
    pub async fn accept(&self, submission: Submission) -> Result<Receipt, Refusal> {
        let fit = match self.inner.judge_on_record(&submission).await? {
            Judged::Fit(fit) => fit,
            Judged::Repeat(receipt) => return Ok(receipt),
        };
        let offer = Offer::of(submission, &fit);
        let verdict = self.inner.commit(*fit).await;
        self.inner.record_if_refused(&verdict, &offer);
        verdict
    }

    /// The same for submissions that came together: judged one by one, and then written together. The verdicts stand in their order.
    /// When one is refused for what turns away a batch ([`Code::refuses_batch`]), none is accepted.
    pub async fn accept_all(&self, submissions: Vec<Submission>) -> Result<Vec<Result<Receipt, Refusal>>, BatchRefusal> {
        let (mut verdicts, mut fits, mut offers) = (Vec::with_capacity(submissions.len()), Vec::new(), Vec::new());
        for (place, submission) in submissions.into_iter().enumerate() {
            match self.inner.judge_on_record(&submission).await {
                Err(refusal) if refusal.code.refuses_batch() => return Err(BatchRefusal { place, refusal }),
                Err(refusal) => verdicts.push(Some(Err(refusal))),
                Ok(Judged::Repeat(receipt)) => verdicts.push(Some(Ok(receipt))),
                Ok(Judged::Fit(fit)) => {
                    verdicts.push(None);
                    offers.push(Offer::of(submission, &fit));
                    fits.push(*fit);
                }
            }
        }
        let written = self.inner.commit_all(fits).await;
        written.iter().zip(&offers).for_each(|(verdict, offer)| self.inner.record_if_refused(verdict, offer));
        let mut written = written.into_iter();
        Ok(verdicts.into_iter().filter_map(|verdict| verdict.or_else(|| written.next())).collect())
    }

    /// Whether a message that will have so many octets at least may come at all: asked before it is made.
    pub fn may_carry(&self, key: &ApiKey, source: Source, envelope: &Envelope, octets: u64) -> Result<(), Refusal> {
        let verdict = size::check(octets, &self.inner.limits);
        if let Err(refusal) = &verdict {
            self.inner.record(refusal, key, source, envelope, String::new);
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

    /// What can be said at RCPT to a strict key: suppressed, unsubscribed from all that the key sends, or not on the sandbox list. Other keys hear of it at the dot.
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

/// What is known of a submission while it is written. Its bytes are not: the form that is kept stands, and a large message is not held
/// twice.
struct Offer {
    key: Arc<ApiKey>,
    envelope: Envelope,
    message: Arc<Message>,
}

impl Offer {
    fn of(submission: Submission, fit: &Fit<'_>) -> Self {
        Self { key: submission.key, envelope: submission.envelope, message: fit.acceptance.message.clone() }
    }
}

impl Inner {
    /// Judges, and puts a refusal on record.
    async fn judge_on_record(&self, submission: &Submission) -> Result<Judged<'_>, Refusal> {
        let judged = self.judge(submission).await;
        if let Err(refusal) = &judged {
            let subject = || Fields::split(&submission.mime, self.limits.header).text("Subject");
            self.record(refusal, &submission.key, submission.source, &submission.envelope, subject);
        }
        judged
    }

    async fn judge(&self, submission: &Submission) -> Result<Judged<'_>, Refusal> {
        let room = self.room.take(submission.mime.len(), &self.store)?;
        let now = self.clock.now();
        let draft = heavy::run(submission.mime.len(), || Draft::read(submission, &self.limits))?;
        self.learn_usage(&submission.key, now).await?;
        let place = self.counts.take(&submission.key, &self.limits, now);
        let facts = self.facts(&draft, &place, now).await?;
        let write_up = |ruling| heavy::run(submission.mime.len(), || self.write_up(submission, &draft, &facts, ruling));
        let (acceptance, left_out) = match policy::judge(&draft, &facts).and_then(write_up) {
            Ok(written_up) => written_up,
            Err(refusal) => return self.repeated(submission, &draft, &facts, refusal).await.map(Judged::Repeat),
        };
        let receipt = Receipt {
            id: acceptance.message.id,
            replay_of: None,
            left_out,
            recipients: submission.envelope.recipients.len(),
            record: Some(acceptance.message.clone()),
        };
        Ok(Judged::Fit(Box::new(Fit { acceptance, promise: Promise { receipt, place, room } })))
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
        let found = self.store.barriers(key.team, vec![recipient.key()]).await.map_err(|fault| unwell(&fault))?;
        let suppressed = found.suppressed.into_iter().next().map(|(_, reason)| Barrier::Suppressed(reason));
        // Of a wish it is known here whether it counts only where all that the key sends is broadcast, and heeds wishes.
        let heeds = key.only_stream() == Some(SCOPE) && !key.rights.may_ignore_unsubscribe;
        let wish = found.unsubscribed.first().filter(|_| heeds).map(|_| Barrier::Unsubscribed);
        suppressed.or(wish).map_or(Ok(()), |found| Err(barrier::refusal(recipient, &found, 1)))
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
        let (standing, barriers, template) =
            tokio::try_join!(standing, self.store.barriers(team, addresses), self.template(draft)).map_err(|f| unwell(&f))?;
        let Barriers { suppressed, unsubscribed } = barriers;
        Ok(Facts { now, limits: &self.limits, standing, suppressed, unsubscribed, template, usage: place.usage })
    }

    /// The template that the draft asks for; another team's is none.
    async fn template(&self, draft: &Draft<'_>) -> Result<Option<StoredTemplate>, StoreError> {
        match draft.controls.template.as_deref().and_then(|id| id.parse::<Id>().ok()) {
            Some(id) => self.store.template(draft.key.team, id).await,
            None => Ok(None),
        }
    }

    fn record_if_refused(&self, verdict: &Result<Receipt, Refusal>, offer: &Offer) {
        if let Err(refusal) = verdict {
            self.record(refusal, &offer.key, offer.message.source, &offer.envelope, || offer.message.subject.clone());
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
