//! The mail transaction: made at MAIL, consumed at the end of the message; RSET drops it (RFC 5321 section 3.3).

use std::collections::HashSet;
use std::sync::Arc;

use crate::model::address::Address;
use crate::model::envelope::{Envelope, ForwardPath};
use crate::model::key::ApiKey;
use crate::model::stream::Stream;
use crate::wire::command::{MailFrom, RcptTo};

/// MAIL was taken; there is no recipient yet.
#[derive(Debug)]
pub struct Transaction {
    pub key: Arc<ApiKey>,
    pub login_stream: Option<Stream>,
    pub mail: MailFrom,
}

/// A transaction with at least one recipient: only this can become a message.
#[derive(Debug)]
pub struct Addressed {
    pub transaction: Transaction,
    recipients: Vec<ForwardPath>,
    /// What two spellings of one mailbox have in common.
    seen: HashSet<String>,
}

impl Addressed {
    /// A transaction with its first recipient.
    pub fn new(transaction: Transaction, first: RcptTo) -> Self {
        let mut addressed = Self { transaction, recipients: Vec::new(), seen: HashSet::new() };
        addressed.add(first);
        addressed
    }

    /// Adds a recipient; one that is there already is taken and not added again.
    pub fn add(&mut self, rcpt: RcptTo) {
        let RcptTo { forward_path, parameters } = rcpt;
        if self.seen.insert(mailbox(&forward_path)) {
            self.recipients.push(ForwardPath { address: forward_path, notify: parameters.notify, orcpt: parameters.orcpt });
        }
    }

    /// Whether `rcpt` would be one too many.
    pub fn is_full_for(&self, rcpt: &RcptTo, limit: usize) -> bool {
        self.recipients.len() >= limit && !self.seen.contains(&mailbox(&rcpt.forward_path))
    }

    /// The parts a submission is made of.
    pub fn into_parts(self) -> (Arc<ApiKey>, Option<Stream>, Envelope) {
        let Transaction { key, login_stream, mail } = self.transaction;
        let parameters = mail.parameters;
        let envelope = Envelope {
            reverse_path: mail.reverse_path,
            recipients: self.recipients,
            body: parameters.body.unwrap_or_default(),
            smtputf8: parameters.smtputf8,
            ret: parameters.ret,
            envid: parameters.envid,
        };
        (key, login_stream, envelope)
    }
}

/// Only the domain is folded: local parts may differ by case (RFC 5321 section 2.4).
fn mailbox(address: &Address) -> String {
    format!("{}@{}", address.local_part(), address.ascii_domain())
}
