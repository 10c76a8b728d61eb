//! MAIL and RCPT: the envelope.

use std::sync::Arc;

use super::auth::Login;
use super::stage::{Stage, Waiting};
use super::transaction::{Addressed, Transaction};
use super::{Action, NotBegun, Session, Tls};
use crate::door::keyring::Denied;
use crate::door::smtp::replies;
use crate::model::envelope::DsnNotify;
use crate::model::key::ApiKey;
use crate::model::refusal::{Code, Refusal};
use crate::wire::command::{MailFrom, RcptTo};
use crate::wire::reply::Reply;

impl Session {
    pub(super) fn mail(&mut self, mail: MailFrom) -> Option<Action> {
        if let Err(complaint) = self.check_mail(&mail) {
            return self.fail(&complaint);
        }
        let Some(key) = self.key().cloned() else { return self.fail(&self.auth_missing()) };
        let begin = Action::Begin { key, declared_size: mail.parameters.size, null_sender: mail.reverse_path.is_none() };
        self.waiting = Waiting::Begin(Box::new(mail));
        Some(begin)
    }

    /// What the session alone can say against it.
    fn check_mail(&self, mail: &MailFrom) -> Result<(), Reply> {
        if self.hello.is_none() {
            return Err(replies::out_of_order("say EHLO first"));
        }
        if !matches!(self.stage, Stage::Idle) {
            return Err(replies::out_of_order("a transaction is open; RSET ends it"));
        }
        if matches!(self.peer.tls, Tls::Offered { required: true }) {
            return Err(replies::tls_first());
        }
        if self.key().is_none() {
            return Err(self.auth_missing());
        }
        // RFC 6531 section 3.4.
        if mail.reverse_path.as_ref().is_some_and(|path| !path.is_ascii()) && !mail.parameters.smtputf8 {
            return Err(replies::needs_smtputf8());
        }
        // RFC 1870 section 6.1.
        if mail.parameters.size.is_some_and(|size| size > self.settings.max_message_size) {
            return Err(replies::refused(&replies::too_large(self.settings.max_message_size)));
        }
        Ok(())
    }

    /// A 530 that says what helps.
    fn auth_missing(&self) -> Reply {
        match (&self.login, &self.peer.tls) {
            (Login::Failed(reason), _) => replies::auth_required_after(reason),
            _ if self.peer.may_authenticate() => replies::auth_required(),
            (_, Tls::Offered { .. } | Tls::Broken) => replies::tls_first(),
            _ => replies::no_way_in(),
        }
    }

    pub(super) fn begin_result(&mut self, result: Result<Arc<ApiKey>, NotBegun>) {
        let Waiting::Begin(mail) = std::mem::take(&mut self.waiting) else { return };
        match result {
            Ok(key) => {
                self.login = self.login.renewed(key.clone());
                let login_stream = self.login.stream();
                self.sends_null |= mail.reverse_path.is_none();
                self.stage = Stage::Mail(Box::new(Transaction { key, login_stream, mail: *mail }));
                self.say(&replies::sender_ok());
            }
            Err(NotBegun::Refused(refusal)) => {
                self.idle_about(&replies::refused(&refusal));
            }
            Err(NotBegun::Denied(Denied::Unavailable)) => {
                let text = "the key can't be looked up now; try again";
                self.idle_about(&replies::refused(&Refusal::new(Code::StoreUnavailable, text)));
            }
            // Revoked, expired or moved while the session stood open.
            Err(NotBegun::Denied(denied)) => {
                self.login = Login::Failed(replies::denied_because(&denied));
                self.fail(&self.auth_missing());
            }
        }
    }

    pub(super) fn rcpt(&mut self, rcpt: RcptTo) -> Option<Action> {
        let complaint = match &self.stage {
            Stage::Idle => Some(replies::out_of_order("say MAIL first")),
            Stage::Chunks(_) => Some(replies::out_of_order("the message has begun")),
            Stage::Mail(transaction) => self.check_rcpt(transaction, &rcpt),
            Stage::Rcpt(addressed) => {
                if let Some(full) = self.no_place_for(addressed, &rcpt) {
                    // Those taken stand (RFC 5321 section 4.5.3.1.10), and a flood costs the client more than us.
                    self.say(&full);
                    return None;
                }
                self.check_rcpt(&addressed.transaction, &rcpt)
            }
        };
        if let Some(complaint) = complaint {
            return self.fail(&complaint);
        }
        match std::mem::take(&mut self.stage) {
            Stage::Mail(transaction) if transaction.key.rights.strict => {
                let key = transaction.key.clone();
                Some(self.ask_about(key, Stage::Mail(transaction), rcpt))
            }
            Stage::Rcpt(addressed) if addressed.transaction.key.rights.strict => {
                let key = addressed.transaction.key.clone();
                Some(self.ask_about(key, Stage::Rcpt(addressed), rcpt))
            }
            stage => self.address(stage, rcpt),
        }
    }

    /// What is said to one recipient more, when there is no place for it.
    fn no_place_for(&self, addressed: &Addressed, rcpt: &RcptTo) -> Option<Reply> {
        let limit = self.settings.recipients;
        if addressed.has(rcpt) {
            None
        } else if addressed.count() >= limit {
            Some(replies::too_many_recipients(limit))
        } else {
            addressed.is_closed().then(replies::no_room)
        }
    }

    /// An envelope is counted in the same budget as messages are; one recipient may run ahead of what is reserved.
    pub(super) fn ask_for_envelope_room(&mut self) -> Option<Action> {
        let Stage::Rcpt(addressed) = &self.stage else { return None };
        let octets = addressed.shortage()?;
        self.waiting = Waiting::EnvelopeRoom;
        Some(Action::Reserve { octets, may_wait: false })
    }

    fn check_rcpt(&self, transaction: &Transaction, rcpt: &RcptTo) -> Option<Reply> {
        let is_carried = rcpt.forward_path.is_ascii() || transaction.mail.parameters.smtputf8;
        (!is_carried).then(replies::needs_smtputf8)
    }

    fn ask_about(&mut self, key: Arc<ApiKey>, stage: Stage, rcpt: RcptTo) -> Action {
        let address = rcpt.forward_path.clone();
        self.waiting = Waiting::Address(stage, Box::new(rcpt));
        Action::Address { key, address }
    }

    pub(super) fn address_result(&mut self, result: Result<(), Refusal>) {
        let Waiting::Address(stage, rcpt) = std::mem::take(&mut self.waiting) else { return };
        match result {
            Ok(()) => {
                self.address(stage, *rcpt);
            }
            Err(refusal) => {
                self.stage = stage;
                self.say(&replies::refused(&refusal));
            }
        }
    }

    fn address(&mut self, stage: Stage, mut rcpt: RcptTo) -> Option<Action> {
        // RFC 3461 section 4.1: what says nothing means failures. A mail system relies on it; other clients learn of them by event.
        if self.sends_null {
            rcpt.parameters.notify.get_or_insert(DsnNotify { failure: true, ..DsnNotify::default() });
        }
        self.stage = match stage {
            Stage::Mail(transaction) => Stage::Rcpt(Box::new(Addressed::new(*transaction, rcpt))),
            Stage::Rcpt(mut addressed) => {
                addressed.add(rcpt);
                Stage::Rcpt(addressed)
            }
            other => other,
        };
        self.say(&replies::recipient_ok());
        None
    }
}
