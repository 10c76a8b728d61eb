//! Fields that are ours, fields that may stand once, and the trace of a loop.

use std::borrow::Cow;

use crate::mime::fields::{Field, Fields};
use crate::model::refusal::{Code, Refusal};
use crate::policy::controls;
use crate::policy::{Draft, Facts, Verdict, invalid_header, quoted};

/// More Received fields than this are a loop (RFC 5321 section 6.3 asks for at least 100 where a mail server counts hops of
/// transit; a submission has come a shorter way).
const RECEIVED_MAX: usize = 50;

/// Fields that may stand once (RFC 5322 section 3.6, RFC 2045 section 3).
const SINGLE: [&str; 13] = [
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
];

/// Fields that are taken out of every message.
const REMOVED: [&str; 3] = ["Bcc", "Resent-Bcc", "Return-Path"];

/// Refuses fields that only we may write.
pub fn judge(draft: &Draft<'_>, _facts: &Facts<'_>) -> Verdict {
    // Controls that were given apart are no fields: then the whole namespace is ours.
    let by_fields = matches!(draft.controls, Cow::Owned(_));
    match draft.fields.list.iter().find(|field| is_forbidden(field, by_fields)) {
        Some(field) => {
            let text = format!("{} is reserved; remove it", quoted(field.name));
            Refusal::new(Code::ForbiddenHeader, text).into()
        }
        None => Verdict::Pass,
    }
}

fn is_forbidden(field: &Field<'_>, controls_by_fields: bool) -> bool {
    let is_control = controls_by_fields && controls::is_known(field);
    field.is("DKIM-Signature") || field.is("Authorization") || (controls::is_reserved(field) && !is_control)
}

/// Refuses what has gone in circles.
pub fn loops(fields: &Fields<'_>) -> Result<(), Refusal> {
    let hops = fields.all("Received").count();
    if hops > RECEIVED_MAX {
        let text = format!("more than {RECEIVED_MAX} Received fields: this message goes in circles; mend the forwarding");
        return Err(Refusal::new(Code::MailLoop, text));
    }
    Ok(())
}

/// Refuses a single-instance field that stands twice with different values.
pub fn single(fields: &Fields<'_>) -> Result<(), Refusal> {
    for (place, field) in fields.list.iter().enumerate() {
        if is_single(field) && earlier(fields, place).is_some_and(|first| first.trimmed() != field.trimmed()) {
            return Err(invalid_header(field.name, "stands twice with different values; send it once"));
        }
    }
    Ok(())
}

/// The places of fields that go: ours, those that name hidden recipients, and repetitions of what may stand once.
pub fn removed(fields: &Fields<'_>) -> Vec<usize> {
    let goes = |place: usize, field: &Field<'_>| {
        controls::is_reserved(field)
            || REMOVED.iter().any(|name| field.is(name))
            || (is_single(field) && earlier(fields, place).is_some())
    };
    fields.list.iter().enumerate().filter(|(place, field)| goes(*place, field)).map(|(place, _)| place).collect()
}

/// The places of fields by which a reader unsubscribes (RFC 2369 section 3.2, RFC 8058 section 3.1).
pub fn ways_out<'f>(fields: &'f Fields<'_>) -> impl Iterator<Item = usize> + 'f {
    let leads_out = |field: &Field<'_>| field.is("List-Unsubscribe") || field.is("List-Unsubscribe-Post");
    fields.list.iter().enumerate().filter(move |(_, field)| leads_out(field)).map(|(place, _)| place)
}

fn is_single(field: &Field<'_>) -> bool {
    SINGLE.iter().any(|name| field.is(name))
}

/// The first field of the same name above this place.
fn earlier<'f, 'a>(fields: &'f Fields<'a>, place: usize) -> Option<&'f Field<'a>> {
    let name = fields.list[place].name;
    fields.list[..place].iter().find(|field| field.is(name))
}
