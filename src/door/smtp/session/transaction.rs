//! The mail transaction: made at MAIL, consumed at the end of the message; RSET drops it (RFC 5321 section 3.3).

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use crate::model::address::Address;
use crate::model::envelope::{Envelope, ForwardPath};
use crate::model::key::ApiKey;
use crate::model::stream::Stream;
use crate::wire::command::{MailFrom, RcptTo};

/// Octets of recipients that come with the connection: enough for the mail that most send.
const FREE: usize = 2048;
/// Octets that are reserved at a time for what goes beyond.
const STEP: u32 = 16 * 1024;

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
    /// Octets that the recipients take up.
    octets: usize,
    /// The room they have in the budget of message bytes.
    permit: Option<OwnedSemaphorePermit>,
    /// The budget had no room for more.
    closed: bool,
}

impl Addressed {
    /// A transaction with its first recipient.
    pub fn new(transaction: Transaction, first: RcptTo) -> Self {
        let mut addressed =
            Self { transaction, recipients: Vec::new(), seen: HashSet::new(), octets: 0, permit: None, closed: false };
        addressed.add(first);
        addressed
    }

    /// Adds a recipient; one that is there already is taken and not added again.
    pub fn add(&mut self, rcpt: RcptTo) {
        let RcptTo { forward_path, parameters } = rcpt;
        let mailbox = mailbox(&forward_path);
        if !self.seen.contains(&mailbox) {
            let path = ForwardPath { address: forward_path, notify: parameters.notify, orcpt: parameters.orcpt };
            self.octets += octets(&path, &mailbox);
            self.seen.insert(mailbox);
            self.recipients.push(path);
        }
    }

    /// Whether it is there already.
    pub fn has(&self, rcpt: &RcptTo) -> bool {
        self.seen.contains(&mailbox(&rcpt.forward_path))
    }

    /// How many recipients there are.
    pub fn count(&self) -> usize {
        self.recipients.len()
    }

    /// How much must be reserved before another is added, if anything.
    pub fn shortage(&self) -> Option<u32> {
        let held = FREE + self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        (self.octets > held && !self.closed).then_some(STEP)
    }

    /// Takes what was reserved.
    pub fn grow(&mut self, permit: OwnedSemaphorePermit) {
        match &mut self.permit {
            Some(held) => held.merge(permit),
            none => *none = Some(permit),
        }
    }

    /// Nothing could be reserved: no other recipient is added.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Whether no other recipient is added.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// The parts a submission is made of, and the room that its recipients have.
    pub fn into_parts(self) -> (Arc<ApiKey>, Option<Stream>, Envelope, Option<OwnedSemaphorePermit>) {
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
        (key, login_stream, envelope, self.permit)
    }
}

/// Octets that a recipient takes up in memory.
fn octets(path: &ForwardPath, mailbox: &str) -> usize {
    let texts = path.address.as_str().len() + path.orcpt.as_ref().map_or(0, String::len) + mailbox.len();
    size_of::<ForwardPath>() + size_of::<String>() + texts
}

/// Only the domain is folded: local parts may differ by case (RFC 5321 section 2.4).
fn mailbox(address: &Address) -> String {
    format!("{}@{}", address.local_part(), address.ascii_domain())
}
