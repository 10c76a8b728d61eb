//! Which outcomes the sender is told of by mail (RFC 3461 sections 4.1 and 5.2), and the messages that tell it. They are settled together
//! with the outcome they tell of, and go out through the same queue as all mail.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::id::Ids;
use crate::mime::report::delivery::Action;
use crate::mime::report::notice::Notice;
use crate::model::address::Address;
use crate::model::envelope::DsnNotify;
use crate::model::key::DsnChoice;
use crate::model::message::{Body, Message, Recipient, Source, Tracking};
use crate::model::outcome::Outcome;
use crate::model::stream::Stream;
use crate::store::accept::{Acceptance, NewRecipient};
use crate::store::handover::Claim;

/// What must be known before a sender is told anything by mail.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The reverse-path is inside a verified domain of the message's own team: nobody else is ever written to.
    pub is_own_domain: bool,
    /// As the key was made.
    pub choice: DsnChoice,
    /// The next hop took the DSN parameters: success is its to tell (RFC 3461 section 5.2.2).
    pub passed_on: bool,
    /// The name of this system.
    pub hostname: &'a str,
    pub now: Timestamp,
}

/// What is to be told of an outcome, if anything.
pub fn due(notify: Option<DsnNotify>, outcome: &Outcome, passed_on: bool) -> Option<Action> {
    let notify = notify?;
    match outcome {
        Outcome::Bounced(_) | Outcome::Failed(_) => notify.failure.then_some(Action::Failed),
        Outcome::Sent(_) => (notify.success && !passed_on).then_some(Action::Relayed),
        Outcome::Delivered(_) => (notify.success && !passed_on).then_some(Action::Delivered),
        Outcome::Deferred { .. } | Outcome::Held(_) | Outcome::Released | Outcome::PutOff { .. } => None,
    }
}

/// The notification of one recipient's outcome. None goes to the null reverse-path, nor for what only acts out a fate.
pub fn letter(claim: &Claim, recipient: &Recipient, outcome: &Outcome, facts: Facts<'_>, ids: &Ids) -> Option<Acceptance> {
    let message = &*claim.message;
    let to = Address::parse(message.reverse_path.as_deref()?).ok()?;
    if message.sandbox || !facts.is_own_domain || facts.choice == DsnChoice::Never {
        return None;
    }
    let action = due(recipient.path.notify, outcome, facts.passed_on)?;
    let notice = Notice {
        id: ids.next(),
        reporting_mta: facts.hostname,
        to: &to,
        at: facts.now,
        action,
        recipient: &recipient.path.address,
        orcpt: recipient.path.orcpt.as_deref(),
        envid: message.envid.as_deref(),
        reply: outcome.reply()?,
        arrived: message.created_at,
        retry_until: None,
        ret: message.ret,
        message: &claim.body,
    };
    let body = Body::free(notice.compose());
    let row = row(message, &notice, &body);
    let recipients = vec![NewRecipient { path: to.clone().into(), rejected: None }];
    Some(Acceptance { message: Arc::new(row), body, recipients, idempotency: None, quirks: Vec::new() })
}

/// The row of a notification about `about`.
fn row(about: &Message, notice: &Notice<'_>, body: &Body) -> Message {
    let from = format!("mailer-daemon@{}", notice.reporting_mta);
    Message {
        id: notice.id,
        team: about.team,
        key: about.key,
        stream: Stream::Transactional,
        source: Source::Smtp,
        sandbox: false,
        // RFC 3461 section 6.1: so that nothing is ever returned for it.
        reverse_path: None,
        smtputf8: notice.to.needs_smtputf8(),
        eight_bit: !body.is_ascii(),
        ret: None,
        envid: None,
        from_header: from.clone(),
        from,
        to_header: notice.to.to_string(),
        cc_header: String::new(),
        reply_to: String::new(),
        subject: notice.subject().to_owned(),
        message_id: notice.message_id(),
        tags: Vec::new(),
        tracking: Tracking::default(),
        template: None,
        variables: None,
        ignore_unsubscribe: false,
        send_at: None,
        recipients: 1,
        size: body.len() as u64,
        created_at: notice.at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::delivery::fixture;
    use crate::mime::report::Report;
    use crate::model::outcome::Reply;

    const FACTS: Facts<'_> =
        Facts { is_own_domain: true, choice: DsnChoice::Auto, passed_on: false, hostname: "post.test", now: Timestamp(1000) };

    fn all() -> DsnNotify {
        DsnNotify { success: true, failure: true, delay: true }
    }

    #[test]
    fn notify_and_the_next_hop_decide_what_is_told() {
        let reply = || Reply::new(250, None, "ok");
        let (sent, delivered) = (Outcome::Sent(reply()), Outcome::Delivered(reply()));
        let (bounced, failed) = (Outcome::Bounced(reply().into()), Outcome::Failed(reply()));
        let deferred = Outcome::Deferred { reply: reply(), until: Timestamp(0) };
        let told = |notify, passed_on| [&sent, &delivered, &bounced, &failed, &deferred].map(|o| due(notify, o, passed_on));
        let failure = Some(Action::Failed);
        assert_eq!(told(None, false), [None; 5]);
        assert_eq!(told(Some(DsnNotify::default()), false), [None; 5]);
        assert_eq!(told(Some(all()), false), [Some(Action::Relayed), Some(Action::Delivered), failure, failure, None]);
        assert_eq!(told(Some(all()), true), [None, None, failure, failure, None]);
        assert_eq!(told(Some(DsnNotify { success: false, ..all() }), false), [None, None, failure, failure, None]);
    }

    #[test]
    fn a_letter_goes_to_senders_of_the_own_domain_under_the_null_reverse_path() {
        let mut claim = fixture::claim(Stream::Broadcast, 0, 1);
        claim.recipients[0].path.notify = Some(all());
        let ids = Ids::random(Clock::System);
        let outcome = Outcome::Bounced(Reply::new(550, Some("5.1.1".to_owned()), "no such user").into());
        let write = |claim: &Claim, facts| letter(claim, &claim.recipients[0], &outcome, facts, &ids);

        let told = write(&claim, FACTS).expect("a letter");
        assert_eq!(told.message.reverse_path, None);
        assert_eq!(told.recipients[0].path, Address::parse("from@example.com").unwrap().into());
        let Some(Report::Delivery(report)) = Report::read(&told.body) else { panic!("no report") };
        assert_eq!(report.recipients[0].final_recipient, "you@example.com");

        assert!(write(&claim, Facts { is_own_domain: false, ..FACTS }).is_none());
        assert!(write(&claim, Facts { choice: DsnChoice::Never, ..FACTS }).is_none());
        let with = |change: fn(&mut Message)| {
            let mut message = (*claim.message).clone();
            change(&mut message);
            Claim { message: Arc::new(message), ..claim.clone() }
        };
        assert!(write(&with(|m| m.reverse_path = None), FACTS).is_none(), "never for the null reverse-path");
        assert!(write(&with(|m| m.sandbox = true), FACTS).is_none());
    }
}
