//! Who a letter is from and for.

use std::collections::HashSet;

use crate::door::rest::checks::{self, BLANK};
use crate::door::rest::krafter::new_email::{NewEmail, RECIPIENTS_MAX, Recipients};
use crate::door::rest::problem::Details;
use crate::mime::compose::Mailbox;
use crate::model::envelope::{BodyType, Envelope, ForwardPath};
use crate::model::refusal::{Code, Refusal};

/// The mailboxes that a new email names.
#[derive(Clone, Debug, PartialEq)]
pub struct People {
    pub from: Mailbox,
    pub to: Vec<Mailbox>,
    pub cc: Vec<Mailbox>,
    bcc: Vec<Mailbox>,
    /// Recipients there were, those beyond the bound included.
    count: usize,
}

/// Reads them all; none when there is no From.
pub fn read(faults: &mut Details, email: &NewEmail) -> Option<People> {
    let from = checks::required(faults, "from", email.from.clone()).and_then(|text| checks::mailbox(faults, "from", &text));
    if email.to.as_ref().is_none_or(|to| to.list.is_empty()) {
        faults.add("to", BLANK);
    }
    let fields = [("to", &email.to), ("cc", &email.cc), ("bcc", &email.bcc)];
    let [to, cc, bcc] = fields.map(|(path, recipients)| mailboxes(faults, path, recipients.as_ref()));
    let count = fields.iter().filter_map(|(_, recipients)| recipients.as_ref()).map(|recipients| recipients.count).sum();
    Some(People { from: from?, to, cc, bcc, count })
}

fn mailboxes(faults: &mut Details, path: &str, recipients: Option<&Recipients>) -> Vec<Mailbox> {
    let Some(recipients) = recipients else { return Vec::new() };
    let place = |place: usize| if recipients.single { path.to_owned() } else { format!("{path}[{place}]") };
    let read = |(number, text): (usize, &String)| checks::mailbox(faults, &place(number), text);
    recipients.list.iter().enumerate().filter_map(read).collect()
}

impl People {
    /// The reverse-path is From's address; whoever is named twice is written to once.
    pub fn envelope(&self) -> Result<Envelope, Refusal> {
        if self.count > RECIPIENTS_MAX {
            let text = format!("{} recipients; at most {RECIPIENTS_MAX} a message, send the rest in another", self.count);
            return Err(Refusal::new(Code::TooManyRecipients, text));
        }
        let mut seen = HashSet::new();
        let all = self.to.iter().chain(&self.cc).chain(&self.bcc).map(|mailbox| &mailbox.address);
        let recipients: Vec<ForwardPath> = all.filter(|address| seen.insert(address.key())).cloned().map(Into::into).collect();
        let smtputf8 = self.from.address.needs_smtputf8() || recipients.iter().any(|path| path.address.needs_smtputf8());
        Ok(Envelope {
            reverse_path: Some(self.from.address.clone()),
            recipients,
            body: BodyType::EightBitMime,
            smtputf8,
            ..Envelope::default()
        })
    }
}
