//! A submission, read once into the values that rules judge.

use std::borrow::Cow;

use crate::mime::fields::{Excess, Fields};
use crate::model::controls::Controls;
use crate::model::envelope::Envelope;
use crate::model::key::ApiKey;
use crate::model::message::Source;
use crate::model::refusal::{Code, Refusal};
use crate::model::stream::Stream;
use crate::model::submission::Submission;
use crate::policy::facts::Limits;
use crate::policy::sender::Sender;
use crate::policy::{controls, reserved, sender};

/// What is offered, in typed form. Borrowed from its submission.
#[derive(Clone, Debug)]
pub struct Draft<'a> {
    pub key: &'a ApiKey,
    pub source: Source,
    pub envelope: &'a Envelope,
    pub login_stream: Option<Stream>,
    /// Octets of the message.
    pub octets: u64,
    pub fields: Fields<'a>,
    pub controls: Cow<'a, Controls>,
    pub sender: Sender,
}

impl<'a> Draft<'a> {
    /// Reads the header section, the control fields and the one mailbox of From. Refuses what has no single reading.
    pub fn read(submission: &'a Submission, limits: &Limits) -> Result<Self, Refusal> {
        let fields = Fields::split(&submission.mime, limits.header);
        // A loop shows as a flood of Received: that is the thing to say of it, before its size.
        reserved::loops(&fields)?;
        within(&fields, limits)?;
        reserved::single(&fields)?;
        Ok(Self {
            key: &submission.key,
            source: submission.source,
            envelope: &submission.envelope,
            login_stream: submission.login_stream,
            octets: submission.mime.len() as u64,
            controls: match &submission.controls {
                Some(apart) => Cow::Borrowed(apart),
                None => Cow::Owned(controls::read(&fields)?),
            },
            sender: sender::read(&fields, &submission.key)?,
            fields,
        })
    }
}

fn within(fields: &Fields<'_>, limits: &Limits) -> Result<(), Refusal> {
    let text = match fields.excess {
        None => return Ok(()),
        Some(Excess::Bytes) => format!("the header section is over {} octets; shorten it", limits.header.bytes),
        Some(Excess::Fields) => format!("the header section has over {} fields; send fewer", limits.header.fields),
    };
    Err(Refusal::new(Code::MessageTooLarge, text))
}
