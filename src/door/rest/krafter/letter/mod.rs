//! A new email, checked and taken apart: the message to be composed, its envelope, and what is asked for besides. Every field that can't
//! be sent as it is, is told by its path.

mod controls;
mod headers;
mod parts;
mod people;

use super::new_email::NewEmail;
use crate::door::rest::checks;
use crate::door::rest::problem::{Details, Problem};
use crate::mime::compose::{Draft, Flaw};
use crate::model::controls::Controls;
use crate::model::envelope::Envelope;
use crate::model::key::ApiKey;

/// Characters of a subject.
const SUBJECT_MAX: usize = 998;

/// What is to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Letter {
    draft: Draft,
    pub envelope: Envelope,
    pub controls: Controls,
}

impl Letter {
    /// Checks every field. Faults of fields go before what a policy says.
    pub fn read(email: NewEmail, key: &ApiKey) -> Result<Self, Problem> {
        let mut faults = Details::default();
        parts::require(&mut faults, &email);
        let controls = controls::read(&mut faults, &email, key);
        let people = people::read(&mut faults, &email);
        let reply_to = email.reply_to.and_then(|text| checks::mailbox(&mut faults, "reply_to", &text));
        let subject = subject(&mut faults, email.subject);
        let attachments = parts::attachments(&mut faults, email.attachments);
        let headers = headers::read(&mut faults, email.headers);
        let Some(people) = people.filter(|_| faults.is_empty()) else { return Err(faults.into()) };
        headers::reserved(&headers)?;
        let envelope = people.envelope()?;
        let draft = Draft {
            from: people.from,
            to: people.to,
            cc: people.cc,
            reply_to: reply_to.into_iter().collect(),
            subject,
            text: email.text,
            html: email.html,
            attachments,
            headers,
        };
        Ok(Self { draft, envelope, controls })
    }

    /// Octets that the composed message has at least: its texts and what is attached.
    pub fn octets(&self) -> u64 {
        let texts = [&self.draft.text, &self.draft.html].into_iter().flatten().map(String::len);
        let attached = self.draft.attachments.iter().map(|attachment| attachment.content.len());
        texts.chain(attached).map(|octets| octets as u64).sum()
    }

    /// The message's bytes.
    pub fn compose(&self) -> Result<Vec<u8>, Problem> {
        self.draft.compose().map_err(|flaw| {
            let path = match &flaw {
                Flaw::HeaderName(name) | Flaw::HeaderAscii(name) | Flaw::HeaderLine(name) => format!("headers.{name}"),
                Flaw::ContentType(place) => format!("attachments[{place}].content_type"),
                Flaw::ContentId(place) => format!("attachments[{place}].content_id"),
                Flaw::Filename(place) => format!("attachments[{place}].filename"),
            };
            Details::one(path, flaw.to_string()).into()
        })
    }
}

fn subject(faults: &mut Details, subject: Option<String>) -> String {
    let subject = checks::required(faults, "subject", subject).unwrap_or_default();
    checks::is_line(faults, "subject", &subject);
    checks::is_within(faults, "subject", &subject, SUBJECT_MAX);
    subject
}

#[cfg(test)]
mod tests;
