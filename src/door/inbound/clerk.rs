//! From a message that came back to what is written: the report is read, and matched with the recipients it may speak of.

use std::net::IpAddr;

use crate::door::inbound::Inbound;
use crate::door::inbound::addressee::Addressee;
use crate::mime::report::Report;
use crate::mime::report::complaint::Complaint;
use crate::mime::report::delivery::{Action, DeliveryReport, RecipientReport};
use crate::model::address::Address;
use crate::model::message::{Body, Message, Recipient};
use crate::model::outcome::{Bounce, Outcome};
use crate::notices::letter as told;
use crate::store::StoreError;
use crate::store::accept::Acceptance;
use crate::store::returns::{News, Recorded, Returned};
use crate::wire::token::Token;

/// What became of a message that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entered {
    /// It is on disk, or there was nothing to write: an automatic reply, a report of what is known already.
    Taken,
    /// Come back when the attempt it speaks of is settled, or the store is there.
    Later,
}

impl Inbound {
    /// Enters what `message` reports to these.
    pub(super) async fn enter(&self, addressees: &[Addressee], message: &[u8], peer: IpAddr) -> Entered {
        let Some(report) = Report::read(message) else {
            tracing::debug!(%peer, "what came back is no report; ignored");
            return Entered::Taken;
        };
        for token in self.concerned(addressees, &report) {
            match self.enter_one(token, &report).await {
                Ok(Recorded::Written(recipients)) => {
                    tracing::info!(%peer, message = %token.message, recipients, "a report was entered");
                }
                Ok(Recorded::TooEarly) => return Entered::Later,
                Err(failure) => {
                    tracing::warn!(%peer, message = %token.message, %failure, "a report can't be entered now");
                    return Entered::Later;
                }
            }
        }
        Entered::Taken
    }

    /// Which messages it is about: those that its addresses name. A complaint that comes to an abuse address has the address in what it
    /// tells of the message; where that is none of ours, anyone may have made it up, and it is about nothing.
    fn concerned(&self, addressees: &[Addressee], report: &Report) -> Vec<Token> {
        let told = match report {
            Report::Complaint(complaint) => complaint.reverse_paths.iter().find_map(|path| self.terms.addresses.token(path)),
            Report::Delivery(_) => None,
        };
        let token = |addressee: &Addressee| match addressee {
            Addressee::Return(token) => Some(*token),
            Addressee::Abuse => told,
        };
        addressees.iter().filter_map(token).collect()
    }

    async fn enter_one(&self, token: Token, report: &Report) -> Result<Recorded, StoreError> {
        // Mail that is no longer kept has no news.
        let Some(listed) = self.store.message(None, token.message).await? else { return Ok(Recorded::Written(0)) };
        let concerned = listed.recipients.iter().filter(|recipient| self.terms.addresses.covers(token, recipient));
        let recipients: Vec<&Recipient> = concerned.collect();
        let mut returned = match report {
            Report::Delivery(report) => self.deliveries(report, &recipients),
            Report::Complaint(complaint) => complaints(complaint, &recipients),
        };
        if returned.is_empty() {
            return Ok(Recorded::Written(0));
        }
        for news in &mut returned {
            news.notice = self.notice(&listed.message, &recipients, news).await?;
        }
        self.store.record_returns(token.message, &returned).await
    }

    /// What the sender is told by mail of a bounce or of a success, where the sender asked.
    async fn notice(
        &self,
        message: &Message,
        recipients: &[&Recipient],
        returned: &Returned,
    ) -> Result<Option<Acceptance>, StoreError> {
        let outcome = match &returned.news {
            News::Bounced(bounce) => Outcome::Bounced(bounce.clone()),
            News::Delivered(reply) => Outcome::Delivered(reply.clone()),
            News::Complained(_) => return Ok(None),
        };
        let recipient = recipients.iter().find(|recipient| recipient.index == returned.index);
        let (Some(postmaster), Some(recipient)) = (&self.postmaster, recipient) else { return Ok(None) };
        let news = told::News { message, recipient, outcome: &outcome, passed_on: false, now: postmaster.now() };
        if !postmaster.is_due(&news) {
            return Ok(None);
        }
        // Content that is no longer kept is not returned.
        let body = self.store.body(None, message.id).await?.unwrap_or_default();
        postmaster.letter(&news, &Body::free(body)).await
    }

    /// What is final; a delay, or that mail was passed on, is no news.
    fn deliveries(&self, report: &DeliveryReport, recipients: &[&Recipient]) -> Vec<Returned> {
        let news = |told: &RecipientReport| {
            let recipient = meant(told, recipients)?;
            let news = match told.action {
                Action::Failed => News::Bounced(self.bounce(told, recipient)),
                Action::Delivered => News::Delivered(told.reply.clone()),
                Action::Delayed | Action::Relayed | Action::Expanded => return None,
            };
            Some(Returned { index: recipient.index, news, by: report.reporting_mta.clone(), notice: None })
        };
        report.recipients.iter().filter_map(news).collect()
    }

    fn bounce(&self, told: &RecipientReport, recipient: &Recipient) -> Bounce {
        let class = (self.classify)(&told.reply);
        let bad_address = class.suppresses().then(|| recipient.path.address.key());
        Bounce { reply: told.reply.clone(), class, bad_address }
    }
}

/// The recipient of ours that is meant: by the address in the end, or, when it was forwarded, by the one it had at first.
fn meant<'a>(told: &RecipientReport, recipients: &[&'a Recipient]) -> Option<&'a Recipient> {
    let addresses = [Some(&told.final_recipient), told.original_recipient.as_ref()];
    addresses.into_iter().flatten().find_map(|address| by_address(address, recipients))
}

fn by_address<'a>(address: &str, recipients: &[&'a Recipient]) -> Option<&'a Recipient> {
    let key = Address::parse(address).ok()?.key();
    recipients.iter().find(|recipient| recipient.path.address.key() == key).copied()
}

/// Readers' names are often taken out of complaints: a token that leaves one recipient needs no address.
fn complaints(complaint: &Complaint, recipients: &[&Recipient]) -> Vec<Returned> {
    let meant: Vec<&Recipient> = match recipients {
        [only] => vec![only],
        several => complaint.recipients.iter().filter_map(|address| by_address(address, several)).collect(),
    };
    let news = |recipient: &Recipient| Returned {
        index: recipient.index,
        news: News::Complained(complaint.kind.clone()),
        by: complaint.user_agent.clone(),
        notice: None,
    };
    meant.into_iter().map(news).collect()
}
