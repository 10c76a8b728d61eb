//! Which outcomes the sender is told of (RFC 3461 sections 4.1 and 5.2), and the message that tells it.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::id::Ids;
use crate::mime::report::delivery::Action;
use crate::mime::report::notice::Notice;
use crate::model::address::Address;
use crate::model::key::DsnChoice;
use crate::model::message::{Body, Message, Recipient};
use crate::model::outcome::{Outcome, Reply};
use crate::store::accept::{Acceptance, NewRecipient};

/// What must be known before a sender is told anything by mail.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The reverse-path is inside a verified domain of the message's own team: nobody else is ever written to.
    pub is_own_domain: bool,
    /// As the key was made.
    pub choice: DsnChoice,
    /// The name of this system.
    pub hostname: &'a str,
}

/// What became of one recipient, and when.
#[derive(Clone, Copy, Debug)]
pub struct News<'a> {
    pub message: &'a Message,
    /// As it was before.
    pub recipient: &'a Recipient,
    pub outcome: &'a Outcome,
    /// The next hop took the DSN parameters: success is its to tell (RFC 3461 section 5.2.2).
    pub passed_on: bool,
    pub now: Timestamp,
}

/// How long mail is tried.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// A recipient that still waits after so long is told of as delayed; zero: none is.
    pub delayed_after: Duration,
    pub give_up_after: Duration,
}

impl News<'_> {
    /// What is to be told of it, if anything.
    pub fn due(&self, patience: Patience) -> Option<Action> {
        let notify = self.recipient.path.notify?;
        match self.outcome {
            Outcome::Bounced(_) | Outcome::Failed(_) | Outcome::Rejected(_) => notify.failure.then_some(Action::Failed),
            Outcome::Sent(_) => (notify.success && !self.passed_on).then_some(Action::Relayed),
            Outcome::Delivered(_) => (notify.success && !self.passed_on).then_some(Action::Delivered),
            Outcome::Deferred { .. } | Outcome::PutOff { .. } => {
                (notify.delay && self.is_late_now(patience.delayed_after)).then_some(Action::Delayed)
            }
            Outcome::Held(_) | Outcome::Released => None,
        }
    }

    /// Whether it has waited for so long, and had not when its row was last written: so nobody is told twice, and where a restart falls
    /// between the two perhaps not at all.
    fn is_late_now(&self, after: Duration) -> bool {
        let late = self.message.due_from().plus(after);
        !after.is_zero() && self.recipient.updated_at < late && late <= self.now
    }

    /// The notification. None goes to the null reverse-path, nor for what only acts out a fate.
    pub fn letter(&self, body: &Body, facts: Facts<'_>, patience: Patience, ids: &Ids) -> Option<Acceptance> {
        let message = self.message;
        let to = Address::parse(message.reverse_path.as_deref()?).ok()?;
        if message.sandbox || !facts.is_own_domain || facts.choice == DsnChoice::Never {
            return None;
        }
        let action = self.due(patience)?;
        let waits = || self.outcome.waits_for().map(Reply::fault);
        let notice = Notice {
            id: ids.next(),
            reporting_mta: facts.hostname,
            to: &to,
            at: self.now,
            action,
            recipient: &self.recipient.path.address,
            orcpt: self.recipient.path.orcpt.as_deref(),
            envid: message.envid.as_deref(),
            reply: &self.outcome.reply().cloned().or_else(waits)?,
            arrived: message.created_at,
            retry_until: (action == Action::Delayed).then(|| message.due_from().plus(patience.give_up_after)),
            ret: message.ret,
            message: body,
        };
        let body = Body::free(notice.compose());
        let row = row(message, &notice, &body);
        let recipients = vec![NewRecipient { path: to.clone().into(), rejected: None }];
        Some(Acceptance { message: Arc::new(row), body, recipients, idempotency: None, quirks: Vec::new() })
    }
}

/// The row of a notification about `about`.
fn row(about: &Message, notice: &Notice<'_>, body: &Body) -> Message {
    let from = format!("mailer-daemon@{}", notice.reporting_mta);
    // RFC 3461 section 6.1: its reverse-path is null, so that nothing is ever returned for it.
    Message {
        key: about.key,
        smtputf8: notice.to.needs_smtputf8(),
        eight_bit: !body.is_ascii(),
        from_header: from.clone(),
        from,
        to_header: notice.to.to_string(),
        subject: notice.subject().to_owned(),
        message_id: notice.message_id(),
        size: body.len() as u64,
        ..Message::bare(notice.id, about.team, notice.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::id::Id;
    use crate::mime::report::Report;
    use crate::model::envelope::DsnNotify;
    use crate::model::outcome::RecipientState;

    const FACTS: Facts<'_> = Facts { is_own_domain: true, choice: DsnChoice::Auto, hostname: "post.test" };
    const HOUR: Duration = Duration::from_hours(1);
    const PATIENCE: Patience = Patience { delayed_after: HOUR, give_up_after: Duration::from_hours(72) };

    fn all() -> DsnNotify {
        DsnNotify { success: true, failure: true, delay: true }
    }

    fn message() -> Message {
        let reverse_path = Some("from@example.com".to_owned());
        Message { reverse_path, ..Message::bare(Id([1; 16]), Id([2; 16]), Timestamp(0)) }
    }

    fn recipient(notify: Option<DsnNotify>) -> Recipient {
        let mut path: crate::model::envelope::ForwardPath = Address::parse("you@example.com").unwrap().into();
        path.notify = notify;
        let (at, state) = (Timestamp(0), RecipientState::Queued);
        Recipient { index: 0, path, state, attempts: 0, next_attempt_at: at, last_reply: String::new(), updated_at: at }
    }

    #[test]
    fn notify_and_the_next_hop_decide_what_is_told() {
        let reply = || Reply::new(250, None, "ok");
        let (sent, delivered) = (Outcome::Sent(reply()), Outcome::Delivered(reply()));
        let (bounced, failed) = (Outcome::Bounced(reply().into()), Outcome::Failed(reply()));
        let deferred = Outcome::Deferred { reply: reply(), until: Timestamp(0) };
        let told = |notify, passed_on| {
            let (message, recipient) = (message(), recipient(notify));
            [&sent, &delivered, &bounced, &failed, &deferred].map(|outcome| {
                News { message: &message, recipient: &recipient, outcome, passed_on, now: Timestamp(1000) }.due(PATIENCE)
            })
        };
        let failure = Some(Action::Failed);
        assert_eq!(told(None, false), [None; 5]);
        assert_eq!(told(Some(DsnNotify::default()), false), [None; 5]);
        assert_eq!(told(Some(all()), false), [Some(Action::Relayed), Some(Action::Delivered), failure, failure, None]);
        assert_eq!(told(Some(all()), true), [None, None, failure, failure, None]);
        assert_eq!(told(Some(DsnNotify { success: false, ..all() }), false), [None, None, failure, failure, None]);
    }

    #[test]
    fn a_delay_is_told_once_when_it_has_lasted() {
        let message = message();
        let outcomes = [
            Outcome::Deferred { reply: Reply::new(451, None, "later"), until: Timestamp(0) },
            Outcome::PutOff { until: Timestamp(0), why: "limit of 1 connection".to_owned() },
        ];
        let due = |notify, before: Duration, now: Duration, patience| {
            let recipient = Recipient { updated_at: Timestamp(0).plus(before), ..recipient(Some(notify)) };
            let now = Timestamp(0).plus(now);
            let each = outcomes
                .each_ref()
                .map(|outcome| News { message: &message, recipient: &recipient, outcome, passed_on: false, now }.due(patience));
            assert_eq!(each[0], each[1]);
            each[0]
        };
        let second = Duration::from_secs(1);
        assert_eq!(due(all(), HOUR / 2, HOUR - second, PATIENCE), None, "not yet");
        assert_eq!(due(all(), HOUR / 2, HOUR, PATIENCE), Some(Action::Delayed));
        assert_eq!(due(all(), HOUR, HOUR * 2, PATIENCE), None, "it was told");
        assert_eq!(due(DsnNotify { delay: false, ..all() }, HOUR / 2, HOUR, PATIENCE), None);
        assert_eq!(due(all(), HOUR / 2, HOUR, Patience { delayed_after: Duration::ZERO, ..PATIENCE }), None);
    }

    #[test]
    fn a_letter_goes_to_senders_of_the_own_domain_under_the_null_reverse_path() {
        let recipient = recipient(Some(all()));
        let ids = Ids::random(Clock::System);
        let outcome = Outcome::Bounced(Reply::new(550, Some("5.1.1".to_owned()), "no such user").into());
        let body = Body::free(&b"a: b\r\n"[..]);
        let write = |message: &Message, facts| {
            let news = News { message, recipient: &recipient, outcome: &outcome, passed_on: false, now: Timestamp(1000) };
            news.letter(&body, facts, PATIENCE, &ids)
        };

        let told = write(&message(), FACTS).expect("a letter");
        assert_eq!(told.message.reverse_path, None);
        assert_eq!(told.recipients[0].path, Address::parse("from@example.com").unwrap().into());
        let Some(Report::Delivery(report)) = Report::read(&told.body) else { panic!("no report") };
        assert_eq!(report.recipients[0].final_recipient, "you@example.com");

        assert!(write(&message(), Facts { is_own_domain: false, ..FACTS }).is_none());
        assert!(write(&message(), Facts { choice: DsnChoice::Never, ..FACTS }).is_none());
        assert!(write(&Message { reverse_path: None, ..message() }, FACTS).is_none(), "never for the null reverse-path");
        assert!(write(&Message { sandbox: true, ..message() }, FACTS).is_none());
    }
}
